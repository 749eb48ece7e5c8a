"""Asked: whoever asks is called once, whatever becomes of the connection that reads for him."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from gateway.adapters.postgres import shards
from gateway.adapters.postgres.asked import ASKED_MAX, Asked
from tests.adapters.postgres.parties import until

EACH = (
    "select place::int, id from unnest(string_to_array($1, ',')) with ordinality as k (id, place)"
)
# Reads what others may hold, so that a test can let it hang in the middle.
HELD = (
    "select place::int, id from unnest(string_to_array($1, ',')) with ordinality as k (id, place), "
    "(select pg_advisory_xact_lock_shared(42)) as held"
)
READING = "select pid from pg_stat_activity where wait_event = 'advisory' and query = $1"


class Readers:
    """Who asked, and what each was told."""

    def __init__(self) -> None:
        self.told: dict[str, list[Any]] = {}

    def ask(self, read: Asked, *names: str) -> None:
        for name in names:
            self.told[name] = []
            read.ask((name,), self.told[name].append)

    async def until_all_are_told(self) -> None:
        await until(self._are_told)

    async def _are_told(self) -> bool:
        return all(self.told.values())


@pytest.fixture
async def shard(installation) -> AsyncIterator[shards.Shard]:
    opened = await shards.open_shards(installation.dsns[:1])
    yield opened.all[0]
    await opened.close()


@pytest.fixture
async def gate(shard: shards.Shard) -> AsyncIterator[asyncpg.Connection]:
    """Holds what `HELD` waits for, until it is told to let go."""
    connection = await asyncpg.connect(shard.dsn)
    await connection.execute("select pg_advisory_lock(42)")
    yield connection
    await connection.close()


async def until_it_reads(gate: asyncpg.Connection) -> int:
    """The server's process that hangs in the read."""

    async def reads() -> bool:
        return await gate.fetchval(READING, HELD) is not None

    await until(reads)
    pid: int = await gate.fetchval(READING, HELD)
    return pid


async def by_the_server(shard: shards.Shard, gate: asyncpg.Connection, pid: int) -> None:
    await gate.execute("select pg_terminate_backend($1)", pid)


async def by_an_error(shard: shards.Shard, gate: asyncpg.Connection, pid: int) -> None:
    await gate.execute("select pg_cancel_backend($1)", pid)


async def by_us(shard: shards.Shard, gate: asyncpg.Connection, pid: int) -> None:
    the_one_in_use(shard).terminate()


async def by_the_network(shard: shards.Shard, gate: asyncpg.Connection, pid: int) -> None:
    the_one_in_use(shard)._transport.abort()


def the_one_in_use(shard: shards.Shard) -> asyncpg.Connection:
    """The connection of the shard's pool by which somebody reads."""
    return next(holder._con for holder in shard.pool._holders if holder._in_use)


async def test_what_is_asked_meanwhile_is_read_by_the_next_one(
    shard: shards.Shard, gate: asyncpg.Connection
) -> None:
    readers, read = Readers(), Asked(shard, HELD, lambda record: record["id"])
    readers.ask(read, "a", "b")
    await until_it_reads(gate)
    readers.ask(read, "c", "d")
    assert not any(readers.told.values())
    await gate.execute("select pg_advisory_unlock(42)")
    await readers.until_all_are_told()
    assert readers.told == {name: [name] for name in "abcd"}


async def test_one_read_carries_no_more_than_it_may(shard: shards.Shard) -> None:
    readers, read = Readers(), Asked(shard, EACH, lambda record: record["id"])
    names = [f"n{number}" for number in range(2 * ASKED_MAX + 1)]
    readers.ask(read, *names)
    await readers.until_all_are_told()
    assert readers.told == {name: [name] for name in names}


async def test_who_is_not_found_is_told_so(shard: shards.Shard) -> None:
    text = EACH + " where id <> 'nobody'"
    readers, read = Readers(), Asked(shard, text, lambda record: record["id"])
    readers.ask(read, "a", "nobody", "b")
    await readers.until_all_are_told()
    assert readers.told == {"a": ["a"], "nobody": [None], "b": ["b"]}


async def test_one_who_cannot_be_told_hurts_no_other(
    shard: shards.Shard, caplog: pytest.LogCaptureFixture
) -> None:
    readers, read = Readers(), Asked(shard, EACH, lambda record: record["id"])

    def deaf(_: Any) -> None:
        raise RuntimeError("deaf")

    read.ask(("x",), deaf)
    readers.ask(read, "a")
    await readers.until_all_are_told()
    assert readers.told == {"a": ["a"]}
    assert "whoever asked could not be told" in caplog.text


@pytest.mark.parametrize("cut", [by_the_server, by_us, by_the_network, by_an_error])
async def test_a_connection_that_ends_in_the_middle_leaves_nobody_waiting(
    cut: Callable[..., Any], shard: shards.Shard, gate: asyncpg.Connection
) -> None:
    readers, read = Readers(), Asked(shard, HELD, lambda record: record["id"])
    readers.ask(read, "a", "b")
    await cut(shard, gate, await until_it_reads(gate))
    readers.ask(read, "c")  # arrives while the trouble is being noticed
    await gate.execute("select pg_advisory_unlock(42)")
    await readers.until_all_are_told()
    assert readers.told == {"a": [None], "b": [None], "c": ["c"]}


@pytest.mark.parametrize(
    "trouble",
    [
        asyncpg.PostgresConnectionError("trouble"),
        asyncpg.InterfaceError("trouble"),
        asyncpg.InternalClientError("trouble"),
        OSError("trouble"),
    ],
)
async def test_trouble_of_every_kind_leaves_nobody_waiting(
    trouble: Exception, shard: shards.Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(*_: Any) -> Any:
        raise trouble

    readers, read = Readers(), Asked(shard, EACH, lambda record: record["id"])
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Pool, "fetch", fetch)
        readers.ask(read, "a")
        await readers.until_all_are_told()
    readers.ask(read, "b")
    await readers.until_all_are_told()
    assert readers.told == {"a": [None], "b": ["b"]}
