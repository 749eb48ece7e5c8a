"""Tables: how a domain value becomes a row and a row a value.

Law: the only place that knows which column is of which kind. A table's columns stand in the order
of its value's fields, in every `select`, `insert` and here; the casts of its statements say what
kind each is. Rows are written as lines of text and read as records (`fastpath.row`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from fastpath.row import BYTES, FLAG, ID, JSON, MOMENT, NUMBER, TEXT, read_row
from gateway.adapters.postgres.statements import Statement
from gateway.domain import ids

_VALUE = re.compile(r"\bf\[(\d+)\](?:::(\w+))?")
_KINDS = {
    "": TEXT,
    "uuid": ID,
    "bigint": NUMBER,
    "integer": NUMBER,
    "boolean": FLAG,
    "timestamptz": MOMENT,
    "bytea": BYTES,
    "jsonb": JSON,
}


class Part(NamedTuple):
    """A statement that writes lines, as one of several; `kinds` are those of a line's values."""

    name: str
    text: str
    kinds: bytes


def part(table: str, statement: Statement) -> Part:
    """A part of what a transaction writes.

    Raises ValueError if the statement does not use each value of a line.
    """
    kinds: dict[int, bytes] = {}
    for match in _VALUE.finditer(statement.text):
        kinds.setdefault(int(match[1]), _KINDS[match[2] or ""])
    if sorted(kinds) != list(range(1, len(kinds) + 1)) or statement.parameters != ("rows",):
        raise ValueError(f"{table}: {statement.name} does not write lines")
    marks = b"".join(kinds[number] for number in sorted(kinds))
    return Part(f"{table}_{statement.name}", statement.text, marks)


class Load(NamedTuple):
    """How rows are loaded by one kind of key."""

    statement: Statement
    key_arrays: Callable[[Sequence[str]], list[list[Any]]]
    key_of: Callable[[Any], str]


def by_id(statement: Statement) -> Load:
    """A load by the table's own id."""
    return Load(statement, lambda keys: [[ids.to_hex(key) for key in keys]], lambda r: r.place.key)


def by_text(statement: Statement, field: str) -> Load:
    """A load by a text column."""
    return Load(statement, lambda keys: [list(keys)], attrgetter(field))


class Table:
    """One table of versioned rows.

    `prefixes` are those of its id columns; `loads` are statements by kind of key, each with the
    function that turns keys into its arrays, the merchants being its first array; `mutable` are the
    fields that an update writes, in the row whose field `key` is the same; `after` is done to a
    value that was read. Of a table with `is_told` the last field but one is the sequence of the
    newest line about a row: it is written as counted from a head, whose place follows the row.
    """

    def __init__(
        self,
        kind: str,
        value: type[msgspec.Struct],
        *,
        prefixes: Mapping[str, str],
        loads: Mapping[str, Load],
        insert: Statement,
        update: Statement | None = None,
        mutable: Sequence[str] = (),
        key: str = "id",
        touch: Statement | None = None,
        after: Callable[[Any], Any] | None = None,
        is_told: bool = False,
    ) -> None:
        self.kind = kind
        self.value = value
        self.loads = loads
        self.fields: tuple[str, ...] = value.__struct_fields__
        self.is_told = is_told
        self.insert = part(kind, insert)
        self.update = None if update is None else part(kind, update)
        self.touch = None if touch is None else part(kind, touch)
        self._kinds = self.insert.kinds[: len(self.fields)]
        self._after = after
        self._prefixes = tuple(prefixes.get(field) for field in self.fields)
        self._get_all = attrgetter(*self.fields)
        self._get_changed = attrgetter("merchant_id", key, *mutable)

    def decode(self, record: Sequence[Any], at: int = 0) -> Any:
        """The value of a record whose columns from `at` on are the fields in order."""
        row = read_row(record, at, self.fields, self._kinds, self._prefixes, self.value)
        return row if self._after is None else self._after(row)

    def new_line(self, row: Any, sequence: int | None, head: int) -> tuple[Any, ...]:
        """The values of a new row; `sequence` is the newest line about it, from its head."""
        values: tuple[Any, ...] = self._get_all(row)
        return (*values[:-2], sequence, values[-1], head) if self.is_told else values

    def changed_line(
        self, row: Any, loaded: int, sequence: int | None, head: int
    ) -> tuple[Any, ...]:
        """The values of a changed row: merchant, key, loaded version, mutable fields."""
        values: tuple[Any, ...] = self._get_changed(row)
        if self.is_told:
            return (*values[:2], loaded, *values[2:-2], sequence, values[-1], head)
        return (*values[:2], loaded, *values[2:])
