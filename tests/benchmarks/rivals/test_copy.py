"""Rows of a binary COPY are told apart as Postgres wrote them."""

import io

import asyncpg
import pytest

from benchmarks.rivals.copy import HEADER, TRAILER, rows_of
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
