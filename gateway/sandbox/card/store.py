"""What the pretend Stripe keeps: intents, refunds, answers under idempotency keys, endpoints.

Law: the tables of `store.sql`, beside the shared book and in its transactions: whoever writes here
is inside `book.change()`. Values in, values out; nothing is decided here.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.sandbox.book import Book

SCHEMA: Final = (Path(__file__).parent / "store.sql").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Charge:
    """The one movement of an intent's card. Moments are milliseconds."""

    id: str
    created: int
    status: str  # succeeded | failed
    captured: bool
    amount_captured: int = 0
    amount_refunded: int = 0
    capture_before: int | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment intent as it stands. Moments are milliseconds, amounts minor units."""

    id: str
    account_id: str
    order_id: int
    amount: int
    currency: str
    status: str
    capture_method: str
    client_secret: str
    created: int
    metadata: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    payment_method: str | None = None
    return_url: str | None = None
    error_on_requires_action: bool = False
    amount_received: int = 0
    charge: Charge | None = None
    failure: dict[str, Any] | None = None
    redirect_url: str | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None

    @property
    def due_at(self) -> int | None:
        """When its hold is let go, if it is one."""
        held = self.status == "requires_capture" and self.charge is not None
        return self.charge.capture_before if held and self.charge is not None else None


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refund as it stands."""

    id: str
    account_id: str
    intent_id: str
    charge_id: str
    amount: int
    currency: str
    status: str  # pending | succeeded | failed
    created: int
    due_at: int | None = None
    reason: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a merchant hears of events; `secret` signs them."""

    id: str
    account_id: str
    url: str
    secret: str
    enabled_events: tuple[str, ...]
    created: int
    status: str = "enabled"
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Endpoint({self.id}, {self.url})"


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer that an idempotency key keeps."""

    fingerprint: str
    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are wanted, newest first."""

    limit: int
    after: str | None = None
    before: str | None = None
    created: tuple[int, int] | None = None


class Store:
    """The channel's own tables in the book's file."""

    def __init__(self, book: Book) -> None:
        self._db: sqlite3.Connection = book.annex(SCHEMA)

    # Intents

    def intent(self, account_id: str, number: str) -> Intent | None:
        """The intent of an id, or of its charge's id, if it is this account's."""
        return self._intent(
            "account_id = ? AND (id = ? OR charge_id = ?)", account_id, number, number
        )

    def intent_of_order(self, order_id: int) -> Intent:
        """The intent behind a row of the shared book."""
        found = self._intent("order_id = ?", order_id)
        if found is None:
            raise LookupError(f"no intent for order {order_id}")
        return found

    def write_intent(self, intent: Intent) -> None:
        """Write an intent, new or changed."""
        self._db.execute(
            "INSERT INTO card_intents (id, account_id, order_id, charge_id, created, due_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " charge_id = excluded.charge_id, due_at = excluded.due_at, state = excluded.state",
            (
                intent.id,
                intent.account_id,
                intent.order_id,
                intent.charge.id if intent.charge else None,
                intent.created,
                intent.due_at,
                _text(intent),
            ),
        )

    def set_book_amount(self, intent: Intent, amount: int) -> None:
        """The shared book shows what was taken, where that is less than was held."""
        self._db.execute("UPDATE orders SET amount = ? WHERE id = ?", (amount, intent.order_id))

    def set_code(self, intent: Intent, code: str) -> None:
        """A payer finds the order behind the address of the bank's page."""
        self._db.execute("UPDATE orders SET code = ? WHERE id = ?", (code, intent.order_id))

    def intents(self, account_id: str, page: Page) -> tuple[list[Intent], bool]:
        """A page, newest first, and whether there are more."""
        rows, more = self._page("card_intents", account_id, page)
        return [_intent(row) for row in rows], more

    # Refunds

    def refund(self, account_id: str, refund_id: str) -> RefundRow | None:
        """The refund of an id, if it is this account's."""
        row = self._db.execute(
            "SELECT state FROM card_refunds WHERE account_id = ? AND id = ?",
            (account_id, refund_id),
        ).fetchone()
        return RefundRow(**json.loads(row[0])) if row else None

    def write_refund(self, refund: RefundRow) -> None:
        """Write a refund, new or changed."""
        self._db.execute(
            "INSERT INTO card_refunds"
            " (id, account_id, intent_id, amount, status, created, due_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " status = excluded.status, due_at = excluded.due_at, state = excluded.state",
            (
                refund.id,
                refund.account_id,
                refund.intent_id,
                refund.amount,
                refund.status,
                refund.created,
                refund.due_at,
                _text(refund),
            ),
        )

    def refunds(
        self, account_id: str, page: Page, *, intent_id: str | None
    ) -> tuple[list[RefundRow], bool]:
        """A page, newest first, and whether there are more."""
        where = () if intent_id is None else (("intent_id = ?", intent_id),)
        rows, more = self._page("card_refunds", account_id, page, *where)
        return [RefundRow(**json.loads(row)) for row in rows], more

    def promised(self, intent: Intent) -> int:
        """What was given back or is on its way back."""
        row = self._db.execute(
            "SELECT coalesce(sum(amount), 0) FROM card_refunds"
            " WHERE intent_id = ? AND status <> 'failed'",
            (intent.id,),
        ).fetchone()
        return int(row[0])

    # What falls due

    def next_due(self) -> int | None:
        """The earliest moment at which a hold or a pending refund is to be ended."""
        row = self._db.execute(
            "SELECT min(due_at) FROM (SELECT due_at FROM card_intents WHERE due_at IS NOT NULL"
            " UNION ALL SELECT due_at FROM card_refunds WHERE due_at IS NOT NULL)"
        ).fetchone()
        return row[0] if row else None

    def due_intents(self, now: int) -> list[Intent]:
        """The holds whose time is over."""
        rows = self._db.execute("SELECT state FROM card_intents WHERE due_at <= ?", (now,))
        return [_intent(row[0]) for row in rows.fetchall()]

    def due_refunds(self, now: int) -> list[RefundRow]:
        """The pending refunds that have an outcome by now."""
        rows = self._db.execute("SELECT state FROM card_refunds WHERE due_at <= ?", (now,))
        return [RefundRow(**json.loads(row[0])) for row in rows.fetchall()]

    # Idempotency keys

    def kept(self, account_id: str, key: str) -> Kept | None:
        """The answer under an idempotency key."""
        row = self._db.execute(
            "SELECT fingerprint, status, body FROM card_keys WHERE account_id = ? AND key = ?",
            (account_id, key),
        ).fetchone()
        return Kept(*row) if row else None

    def keep(self, account_id: str, key: str, kept: Kept) -> None:
        """Keep an answer, once for ever (Stripe: for 24 h at least)."""
        self._db.execute(
            "INSERT INTO card_keys VALUES (?, ?, ?, ?, ?)",
            (account_id, key, kept.fingerprint, kept.status, kept.body),
        )

    # Endpoints

    def endpoints(self, account_id: str) -> list[Endpoint]:
        """An account's endpoints, oldest first."""
        rows = self._db.execute(
            "SELECT state FROM card_endpoints WHERE account_id = ? AND deleted = 0 ORDER BY seq",
            (account_id,),
        )
        return [_endpoint(row[0]) for row in rows]

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """An endpoint, also a deleted one: its last events are still signed with its secret."""
        row = self._db.execute(
            "SELECT state FROM card_endpoints WHERE id = ?", (endpoint_id,)
        ).fetchone()
        return _endpoint(row[0])

    def had_endpoint(self, account_id: str) -> bool:
        """Whether the account has, or ever had, an endpoint."""
        row = self._db.execute(
            "SELECT 1 FROM card_endpoints WHERE account_id = ? LIMIT 1", (account_id,)
        ).fetchone()
        return row is not None

    def write_endpoint(self, endpoint: Endpoint, *, deleted: bool = False) -> None:
        """Write an endpoint, new or changed."""
        self._db.execute(
            "INSERT INTO card_endpoints (id, account_id, deleted, state) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET deleted = excluded.deleted, state = excluded.state",
            (endpoint.id, endpoint.account_id, int(deleted), _text(endpoint)),
        )

    # Balance transactions

    def add_transaction(self, account_id: str, shown: dict[str, Any], *, created: int) -> None:
        """Write a movement of the account's balance, as it will be shown."""
        self._db.execute(
            "INSERT INTO card_transactions (id, account_id, type, source, currency, created, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                shown["id"],
                account_id,
                shown["type"],
                shown["source"],
                shown["currency"],
                created,
                json.dumps(shown),
            ),
        )

    def transactions(
        self, account_id: str, page: Page, **wanted: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        """A page, newest first; `wanted` are `type`, `source`, `currency` and `id`."""
        columns = ("type", "source", "currency", "id")
        where = [(f"{name} = ?", wanted[name]) for name in columns if wanted.get(name)]
        rows, more = self._page("card_transactions", account_id, page, *where)
        return [json.loads(row) for row in rows], more

    def _intent(self, where: str, *values: Any) -> Intent | None:
        # `where` is a literal of this file; all that comes from outside is bound.
        row = self._db.execute(f"SELECT state FROM card_intents WHERE {where}", values).fetchone()
        return _intent(row[0]) if row else None

    def _page(
        self, table: str, account_id: str, page: Page, *where: tuple[str, Any]
    ) -> tuple[list[str], bool]:
        conditions: list[tuple[str, Any]] = [("account_id = ?", account_id), *where]
        if page.created is not None:
            low, high = page.created
            conditions += [("created >= ?", low * 1_000), ("created < ?", (high + 1) * 1_000)]
        if page.after is not None:
            conditions.append((f"seq < (SELECT seq FROM {table} WHERE id = ?)", page.after))
        if page.before is not None:
            conditions.append((f"seq > (SELECT seq FROM {table} WHERE id = ?)", page.before))
        order = "ASC" if page.before is not None else "DESC"
        rows = self._db.execute(
            f"SELECT state FROM {table} WHERE {' AND '.join(text for text, _ in conditions)}"
            f" ORDER BY seq {order} LIMIT ?",
            (*(value for _, value in conditions), page.limit + 1),
        ).fetchall()
        found = [row[0] for row in rows[: page.limit]]
        return found[::-1] if page.before is not None else found, len(rows) > page.limit


def _text(value: Any) -> str:
    return json.dumps(asdict(value), ensure_ascii=False)


def _intent(text: str) -> Intent:
    members = json.loads(text)
    charge = members["charge"]
    return Intent(**members | {"charge": Charge(**charge) if charge else None})


def _endpoint(text: str) -> Endpoint:
    members = json.loads(text)
    return Endpoint(**members | {"enabled_events": tuple(members["enabled_events"])})
