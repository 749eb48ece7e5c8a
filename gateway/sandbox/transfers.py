"""Transfers: money that merchants sent out, in the book of all pretend channels.

Law: as `book`: what a simulator answers is here before the answer leaves. One number of a merchant
is one transfer. Amounts are minor units, moments milliseconds of the business clock.
"""

from dataclasses import dataclass
from typing import Final

from gateway.sandbox.book import Book

PROCESSING: Final = "processing"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
RETURNED: Final = "returned"

_NO_SCHEMA: Final = ""  # the table is the book's own, in `book.sql`


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer as it stands; fields as the columns of `transfers` in `book.sql`."""

    id: int
    channel: str
    account_id: str
    out_transfer_no: str
    channel_order_no: str
    amount: int
    currency: str
    payee: str
    status: str
    content: str
    created_at: int
    settled_at: int | None


class TransferBook:
    """The table of transfers. Writes belong inside a `Book.change`."""

    def __init__(self, book: Book) -> None:
        self._db = book.annex(_NO_SCHEMA)

    def get(self, channel: str, account_id: str, out_transfer_no: str) -> Transfer | None:
        """The transfer under a merchant's number."""
        row = self._db.execute(
            "SELECT * FROM transfers WHERE channel = ? AND account_id = ? AND out_transfer_no = ?",
            (channel, account_id, out_transfer_no),
        ).fetchone()
        return Transfer(*row) if row else None

    def get_by_channel_no(
        self, channel: str, account_id: str, channel_order_no: str
    ) -> Transfer | None:
        """The transfer under the channel's own number, if it is this account's."""
        row = self._db.execute(
            "SELECT * FROM transfers WHERE channel_order_no = ? AND channel = ? AND account_id = ?",
            (channel_order_no, channel, account_id),
        ).fetchone()
        return Transfer(*row) if row else None

    def settled_between(
        self, channel: str, account_id: str, *, since: int, until: int
    ) -> list[Transfer]:
        """Those that succeeded or came back from `since` to before `until`, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM transfers WHERE channel = ? AND account_id = ?"
            " AND status IN ('succeeded', 'returned') AND settled_at >= ? AND settled_at < ?"
            " ORDER BY settled_at, id",
            (channel, account_id, since, until),
        )
        return [Transfer(*row) for row in rows]

    def add(
        self,
        *,
        channel: str,
        account_id: str,
        out_transfer_no: str,
        channel_order_no: str,
        amount: int,
        currency: str,
        payee: str,
        status: str,
        content: str,
        now: int,
    ) -> None:
        """Write a new transfer; one that is not `processing` is settled at once."""
        self._db.execute(
            "INSERT INTO transfers (channel, account_id, out_transfer_no, channel_order_no,"
            " amount, currency, payee, status, content, created_at, settled_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                channel,
                account_id,
                out_transfer_no,
                channel_order_no,
                amount,
                currency,
                payee,
                status,
                content,
                now,
                None if status == PROCESSING else now,
            ),
        )

    def settle(self, transfer: Transfer, status: str, *, now: int) -> None:
        """What became of a transfer; raises LookupError if it is not where it was."""
        moved = self._db.execute(
            "UPDATE transfers SET status = ?, settled_at = ? WHERE id = ? AND status = ?",
            (status, now, transfer.id, transfer.status),
        ).rowcount
        if moved != 1:
            raise LookupError("the transfer is not in the state that this move starts from")
