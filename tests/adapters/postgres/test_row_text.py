"""Rows as one text: what `fastpath.row` wrote, Postgres reads as the same values.

The statement takes the text apart as the statements of group commits do.
"""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asyncpg
import msgspec
import pytest

from fastpath.row import (
    BYTES,
    FLAG,
    GROUP,
    ID,
    JSON,
    MOMENT,
    NULL,
    NUMBER,
    TEXT,
    TEXTS,
    UNIT,
    read_row,
    row_lines,
)
from tests.conftest import Cluster

READ = f"""
select 'before', f[1]::bigint, f[2]::uuid, f[3], f[4]::boolean, f[5]::timestamptz, f[6]::bytea,
       f[7]::jsonb, f[8]::text[]
from unnest(string_to_array($1::text, e'\\x{ord(GROUP):x}')) with ordinality as r (line, place)
cross join lateral string_to_array(r.line, e'\\x{ord(UNIT):x}', e'\\x{ord(NULL):x}') as f
order by r.place
"""
KINDS = NUMBER + ID + TEXT + FLAG + MOMENT + BYTES + JSON + TEXTS
HARD = [
    "",
    " ",
    "null",
    "NULL",
    "Tee 茶 😀 é",
    "\\",
    "\\\\x41",
    '"',
    "'",
    "{a,b}",
    "a,b",
    "$1",
    "\t\r\n\x01\x1c\x7f\x85\u2028",
    "\ufffd",
]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One column of every kind."""

    number: int | None
    id: str | None
    text: str | None
    flag: bool | None
    moment: datetime | None
    data: bytes | None
    value: object
    texts: tuple[str, ...] | None


FIELDS = Row.__struct_fields__
PREFIXES = tuple("pay" if field == "id" else None for field in FIELDS)
NOTHING = Row(**dict.fromkeys(FIELDS))
NOON = datetime(2026, 1, 31, 12, 5, 9, 42, tzinfo=UTC)
PLAIN = Row(
    number=-(2**63),
    id="pay_01h455vb4pex5vsknk084sn02q",
    text="a",
    flag=True,
    moment=NOON,
    data=bytes(range(256)),
    value={"a": [1, None, True, 1.5, {}]},
    texts=("a", "b"),
)


@pytest.fixture
async def connection(any_cluster: Cluster) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(any_cluster.postgres.dsn("postgres"))
    yield opened
    await opened.close()


async def round_trip(connection: asyncpg.Connection, rows: list[Row]) -> list[Row]:
    text = row_lines([tuple(getattr(row, field) for field in FIELDS) for row in rows], KINDS)
    records = await connection.fetch(READ, text)
    return [read_row(record, 1, FIELDS, KINDS, PREFIXES, Row) for record in records]


def rows_with(**columns: list[Any]) -> list[Row]:
    """A plain row for each value of each column, and each value as the only one of its row."""
    return [
        msgspec.structs.replace(rest, **{field: value})
        for field, values in columns.items()
        for value in values
        for rest in (PLAIN, NOTHING)
    ]


async def test_what_was_written_is_read(connection: asyncpg.Connection) -> None:
    rows = rows_with(
        number=[0, 1, -1, 99, 100, 2**63 - 1],
        id=["pay_" + "0" * 26, "pay_7" + "z" * 25],
        text=HARD,
        flag=[True, False],
        moment=[
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ],
        data=[b"", b"\\x00", b"\x00\x1d\x1e\x1f"],
        value=[{}, [], "", 0, {text: text for text in HARD}, {"\x1d": "\x1e\x1f\x01"}],
        texts=[(), ("",), tuple(HARD), ("\\", '"', '\\"')],
    )
    rows += [PLAIN, NOTHING]
    assert await round_trip(connection, rows) == rows


async def test_no_rows_are_no_rows(connection: asyncpg.Connection) -> None:
    assert await round_trip(connection, []) == []


async def test_one_moment_in_any_zone(connection: asyncpg.Connection) -> None:
    await connection.execute("set timezone to 'Asia/Shanghai'")
    away = NOON.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    [read] = await round_trip(connection, rows_with(moment=[away])[:1])
    assert read.moment == NOON and read.moment.tzinfo is UTC


async def test_odd_characters_cost_only_themselves(connection: asyncpg.Connection) -> None:
    odd = "a\x00b\x1dc\x1ed\x1fe\ud800f"
    clean = "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf"
    [bad] = rows_with(text=[odd])[:1]
    bad = msgspec.structs.replace(bad, texts=(odd, "b"), value={"a": "\x00", "b": "\\u0000\x1f"})
    read = await round_trip(connection, [PLAIN, bad, PLAIN])
    expected = msgspec.structs.replace(
        PLAIN, text=clean, texts=(clean, "b"), value={"a": "\ufffd", "b": "\\u0000\x1f"}
    )
    assert read == [PLAIN, expected, PLAIN]


async def test_many_rows_at_random(connection: asyncpg.Connection) -> None:
    draw = random.Random(20260131)
    characters = [chr(code) for code in range(1, 0x250) if not 0x1D <= code <= 0x1F]

    def text() -> str:
        return "".join(draw.choices(characters, k=draw.randrange(30)))

    def some(value: Any) -> Any:
        return None if draw.random() < 0.2 else value

    rows = [
        Row(
            number=some(draw.randrange(-(2**63), 2**63)),
            id=some("pay_" + draw.choice("01234567") + "".join(draw.choices("0a9zkv", k=25))),
            text=some(text()),
            flag=some(draw.random() < 0.5),
            moment=some(NOON + timedelta(microseconds=draw.randrange(-(10**16), 10**16))),
            data=some(draw.randbytes(draw.randrange(40))),
            value=some({text(): [text(), draw.randrange(10**9)]}),
            texts=some(tuple(text() for _ in range(draw.randrange(4)))),
        )
        for _ in range(500)
    ]
    assert await round_trip(connection, rows) == rows
