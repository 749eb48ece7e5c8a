"""Rows of a binary COPY are told apart as Postgres wrote them, and copied again in groups."""

import io

import asyncpg
import pytest

from benchmarks.rivals.copy import (
    HEADER,
    TRAILER,
    copied,
    empty_table,
    groups_of,
    rows_between,
    rows_of,
)
from gateway.adapters.postgres import fresh
from gateway.adapters.postgres.connect import open_writer
from gateway.domain import ids
from tests.adapters.postgres.test_fresh import make, new_payment, written
from tests.conftest import Installation


async def test_rows_that_are_cut_out_are_taken_by_postgres_again(
    installation: Installation,
) -> None:
    connection = await asyncpg.connect(installation.dsns[0])
    try:
        await connection.execute("create table t (a integer, b text, c bytea)")
        await connection.execute(
            "insert into t values (1, 'x', null), (2, null, '\\xffff'), (3, '', '\\x00')"
        )
        whole = io.BytesIO()
        await connection.copy_from_query("select * from t", output=whole, format="binary")
        rows = rows_of(whole.getvalue())
        assert len(rows) == 3
        await connection.execute("create table u (like t)")
        again = io.BytesIO(HEADER + rows[2] + rows[0] + TRAILER)
        await connection.copy_to_table("u", source=again, format="binary")
        found = [tuple(row) for row in await connection.fetch("select * from u order by a")]
    finally:
        await connection.close()
    assert found == [(1, "x", None), (3, "", b"\x00")]


@pytest.mark.parametrize("whole", [b"", b"PGCOPY", b"a,b\n"])
def test_anything_else_is_refused(whole: bytes) -> None:
    with pytest.raises(ValueError, match="binary COPY"):
        rows_of(whole)


async def test_groups_are_copied_and_counted(installation: Installation) -> None:
    dsn = installation.dsns[0]
    merchant = make.in_bucket("mch", 7)
    owner, writer = await asyncpg.connect(dsn), await open_writer(dsn)
    try:
        await owner.execute(
            "insert into heads (merchant_id, bucket) values ($1, 7)", ids.to_hex(merchant)
        )
        made = [written(new_payment(merchant, f"n-{n}")) for n in range(3)]
        assert await fresh.create(writer, made)
        rows = await rows_between(owner, first="n-", last="n-~")
    finally:
        await owner.close()
        await writer.close()
    groups = groups_of(rows, 2)
    async with empty_table(dsn) as connection:
        assert [len(rows_of(each)) for each in groups] == [2, 1]
        spent = iter([1.0, 1.5])
        found = await copied(connection, groups, cpu_s=lambda: next(spent))
        assert (found.rows, found.each_us) == (3, 0.5e6 / 3)
        stopped = iter([0.0, 0.1])
        with pytest.raises(asyncpg.UniqueViolationError):
            await copied(connection, groups, cpu_s=lambda: next(stopped))
    async with empty_table(dsn) as connection:
        spent = iter([0.0, 0.1])
        assert (await copied(connection, groups, cpu_s=lambda: next(spent), seconds=0)).rows == 2
