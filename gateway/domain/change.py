"""A Change: everything one decision writes, in one transaction, on one shard.

Law: money only moves in a Change. It names the rows it depends on (`needs`); the committer locks
the merchant's head row, loads them, and calls `decide` with the rows as the Changes before it in
the same transaction left them. `decide` is pure: it returns `Writes` or raises, and a Change that
raises has touched nothing. Rows are versioned values; a row is written once, where its stored
version is the one that was loaded.

A Change may be run again when the answer to its COMMIT was lost: `decide` recognises its own
earlier commit by the ids it was born with, and answers as it did then.

A Change may be foreseen: it carries what it writes if everything is still as it was seen, which the
database judges by versions and keys. A transaction of such Changes reads nothing first; if one was
wrong nothing is kept, and all are decided on the rows. A create foresees that its number is new.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.errors import TillgateError
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


class Foreseen(Struct, frozen=True):
    """What a Change writes if nothing has moved since it was decided.

    `before` are the rows as they were seen, one for each that it writes; None stands for a new one,
    of which there must be none yet.
    """

    writes: Writes
    before: tuple[Row | None, ...]


def all_new(writes: Writes) -> Foreseen:
    """What a Change foresees that writes new rows only."""
    return Foreseen(writes, (None,) * len(writes.rows))


class Change(Struct, frozen=True, kw_only=True):
    """One unit of work for the committer.

    `actor` is the key, worker or channel that caused it, `at` the business time; `accounts` are
    the (code, currency) of the ledger accounts that its entries may touch. `number` is what a
    create needs to be new; `foreseen` is what it writes if nothing has moved.
    """

    merchant_id: str
    actor: str
    at: datetime
    request_id: str | None
    decide: Callable[[Rows], Writes]
    needs: tuple[Need, ...] = ()
    accounts: tuple[tuple[str, str], ...] = ()
    number: Need | None = None
    foreseen: Foreseen | None = None


class SeenRows:
    """The rows of a merchant that were read for a decision; there are no others."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {row.place: row for row in rows}

    def get(self, need: Need) -> Any:
        """The row, or None."""
        return self._rows.get(need)

    def of(self, rows: Sequence[Row]) -> list[Row | None]:
        """The rows that have become `rows`, None where there was none."""
        return [self._rows.get(row.place) for row in rows]

    def account(self, code: str, currency: str) -> Account:
        """Raises `LookupError`: balances move too often to be looked at beforehand."""
        raise LookupError(code, currency)


def foreseen(change: Change, rows: Sequence[Row]) -> Change:
    """The Change with what it writes if things are as they were seen; as it is if that is open.

    `rows` are those of its needs that exist. That the others do not must be sure by a key of a row
    that it writes, or by the version of one of `rows`.
    """
    seen = SeenRows(rows)
    try:
        writes = change.decide(seen)
    except (LookupError, TillgateError):
        return change
    before = seen.of(writes.rows)
    made = [n for n, row in enumerate(writes.rows) if row is not before[n]]
    if writes.touched or not made:
        return change
    written = replace(writes, rows=tuple(writes.rows[n] for n in made))
    return replace(change, foreseen=Foreseen(written, tuple(before[n] for n in made)))
