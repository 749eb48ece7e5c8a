"""Query: what a merchant may read of its payments, and the story of one.

Law: reads by id go to the primary and are never older than an answer given before. The timeline is
put together from the journal, the attempts, the callbacks, the entries and the deliveries; nothing
is stored twice for it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from gateway.center.chase import Chase
from gateway.center.once import WAIT_S, Ongoing
from gateway.center.ports import Persons, Reader
from gateway.domain import chart, ids
from gateway.domain.attempt import LIVING, Attempt
from gateway.domain.errors import not_found
from gateway.domain.events import Event, rfc3339
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund

SUMMARIES = {
    "payment.created": "The payment was created.",
    "payment.requires_action": "The payer has something to do.",
    "payment.processing": "An attempt was sent to the channel.",
    "payment.attempt_failed": "The attempt ended without money.",
    "payment.closing": "The channel is asked to close the order.",
    "payment.authorized": "The payer authorised the amount.",
    "payment.succeeded": "The payment succeeded.",
    "payment.failed": "The payment failed.",
    "payment.canceled": "The payment was canceled.",
    "payment.expired": "The payment expired.",
    "payment.partially_received": "A part of the amount came.",
    "payment.unexpected_funds": "Unexpected money came and lies in suspense.",
    "refund.created": "A refund was accepted and reserved.",
    "refund.succeeded": "The refund succeeded.",
    "refund.failed": "The refund failed and was released.",
}
_RANK = {"request": 0, "attempt": 1, "channel_call": 2, "callback": 3, "status": 4, "entry": 5}


class Step(Struct, frozen=True):
    """One line of a timeline."""

    at: str
    kind: str
    actor: str | None
    summary: str
    event_id: str | None = None
    data: dict[str, Any] | None = None


class Query:
    """Reads of payments and refunds."""

    def __init__(
        self,
        *,
        reader: Reader,
        chase: Chase,
        ongoing: Ongoing,
        persons: Persons,
        channels: Sequence[str],
    ) -> None:
        self._reader = reader
        self._chase = chase
        self._ongoing = ongoing
        self._persons = persons
        self._channels = tuple(channels)

    async def payment(self, merchant_id: str, payment_id: str) -> Payment:
        """A payment by its id. Raises `not_found`."""
        found = await self._reader.payment(merchant_id, payment_id)
        if found is None:
            raise not_found()
        return found

    async def payment_by_number(self, merchant_id: str, number: str) -> Payment:
        """The payment of a merchant_order_no. Raises `not_found`."""
        found = await self._reader.payment_by_number(merchant_id, number)
        if found is None:
            raise not_found()
        return found

    async def payment_by_channel_order_no(self, merchant_id: str, number: str) -> Payment:
        """The payment that a channel knows by `number`. Raises `not_found`."""
        found = await self._reader.payment_by_channel_order_no(merchant_id, number, self._channels)
        if found is None:
            raise not_found()
        return found

    async def payments(self, merchant_id: str, **filters: Any) -> list[Payment]:
        """A page of payments, newest first; the filters are those of `Reader.payments`."""
        return await self._reader.payments(merchant_id, **filters)

    async def refreshed(
        self, merchant_id: str, payment_id: str, *, actor: str, request_id: str
    ) -> Payment:
        """A payment after asking its channel, within five seconds."""
        payment = await self.payment(merchant_id, payment_id)
        if payment.attempt_id is None or payment.status not in _ASKABLE:
            return payment
        if not self._ongoing.has(payment.id):
            work = self._chase.attempt(
                merchant_id, payment.attempt_id, actor=actor, request_id=request_id
            )
            self._ongoing.start(payment.id, work)
        await self._ongoing.wait(payment.id, WAIT_S)
        return await self.payment(merchant_id, payment_id)

    async def customers(
        self, merchant_id: str, payments: Sequence[Payment]
    ) -> dict[bytes, dict[str, str] | None]:
        """What is known of the payers of some payments, by their sealed value."""
        sealed = [each.customer for each in payments if each.customer is not None]
        return await self._persons.open(merchant_id, sealed) if sealed else {}

    async def timeline(self, merchant_id: str, payment_id: str) -> list[Step]:
        """Everything that happened to a payment, oldest first."""
        payment = await self.payment(merchant_id, payment_id)
        events, attempts, refunds = await asyncio.gather(
            self._reader.events_of_payment(payment),
            self._reader.attempts_of(merchant_id, payment_id),
            self._reader.refunds_of(merchant_id, payment_id),
        )
        about = [each.id for each in attempts] + [each.id for each in refunds]
        callbacks, entries, deliveries = await asyncio.gather(
            self._reader.callbacks_of(merchant_id, [each.id for each in attempts]),
            self._reader.entries_of(merchant_id, about),
            self._reader.deliveries_of(merchant_id, [each.sequence for each in events]),
        )
        steps = [_of_event(each) for each in events]
        steps += [_of_attempt(each) for each in attempts]
        steps += [_of_callback(each) for each in callbacks]
        steps += _of_entries(entries)
        steps += [_of_delivery(each) for each in deliveries]
        steps.sort(key=lambda step: (step.at, _RANK.get(step.kind, 9)))
        return steps

    async def refund(self, merchant_id: str, refund_id: str) -> Refund:
        """A refund by its id. Raises `not_found`."""
        found = await self._reader.refund(merchant_id, refund_id)
        if found is None:
            raise not_found()
        return found

    async def refund_by_number(self, merchant_id: str, number: str) -> Refund:
        """The refund of a merchant_refund_no. Raises `not_found`."""
        found = await self._reader.refund_by_number(merchant_id, number)
        if found is None:
            raise not_found()
        return found

    async def refunds(self, merchant_id: str, **filters: Any) -> list[Refund]:
        """A page of refunds, newest first; the filters are those of `Reader.refunds`."""
        return await self._reader.refunds(merchant_id, **filters)

    async def transactions(self, merchant_id: str, **filters: Any) -> list[dict[str, Any]]:
        """A page of what moved an account; the filters are those of `Reader.transactions`."""
        return await self._reader.transactions(merchant_id, **filters)

    async def balances(self, merchant_id: str) -> list[dict[str, object]]:
        """`pending`, `available` and `held` per currency, in minor units."""
        codes = (chart.PENDING, chart.AVAILABLE, chart.HELD)
        found: dict[str, dict[str, object]] = {}
        for row in await self._reader.balances(merchant_id, codes):
            line = found.setdefault(
                row["currency"], {"currency": row["currency"]} | dict.fromkeys(codes, 0)
            )
            line[row["code"]] = row["balance"]
        return list(found.values())


_ASKABLE = frozenset({"processing", "requires_action", "closing", "requires_capture"})


def _of_event(event: Event) -> Step:
    kind = "request" if event.type in ("payment.created", "refund.created") else "status"
    return Step(
        rfc3339(event.at),
        kind,
        event.actor,
        SUMMARIES.get(event.type, event.type),
        event.id,
        {"type": event.type, "version": event.object_version, "request_id": event.request_id},
    )


def _of_attempt(attempt: Attempt) -> Step:
    state = "is open" if attempt.status in LIVING else f"ended {attempt.status}"
    return Step(
        rfc3339(attempt.created_at),
        "attempt",
        None,
        f"Attempt {attempt.number} by {attempt.method} {state}.",
        None,
        {
            "id": attempt.id,
            "method": attempt.method,
            "channel": attempt.channel,
            "status": attempt.status,
            "attempt_no": attempt.attempt_no,
            "channel_order_no": attempt.channel_order_no,
            "sends": attempt.sends,
            "queries": attempt.queries,
        },
    )


def _of_callback(row: dict[str, Any]) -> Step:
    return Step(
        rfc3339(row["received_at"]),
        "callback",
        f"channel:{row['channel']}",
        "A verified callback was applied.",
        None,
        {"effect": row["dedupe_key"]},
    )


def _of_entries(rows: Sequence[dict[str, Any]]) -> list[Step]:
    steps: dict[Any, Step] = {}
    for row in rows:
        posting = {name: row[name] for name in ("debit", "credit", "amount", "currency")}
        step = steps.get(row["entry_id"])
        if step is None:
            entry_id = ids.from_uuid("ent", row["entry_id"])
            steps[row["entry_id"]] = Step(
                rfc3339(row["at"]),
                "entry",
                None,
                f"Booked: {row['reason']}.",
                None,
                {"entry_id": entry_id, "reason": row["reason"], "postings": [posting]},
            )
        elif step.data is not None:
            step.data["postings"].append(posting)
    return list(steps.values())


def _of_delivery(row: dict[str, Any]) -> Step:
    target = row["url"]
    if row["status"] == "delivered":
        summary = "The webhook was delivered."
    elif row["status"] == "failed":
        summary = "The webhook was given up."
    else:
        summary = "The webhook is on its way."
    return Step(
        rfc3339(row["finished_at"] or row["created_at"]),
        "webhook",
        None,
        summary,
        None,
        {
            "url": target,
            "status": row["status"],
            "tries": row["tries"],
            "last_status": row["last_status"],
            "last_error": row["last_error"],
        },
    )
