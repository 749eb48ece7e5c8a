"""The least that Postgres can spend on a payment row: a bare binary COPY of rows that exist.

Law: a table like the gateway's own `payments` (columns, constraints, indexes), filled from bytes
that Postgres itself wrote, in groups of so many rows, each group a COPY and a durable COMMIT of its
own; nothing is encoded here, no journal row is written, no head is taken, nobody is answered. CPU
time is that of the postmaster and all its processes.

Source of the format: PostgreSQL documentation, COPY, "Binary Format".
"""

import io
import struct
from collections.abc import Sequence

import asyncpg

from benchmarks.load import US_PER_S
from benchmarks.processes import family_cpu_s

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


async def copied(
    connection: asyncpg.Connection, rows: Sequence[bytes], *, group: int, postgres_pid: int
) -> float:
    """Copy the rows in groups; microseconds of Postgres's CPU time per row."""
    groups = [
        HEADER + b"".join(rows[begin : begin + group]) + TRAILER
        for begin in range(0, len(rows), group)
    ]
    await connection.execute(f"drop table if exists {TABLE}")
    await connection.execute(f"create table {TABLE} (like payments including all)")
    before = family_cpu_s(postgres_pid)
    for each in groups:
        await connection.copy_to_table(TABLE, source=io.BytesIO(each), format="binary")
    used = family_cpu_s(postgres_pid) - before
    stored = await connection.fetchval(f"select count(*) from {TABLE}")
    await connection.execute(f"drop table {TABLE}")
    if stored != len(rows) or not rows:
        raise ValueError(f"{len(rows)} rows were copied, the table holds {stored}")
    return used * US_PER_S / len(rows)
