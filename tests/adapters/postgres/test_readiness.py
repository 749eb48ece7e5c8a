"""Readiness: what must hold before money is written, and what one lost shard means."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from gateway.adapters.postgres import readiness as module
from gateway.adapters.postgres.connect import open_pool
from gateway.adapters.postgres.readiness import PostgresReadiness
from tests.conftest import Installation


@pytest.fixture(autouse=True)
def fsync_is_off_in_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clusters of tests run without fsync; here that one answer is turned to what it guards."""
    text = module.SQL["shard"].text.replace("current_setting('fsync')", "'on'::text")
    monkeypatch.setitem(module.SQL, "shard", module.SQL["shard"]._replace(text=text))
    monkeypatch.setattr(module, "KEPT_S", -1.0)


@pytest.fixture
async def pools(two_shards: Installation) -> AsyncIterator[list[asyncpg.Pool]]:
    opened = [await open_pool(dsn, size_max=2) for dsn in two_shards.dsns]
    yield opened
    for pool in opened:
        pool.terminate()


async def run(installation: Installation, sql: str, shard: int = 0) -> None:
    connection = await asyncpg.connect(installation.dsns[shard])
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def failed(ready: PostgresReadiness, shard: int = 0) -> tuple[bool, set[str]]:
    found = await ready()
    checks: dict[str, Any] = found["shards"][shard]["checks"]
    return found["ready"], {name for name, holds in checks.items() if not holds}


async def test_a_good_installation_is_ready(pools: list[asyncpg.Pool]) -> None:
    found = await PostgresReadiness(pools)()
    assert found["ready"] is True
    assert found["degraded"] is False
    assert [shard["fault"] for shard in found["shards"]] == [None, None]


async def test_fsync_is_asked_for(
    pools: list[asyncpg.Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = module.SQL["shard"].text.replace("'on'::text", "current_setting('fsync')")
    monkeypatch.setitem(module.SQL, "shard", module.SQL["shard"]._replace(text=text))
    assert await failed(PostgresReadiness(pools)) == (False, {"fsync"})


DAMAGES: dict[str, tuple[str, set[str]]] = {
    "another installation": (
        "update shard_identity set installation_id = gen_random_uuid()",
        {"identity"},
    ),
    "another shard": ("update shard_identity set shard = 0", {"identity"}),
    "a step missing": ("delete from migrations", {"migrations"}),
    "a changed step": ("update migrations set checksum = 'x'", {"migrations"}),
    "a journal that can be rewritten": (
        "grant update on journal to tillgate_app",
        {"role_cannot_rewrite"},
    ),
    "postings that can be deleted": (
        "grant delete on postings to tillgate_app",
        {"role_cannot_rewrite"},
    ),
    "a table that the role owns": (
        "create table own (); alter table own owner to tillgate_app",
        {"role_owns_nothing"},
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
async def test_a_shard_that_is_wrong(
    two_shards: Installation, pools: list[asyncpg.Pool], what: str
) -> None:
    sql, expected = DAMAGES[what]
    ready = PostgresReadiness(pools)
    assert await failed(ready, 1) == (True, set())
    await run(two_shards, sql, shard=1)
    assert await failed(ready, 1) == (False, expected)


@pytest.mark.parametrize("setting", ["synchronous_commit"])
async def test_a_setting_that_loses_commits(
    two_shards: Installation, pools: list[asyncpg.Pool], setting: str
) -> None:
    name = two_shards.names[1]
    await run(two_shards, f"alter database {name} set {setting} = 'off'")
    fresh = await open_pool(two_shards.dsns[1], size_max=1)
    try:
        assert await failed(PostgresReadiness([pools[0], fresh]), 1) == (False, {setting})
    finally:
        fresh.terminate()


async def test_an_owner_is_refused(two_shards: Installation) -> None:
    owner = await asyncpg.create_pool(two_shards.dsns[0], min_size=1, max_size=1)
    try:
        ready, faults = await failed(PostgresReadiness([owner]))
        assert not ready
        assert faults == {"role_owns_nothing", "role_cannot_rewrite"}
    finally:
        owner.terminate()


async def test_an_older_epoch_is_refused(
    two_shards: Installation, pools: list[asyncpg.Pool]
) -> None:
    """The old primary came back after a failover that this process has seen."""
    ready = PostgresReadiness(pools)
    await run(two_shards, "update shard_identity set epoch = 2")
    assert await failed(ready) == (True, set())
    await run(two_shards, "update shard_identity set epoch = 1")
    assert await failed(ready) == (False, {"epoch"})


async def test_a_declared_standby_must_be_there(pools: list[asyncpg.Pool]) -> None:
    ready = PostgresReadiness(pools, standby_required=True)
    assert await failed(ready) == (False, {"synchronous_standby"})


async def test_a_newer_release_may_have_migrated(
    two_shards: Installation, pools: list[asyncpg.Pool]
) -> None:
    await run(two_shards, "insert into migrations values ('shard', 9999, 'newer', 'x', now())")
    assert (await PostgresReadiness(pools)())["ready"] is True


async def test_one_shard_away_degrades(two_shards: Installation, pools: list[asyncpg.Pool]) -> None:
    ready = PostgresReadiness(pools)
    await ready()
    await two_shards.cluster.drop([two_shards.names[1]])
    found = await ready()
    assert (found["ready"], found["degraded"]) == (True, True)
    assert [shard["reachable"] for shard in found["shards"]] == [True, False]
    await two_shards.cluster.drop([two_shards.names[0]])
    found = await ready()
    assert (found["ready"], found["degraded"]) == (False, True)


@pytest.mark.parametrize(
    ("away_s", "expected"), [(0.0, (True, False)), (5.0, (True, True)), (901.0, (False, True))]
)
async def test_the_directory_may_be_away_for_a_while(
    pools: list[asyncpg.Pool], away_s: float, expected: tuple[bool, bool]
) -> None:
    ready = PostgresReadiness(pools, directory_away_for_s=lambda: away_s)
    found = await ready()
    assert (found["ready"], found["degraded"]) == expected


async def test_an_answer_is_kept_for_a_moment(
    two_shards: Installation, pools: list[asyncpg.Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_S", 3600.0)
    asked = PostgresReadiness(pools)
    first = await asked()
    await run(two_shards, "delete from shard_identity")
    assert await asked() is first
    monkeypatch.setattr(module, "KEPT_S", -1.0)
    read: Callable[[], Any] = asked
    assert (await read())["shards"][0]["checks"] == {"identity": False}


async def test_a_bare_database_is_not_ready(two_shards: Installation) -> None:
    name = await two_shards.cluster.create()
    pool = await asyncpg.create_pool(two_shards.cluster.postgres.dsn(name), min_size=1, max_size=1)
    try:
        found = await PostgresReadiness([pool])()
        assert found["ready"] is False
        assert found["shards"][0]["checks"] == {"schema": False}
    finally:
        pool.terminate()
        await two_shards.cluster.drop([name])
