"""The ledger: what the pretend WeChat Pay keeps besides the common book.

Law: as `gateway.sandbox.book`, in the same file and the same transactions; only what WeChat alone
has is kept here (states of a payer's code, refunds that take their time, transfers, certificates).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.sandbox.book import Book, Order

CHANNEL: Final = "wechat"
SCHEMA: Final = (Path(__file__).parent / "ledger.sql").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class RefundRow:
    """One refund; fields as the columns of `wechat_refunds`, with its order and amount."""

    id: int
    account_id: str
    out_refund_no: str
    refund_no: str
    status: str
    fate: str
    content: str
    notify_url: str | None
    due_at: int | None
    finished_at: int | None
    order_id: int
    amount: int
    created_at: int


@dataclass(frozen=True, slots=True)
class TransferRow:
    """One transfer; fields as the columns of `wechat_transfers`."""

    id: int
    account_id: str
    out_bill_no: str
    transfer_bill_no: str
    package_info: str
    openid: str
    amount: int
    remark: str
    content: str
    notify_url: str | None
    state: str
    fail_reason: str | None
    created_at: int
    updated_at: int
    due_at: int | None


_REFUND: Final = (
    "SELECT w.*, r.order_id, r.amount, r.created_at FROM wechat_refunds w"
    " JOIN refunds r ON r.id = w.id "
)


class Ledger:
    """Reads and writes; every write is made inside `book.change()`."""

    def __init__(self, book: Book) -> None:
        self._db = book.annex(SCHEMA)

    # Keys

    def modes(self) -> dict[str, bool]:
        """Which accounts named WeChat's public key last, by mchid."""
        rows = self._db.execute("SELECT account_id, names_public_key FROM wechat_modes")
        return {account_id: bool(named) for account_id, named in rows}

    def keep_mode(self, account_id: str, names_public_key: bool) -> None:
        """Keep which kind of key an account has named."""
        self._db.execute(
            "INSERT INTO wechat_modes VALUES (?, ?) ON CONFLICT (account_id)"
            " DO UPDATE SET names_public_key = excluded.names_public_key",
            (account_id, int(names_public_key)),
        )

    def certificates(self) -> list[tuple[str, str, str]]:
        """(serial, name of its key, PEM) of all platform certificates, oldest first."""
        return self._db.execute(
            "SELECT serial, key_name, pem FROM wechat_certificates ORDER BY made_at, rowid"
        ).fetchall()

    def keep_certificate(self, serial: str, key_name: str, pem: str, *, now: int) -> None:
        """Keep a new platform certificate."""
        self._db.execute(
            "INSERT INTO wechat_certificates VALUES (?, ?, ?, ?)", (serial, key_name, pem, now)
        )

    # Orders

    def state(self, order: Order) -> str | None:
        """USERPAYING, PAYERROR or REVOKED, where one of them holds."""
        row = self._db.execute(
            "SELECT state FROM wechat_states WHERE order_id = ?", (order.id,)
        ).fetchone()
        return row[0] if row else None

    def keep_state(self, order: Order, state: str | None) -> None:
        """Keep the state of a payer's code, or that it has none any more."""
        if state is None:
            self._db.execute("DELETE FROM wechat_states WHERE order_id = ?", (order.id,))
            return
        self._db.execute(
            "INSERT INTO wechat_states VALUES (?, ?)"
            " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state",
            (order.id, state),
        )

    def paid_between(self, account_id: str, begins: int, ends: int) -> list[Order]:
        """The orders that were paid from `begins` until before `ends`."""
        rows = self._db.execute(
            "SELECT * FROM orders WHERE channel = ? AND account_id = ?"
            " AND paid_at >= ? AND paid_at < ? ORDER BY paid_at, id",
            (CHANNEL, account_id, begins, ends),
        )
        return [Order(*row) for row in rows]

    # Refunds

    def refund(self, account_id: str, out_refund_no: str) -> RefundRow | None:
        """The refund under a merchant's number."""
        row = self._db.execute(
            _REFUND + "WHERE w.account_id = ? AND w.out_refund_no = ?",
            (account_id, out_refund_no),
        ).fetchone()
        return RefundRow(*row) if row else None

    def refund_by_id(self, refund_id: int) -> RefundRow:
        """The refund of a row number that the ledger itself gave."""
        row = self._db.execute(_REFUND + "WHERE w.id = ?", (refund_id,)).fetchone()
        if row is None:
            raise LookupError(f"no refund {refund_id}")
        return RefundRow(*row)

    def refund_count(self, order: Order) -> int:
        """How many refunds an order has."""
        row = self._db.execute("SELECT count(*) FROM refunds WHERE order_id = ?", (order.id,))
        return int(row.fetchone()[0])

    def due_refunds(self) -> list[tuple[int, int]]:
        """(row number, due moment) of refunds under way."""
        return self._db.execute(
            "SELECT id, due_at FROM wechat_refunds WHERE due_at IS NOT NULL"
        ).fetchall()

    def refunds_between(self, account_id: str, begins: int, ends: int) -> list[RefundRow]:
        """The refunds that were made from `begins` until before `ends`."""
        rows = self._db.execute(
            _REFUND + "WHERE w.account_id = ? AND r.created_at >= ? AND r.created_at < ?"
            " ORDER BY r.created_at, r.id",
            (account_id, begins, ends),
        )
        return [RefundRow(*row) for row in rows]

    def add_refund(
        self,
        refund_id: int,
        *,
        account_id: str,
        out_refund_no: str,
        refund_no: str,
        fate: str,
        content: str,
        notify_url: str | None,
        due_at: int | None,
        now: int,
    ) -> RefundRow:
        """Write what belongs to a refund of the book; without `due_at` it is done at once."""
        status = "PROCESSING" if due_at is not None else fate
        self._db.execute(
            "INSERT INTO wechat_refunds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                refund_id,
                account_id,
                out_refund_no,
                refund_no,
                status,
                fate,
                content,
                notify_url,
                due_at,
                None if due_at is not None else now,
            ),
        )
        if due_at is not None:
            self._db.execute("UPDATE refunds SET status = 'processing' WHERE id = ?", (refund_id,))
        return self.refund_by_id(refund_id)

    def finish_refund(self, refund: RefundRow, *, now: int) -> RefundRow:
        """Let a refund come to its fate; one that is closed gives its amount back to the order."""
        self._db.execute(
            "UPDATE wechat_refunds SET status = fate, due_at = NULL, finished_at = ? WHERE id = ?",
            (now, refund.id),
        )
        if refund.fate == "SUCCESS":
            self._db.execute("UPDATE refunds SET status = 'succeeded' WHERE id = ?", (refund.id,))
        elif refund.fate == "CLOSED":
            self._db.execute("UPDATE refunds SET status = 'failed' WHERE id = ?", (refund.id,))
            self._db.execute(
                "UPDATE orders SET refunded = refunded - ? WHERE id = ?",
                (refund.amount, refund.order_id),
            )
        return self.refund_by_id(refund.id)

    # Transfers

    def transfer(self, account_id: str, out_bill_no: str) -> TransferRow | None:
        """The transfer under a merchant's number."""
        return self._one_transfer(
            "WHERE account_id = ? AND out_bill_no = ?", (account_id, out_bill_no)
        )

    def transfer_by_channel_no(self, account_id: str, number: str) -> TransferRow | None:
        """The transfer under WeChat's own number, if it is this account's."""
        return self._one_transfer(
            "WHERE account_id = ? AND transfer_bill_no = ?", (account_id, number)
        )

    def transfer_by_package(self, package_info: str) -> TransferRow | None:
        """The transfer that a payee is asked to confirm."""
        return self._one_transfer("WHERE package_info = ?", (package_info,))

    def add_transfer(self, values: dict[str, Any]) -> None:
        """Write a new transfer; `values` by column of `wechat_transfers`, without `id`."""
        row = self._db.execute(
            "INSERT INTO transfers (channel, account_id, out_transfer_no, channel_order_no, amount,"
            " currency, payee, status, content, created_at)"
            " VALUES (?, ?, ?, ?, ?, 'CNY', ?, 'processing', ?, ?)",
            (
                CHANNEL,
                values["account_id"],
                values["out_bill_no"],
                values["transfer_bill_no"],
                values["amount"],
                values["openid"],
                values["content"],
                values["created_at"],
            ),
        )
        columns = ", ".join(("id", *values))
        marks = ", ".join("?" * (len(values) + 1))
        self._db.execute(
            f"INSERT INTO wechat_transfers ({columns}) VALUES ({marks})",
            (row.lastrowid, *values.values()),
        )

    def end_transfer(
        self, transfer: TransferRow, state: str, *, fail_reason: str | None = None, now: int
    ) -> TransferRow:
        """End a transfer that waits for its payee."""
        moved = self._db.execute(
            "UPDATE wechat_transfers SET state = ?, fail_reason = ?, updated_at = ?, due_at = NULL"
            " WHERE id = ? AND state = 'WAIT_USER_CONFIRM'",
            (state, fail_reason, now, transfer.id),
        )
        if moved.rowcount != 1:
            raise LookupError("the transfer does not wait any more")
        status = "succeeded" if state == "SUCCESS" else "failed"
        self._db.execute(
            "UPDATE transfers SET status = ?, settled_at = ? WHERE id = ?",
            (status, now, transfer.id),
        )
        ended = self._one_transfer("WHERE id = ?", (transfer.id,))
        if ended is None:
            raise LookupError(f"no transfer {transfer.id}")
        return ended

    def due_transfers(self) -> list[tuple[str, int]]:
        """(package, due moment) of transfers that wait for their payees."""
        return self._db.execute(
            "SELECT package_info, due_at FROM wechat_transfers WHERE due_at IS NOT NULL"
        ).fetchall()

    def transfers_between(self, account_id: str, begins: int, ends: int) -> list[TransferRow]:
        """The transfers that arrived from `begins` until before `ends`."""
        rows = self._db.execute(
            "SELECT * FROM wechat_transfers WHERE account_id = ? AND state = 'SUCCESS'"
            " AND updated_at >= ? AND updated_at < ? ORDER BY updated_at, id",
            (account_id, begins, ends),
        )
        return [TransferRow(*row) for row in rows]

    def _one_transfer(self, where: str, values: tuple[Any, ...]) -> TransferRow | None:
        # `where` is a literal of this file; all that comes from outside is bound.
        row = self._db.execute(f"SELECT * FROM wechat_transfers {where}", values).fetchone()
        return TransferRow(*row) if row else None
