"""The schema and the statements, held to the rules of the house by asking Postgres itself.

The same schema shall run on one database, on many shards, and on engines that distribute by
`merchant_id`; a running system shall be unable to rewrite what happened; and no statement of a
request shall read what is another merchant's. Catalogue and plans say so or this fails.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

import gateway.adapters.postgres
from gateway.adapters.postgres import ledger, writing
from gateway.adapters.postgres.migration_steps import SCOPES, read_steps
from gateway.adapters.postgres.statements import Statement, parse
from gateway.adapters.postgres.tables import part

FOLDER = Path(gateway.adapters.postgres.__file__).parent
DIRECTORY = {
    "directory_state",
    "installation_keys",
    "shard_map",
    "merchants",
    "keys",
    "channel_accounts",
}
LOCAL = {"shard_identity", "leases", "migrations"}
HISTORY = ("postings", "entries", "journal", "callbacks")
WRITING = ("insert", "update", "delete", "truncate", "references", "trigger")
# Sealed or keyed; of no use to a reader, who gets the journal's sealed column with its rows.
READABLE_BYTES = {("journal", "personal"), ("refunds", "fingerprint")}


def whole(file: str, statement: Statement) -> Statement:
    """A statement as it is sent: one that stands only as a part, in the least that holds it."""
    if statement.scope != "chain":
        return statement
    parts = [part(file, statement)]
    if "from bases" in statement.text:
        parts += [ledger.MOVE_ACCOUNTS, ledger.OPEN_ACCOUNTS]
    parameters = ("heads", "counts", *(each.name for each in parts))
    text = writing.statement(parts)
    names = frozenset(parameters)
    return Statement(statement.name, text, parameters, statement.note, scope=None, names=names)


STATEMENTS = {
    f"{file.stem}.{name}": whole(file.stem, statement)
    for file in sorted(FOLDER.glob("*.sql"))
    for name, statement in parse(file.read_text(encoding="utf-8"), file.name).items()
}
REQUEST = {name: each for name, each in STATEMENTS.items() if each.scope is None}
SCOPES_KNOWN = {None, "buckets", "directory", "owner", "verify"}


@pytest.fixture
async def look(any_installation) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(any_installation.dsns[0], statement_cache_size=0)
    yield connection
    await connection.close()


async def fetch(look: asyncpg.Connection, statement: str) -> list[tuple]:
    return [tuple(record) for record in await look.fetch(statement)]


# --- the catalogue ----------------------------------------------------------------------------


async def tables(look: asyncpg.Connection) -> set[str]:
    query = (
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    return {name for (name,) in await fetch(look, query)}


async def test_every_table_is_of_a_known_place(look: asyncpg.Connection) -> None:
    sharded = await tables(look) - DIRECTORY - LOCAL
    assert await tables(look) >= DIRECTORY | LOCAL
    columns = await fetch(
        look,
        "select table_name, is_nullable, data_type from information_schema.columns"
        " where column_name = 'merchant_id' and table_schema = 'public'",
    )
    assert sharded <= {name for name, *_ in columns}
    for name, nullable, kind in columns:
        assert (nullable, kind) == ("NO", "uuid"), name


async def test_merchant_comes_first_in_every_key(look: asyncpg.Connection) -> None:
    """Primary, unique and foreign keys of sharded tables begin with `merchant_id`."""
    sharded = await tables(look) - DIRECTORY - LOCAL
    keys = await fetch(
        look,
        """
        select t.relname, c.conname, a.attname, f.attname, r.relname
        from pg_constraint c
        join pg_class t on t.oid = c.conrelid
        join pg_attribute a on a.attrelid = t.oid and a.attnum = c.conkey[1]
        left join pg_class r on r.oid = c.confrelid
        left join pg_attribute f on f.attrelid = r.oid and f.attnum = c.confkey[1]
        where c.contype in ('p', 'u', 'f') and t.relnamespace = 'public'::regnamespace
        """,
    )
    for table, key, first, foreign, referenced in keys:
        if table in sharded:
            assert first == "merchant_id", key
            assert foreign in (None, "merchant_id"), key
            assert referenced is None or referenced in sharded, key
    with_primary = {key[0] for key in keys if key[1].endswith("_pkey")}
    assert with_primary == await tables(look)

    unique = await fetch(
        look,
        """
        select t.relname, i.relname, a.attname
        from pg_index x
        join pg_class i on i.oid = x.indexrelid
        join pg_class t on t.oid = x.indrelid
        join pg_attribute a on a.attrelid = i.oid and a.attnum = 1
        where x.indisunique and t.relnamespace = 'public'::regnamespace
        """,
    )
    for table, index, first in unique:
        assert table not in sharded or first == "merchant_id", index


async def test_nothing_that_cannot_be_distributed(look: asyncpg.Connection) -> None:
    for what, query in {
        "triggers": "select tgname from pg_trigger where not tgisinternal",
        "sequences": "select relname from pg_class where relkind = 'S'",
        "views": "select relname from pg_class where relkind in ('v', 'm')"
        " and relnamespace = 'public'::regnamespace",
        "types of our own": "select typname from pg_type where typtype in ('e', 'd', 'r')"
        " and typnamespace = 'public'::regnamespace",
        "functions": "select proname from pg_proc where pronamespace = 'public'::regnamespace",
        "deferrable constraints": "select conname from pg_constraint where condeferrable",
        "extensions": "select extname from pg_extension where extname <> 'plpgsql'",
        "policies": "select polname from pg_policy",
        "generated columns": "select attname from pg_attribute where attidentity <> ''"
        " or attgenerated <> ''",
        "invalid indexes": "select indexrelid::regclass from pg_index where not indisvalid",
    }.items():
        assert await fetch(look, query) == [], what


async def test_defaults_know_no_time_and_no_chance(look: asyncpg.Connection) -> None:
    defaults = await fetch(
        look,
        "select table_name, column_name, column_default from information_schema.columns"
        " where table_schema = 'public' and column_default is not null",
    )
    for table, column, default in defaults:
        assert "(" not in default.replace("'-infinity'::timestamp with time zone", ""), (
            table,
            column,
        )


async def test_numbers_are_wide_and_texts_compare_byte_by_byte(
    look: asyncpg.Connection,
) -> None:
    columns = await fetch(
        look,
        "select table_name, column_name, data_type from information_schema.columns"
        " where table_schema = 'public'",
    )
    wide = re.compile(
        r"amount.*|balance|.*_balance|version|.*_version|seq|.*sequence|fence|epoch|replays|prior"
    )
    for table, column, kind in columns:
        assert kind not in ("real", "double precision", "numeric", "money", "json"), (table, column)
        assert kind != "timestamp without time zone", (table, column)
        if wide.fullmatch(column):
            assert kind == "bigint", (table, column)
    loose = await fetch(
        look,
        """
        select t.relname, a.attname
        from pg_index x
        join pg_class t on t.oid = x.indrelid
        join pg_attribute a on a.attrelid = t.oid and a.attnum = any(x.indkey)
        join pg_collation c on c.oid = a.attcollation
        where t.relnamespace = 'public'::regnamespace and c.collname <> 'C'
        """,
    )
    assert loose == []


# --- who may what -----------------------------------------------------------------------------


async def may(look: asyncpg.Connection, role: str, table: str, privilege: str) -> bool:
    by_column = "any_column" if privilege in ("insert", "update", "select") else "table"
    return await look.fetchval(
        f"select has_{by_column}_privilege($1, $2::text, $3::text)", role, table, privilege
    )


async def test_the_application_cannot_rewrite_history(look: asyncpg.Connection) -> None:
    for table in HISTORY:
        for privilege in ("update", "delete", "truncate"):
            assert not await may(look, "tillgate_app", table, privilege), (table, privilege)
        assert await may(look, "tillgate_app", table, "insert"), table
    for table in await tables(look):
        assert not await may(look, "tillgate_app", table, "truncate"), table
        assert not await may(look, "tillgate_app", table, "trigger"), table
    for table in ("shard_map", "shard_identity", "installation_keys", "migrations"):
        for privilege in ("insert", "update", "delete"):
            assert not await may(look, "tillgate_app", table, privilege), (table, privilege)


async def test_readers_write_nothing_and_see_no_secret(look: asyncpg.Connection) -> None:
    for table in await tables(look):
        for privilege in WRITING:
            assert not await may(look, "tillgate_read", table, privilege), (table, privilege)
    secret = await fetch(
        look,
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'public' and data_type = 'bytea'",
    )
    for table, column in set(secret) - READABLE_BYTES:
        readable = "select has_column_privilege('tillgate_read', $1::text, $2::text, 'select')"
        assert not await look.fetchval(readable, table, column), (table, column)


async def test_the_roles_own_nothing_and_cannot_log_in(look: asyncpg.Connection) -> None:
    roles = await fetch(
        look,
        "select rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls"
        " from pg_roles where rolname in ('tillgate_app', 'tillgate_read') order by 1",
    )
    no_power = (False,) * 5
    assert roles == [("tillgate_app", *no_power), ("tillgate_read", *no_power)]
    owned = (
        "select relname from pg_class c join pg_roles r on r.oid = c.relowner"
        " where r.rolname in ('tillgate_app', 'tillgate_read')"
    )
    assert await fetch(look, owned) == []
    for role in ("tillgate_app", "tillgate_read"):
        create = "select has_schema_privilege($1::text, 'public', 'create')"
        assert not await look.fetchval(create, role)


# --- the statements ---------------------------------------------------------------------------


def nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def role_of(statement: Statement) -> str:
    return "tillgate_read" if statement.scope == "verify" else "tillgate_app"


def is_explained(statement: Statement) -> bool:
    return statement.scope != "owner" and not statement.text.lower().startswith(("set", "lock"))


async def plan_of(look: asyncpg.Connection, statement: Statement) -> dict:
    """The plan for unknown parameters, as the role that will run it; refused without its rights."""
    await look.execute(f"set role {role_of(statement)}")
    try:
        await look.execute(f"prepare explained as {statement.text}")
        values = ", ".join(["null"] * len(statement.parameters))
        call = f"explained({values})" if values else "explained"
        plan = await look.fetchval(f"explain (format json) execute {call}")
        return json.loads(plan)[0]["Plan"]
    finally:
        await look.execute("reset role; deallocate all")


@pytest.fixture
async def planner(look: asyncpg.Connection) -> asyncpg.Connection:
    """A connection that plans as writers do: by nested loops over indexes."""
    for setting in ("seqscan", "hashjoin", "mergejoin", "bitmapscan"):
        await look.execute(f"set enable_{setting} = off")
    await look.execute("set jit = off; set plan_cache_mode = force_generic_plan")
    return look


async def test_every_statement_is_prepared_and_allowed(planner: asyncpg.Connection) -> None:
    for name, statement in STATEMENTS.items():
        assert statement.scope in SCOPES_KNOWN, name
        try:
            prepared = await planner.prepare(statement.text)
            assert len(prepared.get_parameters()) == len(statement.parameters)
            if is_explained(statement):
                await plan_of(planner, statement)
        except asyncpg.PostgresError as error:
            raise AssertionError(f"{name}: {error}") from error


async def test_requests_stay_with_their_merchant(planner: asyncpg.Connection) -> None:
    """Every scan of a sharded table in a statement of a request is held to `merchant_id`."""
    sharded = await tables(planner) - DIRECTORY - LOCAL
    for name, statement in REQUEST.items():
        plan = await plan_of(planner, statement)
        for node in nodes(plan):
            if node.get("Relation Name") not in sharded or node["Node Type"] == "ModifyTable":
                continue
            held = " ".join(
                str(node.get(part, "")) for part in ("Index Cond", "Recheck Cond", "Filter")
            )
            assert "merchant_id =" in held, (name, node["Node Type"], node["Relation Name"], held)


def test_requests_leave_the_directory_alone() -> None:
    for name, statement in REQUEST.items():
        for table in DIRECTORY - {"keys"}:
            assert not re.search(rf"\b(from|join|into|update) {table}\b", statement.text), name


def test_workers_stay_in_their_buckets() -> None:
    """A worker's statement is held to buckets, to merchants it was given, or to its leases."""
    held = re.compile(r"bucket|merchant_ids?\b|\bleases\b")
    for name, statement in STATEMENTS.items():
        if statement.scope == "buckets":
            assert held.search(statement.text), name


async def test_every_index_is_used(planner: asyncpg.Connection) -> None:
    """By a constraint, or by the plan of a named statement."""
    indexes = await fetch(
        planner,
        "select i.relname from pg_index x join pg_class i on i.oid = x.indexrelid"
        " where not x.indisunique and i.relnamespace = 'public'::regnamespace",
    )
    used = set()
    for statement in STATEMENTS.values():
        if is_explained(statement):
            plan = await plan_of(planner, statement)
            used |= {node.get("Index Name") for node in nodes(plan)}
    assert {name for (name,) in indexes} - used == set()


FORBIDDEN = re.compile(
    r"\bnow\(|current_timestamp|localtimestamp|current_date|current_time|statement_timestamp|"
    r"transaction_timestamp|timeofday|'now'|advisory|\blisten\b|\bunlisten\b|pg_notify|nextval|"
    r"setval|\brandom\(|gen_random_uuid|uuidv7|serializable|create (trigger|sequence|type|"
    r"extension|function|rule)|deferrable",
    re.IGNORECASE,
)
# The clock of leases and claims is the database's: its readers agree on nothing else.
CLOCK_FILES = {"leases", "deliveries"}


def test_statements_use_nothing_forbidden() -> None:
    texts = {name: statement.text for name, statement in STATEMENTS.items()}
    for scope in SCOPES:
        texts |= {str(step): step.text for step in read_steps(scope)}
    for name, text in texts.items():
        found = FORBIDDEN.search(re.sub(r"--.*", "", text))
        assert found is None, (name, found)
        if "clock_timestamp" in text:
            assert name.partition(".")[0] in CLOCK_FILES, name


def test_code_takes_no_advisory_locks_and_listens_to_nothing() -> None:
    spoken = re.compile(r"pg_advisory|add_listener|\bLISTEN\b|serializable")
    for file in FOLDER.glob("*.py"):
        assert not spoken.search(file.read_text(encoding="utf-8")), file.name


def test_the_schema_is_the_sum_of_the_migrations() -> None:
    """No statement outside of them makes or changes a table; the history is the runner's."""
    for name, statement in STATEMENTS.items():
        if name != "migrate.make_history":
            assert not re.match(r"(create|alter|drop)\b", statement.text, re.IGNORECASE), name
