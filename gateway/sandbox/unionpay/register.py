"""The register: every trade of the pretend UnionPay, whatever its kind.

Law: beside the book, in its file, and changed within its changes. An order of the book is what a
payer meets and what is owed; a trade here is what UnionPay knows under a merchant's number and
time: payments, holds, captures, refunds and voids. `state` is an answer code: 05 while it waits
for the payer, 00 when done, else why the last try failed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.sandbox.book import Book

SCHEMA: Final = (Path(__file__).parent / "register.sql").read_text("utf-8")
WAITING: Final = "05"
DONE: Final = "00"
VOIDED: Final = 1
CAPTURED: Final = 2


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade; fields as the columns of `unionpay_trades`. `content` is JSON of the request."""

    id: int
    account_id: str
    order_id: str
    txn_time: str
    txn_type: str
    content: str
    amount: int
    state: str
    query_id: str | None
    order_row: int
    undone: int
    created_at: int
    done_at: int | None


@dataclass(frozen=True, slots=True)
class Sms:
    """A code sent to a payer, and how often it was answered wrongly."""

    txn_time: str
    amount: int
    payer: str
    tries: int


class Register:
    """The trades in the book's file."""

    def __init__(self, book: Book) -> None:
        self._db = book.annex(SCHEMA)

    def find(self, account_id: str, order_id: str) -> Trade | None:
        """The trade under a merchant's number."""
        return self._one("account_id = ? AND order_id = ?", (account_id, order_id))

    def by_query_id(self, account_id: str, query_id: str) -> Trade | None:
        """The trade under UnionPay's number, if it is this merchant's."""
        return self._one("account_id = ? AND query_id = ?", (account_id, query_id))

    def of_order(self, order_row: int) -> Trade:
        """The payment or hold that a payer meets as this order."""
        found = self._one("order_row = ? AND txn_type IN ('01', '02', '03')", (order_row,))
        if found is None:
            raise LookupError(f"no trade of order {order_row}")
        return found

    def add(
        self,
        *,
        account_id: str,
        order_id: str,
        txn_time: str,
        txn_type: str,
        content: str,
        amount: int,
        order_row: int,
        now: int,
    ) -> None:
        """Write a trade that waits."""
        self._db.execute(
            "INSERT INTO unionpay_trades (account_id, order_id, txn_time, txn_type, content,"
            " amount, state, order_row, created_at) VALUES (?, ?, ?, ?, ?, ?, '05', ?, ?)",
            (account_id, order_id, txn_time, txn_type, content, amount, order_row, now),
        )

    def done(self, trade: Trade, query_id: str, *, now: int) -> None:
        """The trade is done."""
        self._db.execute(
            "UPDATE unionpay_trades SET state = '00', query_id = coalesce(query_id, ?),"
            " done_at = ? WHERE id = ?",
            (query_id, now, trade.id),
        )

    def failed(self, trade: Trade, code: str) -> None:
        """The payer's last try failed; another may follow."""
        self._db.execute("UPDATE unionpay_trades SET state = ? WHERE id = ?", (code, trade.id))

    def undo(self, hold: Trade, how: int) -> None:
        """The hold was `VOIDED` or `CAPTURED`."""
        self._db.execute("UPDATE unionpay_trades SET undone = ? WHERE id = ?", (how, hold.id))

    def done_between(self, account_id: str, *, start: int, end: int) -> list[Trade]:
        """All that was done from `start` to before `end`, in that order."""
        rows = self._db.execute(
            "SELECT * FROM unionpay_trades WHERE account_id = ? AND done_at >= ? AND done_at < ?"
            " ORDER BY done_at, id",
            (account_id, start, end),
        )
        return [Trade(*row) for row in rows]

    # Codes by SMS

    def sms(self, account_id: str, order_id: str) -> Sms | None:
        """The code sent for an order."""
        row = self._db.execute(
            "SELECT txn_time, amount, payer, tries FROM unionpay_sms"
            " WHERE account_id = ? AND order_id = ?",
            (account_id, order_id),
        ).fetchone()
        return Sms(*row) if row else None

    def send_sms(
        self, account_id: str, order_id: str, *, txn_time: str, amount: int, payer: str
    ) -> None:
        """A code was sent; a repeat keeps the count of wrong answers."""
        self._db.execute(
            "INSERT INTO unionpay_sms (account_id, order_id, txn_time, amount, payer)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (account_id, order_id, txn_time, amount, payer),
        )

    def count_wrong(self, account_id: str, order_id: str) -> None:
        """The code was answered wrongly."""
        self._db.execute(
            "UPDATE unionpay_sms SET tries = tries + 1 WHERE account_id = ? AND order_id = ?",
            (account_id, order_id),
        )

    def _one(self, where: str, values: tuple[Any, ...]) -> Trade | None:
        # `where` is a literal of this file; all that comes from outside is bound.
        row = self._db.execute(
            f"SELECT * FROM unionpay_trades WHERE {where}",
            values,
        ).fetchone()
        return Trade(*row) if row else None
