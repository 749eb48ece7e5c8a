"""Migrate: from nothing, again, after an interruption, by two at once; and what it must refuse."""

import asyncio
import base64
import hashlib
import hmac
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from gateway.adapters.postgres import migrate as migrate_module
from gateway.adapters.postgres import migration_steps
from gateway.adapters.postgres.connect import open_pool
from gateway.adapters.postgres.migrate import MigrationRefused, migrate
from gateway.adapters.postgres.migration_steps import Step, apply_steps, read_steps
from gateway.adapters.postgres.roles import ReaderLogin, make_reader, make_roles, scram_verifier
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.embedded import EmbeddedPostgres
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.vault import Vault
from gateway.domain import ids as domain_ids

KEK = bytes(range(32))


class Databases:
    """Empty databases of one cluster, and a run of `migrate` over some of them."""

    def __init__(self, cluster) -> None:
        self.cluster = cluster
        self.names: list[str] = []
        self.said: list[str] = []

    async def make(self, count: int) -> list[str]:
        names = [await self.cluster.create() for _ in range(count)]
        self.names += names
        return [self.cluster.postgres.dsn(name) for name in names]

    async def migrate(self, dsns: list[str], *, kek: bytes = KEK, mode: str = "sandbox"):
        return await migrate(
            dsns,
            vault=Vault({1: kek}),
            mode=mode,
            clock=SystemClock(),
            ids=RandomIds(),
            report=self.said.append,
        )


@pytest.fixture
async def databases(cluster) -> AsyncIterator[Databases]:
    made = Databases(cluster)
    yield made
    await cluster.drop(made.names)


@pytest.fixture
async def any_databases(any_cluster) -> AsyncIterator[Databases]:
    made = Databases(any_cluster)
    yield made
    await any_cluster.drop(made.names)


async def fetch(dsn: str, statement: str, *arguments) -> list:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def rows_of(dsn: str) -> dict[str, list]:
    """Every row that `migrate` makes, by table."""
    tables = (
        "directory_state installation_keys shard_map merchants migrations shard_identity heads "
        "journal leases"
    ).split()
    return {
        table: sorted(map(repr, await fetch(dsn, f"select * from {table}"))) for table in tables
    }


async def test_from_nothing_and_again(any_databases: Databases) -> None:
    dsns = await any_databases.make(2)
    first = await any_databases.migrate(dsns)
    of_shards = [str(step) for step in read_steps("shard")]
    assert [step.rpartition(": ")[2] for step in first.applied] == [
        *(str(step) for step in read_steps("directory")),
        *of_shards,
        *of_shards,
    ]
    before = [await rows_of(dsns[0]), await fetch(dsns[1], "select * from shard_identity")]

    again = await any_databases.migrate(dsns)
    assert again == first._replace(applied=())
    assert before == [await rows_of(dsns[0]), await fetch(dsns[1], "select * from shard_identity")]

    house = before[0]["merchants"]
    assert len(house) == 1
    assert domain_ids.bucket_of(first.house_id) == 0
    journal = await fetch(dsns[0], "select seq, type, actor, merchant_id, object_id from journal")
    assert [tuple(row)[:3] for row in journal] == [(1, "merchant.created", "migrate")]
    assert journal[0]["merchant_id"] == journal[0]["object_id"]
    assert (await fetch(dsns[0], "select seq from heads"))[0]["seq"] == 1
    assert await fetch(dsns[1], "select 1 from heads") == []


@pytest.mark.parametrize("shards", [1, 2, 3])
async def test_the_first_map_is_whole_and_even(databases: Databases, shards: int) -> None:
    dsns = await databases.make(shards)
    await databases.migrate(dsns)
    ranges = await fetch(
        dsns[0], "select bucket_from, bucket_to, shard from shard_map order by bucket_from"
    )
    buckets = [n for row in ranges for n in range(row["bucket_from"], row["bucket_to"] + 1)]
    assert buckets == list(range(domain_ids.BUCKETS))
    assert [row["shard"] for row in ranges] == list(range(shards))
    sizes = [row["bucket_to"] - row["bucket_from"] + 1 for row in ranges]
    assert max(sizes) - min(sizes) <= 1


async def test_every_shard_has_its_leases(databases: Databases) -> None:
    dsns = await databases.make(2)
    await databases.migrate(dsns)
    for dsn in dsns:
        rows = await fetch(dsn, "select work, bucket_from, bucket_to, fence, holder from leases")
        works = {row["work"] for row in rows}
        assert works >= {"relay", "deliver", "chase", "expire"}
        for work in works:
            covered = sorted((r["bucket_from"], r["bucket_to"]) for r in rows if r["work"] == work)
            assert covered == [(n * 256, n * 256 + 255) for n in range(16)]
        assert all(row["holder"] is None and row["fence"] == 0 for row in rows)


async def test_two_runners_at_once(databases: Databases) -> None:
    dsns = await databases.make(2)
    reports = await asyncio.gather(*(databases.migrate(dsns) for _ in range(4)))
    assert len({report.house_id for report in reports}) == 1
    assert len({report.installation_id for report in reports}) == 1
    assert sorted(step for report in reports for step in report.applied) == sorted(
        {step for report in reports for step in report.applied}
    )
    assert await fetch(dsns[0], "select count(*) from merchants") == [(1,)]


async def test_an_interrupted_run_is_taken_up(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsns = await databases.make(2)

    async def broken(*arguments, **named):
        raise ConnectionError

    for name in ("keep_shard", "open_installation", "apply_steps"):
        with monkeypatch.context() as patch:
            patch.setattr(migrate_module, name, broken)
            with pytest.raises(ConnectionError):
                await databases.migrate(dsns)
    report = await databases.migrate(dsns)
    assert (await fetch(dsns[1], "select shard from shard_identity"))[0]["shard"] == 1
    assert await databases.migrate(dsns) == report._replace(applied=())


async def test_a_step_that_fails_leaves_nothing(databases: Databases) -> None:
    [dsn] = await databases.make(1)
    await databases.migrate([dsn])
    text = "create table half (); select 1 / 0"
    known = read_steps("shard")
    steps = [*known, Step("shard", len(known) + 1, "broken", text, "c")]
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await apply(connection, steps)
        assert await connection.fetchval("select to_regclass('half')") is None
        history = await connection.fetch("select number from migrations where scope = 'shard'")
        assert sorted(row["number"] for row in history) == [step.number for step in known]

        whole = Step("shard", len(known) + 1, "mended", "create table whole ()", "d")
        mended = [*known, whole]
        assert await apply(connection, mended) == [mended[-1]]
        assert await apply(connection, mended) == []
    finally:
        await connection.close()


async def apply(connection: asyncpg.Connection, steps: list[Step]) -> list[Step]:
    return await apply_steps(
        connection,
        steps,
        where="here",
        now=lambda: datetime.now(UTC),
        report=lambda line: None,
    )


async def test_a_step_waits_for_traffic_a_while_and_then_gives_up(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    [dsn] = await databases.make(1)
    await databases.migrate([dsn])
    monkeypatch.setattr(migration_steps, "STEP_LOCK_MS_MAX", 20)
    monkeypatch.setattr(migration_steps, "RETRY_DELAY_S", 0.0)
    known = read_steps("shard")
    step = Step("shard", len(known) + 1, "wider", "alter table heads add column more text", "c")
    steps = [*known, step]
    traffic, owner = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    said: list[str] = []

    async def attempt() -> list[Step]:
        return await apply_steps(
            owner, steps, where="here", now=lambda: datetime.now(UTC), report=said.append
        )

    try:
        held = traffic.transaction()
        await held.start()
        await traffic.execute("select * from heads")
        with pytest.raises(MigrationRefused, match="locks"):
            await attempt()
        assert len(said) == migration_steps.TRIES_MAX - 1
        await held.rollback()
        assert await attempt() == [step]
    finally:
        await traffic.close()
        await owner.close()


async def test_edited_history_and_newer_versions_are_refused(databases: Databases) -> None:
    [dsn] = await databases.make(1)
    await databases.migrate([dsn])
    await fetch(dsn, "update migrations set checksum = 'x' where scope = 'shard'")
    with pytest.raises(MigrationRefused, match="other content"):
        await databases.migrate([dsn])
    for step in read_steps("shard"):
        mend = "update migrations set checksum = $1 where scope = 'shard' and number = $2"
        await fetch(dsn, mend, step.checksum, step.number)
    await databases.migrate([dsn])
    await fetch(
        dsn,
        "insert into migrations values ('directory', 99, 'future', 'x', now())",
    )
    with pytest.raises(MigrationRefused, match="newer Tillgate"):
        await databases.migrate([dsn])


def test_files_out_of_order_are_no_migrations(tmp_path: Path) -> None:
    folder = tmp_path / "shard"
    folder.mkdir()
    (folder / "0001_one.sql").write_text("select 1;")
    (folder / "0003_three.sql").write_text("select 1;")
    with pytest.raises(ValueError, match="0003_three"):
        read_steps("shard", tmp_path)


async def test_databases_in_the_wrong_place_are_refused(databases: Databases) -> None:
    one, two, other = await databases.make(3)
    await databases.migrate([one, two])
    await databases.migrate([other])
    before = [await rows_of(one), await rows_of(other)]
    for dsns, why in (
        ([two, one], "another installation"),
        ([one, other], "holds a directory"),
        ([one, one], "holds a directory"),
        ([other, two], "another installation"),
        ([two], "another installation"),
        ([one], "2 shards"),
    ):
        with pytest.raises(MigrationRefused, match=why):
            await databases.migrate(dsns)
    assert before == [await rows_of(one), await rows_of(other)]


async def test_shards_out_of_order_are_refused(databases: Databases) -> None:
    one, two, three = await databases.make(3)
    await databases.migrate([one, two, three])
    with pytest.raises(MigrationRefused, match="order"):
        await databases.migrate([one, three, two])


async def test_a_new_database_twice_is_refused(databases: Databases) -> None:
    [dsn] = await databases.make(1)
    with pytest.raises(MigrationRefused, match="name every database once"):
        await databases.migrate([dsn, dsn])


async def test_one_more_shard_gets_no_buckets_yet(databases: Databases) -> None:
    one, two = await databases.make(2)
    first = await databases.migrate([one])
    report = await databases.migrate([one, two])
    assert (report.installation_id, report.shards) == (first.installation_id, 2)
    assert {row["shard"] for row in await fetch(one, "select shard from shard_map")} == {0}
    assert (await fetch(two, "select shard from shard_identity"))[0]["shard"] == 1


async def test_another_key_or_mode_is_refused(databases: Databases) -> None:
    [dsn] = await databases.make(1)
    await databases.migrate([dsn])
    before = await rows_of(dsn)
    with pytest.raises(MigrationRefused, match="key-encryption key"):
        await databases.migrate([dsn], kek=b"x" * 32)
    with pytest.raises(MigrationRefused, match="sandbox, not live"):
        await databases.migrate([dsn], mode="live")
    with pytest.raises(ValueError, match="mode"):
        await databases.migrate([dsn], mode="production")
    assert await rows_of(dsn) == before


async def test_the_reader_may_only_read(any_databases: Databases) -> None:
    [dsn] = await any_databases.make(1)
    report = await any_databases.migrate([dsn])
    assert report.reader is not None
    assert report.reader.password not in repr(report)
    assert all(report.reader.password not in line for line in any_databases.said)
    name = urlsplit(dsn).path.lstrip("/")
    reader = await asyncpg.connect(
        any_databases.cluster.postgres.dsn(name, user=report.reader.user)
    )
    try:
        assert await reader.fetchval("select count(*) from journal") == 1
        assert await reader.fetchval("select name from merchants") == "House"
        for statement in (
            "update heads set seq = 0",
            "delete from journal",
            "select data_key from merchants",
            "select material from keys",
            "select sealed from installation_keys",
            "set role tillgate_app",
            "create table mine ()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(statement)
    finally:
        await reader.close()
    [stored] = await fetch(
        dsn, "select rolpassword from pg_authid where rolname = $1", report.reader.user
    )
    assert is_verifier_of(report.reader.password, stored["rolpassword"])


def is_verifier_of(password: str, stored: str) -> bool:
    """Whether a SCRAM verifier was made of the password, by the definition of RFC 5802."""
    rounds, salt = stored.split("$")[1].split(":")
    stored_key, server_key = (base64.b64decode(part) for part in stored.split("$")[2].split(":"))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client_key = hmac.new(salted, b"Client Key", "sha256").digest()
    return (
        hashlib.sha256(client_key).digest() == stored_key
        and hmac.new(salted, b"Server Key", "sha256").digest() == server_key
    )


def test_a_verifier_hides_its_password() -> None:
    assert scram_verifier("canary") != scram_verifier("canary")
    assert is_verifier_of("canary", scram_verifier("canary"))
    assert "canary" not in scram_verifier("canary")


async def login(databases: Databases, dsn: str, attributes: str) -> str:
    """A new login that owns the database of `dsn`; the DSN with it."""
    name = f"owner_{uuid.uuid4().hex[:12]}"
    database = urlsplit(dsn).path.lstrip("/")
    await fetch(dsn, f"create role {name} login {attributes}")
    await fetch(dsn, f"alter database {database} owner to {name}")
    return databases.cluster.postgres.dsn(database, user=name)


async def test_a_login_that_may_not_make_roles_says_the_way_out(databases: Databases) -> None:
    [dsn] = await databases.make(1)
    await databases.migrate(await databases.make(1))  # the roles exist in this cluster
    owned = await login(databases, dsn, "")
    with pytest.raises(MigrationRefused, match="grant tillgate_app, tillgate_read to owner_"):
        await databases.migrate([owned])
    user = urlsplit(owned).netloc.split("@")[0]
    await fetch(dsn, f"grant tillgate_app, tillgate_read to {user}")
    report = await databases.migrate([owned])
    assert report.reader is None
    assert any("no login for reading" in line for line in databases.said)
    pool = await open_pool(owned)
    try:
        assert await pool.fetchval("select current_user") == "tillgate_app"
    finally:
        await pool.close()
    await fetch(dsn, f"reassign owned by {user} to current_user")


async def test_an_ordinary_owner_that_makes_roles_is_enough(tmp_path: Path) -> None:
    """As services give it: no superuser, a cluster that has never seen Tillgate."""
    async with EmbeddedPostgres(
        tmp_path / "data",
        databases=["till", "till_1"],
        settings={"fsync": "off", "shared_buffers": "16MB"},
    ) as postgres:
        await fetch(postgres.dsn("till"), "create role owner login createrole")
        for name in ("till", "till_1"):
            await fetch(postgres.dsn("till"), f"alter database {name} owner to owner")
        dsns = [postgres.dsn(name, user="owner") for name in ("till", "till_1")]
        report = await migrate(
            dsns,
            vault=Vault({1: KEK}),
            mode="live",
            clock=SystemClock(),
            ids=RandomIds(),
            report=print,
        )
        assert report.reader is not None
        pool = await open_pool(dsns[1])
        try:
            assert await pool.fetchval("select current_user") == "tillgate_app"
        finally:
            await pool.close()
        reader = postgres.dsn("till_1", user=report.reader.user)
        assert await fetch(reader, "select 1 from heads") == []


async def test_roles_are_made_once(databases: Databases) -> None:
    [dsn] = await databases.make(1)
    await databases.migrate(await databases.make(1))
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await make_roles(connection, where="here", report=databases.said.append)
            before = len(databases.said)
            await make_roles(connection, where="here", report=databases.said.append)
        assert len(databases.said) == before
        reader = ReaderLogin(f"tillgate_reader_{uuid.uuid4().hex[:8]}", "p" * 20)
        for _ in range(2):
            async with connection.transaction():
                assert await make_reader(connection, reader, where="here", report=print)
        member = "select pg_has_role($1, 'tillgate_read', 'member')"
        assert await connection.fetchval(member, reader.user)
        assert not await connection.fetchval(member.replace("_read", "_app"), reader.user)
    finally:
        await connection.close()


async def test_running_systems_own_nothing(any_databases: Databases) -> None:
    [dsn] = await any_databases.make(1)
    await any_databases.migrate([dsn])
    pool = await open_pool(dsn)
    try:
        for statement in (
            "update postings set amount = 1",
            "delete from postings",
            "update journal set data = ''",
            "delete from journal",
            "update entries set reason = ''",
            "delete from callbacks",
            "truncate payments",
            "alter table heads add column mine text",
            "update directory_state set mode = 'live'",
            "insert into installation_keys values ('x', 1, '', now())",
            "update shard_map set shard = 1",
            "update keys set material = ''",
            "delete from merchants",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)
    finally:
        await pool.close()
