"""Events in streams, on a real server: whole, in order, without persons; and every way to fail."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.adapters.redis.streams import TRANSACTION_BYTES_MAX, RedisStreams
from gateway.domain import delivery
from gateway.domain.errors import StreamUnavailable
from gateway.domain.events import Event
from tests.redis_server import RedisServer, running_server

PAYMENTS = "tillgate.events.payment"
BODY_CANARY = "canary-7f3a"


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_server() as started:
        yield started


@pytest.fixture
async def streams(server: RedisServer) -> AsyncIterator[RedisStreams]:
    opened = RedisStreams(server.url)
    yield opened
    await opened.close()


def event(sequence: int, type: str = "payment.created", filling: int = 0) -> Event:
    data = {"id": "pay_1", "customer": None, "subject": BODY_CANARY + "x" * filling}
    return Event(
        id=f"evt_{sequence}",
        merchant_id="mch_1",
        sequence=sequence,
        type=type,
        at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
        object_id="pay_1",
        object_version=sequence,
        actor="test",
        request_id=None,
        payment_id="pay_1",
        data=msgspec.json.encode(data),
        personal=b"sealed",
    )


def sequences(entries: list[dict[str, bytes]]) -> list[int]:
    return [int(entry["sequence"]) for entry in entries]


async def test_an_event_goes_to_the_stream_of_its_topic(
    server: RedisServer, streams: RedisStreams
) -> None:
    refund = event(2, "refund.created")
    await streams.append([event(1), refund, event(3, "payment.attempt_failed")])
    assert sequences(await server.entries(PAYMENTS)) == [1, 3]
    (entry,) = await server.entries("tillgate.events.refund")
    assert entry == {
        "id": b"evt_2",
        "merchant_id": b"mch_1",
        "sequence": b"2",
        "type": b"refund.created",
        "body": delivery.body(refund, None),
    }
    assert msgspec.json.decode(entry["body"])["data"]["customer"] is None
    assert len(await server.redis.keys("*")) == 2


async def test_nothing_is_nothing(server: RedisServer, streams: RedisStreams) -> None:
    server.freeze()
    await streams.append([])


async def test_many_and_large_events_keep_their_order(
    server: RedisServer, streams: RedisStreams
) -> None:
    sizes = [10, TRANSACTION_BYTES_MAX + 1, 10, *[100_000] * 20, *[10] * 400]
    await streams.append([event(at, filling=size) for at, size in enumerate(sizes, 1)])
    entries = await server.entries(PAYMENTS)
    assert sequences(entries) == list(range(1, len(sizes) + 1))
    assert entries[1]["body"] == delivery.body(event(2, filling=sizes[1]), None)


async def test_a_stream_is_cut_at_about_its_limit(server: RedisServer) -> None:
    streams = RedisStreams(server.url, entries_max=200)
    await streams.append([event(sequence) for sequence in range(1, 2001)])
    await streams.close()
    kept = sequences(await server.entries(PAYMENTS))
    assert 200 <= len(kept) < 400
    assert kept == list(range(2001 - len(kept), 2001))


async def test_a_server_that_is_gone_and_comes_back(
    server: RedisServer, streams: RedisStreams
) -> None:
    await streams.append([event(1)])
    await server.kill()
    for _ in range(2):
        with pytest.raises(StreamUnavailable):
            await streams.append([event(2)])
    await server.start()
    await streams.append([event(2)])
    assert sequences(await server.entries(PAYMENTS)) == [2]


async def test_a_frozen_server_is_not_waited_for(
    server: RedisServer, streams: RedisStreams
) -> None:
    await streams.append([event(1)])
    server.freeze()
    for _ in range(2):  # on the connection that was open, and on a new one
        with pytest.raises(StreamUnavailable, match="Timeout"):
            await streams.append([event(2), event(3)])
    server.thaw()
    await streams.append([event(2), event(3)])
    # What was in its buffers may have been taken as well: doubles, whole ones and in order.
    came = sequences(await server.entries(PAYMENTS))
    assert list(dict.fromkeys(came)) == [1, 2, 3]
    assert came[1:] == [2, 3] * ((len(came) - 1) // 2)


async def test_a_full_server_takes_a_transaction_whole_or_not_at_all(
    server: RedisServer, streams: RedisStreams
) -> None:
    await server.set(maxmemory="2mb", maxmemory_policy="noeviction")
    appended = 0
    with pytest.raises(StreamUnavailable) as raised:
        for first in range(1, 10_000, 10):
            await streams.append([event(at, filling=2_000) for at in range(first, first + 10)])
            appended += 10
    assert str(raised.value).startswith("OutOfMemoryError: command not allowed")
    assert BODY_CANARY not in str(raised.value)
    assert appended > 0
    assert sequences(await server.entries(PAYMENTS)) == list(range(1, appended + 1))
    await server.set(maxmemory=0)
    await streams.append([event(appended + 1)])


async def test_a_replica_refuses(server: RedisServer, streams: RedisStreams) -> None:
    await server.redis.replicaof("127.0.0.1", 1)
    with pytest.raises(StreamUnavailable, match="ReadOnlyError") as raised:
        await streams.append([event(1)])
    assert BODY_CANARY not in str(raised.value)


async def test_a_stranger_is_refused(server: RedisServer) -> None:
    await server.set(requirepass="open sesame")
    streams = RedisStreams(server.url)
    with pytest.raises(StreamUnavailable, match="Auth"):
        await streams.append([event(1)])
    await streams.close()


async def test_a_key_of_another_kind_is_in_the_way(
    server: RedisServer, streams: RedisStreams
) -> None:
    await server.redis.set(PAYMENTS, "not a stream")
    with pytest.raises(StreamUnavailable, match="WRONGTYPE") as raised:
        await streams.append([event(1)])
    assert BODY_CANARY not in str(raised.value)


def test_a_url_of_another_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        RedisStreams("http://127.0.0.1:6379")
