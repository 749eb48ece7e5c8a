"""Fresh payments: the short way of group commit, one statement for a whole batch.

Law: only payments that are new, without attempt and customer, each told by one line. What is not
so, or turns out not to be new, goes the long way in `batch.py`. A row travels as one text, its
values parted by unit separators: no text of ours may hold one.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from fastpath.shorthand import shorten
from gateway.adapters.postgres.statements import load
from gateway.domain import ids
from gateway.domain.change import Change
from gateway.domain.fresh import FreshPayment
from gateway.domain.payment import Payment

SQL = load(__file__)
CREATE = SQL["create"].text

UNIT = "\x1f"
NULL = "\x1e"
GROUP = "\x1d"

_to_json = msgspec.json.Encoder().encode


def fresh_of(change: Change) -> FreshPayment | None:
    """The fresh payment that a Change is, if it is nothing but that and its number is new."""
    writes = None if change.foreseen is None else change.foreseen.writes
    if (
        writes is None
        or writes.entries
        or len(writes.rows) != 1
        or len(writes.lines) != 1
        or not isinstance(writes.rows[0], Payment)
    ):
        return None
    payment, line = writes.rows[0], writes.lines[0]
    if payment.customer is not None or payment.attempts:
        return None
    return FreshPayment(
        merchant_id=payment.merchant_id,
        payment_id=payment.id,
        payment_hex=ids.to_hex(payment.id),
        merchant_order_no=payment.merchant_order_no,
        fingerprint=payment.fingerprint,
        fingerprint_key=payment.fingerprint_key,
        amount=payment.amount,
        currency=payment.currency,
        subject=payment.subject,
        livemode=payment.livemode,
        capture_method=payment.capture_method,
        created_ms=_milliseconds(payment.created_at),
        expires_ms=_milliseconds(payment.expires_at),
        return_url=payment.return_url,
        notify_url=payment.notify_url,
        metadata=_to_json(payment.metadata).decode(),
        actor=change.actor,
        request_id=change.request_id,
        data=line.data.decode(),
    )


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


async def create(connection: asyncpg.Connection, payments: Sequence[FreshPayment]) -> bool:
    """Write and commit new payments, sorted by merchant, outside a transaction.

    False, and nothing is written, if not all of them were new or some head is closed.
    """
    heads: dict[str, int] = {}
    rows = []
    for payment in payments:
        merchant = payment.merchant_id
        heads[merchant] = line = heads.get(merchant, 0) + 1
        rows.append(_row(payment, len(heads), line))
    try:
        await connection.execute(
            CREATE,
            UNIT.join([ids.to_hex(merchant) for merchant in heads]),
            UNIT.join([str(lines) for lines in heads.values()]),
            GROUP.join(rows),
            [shorten(payment.data) for payment in payments],
        )
    except (asyncpg.UniqueViolationError, asyncpg.DivisionByZeroError):
        return False
    return True


def _row(p: FreshPayment, head: int, line: int) -> str:
    """The text of a row: which head it is of, which line of its merchant, then its columns."""
    return (
        f"{head}\x1f{line}\x1f{p.payment_hex}\x1f{p.merchant_order_no}\x1f\\x{p.fingerprint.hex()}"
        f"\x1f{p.fingerprint_key}\x1f{p.amount}\x1f{p.currency}\x1f{p.subject}\x1f"
        f"{'t' if p.livemode else 'f'}\x1f{p.capture_method}\x1f{p.created_ms}\x1f{p.expires_ms}"
        f"\x1f{p.return_url or NULL}\x1f{p.notify_url or NULL}\x1f{p.metadata}\x1f{p.actor}"
        f"\x1f{p.request_id or NULL}"
    )
