"""The plans of all named statements on a filled database, chosen as Postgres itself would choose.

`test_lint` forbids every plan but index scans to see what a statement may touch; here nothing is
forbidden: tables have tens of thousands of rows, statistics are fresh, and the plan is the generic
one that prepared statements of a running system come to. Rows are made from the catalogue (a value
per column by its type and its CHECK), so that a new table or column is filled without a word here.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import asyncpg
import pytest

from gateway.adapters.postgres.connect import open_pool
from tests.adapters.postgres.test_lint import DIRECTORY, LOCAL, STATEMENTS, nodes, plan_of
from tests.conftest import Cluster, Installation

MERCHANTS = 1_000
ROWS = 30_000  # of a table of which a merchant has many
# A few rows per merchant; tables whose only key is the merchant have one.
FEW_OF_MERCHANTS = {"keys", "channel_accounts", "accounts", "webhook_endpoints", "cursors"}
FEW = 4
LEFT_ALONE = (DIRECTORY | LOCAL) - {"merchants", "keys", "channel_accounts"}
# What most rows of a table that grows for ever have come to; the rest are under way.
SETTLED = {"payments": "succeeded", "attempts": "succeeded", "refunds": "succeeded",
           "deliveries": "delivered"}  # fmt: skip
UNDER_WAY = 20  # one row in so many
USUAL = {"channel_order_no", "prior", "payment_id", "attempt_id", "object_id"}

COLUMNS = """
select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
    not a.attnotnull as nullable,
    (select pg_get_constraintdef(k.oid) from pg_constraint k
     where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
         and pg_get_constraintdef(k.oid) like '%ARRAY[%' limit 1) as among
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
order by c.relname, a.attnum
"""
SINGLE = """
select c.relname
from pg_index x
join pg_class c on c.oid = x.indrelid
join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[0]
where x.indisunique and x.indnkeyatts = 1 and a.attname = 'merchant_id'
    and c.relnamespace = 'public'::regnamespace
"""
LOOSEN = """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as text
from pg_constraint
where contype in ('c', 'f') and connamespace = 'public'::regnamespace
order by contype desc
"""


class Column(NamedTuple):
    """A column as the catalogue knows it; `among` are the words that its CHECK allows."""

    name: str
    type: str
    nullable: bool
    among: tuple[str, ...]


async def wanted(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows every table that grows is to have."""
    single = {row["relname"] for row in await connection.fetch(SINGLE)}
    tables = {row["table"] for row in await connection.fetch(COLUMNS)} - LEFT_ALONE
    few = dict.fromkeys(FEW_OF_MERCHANTS, MERCHANTS * FEW) | dict.fromkeys(single, MERCHANTS)
    return {table: few.get(table, ROWS) for table in tables}


def value(table: str, column: Column) -> str:
    """The expression of a column for row `n`, the `k`-th of its merchant `m`."""
    name, under_way = column.name, f"n % {UNDER_WAY} = 0"
    if name == "merchant_id":
        return "lpad(to_hex(m), 32, '0')::uuid"
    if column.nullable and name not in USUAL:
        some = value(table, column._replace(nullable=False))
        return f"case when {under_way} then {some} end"
    if column.among:
        settled = SETTLED.get(table, column.among[0])
        words = ", ".join(f"'{word}'" for word in column.among)
        some = f"(array[{words}])[1 + k % {len(column.among)}]"
        return f"case when {under_way} then {some} else '{settled}' end"
    by_type = {
        "uuid": "lpad(to_hex(n), 32, '0')::uuid",
        "bytea": "int8send(n)",
        "jsonb": "'{}'::jsonb",
        "boolean": "false" if name in ("house", "sandbox") else "true",
        "timestamp with time zone": "timestamptz '2026-01-01' + n * interval '1 second'",
        "date": "date '2026-01-01' + (k % 365)::integer",
        "text[]": "array['a']",
        "integer": "(n % 4096)::integer" if name == "bucket" else "k::integer",
        "bigint": "k + 1",
        "text": f"'{name}' || " + ("n" if name == "ref" else "k"),
    }
    return by_type[column.type]


async def fill(connection: asyncpg.Connection) -> None:
    """Tens of thousands of rows for every table, and statistics of them."""
    tables: dict[str, list[Column]] = {}
    for row in await connection.fetch(COLUMNS):
        words = tuple(re.findall(r"'(\w+)'::text", row["among"] or ""))
        column = Column(row["name"], row["type"], row["nullable"], words)
        tables.setdefault(row["table"], []).append(column)
    # Sums and states need not be true for a plan, and rows need not belong together.
    for row in await connection.fetch(LOOSEN):
        await connection.execute(row["text"])
    for table, rows in (await wanted(connection)).items():
        names = ", ".join(column.name for column in tables[table])
        values = ", ".join(value(table, column) for column in tables[table])
        await connection.execute(
            f"insert into {table} ({names}) select {values} from ("
            f" select n, 1 + n % {MERCHANTS} as m, n / {MERCHANTS} as k"
            f" from generate_series(0, {rows - 1}) as g (n)) as numbered"
            " on conflict do nothing"
        )
    await connection.execute("analyze")


@pytest.fixture(scope="module")
def filled(cluster: Cluster) -> Iterator[str]:
    """The URL of a filled installation of one shard."""

    async def prepare() -> str:
        (template,) = await cluster.templates(1)
        name = await cluster.create(template)
        connection = await asyncpg.connect(cluster.postgres.dsn(name))
        try:
            await fill(connection)
        finally:
            await connection.close()
        return name

    name = asyncio.run(prepare())
    yield cluster.postgres.dsn(name)
    asyncio.run(cluster.drop([name]))


@pytest.fixture
async def planner(filled: str) -> AsyncIterator[asyncpg.Connection]:
    """Plans as the application does, but with every freedom to read a table through."""
    connection = await asyncpg.connect(filled, statement_cache_size=0)
    await plan_freely(connection, filled)
    yield connection
    await connection.close()


async def plan_freely(connection: asyncpg.Connection, dsn: str) -> None:
    """Have a connection plan as those of the application do, but for reading tables through."""
    pool = await open_pool(dsn, size_max=1)
    try:
        for name in ("jit", "plan_cache_mode", "enable_hashjoin", "enable_mergejoin"):
            await connection.execute(f"set {name} = '{await pool.fetchval(f'show {name}')}'")
    finally:
        await pool.close()


async def sizes(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows every table has."""
    rows = await connection.fetch(
        "select relname, reltuples::bigint as rows from pg_class"
        " where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    return {row["relname"]: row["rows"] for row in rows}


def read_through(plan: dict[str, Any], above: str = "") -> Iterator[str]:
    """The tables that a plan reads from end to end: as they lie, or along a whole index."""
    kind = plan["Node Type"]
    whole_index = kind.startswith("Index") and "Index Cond" not in plan and above != "Limit"
    if kind == "Seq Scan" or (whole_index and "Relation Name" in plan):
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from read_through(part, kind)


async def test_every_table_that_grows_is_filled(planner: asyncpg.Connection) -> None:
    rows = await sizes(planner)
    assert {t: rows[t] for t, most in (await wanted(planner)).items() if rows[t] < most} == {}


@pytest.mark.parametrize(
    "name", [name for name, each in STATEMENTS.items() if each.scope in (None, "buckets")]
)
async def test_no_large_table_is_read_from_end_to_end(
    planner: asyncpg.Connection, name: str
) -> None:
    """Neither by a request nor by a worker: what they cost must not grow with the table."""
    large = {table for table, rows in (await sizes(planner)).items() if rows >= ROWS}
    plan = await plan_of(planner, STATEMENTS[name])
    assert large & set(read_through(plan)) == set()


async def test_requests_read_no_merchants_table_from_end_to_end(
    planner: asyncpg.Connection,
) -> None:
    """A request knows its merchant: not even the small tables of merchants are read through."""
    faults = {}
    for name, statement in STATEMENTS.items():
        if statement.scope is None:
            read = set(read_through(await plan_of(planner, statement))) - DIRECTORY - LOCAL
            if read:
                faults[name] = read
    assert faults == {}


async def test_every_index_is_chosen_by_some_statement(planner: asyncpg.Connection) -> None:
    """Unique indexes keep a promise; every other one must be the planner's choice somewhere."""
    rows = await planner.fetch(
        "select i.relname from pg_index x join pg_class i on i.oid = x.indexrelid"
        " where not x.indisunique and i.relnamespace = 'public'::regnamespace"
    )
    chosen = set()
    for statement in STATEMENTS.values():
        if statement.scope in (None, "buckets", "directory"):
            text = statement.text.lower()
            if not text.startswith(("set", "lock")):
                plan = await plan_of(planner, statement)
                chosen |= {node.get("Index Name") for node in nodes(plan)}
    assert {row["relname"] for row in rows} - chosen == set()


async def test_the_relay_finds_a_payment_by_its_key_before_there_are_statistics(
    installation: Installation,
) -> None:
    """A plan is kept by its connection: one made on a young database must do for a grown one."""
    connection = await asyncpg.connect(installation.dsns[0], statement_cache_size=0)
    try:
        await plan_freely(connection, installation.dsns[0])
        await connection.execute("set enable_seqscan = off")
        plan = await plan_of(connection, STATEMENTS["deliveries.read_ahead"])
    finally:
        await connection.close()
    used = {n.get("Index Name") for n in nodes(plan) if n.get("Relation Name") == "payments"}
    assert used == {"payments_pkey"}
