"""The checker: every acknowledged operation against database, simulator's book and webhooks.

Law: `faults` is pure: it takes what the merchants were told and what the three witnesses hold, and
says in sentences what does not agree. Nothing that was acknowledged may be missing or different
anywhere, and no money may be in the book that the database does not know.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from loadtests.account import CHANNEL, ask
from loadtests.record import Operation, Webhook, promised, read

BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
FAULTS_MAX = 20

PAYMENTS = """
select p.payment_id, p.merchant_order_no as number, p.amount, p.status, p.amount_captured,
    p.amount_refunded, p.channel_order_no
from payments p where p.merchant_order_no like 'load-%'
"""
REFUNDS = """
select r.refund_id, r.payment_id, r.merchant_refund_no as number, r.amount, r.status
from refunds r join payments p using (merchant_id, payment_id)
where p.merchant_order_no like 'load-%'
"""


class Payment(NamedTuple):
    """A payment as the database holds it."""

    number: str
    amount: int
    status: str
    captured: int
    refunded: int
    channel_order_no: str | None


class Refund(NamedTuple):
    """A refund as the database holds it."""

    payment_id: str
    number: str
    amount: int
    status: str


class Paid(NamedTuple):
    """A paid order in the simulator's book."""

    amount: int
    refunded: int


class Witnesses(NamedTuple):
    """What is to agree: rows by id, paid orders by the channel's number, webhooks as they came."""

    payments: Mapping[str, Payment]
    refunds: Mapping[str, Refund]
    book: Mapping[str, Paid]
    webhooks: Sequence[Webhook]


def type_id(prefix: str, number: int) -> str:
    """The text of an id (TypeID 0.3): prefix and 128 bits in 26 characters of base32."""
    digits = []
    for _ in range(26):
        digits.append(BASE32[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(digits))}"


def faults(operations: Sequence[Operation], seen: Witnesses) -> list[str]:
    """What does not agree, in sentences; none if all is right."""
    found = [
        fault for each in operations for fault in _of_operation(each, seen) if fault is not None
    ]
    return [*found, *_of_book(seen), *_of_webhooks(operations, seen.webhooks)]


def _of_operation(operation: Operation, seen: Witnesses) -> Iterable[str]:
    kind, object_id, number, amount, payment_id = operation
    payment = seen.payments.get(payment_id)
    if payment is None:
        yield f"{kind}: the database does not know {payment_id}"
        return
    if kind == "refunded":
        expected = Refund(payment_id, number, amount, "succeeded")
        if seen.refunds.get(object_id) != expected:
            yield f"refund {object_id}: {seen.refunds.get(object_id)}, not {expected}"
        return
    if (payment.number, payment.amount) != (number, amount):
        yield f"{kind}: {payment_id} is {payment}, not {number} over {amount}"
    if kind == "canceled" and payment.status != "canceled":
        yield f"{payment_id} was canceled and is {payment.status}"
    if kind in ("paid", "succeeded"):
        if (payment.status, payment.captured) != ("succeeded", amount):
            yield f"{payment_id} was {kind} and is {payment}"
        order = seen.book.get(payment.channel_order_no or "")
        if order is None or order != Paid(payment.amount, payment.refunded):
            yield f"{payment_id} was {kind}: {payment}, but the simulator's book says {order}"


def _of_book(seen: Witnesses) -> Iterable[str]:
    """Money that the channel has taken or given, against what the database knows of it."""
    known = {each.channel_order_no: each for each in seen.payments.values()}
    given: dict[str, int] = defaultdict(int)
    for refund in seen.refunds.values():
        if refund.status == "succeeded":
            given[refund.payment_id] += refund.amount
    for number, order in seen.book.items():
        payment = known.get(number)
        if payment is None:
            yield f"the book holds {order} under {number}, which the database does not know"
        elif (payment.status, payment.captured, payment.refunded) != (
            "succeeded",
            order.amount,
            order.refunded,
        ):
            yield f"the book holds {order} under {number}, the database {payment}"
    for payment_id, payment in seen.payments.items():
        if payment.refunded != given[payment_id]:
            yield f"{payment_id}: refunds sum to {given[payment_id]}, the payment says {payment}"


def _of_webhooks(operations: Sequence[Operation], came: Sequence[Webhook]) -> Iterable[str]:
    amounts = {each.object_id: each.amount for each in operations}
    digests: dict[str, str] = {}
    heard = set()
    for webhook in came:
        if not webhook.is_genuine:
            yield f"a webhook with a false signature came: {webhook}"
        if digests.setdefault(webhook.event_id, webhook.body_digest) != webhook.body_digest:
            yield f"{webhook.event_id} came with two different bodies"
        if webhook.amount != amounts.get(webhook.object_id, webhook.amount):
            yield f"{webhook}: the amount is not {amounts[webhook.object_id]}"
        heard.add((webhook.type, webhook.object_id))
    for type, object_id in sorted(promised(operations) - heard):
        yield f"no webhook told {type} of {object_id}"


async def _rows(ready: dict[str, Any]) -> tuple[dict[str, Payment], dict[str, Refund]]:
    payments, refunds = {}, {}
    for url in ready["database_urls"]:
        connection = await asyncpg.connect(url)
        try:
            for row in await connection.fetch(PAYMENTS):
                id_, *fields = row
                payments[type_id("pay", id_.int)] = Payment(*fields)
            for row in await connection.fetch(REFUNDS):
                id_, of, *fields = row
                refunds[type_id("rfd", id_.int)] = Refund(type_id("pay", of.int), *fields)
        finally:
            await connection.close()
    return payments, refunds


def witnesses(ready: dict[str, Any], webhooks: Sequence[Webhook]) -> Witnesses:
    """Ask the database and the simulator of a running sandbox."""
    payments, refunds = asyncio.run(_rows(ready))
    orders = ask("GET", f"{ready['sandbox_url']}/book/{CHANNEL}", b"")["orders"]
    book = {
        order["channel_order_no"]: Paid(order["amount"], order["refunded"])
        for order in orders
        if order["status"] == "paid"
    }
    return Witnesses(payments, refunds, book, webhooks)


def check(ready: dict[str, Any], folder: Path) -> tuple[list[str], str]:
    """The faults of a run whose record lies in a folder, and what was compared."""
    operations, webhooks = read(folder)
    seen = witnesses(ready, webhooks)
    found = faults(operations, seen)
    counts: dict[str, int] = defaultdict(int)
    for each in operations:
        counts[each.kind] += 1
    compared = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    if not operations:
        found.append("nothing was acknowledged at all")
    more = [f"and {len(found) - FAULTS_MAX} more"] if len(found) > FAULTS_MAX else []
    return (
        [*found[:FAULTS_MAX], *more],
        f"{compared}; {len(webhooks):,} webhooks; {len(seen.book):,} paid orders in the book",
    )
