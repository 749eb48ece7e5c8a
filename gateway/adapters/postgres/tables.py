"""Tables: how a domain value becomes a row and a row a value.

Law: the only place where ids turn into UUIDs and mappings into JSON. A table's columns stand in
the order of its value's fields, in every `select`, `insert` and here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from gateway.adapters.postgres.statements import Statement
from gateway.domain import ids

Convert = Callable[[Any], Any]


class Codec(NamedTuple):
    """Both directions of one column; None values pass both untouched."""

    encode: Convert | None
    decode: Convert | None


def id_codec(prefix: str) -> Codec:
    """Ids: TypeID text here, UUID there."""

    def decode(value: UUID | None) -> str | None:
        return None if value is None else ids.from_uuid(prefix, value)

    def encode(value: str | None) -> str | None:
        return None if value is None else ids.to_hex(value)

    return Codec(encode, decode)


_to_json = msgspec.json.Encoder().encode


def _json_text(value: object) -> str | None:
    return None if value is None else _to_json(value).decode()


def _json_value(text: str | None) -> object:
    return None if text is None else msgspec.json.decode(text)


JSON = Codec(_json_text, _json_value)
LIST = Codec(list, tuple)


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

    `loads` are statements by kind of key, each with the function that turns keys into its arrays;
    the merchants are its first array. `codecs` name the columns that need converting, `mutable`
    the fields that an update writes.
    """

    def __init__(
        self,
        kind: str,
        value: type[msgspec.Struct],
        *,
        codecs: Mapping[str, Codec],
        loads: Mapping[str, Load],
        insert: Statement,
        update: Statement | None = None,
        mutable: Sequence[str] = (),
        touch: Statement | None = None,
    ) -> None:
        self.kind = kind
        self.value = value
        self.loads = loads
        self.insert = insert
        self.update = update
        self.touch = touch
        self.fields: tuple[str, ...] = value.__struct_fields__
        self._codecs = [codecs.get(field) for field in self.fields]
        self._decoders = [
            (index, codec.decode)
            for index, codec in enumerate(self._codecs)
            if codec is not None and codec.decode is not None
        ]
        self._get_all = attrgetter(*self.fields)
        self._get_mutable = attrgetter(*mutable) if len(mutable) > 1 else None
        self._mutable_codecs = [codecs.get(field) for field in mutable]

    def decode(self, record: Sequence[Any]) -> Any:
        """The value of a record whose columns are the fields in order."""
        values = list(record)
        for index, decode in self._decoders:
            values[index] = decode(values[index])
        return self.value(**dict(zip(self.fields, values, strict=True)))

    def insert_arrays(self, rows: Sequence[Any]) -> list[list[Any]]:
        """One array per column for the insert statement."""
        return _columns(map(self._get_all, rows), self._codecs)

    def update_arrays(self, rows: Sequence[Any], loaded: Sequence[int]) -> list[list[Any]]:
        """Arrays for the update statement: merchant, key, loaded version, mutable fields."""
        if self._get_mutable is None:
            raise TypeError(f"{self.kind} has no update")
        merchants = [ids.to_hex(row.merchant_id) for row in rows]
        keys = [ids.to_hex(row.place.key) for row in rows]
        arrays = _columns(map(self._get_mutable, rows), self._mutable_codecs)
        return [merchants, keys, list(loaded), *arrays]


def _columns(rows: Iterable[tuple[Any, ...]], codecs: Sequence[Codec | None]) -> list[list[Any]]:
    columns = []
    for values, codec in zip(zip(*rows, strict=True), codecs, strict=True):
        encode = None if codec is None else codec.encode
        columns.append(list(values) if encode is None else [encode(value) for value in values])
    return columns
