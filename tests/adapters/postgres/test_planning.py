"""Plans that were made on empty tables are made anew while the tables grow."""

import asyncio
from typing import Any

import pytest

from gateway.adapters.postgres import plans
from gateway.adapters.postgres.connect import open_pool, open_writer

TABLE = """
create table things (a integer, b integer, c integer, primary key (a, c), unique (a, b))
with (autovacuum_enabled = false);
grant all on things to tillgate_app
"""
FIND = "prepare find as select 1 from things where a = $1 and b = $2 and c = $3"


def noted(connection: Any) -> list[str]:
    ran: list[str] = []
    connection.add_query_logger(lambda record: ran.append(record.query))
    return ran


async def test_plans_are_dropped_whenever_uses_have_doubled(installation: Any) -> None:
    connection = await open_writer(installation.dsns[0])
    ran = noted(connection)
    dropped = []
    for use in range(1, 40):
        await connection.begin_use()
        await asyncio.sleep(0)  # the note is taken a moment later
        if ran:
            dropped.append(use)
            assert ran == ["discard plans"]
            ran.clear()
    await connection.close()
    assert dropped == [1, 2, 4, 8, 16, 32]


async def test_a_pool_counts_each_use_of_a_connection(installation: Any) -> None:
    pool = await open_pool(installation.dsns[0], size_max=1)
    async with pool.acquire() as connection:
        ran = noted(connection)
    for _ in range(8):
        await pool.fetchval("select 1")
    await pool.close()
    assert ran.count("discard plans") == 3  # with uses 2, 4 and 8; the note began with the first


async def test_a_table_that_grew_is_planned_for_as_it_is(installation: Any) -> None:
    connection = await open_writer(installation.dsns[0])
    await connection.execute("set role none")
    await connection.execute(TABLE)
    await connection.execute(FIND)

    async def plan() -> str:
        return await connection.fetchval("explain (format json, costs true) execute find(1, 2, 3)")

    empty = await plan()
    await connection.execute("insert into things select 1, n, n from generate_series(1, 20000) n")
    assert await plan() == empty  # nobody told Postgres
    await connection.begin_use()
    grown = await plan()
    await connection.close()
    assert grown != empty


async def test_plans_are_dropped_after_a_long_use(
    installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await open_writer(installation.dsns[0])
    for _ in range(16):
        await connection.begin_use()
        connection.end_use()
    await asyncio.sleep(0)
    ran = noted(connection)
    now = [0.0]
    monkeypatch.setattr(plans, "monotonic", lambda: now[0])
    dropped = []
    for took in (plans.LONG_USE_S, plans.LONG_USE_S + 0.001, 0.0):
        await connection.begin_use()
        now[0] += took
        connection.end_use()
        await connection.begin_use()
        await asyncio.sleep(0)
        connection.end_use()
        dropped.append(ran.count("discard plans"))
    await connection.close()
    assert dropped == [0, 1, 1]
