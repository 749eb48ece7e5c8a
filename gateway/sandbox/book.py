"""The book: accounts, orders, refunds and open notifications of all pretend channels.

Law: what a simulator answers is in its book before the answer leaves. The book is one SQLite
file, held by one process; every change is one transaction, written ahead and handed to the
operating system at once: a `kill -9` loses nothing, a power failure perhaps the last moments.
Calls are made on the event loop and wait for no one: each is some tens of microseconds, less
than a hop to a thread. Amounts are minor units, moments milliseconds of the business clock.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE_NAME: Final = "sandbox.sqlite3"
SCHEMA: Final = (Path(__file__).parent / "book.sql").read_text("utf-8")
STATEMENTS_CACHED_MAX: Final = 256


class BookHeld(RuntimeError):
    """Another process holds the book of this data folder."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A merchant's account at one channel; `details` is what that channel adds."""

    channel: str
    account_id: str
    merchant_public_key: str
    details: dict[str, str]


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it stands; fields as the columns of `orders` in `book.sql`."""

    id: int
    channel: str
    account_id: str
    out_trade_no: str
    channel_order_no: str | None
    amount: int
    currency: str
    status: str
    refunded: int
    code: str | None
    notify_url: str | None
    content: str
    created_at: int
    expires_at: int | None
    scanned_at: int | None
    paid_at: int | None
    closed_at: int | None


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund of an order."""

    id: int
    order_id: int
    out_refund_no: str
    amount: int
    status: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification to a merchant; `content` is JSON that its channel understands."""

    id: int
    channel: str
    account_id: str
    order_id: int | None
    url: str
    content: str
    state: str
    sends: int
    due_at: int
    created_at: int


class Book:
    """The open SQLite file. Raises `BookHeld` when another process has it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / FILE_NAME
        # The file holds private keys: nobody else may read it, from its first byte on.
        path.touch(mode=0o600, exist_ok=True)
        self._db = sqlite3.connect(
            path, isolation_level=None, timeout=0, cached_statements=STATEMENTS_CACHED_MAX
        )
        try:
            # Exclusive locking keeps a second process out and saves the shared-memory index.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            self._db.close()
            raise BookHeld(f"cannot hold {path}: {error}") from error
        self._next_expiry = self._read_next_expiry()

    def close(self) -> None:
        """Close the file; the book may then be opened again."""
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All that is written inside becomes true together, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def annex(self, schema: str) -> sqlite3.Connection:
        """The open file with a channel's own tables in it, so that one `change` covers both."""
        self._db.executescript(schema)
        return self._db

    # Keys and accounts

    def key(self, name: str) -> str | None:
        """The private PEM kept under `name`, or None."""
        row = self._db.execute("SELECT private_pem FROM keys WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def keep_key(self, name: str, private_pem: str) -> None:
        """Keep a private key under `name`, once for ever."""
        self._db.execute("INSERT INTO keys VALUES (?, ?)", (name, private_pem))

    def accounts(self, channel: str) -> list[AccountRow]:
        """All accounts of a channel."""
        rows = self._db.execute(
            "SELECT channel, account_id, merchant_public_key, details"
            " FROM accounts WHERE channel = ?",
            (channel,),
        )
        return [
            AccountRow(channel, account_id, merchant_public_key, json.loads(details))
            for channel, account_id, merchant_public_key, details in rows
        ]

    def account_of(self, channel: str, merchant_fingerprint: str) -> str | None:
        """The account that was opened with this merchant key, or None."""
        row = self._db.execute(
            "SELECT account_id FROM accounts WHERE channel = ? AND merchant_fingerprint = ?",
            (channel, merchant_fingerprint),
        ).fetchone()
        return row[0] if row else None

    def open_account(self, account: AccountRow, *, merchant_fingerprint: str, now: int) -> None:
        """Write a new account."""
        self._db.execute(
            "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)",
            (
                account.channel,
                account.account_id,
                merchant_fingerprint,
                account.merchant_public_key,
                json.dumps(account.details),
                now,
            ),
        )

    # Orders

    def order(self, channel: str, account_id: str, out_trade_no: str) -> Order | None:
        """The order under a merchant's number."""
        return self._one_order(
            "WHERE channel = ? AND account_id = ? AND out_trade_no = ?",
            (channel, account_id, out_trade_no),
        )

    def order_by_channel_no(
        self, channel: str, account_id: str, channel_order_no: str
    ) -> Order | None:
        """The order under the channel's own number, if it is this account's."""
        return self._one_order(
            "WHERE channel_order_no = ? AND channel = ? AND account_id = ?",
            (channel_order_no, channel, account_id),
        )

    def order_by_code(self, code: str) -> Order | None:
        """The order that a payer finds behind a QR text, link or reference."""
        return self._one_order("WHERE code = ?", (code,))

    def order_by_id(self, order_id: int) -> Order:
        """The order of a row number that the book itself gave."""
        order = self._one_order("WHERE id = ?", (order_id,))
        if order is None:
            raise LookupError(f"no order {order_id}")
        return order

    def add_order(
        self,
        *,
        channel: str,
        account_id: str,
        out_trade_no: str,
        amount: int,
        currency: str,
        code: str | None,
        notify_url: str | None,
        content: str,
        now: int,
        expires_at: int | None,
    ) -> None:
        """Write a new open order that nobody has scanned yet."""
        self._db.execute(
            "INSERT INTO orders (channel, account_id, out_trade_no, amount, currency, status,"
            " code, notify_url, content, created_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?)",
            (
                channel,
                account_id,
                out_trade_no,
                amount,
                currency,
                code,
                notify_url,
                content,
                now,
                expires_at,
            ),
        )
        if expires_at is not None:
            known = self._next_expiry
            self._next_expiry = expires_at if known is None else min(known, expires_at)

    def renotify(self, order: Order, notify_url: str | None) -> None:
        """Remember another address for the notifications of an order."""
        self._db.execute("UPDATE orders SET notify_url = ? WHERE id = ?", (notify_url, order.id))

    def scan(self, order: Order, channel_order_no: str, *, now: int) -> None:
        """A payer has met the order: it gets the channel's own number."""
        self._move(
            "UPDATE orders SET channel_order_no = ?, scanned_at = ?"
            " WHERE id = ? AND status = 'open' AND channel_order_no IS NULL",
            (channel_order_no, now, order.id),
        )

    def pay(self, order: Order, *, now: int) -> None:
        """The payer has paid the whole amount."""
        self._move(
            "UPDATE orders SET status = 'paid', paid_at = ? WHERE id = ? AND status = 'open'",
            (now, order.id),
        )

    def close_order(self, order: Order, *, now: int) -> None:
        """The open order can no longer be paid."""
        self._move(
            "UPDATE orders SET status = 'closed', closed_at = ? WHERE id = ? AND status = 'open'",
            (now, order.id),
        )

    def close_expired(self, now: int) -> int:
        """Close every open order whose time is over; returns how many. Costs nothing before."""
        if self._next_expiry is None or now < self._next_expiry:
            return 0
        closed = self._db.execute(
            "UPDATE orders SET status = 'closed', closed_at = expires_at"
            " WHERE status = 'open' AND expires_at <= ?",
            (now,),
        ).rowcount
        self._next_expiry = self._read_next_expiry()
        return closed

    def next_expiry(self) -> int | None:
        """No open order expires before this moment; None when none expires."""
        return self._next_expiry

    # Refunds

    def refund(self, order: Order, out_refund_no: str) -> Refund | None:
        """The refund of an order under a merchant's number."""
        row = self._db.execute(
            "SELECT * FROM refunds WHERE order_id = ? AND out_refund_no = ?",
            (order.id, out_refund_no),
        ).fetchone()
        return Refund(*row) if row else None

    def latest_refund(self, order: Order) -> Refund | None:
        """The refund that was made last."""
        row = self._db.execute(
            "SELECT * FROM refunds WHERE order_id = ? ORDER BY id DESC LIMIT 1", (order.id,)
        ).fetchone()
        return Refund(*row) if row else None

    def add_refund(self, order: Order, *, out_refund_no: str, amount: int, now: int) -> None:
        """Give back `amount`; never more in sum than was paid (the table refuses)."""
        self._move(
            "UPDATE orders SET refunded = refunded + ? WHERE id = ? AND status = 'paid'",
            (amount, order.id),
        )
        self._db.execute(
            "INSERT INTO refunds (order_id, out_refund_no, amount, status, created_at)"
            " VALUES (?, ?, ?, 'succeeded', ?)",
            (order.id, out_refund_no, amount, now),
        )

    # Notices

    def add_notice(
        self, order: Order, *, url: str, content: str, callable_url: bool, now: int
    ) -> int:
        """Write a notification, due at once; one that may not be called is only remembered.

        An `order` with row number 0 is a transfer in an order's shape.
        """
        state = "open" if callable_url else "not_called"
        row = self._db.execute(
            "INSERT INTO notices (channel, account_id, order_id, url, content, state, due_at,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (order.channel, order.account_id, order.id or None, url, content, state, now, now),
        )
        return int(row.lastrowid or 0)

    def notice(self, notice_id: int) -> Notice:
        """The notification of a row number that the book itself gave."""
        row = self._db.execute("SELECT * FROM notices WHERE id = ?", (notice_id,)).fetchone()
        if row is None:
            raise LookupError(f"no notice {notice_id}")
        return Notice(*row)

    def open_notices(self) -> list[tuple[int, int]]:
        """(row number, due moment) of all that are not accepted yet."""
        return self._db.execute(
            "SELECT id, due_at FROM notices WHERE state = 'open' ORDER BY due_at, id"
        ).fetchall()

    def settle_notice(self, notice_id: int, *, state: str, sends: int, due_at: int) -> None:
        """Write what became of a sending. A notice that is no longer open stays as it is."""
        self._db.execute(
            "UPDATE notices SET state = ?, sends = ?, due_at = ? WHERE id = ? AND state = 'open'",
            (state, sends, due_at, notice_id),
        )

    # The outside truth

    def shown(self, channel: str, account_id: str | None = None) -> dict[str, list[dict[str, Any]]]:
        """All orders, refunds and transfers of a channel, oldest first, for comparing.

        `channel_order_no` is null while nobody has scanned the order. An order whose number begins
        with `hold:` is money held and no charge, so it is not shown.
        """
        orders = self._db.execute(
            "SELECT out_trade_no, channel_order_no, amount, currency, status, refunded"
            " FROM orders WHERE channel = ? AND account_id = coalesce(?, account_id)"
            " AND out_trade_no NOT GLOB 'hold:*' ORDER BY id",
            (channel, account_id),
        )
        refunds = self._db.execute(
            "SELECT r.out_refund_no, o.out_trade_no, r.amount, r.status"
            " FROM refunds r JOIN orders o ON o.id = r.order_id"
            " WHERE o.channel = ? AND o.account_id = coalesce(?, o.account_id) ORDER BY r.id",
            (channel, account_id),
        )
        transfers = self._db.execute(
            "SELECT out_transfer_no, channel_order_no, amount, currency, status, payee"
            " FROM transfers WHERE channel = ? AND account_id = coalesce(?, account_id)"
            " ORDER BY id",
            (channel, account_id),
        )
        return {
            "orders": _dicts(orders),
            "refunds": _dicts(refunds),
            "transfers": _dicts(transfers),
        }

    def _one_order(self, where: str, values: tuple[Any, ...]) -> Order | None:
        # `where` is a literal of this file; all that comes from outside is bound.
        row = self._db.execute(f"SELECT * FROM orders {where}", values).fetchone()
        return Order(*row) if row else None

    def _move(self, sql: str, values: tuple[Any, ...]) -> None:
        if self._db.execute(sql, values).rowcount != 1:
            raise LookupError("the order is not in the state that this move starts from")

    def _read_next_expiry(self) -> int | None:
        row = self._db.execute(
            "SELECT min(expires_at) FROM orders WHERE status = 'open'"
        ).fetchone()
        return row[0] if row else None


def _dicts(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
