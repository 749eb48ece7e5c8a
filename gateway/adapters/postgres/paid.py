"""Paid payments: the shortest way of a callback into the books, one statement for a whole batch.

Law: only payments that waited for exactly this money, from the versions that were seen, and only on
accounts that exist. What turns out not to be so is not written, with the whole of its batch, and is
decided on the rows. Postings are the chart's, amounts are added up as `ledger.book` does; both
accounts rise, so none can fall below zero.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from fastpath.row import ID, NUMBER, TEXT, row_lines
from fastpath.shorthand import shorten
from gateway.adapters.postgres.statements import load
from gateway.domain import chart, ids
from gateway.domain.paid import PaidPayment

SQL = load(__file__)
PAY = SQL["pay"].text
TYPES = ("payment.succeeded",)

UNIT = "\x1f"

ACCOUNT_KINDS = ID + TEXT + TEXT + NUMBER + NUMBER
ROW_KINDS = (
    NUMBER + NUMBER  # head, line
    + ID + NUMBER + ID + NUMBER  # attempt, payment
    + NUMBER + TEXT + TEXT + NUMBER + ID  # amount, currency, channel_order_no, when, entry
    + NUMBER + NUMBER  # payer_amount, discount_amount
    + TEXT + TEXT + NUMBER * 6  # debit, credit, their places, balances and numbers
    + TEXT + TEXT  # callback
    + NUMBER + TEXT + TEXT  # journal
)  # fmt: skip


class _Rising:
    """The accounts of a batch, counted from nothing: balance and postings, by place."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str, str], list[int]] = {}

    def add(self, key: tuple[str, str, str], amount: int) -> list[int]:
        """Add to the account of (merchant, code, currency): its place, its balance and number of
        postings afterwards."""
        account = self._by_key.get(key)
        if account is None:
            account = self._by_key[key] = [len(self._by_key) + 1, 0, 0]
        account[1] += amount
        account[2] += 1
        return account

    def lines(self) -> list[tuple[Any, ...]]:
        """What the accounts rise by, in the order of their places."""
        return [(*key, balance, number) for key, (_, balance, number) in self._by_key.items()]


async def pay(connection: asyncpg.Connection, payments: Sequence[PaidPayment]) -> bool:
    """Write and commit paid payments, sorted by merchant, outside a transaction.

    False, and nothing is written, if anything is not as it was seen.
    """
    heads: dict[str, int] = {}
    rising = _Rising()
    rows = []
    for payment in payments:
        merchant = payment.merchant_id
        heads[merchant] = line = heads.get(merchant, 0) + 1
        rows.append(_row(payment, len(heads), line, rising))
    try:
        await connection.execute(
            PAY,
            UNIT.join([ids.to_hex(merchant) for merchant in heads]),
            UNIT.join([str(lines) for lines in heads.values()]),
            row_lines(rising.lines(), ACCOUNT_KINDS),
            row_lines(rows, ROW_KINDS),
            [shorten(payment.data) for payment in payments],
        )
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.DivisionByZeroError):
        return False
    return True


def _row(p: PaidPayment, head: int, line: int, rising: _Rising) -> tuple[Any, ...]:
    """The values of a row: which head it is of, which line of its merchant, then its columns."""
    seen = p.seen
    (posting,) = chart.captured(p.channel_account_id, seen.amount, seen.currency, p.channel)
    debit = (p.merchant_id, posting.debit, seen.currency)
    credit = (p.merchant_id, posting.credit, seen.currency)
    debit_place, debit_balance, debit_number = rising.add(debit, seen.amount)
    credit_place, credit_balance, credit_number = rising.add(credit, seen.amount)
    return (
        head,
        line,
        p.attempt_id,
        seen.attempt_version,
        p.payment_id,
        seen.payment_version,
        seen.amount,
        seen.currency,
        p.channel_order_no,
        p.paid_ms,
        p.entry_id,
        p.payer_amount,
        p.discount_amount,
        posting.debit,
        posting.credit,
        debit_place,
        credit_place,
        debit_balance,
        debit_number,
        credit_balance,
        credit_number,
        p.dedupe_key,
        p.channel,
        seen.last_sequence,
        p.actor,
        p.request_id,
    )
