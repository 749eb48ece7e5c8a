"""The oracle: what must hold after every scenario, however it went.

Law: it looks at the databases and at what was seen outside, never at the system's memory, and says
everything that does not hold at once. O1 to O3 and O8 are `verify`; the rest is compared here.

    O4  every acknowledged operation exists as it was answered; a definite refusal had no effect
    O5  every order and refund in the simulator's book is in ours, once, and nothing else is
    O6  every event of what a receiver subscribed to came at least once, with one id and one body
    O7  one business number: one id, amount and currency, one 201; versions never go back
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from gateway.adapters.postgres.verify import verify
from gateway.domain import ids
from gateway.domain.webhook import wants

FINDINGS_SHOWN_MAX = 40
_TABLES = {
    "payment": (
        "select merchant_id, payment_id as id, amount, currency, version, status from payments"
        " where merchant_order_no = $1"
    ),
    "refund": (
        "select merchant_id, refund_id as id, amount, currency, version, status from refunds"
        " where merchant_refund_no = $1"
    ),
}
_PREFIXES = {"payment": "pay", "refund": "rfd"}


class Answered(NamedTuple):
    """One creating request and what its client knows of it.

    `kind` is `payment` or `refund`; `status` None when no answer came. `began` and `ended` are
    moments of one clock. `body` is the object of a 2xx.
    """

    kind: str
    number: str
    amount: int
    status: int | None
    body: Mapping[str, Any] | None = None
    currency: str = "CNY"
    began: float = 0.0
    ended: float = 0.0


class Received(NamedTuple):
    """One webhook as a receiver saw it: where, under which `webhook-id`, with which bytes."""

    url: str
    webhook_id: str
    body: bytes


async def check(
    dsns: Sequence[str],
    *,
    simulator_book: Mapping[str, Any] | None = None,
    acknowledged: Sequence[Answered] | None = None,
    received: Sequence[Received] | None = None,
) -> None:
    """Raises AssertionError with all findings. `dsns[n]` is shard n.

    `simulator_book` is the answer of `GET /book/alipay`; `acknowledged` all creating requests that
    were sent; `received` all that the receivers of every endpoint and notify_url got. What is
    None is not looked at; `simulator_book` and `received` need a system that has come to rest.
    """
    report = await verify(dsns)
    findings = [f"verify: {fault}" for fault in report.faults]
    shards = [await asyncpg.connect(dsn) for dsn in dsns]
    try:
        if acknowledged is not None:
            findings += _check_answers(acknowledged)
            findings += await _check_durable(shards, acknowledged)
        if simulator_book is not None:
            findings += await _check_book(shards, simulator_book)
        if received is not None:
            findings += await _check_received(shards, received)
    finally:
        for connection in shards:
            await connection.close()
    if findings:
        shown = "\n".join(findings[:FINDINGS_SHOWN_MAX])
        raise AssertionError(f"{len(findings)} findings of the oracle:\n{shown}")


# --- O7: what the answers say of each other ------------------------------------------------------


def _check_answers(answers: Sequence[Answered]) -> list[str]:
    findings = []
    by_number: dict[tuple[str, str], list[Answered]] = defaultdict(list)
    for each in answers:
        by_number[each.kind, each.number].append(each)
    for (kind, number), all_of_it in by_number.items():
        told = [each for each in all_of_it if each.body is not None and _is_done(each.status)]
        what = f"O7: {kind} {number}"
        told_ids = {each.body["id"] for each in told if each.body}
        if len(told_ids) > 1:
            findings.append(f"{what} was answered with {len(told_ids)} ids")
        sums = {(each.body["amount"], each.body.get("currency")) for each in told if each.body}
        if len(sums) > 1:
            findings.append(f"{what} was answered with other amounts: {sorted(map(str, sums))}")
        created = sum(1 for each in told if each.status == 201)
        is_certain = all(each.status is not None and each.status < 500 for each in all_of_it)
        if created > 1 or (told and created == 0 and is_certain):
            findings.append(f"{what} was answered 201 {created} times")
        findings += _check_versions(what, told)
    return findings


def _is_done(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _check_versions(what: str, told: Sequence[Answered]) -> list[str]:
    """An answer that began after another had ended may not be older."""
    findings = []
    newest: list[tuple[float, int]] = sorted(
        (each.ended, each.body["version"]) for each in told if each.body
    )
    for each in told:
        if each.body is None:
            continue
        before = [version for ended, version in newest if ended < each.began]
        if before and each.body["version"] < max(before):
            findings.append(
                f"{what} went back from version {max(before)} to {each.body['version']}"
            )
    return findings


# --- O4: what was answered is there, what was refused is not --------------------------------------


async def _check_durable(
    shards: Sequence[asyncpg.Connection], answers: Sequence[Answered]
) -> list[str]:
    findings = []
    stored: dict[tuple[str, str], list[Any]] = {}
    for kind, number in dict.fromkeys((each.kind, each.number) for each in answers):
        rows = [row for shard in shards for row in await shard.fetch(_TABLES[kind], number)]
        stored[kind, number] = rows
        asked = [each for each in answers if (each.kind, each.number) == (kind, number)]
        if rows and all(each.status is not None and 400 <= each.status < 500 for each in asked):
            findings.append(f"O4: {kind} {number} was only refused, but exists")
        sums = {(each.amount, each.currency) for each in asked}
        for row in rows:
            if (row["amount"], row["currency"]) not in sums:
                findings.append(f"O4: {kind} {number} has an amount that nobody asked for")
    for each in answers:
        if each.body is None or not _is_done(each.status):
            continue
        rows = stored[each.kind, each.number]
        what = f"O4: {each.kind} {each.number} ({each.body['id']})"
        found = [
            row for row in rows if ids.from_uuid(_PREFIXES[each.kind], row["id"]) == each.body["id"]
        ]
        if not found:
            findings.append(f"{what} was acknowledged and does not exist")
        elif found[0]["amount"] != each.body["amount"]:
            findings.append(f"{what} was acknowledged with another amount")
        elif found[0]["version"] < each.body["version"]:
            findings.append(f"{what} was acknowledged in a version that does not exist")
    for kind, table, id_column in (
        ("payment", "payments", "merchant_order_no"),
        ("refund", "refunds", "merchant_refund_no"),
    ):
        invoked = {each.number for each in answers if each.kind == kind}
        if not invoked:
            continue
        for shard in shards:
            rows = await shard.fetch(f"select {id_column} as number from {table}")
            unasked = [row["number"] for row in rows if row["number"] not in invoked]
            findings += [
                f"O4: {kind} {number} exists and nobody asked for it" for number in unasked
            ]
    return findings


# --- O5: the channel's book and ours -------------------------------------------------------------


async def _check_book(shards: Sequence[asyncpg.Connection], book: Mapping[str, Any]) -> list[str]:
    findings = []
    attempts: dict[str, Any] = {}
    refunds: dict[str, Any] = {}
    for shard in shards:
        for row in await shard.fetch(_ATTEMPTS):
            attempts[_number("att", row["attempt_id"])] = row
        for row in await shard.fetch(_REFUNDS):
            refunds[_number("rfd", row["refund_id"])] = row
    orders = {order["out_trade_no"]: order for order in book["orders"]}
    for number, order in orders.items():
        ours = attempts.get(number)
        if ours is None:
            findings.append(f"O5: order {number} of the channel is not in our book")
            continue
        findings += _check_order(number, order, ours)
    for number, ours in attempts.items():
        is_paid = orders.get(number, {}).get("status") == "paid"
        if (ours["captured"] or ours["unexpected"]) and not is_paid:
            findings.append(f"O5: we booked money for {number} that the channel does not have")
    given = {refund["out_refund_no"]: refund for refund in book["refunds"]}
    for number, theirs in given.items():
        ours = refunds.get(number)
        if ours is None:
            findings.append(f"O5: refund {number} of the channel is not in our book")
        elif (ours["amount"], ours["status"]) != (theirs["amount"], theirs["status"]):
            findings.append(
                f"O5: refund {number}: the channel has {theirs['amount']} {theirs['status']}, "
                f"we have {ours['amount']} {ours['status']}"
            )
        elif _number("att", ours["attempt_id"]) != theirs["out_trade_no"]:
            findings.append(f"O5: refund {number} is of another order at the channel")
    for number, ours in refunds.items():
        if ours["status"] == "succeeded" and number not in given:
            findings.append(f"O5: refund {number} succeeded with us and not at the channel")
    return findings


_ATTEMPTS = """
    select a.attempt_id, a.amount, a.currency, a.status,
        exists (select from entries e where e.merchant_id = a.merchant_id
            and e.reference = a.attempt_id and e.reason = 'captured') as captured,
        (select u.amount from unexpected_funds u where u.merchant_id = a.merchant_id
            and u.attempt_id = a.attempt_id) as unexpected
    from attempts a where a.channel = 'alipay'
"""
_REFUNDS = """
    select r.refund_id, r.attempt_id, r.amount, r.status from refunds r where r.channel = 'alipay'
"""


def _number(prefix: str, value: Any) -> str:
    return ids.number_of(ids.from_uuid(prefix, value))


def _check_order(number: str, order: Mapping[str, Any], ours: Any) -> list[str]:
    if order["status"] != "paid":
        return []
    if ours["captured"] == (ours["unexpected"] is not None):
        how = "twice" if ours["captured"] else "nowhere"
        return [f"O5: the money of {number} is booked {how}"]
    booked = ours["amount"] if ours["captured"] else ours["unexpected"]
    if (booked, ours["currency"]) != (order["amount"], order["currency"]):
        return [f"O5: {number}: the channel took {order['amount']}, we booked {booked}"]
    return []


# --- O6: events and what receivers saw -----------------------------------------------------------


async def _check_received(
    shards: Sequence[asyncpg.Connection], received: Sequence[Received]
) -> list[str]:
    findings = []
    bodies: dict[str, set[bytes]] = defaultdict(set)
    places: dict[str, set[str]] = defaultdict(set)
    for each in received:
        bodies[each.webhook_id].add(each.body)
        places[each.webhook_id].add(each.url)
    findings += [
        f"O6: event {name} came with {len(known)} bodies"
        for name, known in bodies.items()
        if len(known) > 1
    ]
    events: dict[str, Any] = {}
    for shard in shards:
        endpoints = await shard.fetch(
            "select merchant_id, webhook_endpoint_id, url, events, since_sequence"
            " from webhook_endpoints where status = 'enabled'"
        )
        for row in await shard.fetch(_EVENTS):
            name = _event_id(row)
            events[name] = row
            for url in _places(row, endpoints):
                if url not in places[name]:
                    findings.append(f"O6: {row['type']} {name} never came to {url}")
    for name, known in bodies.items():
        row = events.get(name)
        if row is None:
            findings.append(f"O6: event {name} came, but is in no journal")
            continue
        findings += _check_body(name, json.loads(next(iter(known))), row)
    return findings


_EVENTS = """
    select j.merchant_id, j.seq, j.at, j.type, j.object_id, j.object_version, p.notify_url
    from journal j
    left join payments p on p.merchant_id = j.merchant_id and p.payment_id =
        case when j.type like 'payment.%' then j.object_id else j.payment_id end
"""


def _event_id(row: Any) -> str:
    return ids.event_id(
        at_ms=int(row["at"].timestamp() * 1000),
        bucket=ids.bucket_of(ids.from_uuid("mch", row["merchant_id"])),
        sequence=row["seq"],
    )


def _places(row: Any, endpoints: Sequence[Any]) -> set[str]:
    """Where an event had to come."""
    urls = {
        endpoint["url"]
        for endpoint in endpoints
        if endpoint["merchant_id"] == row["merchant_id"]
        and row["seq"] > endpoint["since_sequence"]
        and wants(json.loads(endpoint["events"]), row["type"])
        and not (
            row["type"] == "webhook_endpoint.created"
            and row["object_id"] == endpoint["webhook_endpoint_id"]
        )
    }
    if row["notify_url"] is not None and row["type"].startswith(("payment.", "refund.")):
        urls.add(row["notify_url"])
    return urls


def _check_body(name: str, body: Mapping[str, Any], row: Any) -> list[str]:
    told = (body["id"], body["sequence"], body["type"], body["object_version"])
    kept = (name, row["seq"], row["type"], row["object_version"])
    return [] if told == kept else [f"O6: event {name} came as {told}, the journal has {kept}"]
