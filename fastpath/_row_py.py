"""Pure twin of `fastpath.row`: the specification.

Law. It writes values down and reads them back, and decides nothing about them. An odd character
costs itself, never its row: separators, NUL and lone surrogates in a text become U+FFFD.
Sources: PostgreSQL 18, 8.4 (bytea), 8.5 (dates), 8.15.2 (arrays), 9.4 (`string_to_array`);
TypeID 0.3.0; RFC 8259.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from fastpath._arguments import wrong_type
from fastpath._row_terms import (
    BYTES,
    COLUMNS_MAX,
    FLAG,
    GROUP,
    ID,
    ID_REFUSED,
    JSON,
    KINDS,
    LONE_TEXT_REFUSED,
    MOMENT,
    NAIVE_REFUSED,
    NUL_ESCAPE,
    NUL_REPLACED,
    NULL,
    NUMBER,
    ODD,
    REPLACEMENT,
    TEXT,
    TEXTS,
    UNIT,
)

T = TypeVar("T")

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS: Final = 26
_UUID_BYTES: Final = 16

_to_json: Final = msgspec.json.Encoder().encode
_from_json: Final = msgspec.json.Decoder().decode


def row_lines(rows: Sequence[Sequence[object]], kinds: bytes) -> str:
    """Rows as one text: values parted by UNIT, None as NULL, rows parted by GROUP.

    `rows` is a tuple or list of tuples or lists, each with one value for each of `kinds` (marks of
    `fastpath._row_terms`). Postgres takes the text apart with `string_to_array(text, GROUP)` and
    `string_to_array(row, UNIT, NULL)`, and casts each value; no rows are an empty text.

    Raises TypeError for a value that is not of its kind, ValueError for an unknown kind, a row of
    another length, an id that is none, a datetime without a time zone, JSON with a lone surrogate,
    and kinds that are TEXT alone, because Postgres takes an empty text for no row.
    """
    _check_kinds(kinds)
    if kinds == TEXT:
        raise ValueError(LONE_TEXT_REFUSED)
    if not isinstance(rows, tuple | list):
        raise wrong_type("rows", "a tuple or list", rows)
    return GROUP.join([_line(row, kinds) for row in rows])


def _check_kinds(kinds: bytes) -> None:
    if type(kinds) is not bytes:
        raise wrong_type("kinds", "bytes", kinds)
    if not 1 <= len(kinds) <= COLUMNS_MAX:
        raise ValueError(f"kinds must be 1 to {COLUMNS_MAX}")
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"{kind} is no kind of column")


def _line(row: Sequence[object], kinds: bytes) -> str:
    if not isinstance(row, tuple | list):
        raise wrong_type("row", "a tuple or list", row)
    if len(row) != len(kinds):
        raise ValueError(f"a row must have {len(kinds)} values, not {len(row)}")
    written = []
    for column, value in enumerate(row):
        kind = kinds[column : column + 1]
        written.append(NULL if value is None else _WRITE[kind](f"column {column}", value))
    return UNIT.join(written)


def _write_text(name: str, value: Any) -> str:
    if type(value) is not str:
        raise wrong_type(name, "str", value)
    return ODD.sub(REPLACEMENT, value)


def _write_number(name: str, value: Any) -> str:
    if type(value) is not int:
        raise wrong_type(name, "int", value)
    return str(value)


def _write_flag(name: str, value: Any) -> str:
    if type(value) is not bool:
        raise wrong_type(name, "bool", value)
    return "t" if value else "f"


def _write_id(name: str, value: Any) -> str:
    if type(value) is not str:
        raise wrong_type(name, "str", value)
    _, found, characters = value.rpartition("_")
    if (
        not found
        or len(characters) != _ID_CHARS
        or characters[0] > "7"
        or any(character not in _ALPHABET for character in characters)
    ):
        raise ValueError(f"{name} {ID_REFUSED}")
    number = 0
    for character in characters:
        number = number << 5 | _ALPHABET.index(character)
    return f"{number:032x}"


def _write_moment(name: str, value: Any) -> str:
    if type(value) is not datetime:
        raise wrong_type(name, "datetime", value)
    if value.utcoffset() is None:
        raise ValueError(f"{name} {NAIVE_REFUSED}")
    return value.astimezone(UTC).isoformat(" ", "microseconds").removesuffix(":00")


def _write_bytes(name: str, value: Any) -> str:
    if type(value) is not bytes:
        raise wrong_type(name, "bytes", value)
    return f"\\x{value.hex()}"


def _write_json(name: str, value: Any) -> str:
    text = NUL_ESCAPE.sub(NUL_REPLACED, _to_json(value).decode())
    return ODD.sub(REPLACEMENT, text)


def _write_texts(name: str, value: Any) -> str:
    if not isinstance(value, tuple | list):
        raise wrong_type(name, "a tuple or list", value)
    parts = []
    for element in value:
        text = _write_text(f"an element of {name}", element)
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'"{escaped}"')
    return f"{{{','.join(parts)}}}"


_WRITE: Final[dict[bytes, Callable[[str, Any], str]]] = {
    TEXT: _write_text,
    NUMBER: _write_number,
    FLAG: _write_flag,
    ID: _write_id,
    MOMENT: _write_moment,
    BYTES: _write_bytes,
    JSON: _write_json,
    TEXTS: _write_texts,
}


def read_row(
    record: Sequence[object],
    at: int,
    fields: tuple[str, ...],
    kinds: bytes,
    prefixes: tuple[str | None, ...],
    value: type[T],
) -> T:
    """The value that the columns of a record from `at` on hold, in the order of `fields`.

    `record` is a row as asyncpg gives it: UUIDs for ID, which become `prefixes`' text, `_` and 26
    characters; str for JSON, which is decoded; a list for TEXTS, which becomes a tuple. All else,
    and None of any kind, is taken as it is. `value` is called with each of `fields` by name;
    the names are distinct.

    Raises TypeError for what is not of its kind, ValueError for lengths that do not fit and
    `msgspec.DecodeError` for what is no JSON, and what `value` raises.
    """
    _check_kinds(kinds)
    if type(fields) is not tuple:
        raise wrong_type("fields", "a tuple", fields)
    if type(prefixes) is not tuple:
        raise wrong_type("prefixes", "a tuple", prefixes)
    if type(at) is not int:
        raise wrong_type("at", "int", at)
    if not len(fields) == len(kinds) == len(prefixes):
        raise ValueError("fields, kinds and prefixes must be as many")
    if not 0 <= at <= len(record) - len(fields):
        raise ValueError(f"the record has no {len(fields)} columns from {at} on")
    values = {}
    for index, field in enumerate(fields):
        if type(field) is not str:
            raise wrong_type("field", "str", field)
        column = record[at + index]
        kind = kinds[index : index + 1]
        if column is not None and kind in _READ:
            column = _READ[kind](field, column, prefixes[index])
        values[field] = column
    return value(**values)


def _read_id(field: str, column: Any, prefix: str | None) -> str:
    if type(prefix) is not str:
        raise wrong_type(f"prefix of {field}", "str", prefix)
    if not isinstance(column, UUID):
        raise wrong_type(field, "UUID", column)
    data = column.bytes
    if type(data) is not bytes or len(data) != _UUID_BYTES:
        raise wrong_type(field, "UUID", column)
    number = int.from_bytes(data)
    characters = "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{characters}"


def _read_json(field: str, column: Any, prefix: str | None) -> object:
    if type(column) is not str:
        raise wrong_type(field, "str", column)
    return _from_json(column)


def _read_texts(field: str, column: Any, prefix: str | None) -> tuple[object, ...]:
    if type(column) is not list:
        raise wrong_type(field, "list", column)
    return tuple(column)


_READ: Final[dict[bytes, Callable[[str, Any, str | None], object]]] = {
    ID: _read_id,
    JSON: _read_json,
    TEXTS: _read_texts,
}
