"""A Change: everything one decision writes, in one transaction, on one shard.

Law: money only moves in a Change. It names the rows it depends on (`needs`); the committer locks
the merchant's head row, loads them, and calls `decide` with the rows as the Changes before it in
the same transaction left them. `decide` is pure: it returns `Writes` or raises, and a Change that
raises has touched nothing. Rows are versioned values; a row is written once, where its stored
version is the one that was loaded.

A Change may be run again when the answer to its COMMIT was lost: `decide` recognises its own
earlier commit by the ids it was born with, and answers as it did then.

A create names the number that must be new (`number`) and what it writes if so (`fresh`); when all
Changes of a transaction are such creates, nothing needs to be read first.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from gateway.domain.events import Line
from gateway.domain.ledger import Account, Entry


class Need(NamedTuple):
    """A row that a decision depends on: its kind and its key within the merchant."""

    kind: str
    key: str


class Row(Protocol):
    """A stored value: frozen, versioned, and able to tell its place."""

    @property
    def merchant_id(self) -> str:
        """Whose it is."""
        ...

    @property
    def version(self) -> int:
        """Rises with every change."""
        ...

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        ...


class Rows(Protocol):
    """The rows of one merchant as a decision sees them."""

    def get(self, need: Need) -> Any:
        """The row, or None if it does not exist. Only declared needs may be asked for."""
        ...

    def account(self, code: str, currency: str) -> Account:
        """The ledger account, opened empty if it does not exist."""
        ...


class Writes(Struct, frozen=True, kw_only=True):
    """What a decision writes. `result` goes back to who submitted the Change."""

    rows: tuple[Row, ...] = ()
    entries: tuple[Entry, ...] = ()
    lines: tuple[Line, ...] = ()
    touched: tuple[Need, ...] = ()  # rows of a repeat: counted, never versioned
    result: Any = None


class Change(Struct, frozen=True, kw_only=True):
    """One unit of work for the committer.

    `actor` is the key, worker or channel that caused it, `at` the business time; `accounts` are
    the (code, currency) of the ledger accounts that its entries may touch.
    """

    merchant_id: str
    actor: str
    at: datetime
    request_id: str | None
    decide: Callable[[Rows], Writes]
    needs: tuple[Need, ...] = ()
    accounts: tuple[tuple[str, str], ...] = ()
    number: Need | None = None
    fresh: Writes | None = None
