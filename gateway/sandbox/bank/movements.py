"""Movements: what the pretend bank has booked on its accounts.

Law: what a statement says is in here first. A movement never changes; it is entered at one moment
and booked at the same or a later one, by the business clock.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.sandbox.bank.accounts import CURRENCY, Account
from gateway.sandbox.book import Book

SCHEMA: Final = (Path(__file__).parent / "bank.sql").read_text("utf-8")
_COLUMNS: Final = (
    "id, account_id, amount, currency, reference, text, credited, end_to_end, return_code,"
    " entered_at, booked_at"
)


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement; fields as the columns of `bank_movements` in `bank.sql`."""

    id: int
    account_id: str
    amount: int
    currency: str
    reference: str
    text: str
    credited: str
    end_to_end: str
    return_code: str | None
    entered_at: int
    booked_at: int


class Movements:
    """The movements of all accounts, in the sandbox's book."""

    def __init__(self, book: Book) -> None:
        self._db = book.annex(SCHEMA)

    def add(
        self,
        account: Account,
        amount: int,
        *,
        text: str = "",
        credited: str = "",
        end_to_end: str = "",
        return_code: str | None = None,
        entered_at: int,
        booked_at: int,
    ) -> str:
        """Enter a movement (negative: money leaves); returns the bank's number of it."""
        reference = f"PB{entered_at}{secrets.token_hex(4).upper()}"
        self._db.execute(
            "INSERT INTO bank_movements (account_id, amount, currency, reference, text, credited,"
            " end_to_end, return_code, entered_at, booked_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                account.number,
                amount,
                CURRENCY,
                reference,
                text,
                credited,
                end_to_end,
                return_code,
                entered_at,
                booked_at,
            ),
        )
        return reference

    def between(self, account: Account, first_ms: int, end_ms: int, *, now: int) -> list[Movement]:
        """What was booked from `first_ms` until before `end_ms`, and what is pending now."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM bank_movements WHERE account_id = ? AND entered_at <= ?"
            " AND ((booked_at >= ? AND booked_at < ? AND booked_at <= ?) OR booked_at > ?)"
            " ORDER BY booked_at, id",
            (account.number, now, first_ms, end_ms, now, now),
        )
        return [Movement(*row) for row in rows]

    def balance_before(self, account: Account, moment_ms: int, *, now: int) -> int:
        """The sum of all that was booked before a moment."""
        row = self._db.execute(
            "SELECT coalesce(sum(amount), 0) FROM bank_movements"
            " WHERE account_id = ? AND booked_at < ? AND booked_at <= ?",
            (account.number, moment_ms, now),
        ).fetchone()
        return int(row[0])

    # Payouts

    def payout_digest(self, account: Account, file_no: str) -> str | None:
        """What was sent under a file's number, hashed; None if nothing was."""
        row = self._db.execute(
            "SELECT digest FROM bank_payouts WHERE account_id = ? AND file_no = ?",
            (account.number, file_no),
        ).fetchone()
        return row[0] if row else None

    def add_payout(self, account: Account, file_no: str, digest: str, *, now: int) -> None:
        """Remember a payout file."""
        self._db.execute(
            "INSERT INTO bank_payouts VALUES (?, ?, ?, ?)", (account.number, file_no, digest, now)
        )

    def has_transfer(self, account: Account, number: str) -> bool:
        """Whether a number was used for a transfer before."""
        row = self._db.execute(
            "SELECT 1 FROM bank_transfers WHERE account_id = ? AND number = ?",
            (account.number, number),
        ).fetchone()
        return row is not None

    def add_transfer(
        self,
        account: Account,
        number: str,
        *,
        file_no: str,
        amount: int,
        status: str,
        reason: str | None,
        reference: str | None,
    ) -> None:
        """Remember what became of one transfer."""
        self._db.execute(
            "INSERT INTO bank_transfers VALUES (?, ?, ?, ?, ?, ?, ?)",
            (account.number, number, file_no, amount, status, reason, reference),
        )

    def transfers_of(self, account: Account, file_no: str) -> list[tuple[str, str, str | None]]:
        """(number, status, reason) of the transfers of a file, in its order."""
        return self._db.execute(
            "SELECT number, status, reason FROM bank_transfers"
            " WHERE account_id = ? AND file_no = ? ORDER BY rowid",
            (account.number, file_no),
        ).fetchall()

    # The outside truth

    def shown(self, account_id: str | None) -> dict[str, list[dict[str, Any]]]:
        """All movements, as `GET /book/bank_transfer` shows them."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM bank_movements WHERE account_id = coalesce(?, account_id)"
            " ORDER BY id",
            (account_id,),
        )
        names = [column[0] for column in rows.description]
        movements = [dict(zip(names, row, strict=True)) for row in rows]
        transfers = self._db.execute(
            "SELECT number AS out_biz_no, amount, status FROM bank_transfers"
            " WHERE account_id = coalesce(?, account_id) ORDER BY rowid",
            (account_id,),
        )
        labels = [column[0] for column in transfers.description]
        return {
            "orders": [],
            "refunds": [],
            "transfers": [dict(zip(labels, row, strict=True)) for row in transfers],
            "movements": movements,
        }
