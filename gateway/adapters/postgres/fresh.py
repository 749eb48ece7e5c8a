"""Fresh payments: the short way of group commit, one statement for a whole batch.

Law: only payments that are new, without attempt and customer, each told by one line. What is not
so, or turns out not to be new, goes the long way in `batch.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import msgspec

from gateway.adapters.postgres.statements import load
from gateway.domain import ids
from gateway.domain.change import Change
from gateway.domain.events import rfc3339
from gateway.domain.payment import Payment

SQL = load(__file__)
CREATE = SQL["create"].text

UNIT = "\x1f"
NULL = "\x1e"

_to_json = msgspec.json.Encoder().encode


def is_fresh(change: Change) -> bool:
    """Whether a Change is nothing but such a payment, if its number is new."""
    fresh = change.fresh
    return (
        fresh is not None
        and len(fresh.rows) == 1
        and type(fresh.rows[0]) is Payment
        and fresh.rows[0].status == "requires_payment_method"
        and len(fresh.lines) == 1
    )


async def create(
    connection: asyncpg.Connection, changes: Sequence[Change]
) -> tuple[str, list[int]] | None:
    """Write new payments; None if not all of them were new or some head is closed.

    Otherwise the number of the transaction and, in the order of `changes`, which line of its
    merchant each one is, counted from 1. `changes` must be sorted by merchant.
    """
    heads: dict[str, int] = {}
    lines = []
    for change in changes:
        merchant = change.merchant_id
        heads[merchant] = line = heads.get(merchant, 0) + 1
        lines.append(line)
    written = [change.fresh for change in changes if change.fresh is not None]
    made: list[Any] = [writes.rows[0] for writes in written]
    record = await connection.fetchrow(
        CREATE,
        UNIT.join([ids.to_hex(merchant) for merchant in heads]),
        _numbers(heads.values()),
        *_payments(made),
        _numbers(lines),
        UNIT.join([change.actor for change in changes]),
        UNIT.join([change.request_id or NULL for change in changes]),
        UNIT.join([writes.lines[0].data.decode() for writes in written]),
    )
    if (record["made"], record["told"]) != (len(changes), len(changes)):
        return None
    return record["transaction"], lines


def _numbers(values: Iterable[int]) -> str:
    return UNIT.join([str(value) for value in values])


def _payments(made: Sequence[Payment]) -> list[str]:
    """One text per column of the payments."""
    to_hex = ids.to_hex
    return [
        UNIT.join([to_hex(p.merchant_id) for p in made]),
        UNIT.join([to_hex(p.id) for p in made]),
        UNIT.join([p.merchant_order_no for p in made]),
        UNIT.join(["\\x" + p.fingerprint.hex() for p in made]),
        _numbers([p.fingerprint_key for p in made]),
        _numbers([p.amount for p in made]),
        UNIT.join([p.currency for p in made]),
        UNIT.join([p.subject for p in made]),
        UNIT.join(["t" if p.livemode else "f" for p in made]),
        UNIT.join([p.capture_method for p in made]),
        UNIT.join([rfc3339(p.created_at) for p in made]),
        UNIT.join([rfc3339(p.expires_at) for p in made]),
        UNIT.join([p.return_url or NULL for p in made]),
        UNIT.join([p.notify_url or NULL for p in made]),
        UNIT.join([_to_json(p.metadata).decode() if p.metadata else "{}" for p in made]),
    ]
