"""Every event reaches the stream, whatever happens to Redis, the publisher or its lease."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from gateway.adapters.postgres.leases import PostgresLeases
from gateway.adapters.postgres.publications import PostgresPublications
from gateway.adapters.redis.streams import RedisStreams
from gateway.app import Worker
from gateway.domain import ids
from gateway.workers.publish import PASS_EVENTS_MAX, WORK, Publications, ShardPublication
from tests.conftest import Installation
from tests.oracle import check
from tests.redis_server import Fields, RedisServer, running_server
from tests.webhook_world import (
    DEADLINE_S,
    POLL_S,
    WebhookWorld,
    open_webhook_world,
    working,
)
from tests.world import open_world

HOLDERS = [str(uuid4()), str(uuid4())]
CAUGHT_UP = """
    select bool_and(coalesce(c.seq, 0) = h.seq) from heads h
    left join cursors c on c.merchant_id = h.merchant_id and c.reader = 'stream'
"""
PAYMENTS = "tillgate.events.payment"
REDIS_AWAY = "the event stream is not available"


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_server() as started:
        yield started


class Observed:
    """What a publisher reported."""

    def __init__(self) -> None:
        self.published = 0
        self.unavailable = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, outcome: str, events: int, lag_s: float) -> None:
        self.published += events
        self.unavailable += outcome == "unavailable"
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def failures(self, count: int) -> None:
        """Wait until so many appends have failed."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: self.unavailable >= count)


@contextlib.asynccontextmanager
async def publishing(
    world: WebhookWorld, server: RedisServer, observed: Observed | None = None
) -> AsyncIterator[Publications]:
    """A running publisher with leases of its own."""
    shards = [
        ShardPublication(
            PostgresPublications(shard.pool), PostgresLeases(shard.pool, holder=str(uuid4()))
        )
        for shard in world.shards.all
    ]
    publications = Publications(
        shards,
        stream=RedisStreams(server.url),
        clock=world.clock,
        observe=observed or Observed(),
    )
    await publications.start()
    try:
        yield publications
    finally:
        await publications.drain()


async def caught_up(world: WebhookWorld) -> None:
    await world.eventually(CAUGHT_UP)


async def until_caught_up(ask: Callable[[], Awaitable[list[Any]]]) -> None:
    """The same by another way of asking."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if (await ask())[0][0]:
                return
            await asyncio.sleep(POLL_S)


async def everything(server: RedisServer) -> list[Fields]:
    """The entries of all streams, each stream's in their order."""
    names = sorted(await server.redis.keys("tillgate.events.*"))
    return [entry for name in names for entry in await server.entries(name.decode())]


def event_ids(entries: list[Fields]) -> list[bytes]:
    return [entry["id"] for entry in entries]


async def shown(world: WebhookWorld, merchant_id: str) -> dict[bytes, bytes]:
    """What the API shows of a merchant's events, by id, with payers left out."""
    page = await world.replay.page(merchant_id, after=0, types=None, limit=1_000)
    bodies: dict[bytes, bytes] = {}
    for _, body in page:
        event = json.loads(body)
        if event["data"].get("customer") is not None:
            event["data"]["customer"] = None
            body = msgspec.json.encode(event)
        bodies[event["id"].encode()] = body
    return bodies


async def all_shown(world: WebhookWorld) -> dict[bytes, bytes]:
    """The same for all merchants, the house included."""
    found = {}
    for shard in range(len(world.shards.all)):
        for record in await world.sql("select merchant_id from heads", shard=shard):
            found |= await shown(world, ids.from_uuid("mch", record["merchant_id"]))
    return found


def merchants_are_in_order(entries: list[Fields]) -> None:
    """In each stream the sequences of each merchant only rise, doubles left out."""
    last: dict[tuple[bytes, bytes], int] = {}
    seen: set[bytes] = set()
    for entry in entries:
        if entry["id"] in seen:
            continue
        seen.add(entry["id"])
        key = (entry["merchant_id"], entry["type"].partition(b".")[0])
        assert int(entry["sequence"]) > last.get(key, 0)
        last[key] = int(entry["sequence"])


async def test_every_event_of_every_merchant_arrives_once_and_in_order(
    world: WebhookWorld, server: RedisServer
) -> None:
    merchants = [await world.merchant(bucket) for bucket in (3, 3, 700, 4000)]
    for merchant in merchants:
        await world.pay_many(merchant, 30)
    await world.pay_by(merchants[0], {"id": "c-1", "name": "Li Lei", "email": "li@example.com"})
    async with publishing(world, server) as publications:
        await caught_up(world)
        later = await world.pay(merchants[1])
        publications.hint(merchants)
        await caught_up(world)
    entries = await everything(server)
    merchants_are_in_order(entries)
    assert {entry["id"]: entry["body"] for entry in entries} == await all_shown(world)
    assert len(entries) == len(set(event_ids(entries)))
    assert json.loads((await server.entries(PAYMENTS))[-1]["body"])["object_id"] == later.id
    assert not any(b"Li Lei" in entry["body"] for entry in entries)
    assert {entry["merchant_id"].decode() for entry in entries} >= set(merchants)


async def test_a_long_journal_goes_page_by_page(world: WebhookWorld, server: RedisServer) -> None:
    merchant = await world.merchant()
    for _ in range(4):
        await world.pay_many(merchant, 300)
    async with publishing(world, server):
        await caught_up(world)
    entries = await server.entries(PAYMENTS)
    payments = await world.replay.page(merchant, after=0, types=["payment.*"], limit=10_000)
    assert len(payments) == 1_200 > 2 * PASS_EVENTS_MAX
    assert [(int(entry["sequence"]), entry["body"]) for entry in entries] == payments


async def test_a_server_that_dies_and_comes_back_empty_loses_nothing_after_the_cursor(
    world: WebhookWorld, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    merchant = await world.merchant()
    await world.pay_many(merchant, 5)
    observed = Observed()
    async with publishing(world, server, observed) as publications:
        await caught_up(world)
        before = set(event_ids(await everything(server)))
        await server.kill()
        with caplog.at_level(logging.INFO, "tillgate.publish"):
            await world.pay_many(merchant, 5)
            publications.hint([merchant])
            await observed.failures(2)
            await server.start()
            await caught_up(world)
        entries = await everything(server)
        everything_shown = await all_shown(world)
        assert set(event_ids(entries)) == everything_shown.keys() - before
        assert len(entries) == 5

        # Published again from the beginning.
        store = PostgresPublications(world.shards.all[0].pool)
        assert await store.rewind(0) == 2  # the house has events too
        await caught_up(world)
    again = {entry["id"]: entry["body"] for entry in await everything(server)}
    assert again == everything_shown
    told = [record.message for record in caplog.records if record.name == "tillgate.publish"]
    assert [line.startswith(REDIS_AWAY) for line in told] == [True, False]
    await check(world.installation.dsns)


async def test_a_frozen_server_holds_up_nothing_else(
    world: WebhookWorld, server: RedisServer
) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    observed = Observed()
    async with publishing(world, server, observed) as publications, working(world) as webhooks:
        await caught_up(world)
        server.freeze()
        await world.pay_many(merchant, 10)
        publications.hint([merchant])
        webhooks.hint([merchant])
        await observed.failures(1)
        await receiver.until(10)
        server.thaw()
        await caught_up(world)
    entries = await everything(server)
    merchants_are_in_order(entries)
    assert {entry["id"]: entry["body"] for entry in entries} == await all_shown(world)


async def test_a_full_server_makes_events_wait(world: WebhookWorld, server: RedisServer) -> None:
    merchant = await world.merchant()
    await server.set(maxmemory="2mb", maxmemory_policy="noeviction")
    observed = Observed()
    async with publishing(world, server, observed) as publications:
        for _ in range(10):
            await world.pay_many(merchant, 300)
        publications.hint([merchant])
        await observed.failures(2)
        assert observed.published > 0
        assert (await world.sql(CAUGHT_UP))[0][0] is False
        await server.set(maxmemory=0)
        await caught_up(world)
    entries = await everything(server)
    merchants_are_in_order(entries)
    heads = await world.sql("select sum(seq) from heads")
    assert len(set(event_ids(entries))) == heads[0][0]


async def test_a_crash_after_the_append_repeats_the_same_events(
    world: WebhookWorld, server: RedisServer
) -> None:
    """The process dies between what it appended and its cursor."""
    merchant = await world.merchant()
    await world.pay_many(merchant, 3)
    store = PostgresPublications(world.shards.all[0].pool)
    streams = RedisStreams(server.url)
    ((_, read, head),) = await store.positions([merchant])
    await streams.append(await store.events([(merchant, read, head)]))
    await streams.close()
    before = await everything(server)

    async with publishing(world, server):
        await caught_up(world)
    entries = await everything(server)
    merchants_are_in_order(entries)
    twice = [entry for entry in entries if event_ids(entries).count(entry["id"]) == 2]
    assert len(twice) == 2 * len(before)
    by_id = {entry["id"]: entry for entry in before}
    assert all(entry == by_id[entry["id"]] for entry in twice)


async def test_two_publishers_share_the_ranges_and_publish_everything_once(
    world: WebhookWorld, server: RedisServer
) -> None:
    merchants = [await world.merchant(bucket) for bucket in range(0, 4096, 256)]
    seen = Observed(), Observed()
    async with (
        publishing(world, server, seen[0]) as first,
        publishing(world, server, seen[1]) as second,
    ):
        await world.eventually(
            "select count(distinct holder) = 2 and count(*) = 16 from leases"
            " where work = $1 and until > clock_timestamp()",
            WORK,
        )
        for merchant in merchants:
            await world.pay_many(merchant, 3)
        for each in (first, second):
            each.hint(merchants)
        await caught_up(world)
    entries = await everything(server)
    assert all(each.published for each in seen)
    assert {entry["id"]: entry["body"] for entry in entries} == await all_shown(world)
    assert len(entries) == len(set(event_ids(entries)))
    free = await world.sql("select count(*) from leases where until > clock_timestamp()")
    assert free[0][0] == 0


async def test_who_lost_the_lease_moves_no_cursor(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    await world.pay(merchant)
    pool = world.shards.all[0].pool
    store = PostgresPublications(pool)
    zombie, living = (PostgresLeases(pool, holder=each) for each in HOLDERS)
    await zombie.prepare(WORK)
    stale = await zombie.take(WORK, 16)
    await zombie.release(stale)
    fresh = await living.take(WORK, 16)
    (position,) = await store.positions([merchant])
    span = (merchant, 0, position[2])

    assert await store.advance(stale, [span]) == set()
    assert await store.advance([], [span]) == set()
    assert await world.sql("select 1 from cursors") == []
    assert await store.advance(fresh, [span]) == {merchant}
    # Again from where it was read: the cursor is not there any more.
    assert await store.advance(fresh, [span]) == set()
    assert await store.positions([merchant]) == []
    await world.sql("update leases set until = clock_timestamp() - interval '1 ms'")
    assert await store.rewind(0, merchant_id=merchant) == 1
    assert await store.advance(fresh, [span]) == set()


async def test_going_back_is_for_one_merchant_or_all_and_never_forward(
    world: WebhookWorld,
) -> None:
    one, other = await world.merchant(5), await world.merchant(5)
    for merchant in (one, other):
        await world.pay_many(merchant, 4)
    pool = world.shards.all[0].pool
    store, leases = PostgresPublications(pool), PostgresLeases(pool, holder=HOLDERS[0])
    await leases.prepare(WORK)
    held = await leases.take(WORK, 16)
    positions = await store.positions([one, other])
    await store.advance(held, [(merchant, 0, head) for merchant, _, head in positions])
    assert await store.rewind(2, merchant_id=one) == 1
    ((merchant, read, head),) = await store.positions([one, other])
    assert (merchant, read) == (one, 2)
    assert [event.sequence for event in await store.events([(one, 2, head)])] == list(
        range(3, head + 1)
    )
    assert await store.rewind(3) == 1
    assert {each: at for each, at, _ in await store.positions([one, other])} == {one: 2, other: 3}


async def test_a_merchant_that_cannot_be_read_holds_up_no_other(
    world: WebhookWorld, server: RedisServer, installation: Installation
) -> None:
    ill, well = await world.merchant(1), await world.merchant(2)
    await write_unheard_of_event(installation, ill)
    await world.pay(well)
    async with publishing(world, server):
        await world.eventually(
            "select c.seq = h.seq from heads h join cursors c using (merchant_id)"
            " where h.merchant_id = $1 and c.reader = 'stream'",
            ids.to_hex(well),
        )
    merchants = {entry["merchant_id"].decode() for entry in await everything(server)}
    assert well in merchants and ill not in merchants


async def write_unheard_of_event(installation: Installation, merchant_id: str) -> None:
    owner = await asyncpg.connect(installation.dsns[0])
    await owner.execute(
        "with head as (update heads set seq = seq + 1 where merchant_id = $1"
        " returning merchant_id, seq)"
        " insert into journal (merchant_id, seq, at, type, object_id, object_version, actor, data)"
        " select merchant_id, seq, now(), 'unheard.of', gen_random_uuid(), 1, 'test', '{}'"
        " from head",
        ids.to_hex(merchant_id),
    )
    await owner.close()


async def test_each_shard_publishes_its_own(two_shards: Installation, server: RedisServer) -> None:
    async with open_webhook_world(two_shards) as world:
        merchants = [await world.merchant(bucket) for bucket in (10, 4000)]
        assert {world.shards.of(each).number for each in merchants} == {0, 1}
        for merchant in merchants:
            await world.pay_many(merchant, 5)
        async with publishing(world, server):
            for shard in (0, 1):
                await until_caught_up(partial(world.sql, CAUGHT_UP, shard=shard))
        entries = await everything(server)
        assert {entry["id"]: entry["body"] for entry in entries} == await all_shown(world)


async def test_a_worker_with_a_redis_url_publishes_and_needs_it_for_nothing(
    installation: Installation, server: RedisServer, tmp_path: Path
) -> None:
    async with open_world(installation, tmp_path) as opened:
        core: Any = opened.core
        core.settings = msgspec.structs.replace(core.settings, redis_url=server.url)
        worker = Worker(core)
        await worker.start()
        try:
            first = await opened.paid("A-1")
            server.freeze()
            second = await opened.paid("A-2")
            refund = await opened.merchant.post(
                "/v1/refunds",
                {"payment_id": second["id"], "merchant_refund_no": "R", "amount": 1},
            )
            assert (refund.status, refund.body["status"]) == (201, "succeeded")
            server.thaw()
            await until_caught_up(partial(opened.sql, CAUGHT_UP))
        finally:
            await worker.stop()
        events = (await opened.merchant.get("/v1/events?limit=100")).body["data"]
        entries = await everything(server)
        came = {entry["id"].decode(): json.loads(entry["body"]) for entry in entries}
        assert all(came[event["id"]] == event for event in events)
        assert {first["id"], second["id"]} <= {event["object_id"] for event in events}
    await check(installation.dsns)
