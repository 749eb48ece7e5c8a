"""The least that Postgres can spend on a payment row: a bare binary COPY of rows that exist.

Law: a table like the gateway's own `payments` (columns, constraints, indexes), filled from bytes
that Postgres itself wrote, in groups of so many rows, each group a COPY and a durable COMMIT of its
own; nothing is encoded here, no journal row is written, no head is taken, nobody is answered.

Source of the format: PostgreSQL documentation, COPY, "Binary Format".
"""

import asyncio
import contextlib
import io
import math
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

import asyncpg

from benchmarks.load import US_PER_S

TABLE = "copied_payments"
HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_COUNT, _LENGTH = struct.Struct("!h"), struct.Struct("!i")


async def rows_between(connection: asyncpg.Connection, *, first: str, last: str) -> list[bytes]:
    """The payments whose numbers lie between, oldest first, each as COPY writes it.

    `first` and `last` are the benchmark's own numbers: letters, digits, `-` and `~`.
    """
    whole = io.BytesIO()
    await connection.copy_from_query(
        f"select * from payments where merchant_order_no >= '{first}'"
        f" and merchant_order_no < '{last}' order by created_at",
        output=whole,
        format="binary",
    )
    return rows_of(whole.getvalue())


def rows_of(whole: bytes) -> list[bytes]:
    """The rows of a binary COPY. Raises ValueError for anything else."""
    if not whole.startswith(HEADER):
        raise ValueError("not a binary COPY without extensions")
    rows = []
    at = len(HEADER)
    while whole[at : at + 2] != TRAILER:
        begun = at
        (fields,) = _COUNT.unpack_from(whole, at)
        at += _COUNT.size
        for _ in range(fields):
            (length,) = _LENGTH.unpack_from(whole, at)
            at += _LENGTH.size + max(0, length)
        rows.append(whole[begun:at])
    return rows


def groups_of(rows: Sequence[bytes], size: int) -> list[bytes]:
    """Whole COPYs of so many rows each."""
    return [
        HEADER + b"".join(rows[begin : begin + size]) + TRAILER
        for begin in range(0, len(rows), size)
    ]


class Copied(NamedTuple):
    """How many rows were copied, and seconds of CPU time that Postgres spent on them."""

    rows: int
    cpu_s: float

    @property
    def each_us(self) -> float:
        """Microseconds per row."""
        return self.cpu_s * US_PER_S / self.rows


async def copied(
    connection: asyncpg.Connection,
    groups: Sequence[bytes],
    *,
    cpu_s: Callable[[], float],
    seconds: float = math.inf,
    pause_s: float = 0.0,
) -> Copied:
    """Copy groups one after the other into an empty table, for so long at most.

    `cpu_s` tells what Postgres, or the part of it that copies, has spent. The table is there
    before. Raises ValueError if it does not hold what was copied.
    """
    clock = asyncio.get_running_loop().time
    end, rows, before = clock() + seconds, 0, cpu_s()
    for each in groups:
        status = await connection.copy_to_table(TABLE, source=io.BytesIO(each), format="binary")
        rows += int(status.removeprefix("COPY "))
        if clock() > end:
            break
        if pause_s:
            await asyncio.sleep(pause_s)
    found = Copied(rows, cpu_s() - before)
    stored = await connection.fetchval(f"select count(*) from {TABLE}")
    if stored != rows or not rows:
        raise ValueError(f"{rows} rows were copied, the table holds {stored}")
    return found


@contextlib.asynccontextmanager
async def empty_table(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection, and the table to copy into, which is dropped in the end."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop table if exists {TABLE}")
        await connection.execute(f"create table {TABLE} (like payments including all)")
        yield connection
        await connection.execute(f"drop table {TABLE}")
    finally:
        await connection.close()
