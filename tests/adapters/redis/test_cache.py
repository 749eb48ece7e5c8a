"""The shared cache on a real server: what instances share, and every way to lose it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic_ns

import pytest

from gateway.adapters.local.cache import LocalCache
from gateway.adapters.local.last_writes import LastWrites
from gateway.adapters.redis import cache as module
from gateway.adapters.redis.cache import PREFIX, RedisCache
from gateway.center.cache_ports import Found, Load, Loaded, Place
from tests.redis_server import RedisServer, running_server

KEY = bytes(range(32))
HERE = Place("mch_canary", "list_payments", "payments.read /v1/payments?limit=1")
DEADLINE_S = 20.0
PATIENT_S = 10.0  # a look on a busy machine


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_server() as started:
        yield started


class Instance:
    """One instance: its memory over the server."""

    def __init__(self, server: RedisServer, *, key: bytes = KEY) -> None:
        self.failures = 0
        self.said: list[str] = []
        self.writes = LastWrites()
        self.shared = RedisCache(server.url, key=key, failed=self._failed, look_s_max=PATIENT_S)
        self.cache = LocalCache(self.writes, shared=self.shared, observe=self.said.append)

    def _failed(self) -> None:
        self.failures += 1

    async def settle(self) -> None:
        """Until everything is put."""
        while self.shared._puts:
            await asyncio.wait(self.shared._puts)

    async def close(self) -> None:
        await self.cache.close()
        self.writes.close()


@pytest.fixture
async def one(server: RedisServer) -> AsyncIterator[Instance]:
    made = Instance(server)
    yield made
    await made.close()


@pytest.fixture
async def other(server: RedisServer) -> AsyncIterator[Instance]:
    made = Instance(server)
    yield made
    await made.close()


def loading(body: bytes, *, is_personal: bool = False) -> Load:
    async def load() -> Loaded:
        return Loaded(body, is_personal)

    return load


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until something is so; fails at a deadline."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.005)


async def asked_us(server: RedisServer) -> int:
    seconds, micros = await server.redis.time()
    return seconds * 1_000_000 + micros


async def put(instance: Instance, place: Place, body: bytes, begun_us: int) -> str:
    """Put an entry without its end, so that only its readers judge its age; its name."""
    name = instance.shared._name(place)
    await instance.shared._redis.set(name, instance.shared._entry(name, begun_us, body))
    return name


async def test_what_one_instance_read_another_finds(
    server: RedisServer, one: Instance, other: Instance
) -> None:
    before = monotonic_ns()
    now = await asked_us(server)
    await put(one, HERE, b"page", now)
    found = await other.shared.get(HERE)
    assert found.body == b"page" and found.asked_us is not None
    assert found.begun_ns <= monotonic_ns() - (found.asked_us - now) * 1_000
    # The clocks of Redis and of the machine are one here, so the moment can be told apart.
    assert found.begun_ns >= before - (monotonic_ns() - before)


async def test_instances_answer_the_same_bytes(
    server: RedisServer, one: Instance, other: Instance
) -> None:
    assert await one.cache.get(HERE, loading(b"page")) == b"page"
    await one.settle()
    (name,) = await server.redis.keys("*")
    assert 0 < await server.redis.pttl(name) <= 1_000
    # If the machine was slow, the second is over: then the entry is gone, never old.
    answer = await other.cache.get(HERE, loading(b"fresh"))
    assert (other.said, answer) in ((["shared"], b"page"), (["primary"], b"fresh"))


async def test_an_entry_is_believed_for_a_second(server: RedisServer, one: Instance) -> None:
    now = await asked_us(server)
    for ago_us, body in ((60_000_000, None), (1_000_000, None), (-60_000_000, None)):
        await put(one, HERE, b"page", now - ago_us)
        found = await one.shared.get(HERE)
        assert (found.body, found.asked_us is not None) == (body, True)


async def test_an_entry_that_was_put_late_ends_with_its_second(
    server: RedisServer, one: Instance
) -> None:
    one.shared.put(HERE, b"page", asked_us=await asked_us(server) - 1_000_001)
    await one.settle()
    assert await server.redis.keys("*") == []
    assert one.failures == 0


async def test_a_write_here_ends_what_others_read_before_it(
    server: RedisServer, one: Instance, other: Instance
) -> None:
    await put(one, HERE, b"before", await asked_us(server))
    other.writes.wrote(HERE.merchant_id)
    assert await other.cache.get(HERE, loading(b"after")) == b"after"
    assert other.said == ["primary"]
    # What is read now replaces it, for the others too.
    await other.settle()
    assert (await one.shared.get(HERE)).body in (b"after", None)


async def test_nothing_of_a_person_and_no_name_lies_there(
    server: RedisServer, one: Instance
) -> None:
    assert await one.cache.get(HERE, loading(b"Li Lei", is_personal=True)) == b"Li Lei"
    await one.settle()
    assert await server.redis.keys("*") == []
    await put(one, HERE, b"page", await asked_us(server))
    (name,) = await server.redis.keys("*")
    assert name.decode().startswith(PREFIX)
    assert b"canary" not in name and b"payments" not in name


async def test_what_somebody_else_put_there_is_not_believed(
    server: RedisServer, one: Instance
) -> None:
    now = await asked_us(server)
    name = await put(one, HERE, b"page", now)
    right = await server.redis.get(name)
    elsewhere = HERE._replace(merchant_id="mch_other")
    stranger = Instance(server, key=bytes(32))
    assert stranger.shared._name(HERE) != name
    forged = stranger.shared._entry(name, now, b"page")
    for entry in (right[:-1], right[:10], b"", right[:-1] + b"!", b"\xff" + right[1:], forged):
        await server.redis.set(name, entry)
        assert (await one.shared.get(HERE)).body is None
    await server.redis.set(one.shared._name(elsewhere), right)
    assert (await one.shared.get(elsewhere)).body is None
    await stranger.close()


async def test_a_killed_server_costs_nothing_but_itself(
    server: RedisServer, one: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_EVERY_S", 0.01)
    await one.cache.get(HERE, loading(b"1"))
    await server.kill()
    places = [HERE._replace(about=str(number)) for number in range(50)]
    answers = await asyncio.gather(*(one.cache.get(place, loading(b"2")) for place in places))
    assert answers == [b"2"] * 50
    assert one.shared.is_away and one.failures > 0
    failures = one.failures
    for place in places:
        place = place._replace(merchant_id="mch_b")
        assert await one.cache.get(place, loading(b"3")) == b"3"
    assert one.failures == failures, "it is not asked while it is away"
    await server.start()
    await until(lambda: not one.shared.is_away)
    assert (await one.shared.get(HERE)).asked_us is not None


async def test_a_frozen_server_is_waited_for_a_moment_only(server: RedisServer) -> None:
    shared = RedisCache(server.url, key=KEY, look_s_max=0.01)
    assert not shared.is_away
    server.freeze()
    try:
        async with asyncio.timeout(PATIENT_S):
            assert await shared.get(HERE) == Found()
        assert shared.is_away
    finally:
        server.thaw()
    await shared.close()


async def test_a_full_server_is_read_all_the_same(server: RedisServer, one: Instance) -> None:
    now = await asked_us(server)
    await put(one, HERE, b"page", now)
    await server.set(maxmemory=1, maxmemory_policy="noeviction")
    one.shared.put(HERE._replace(about="2"), b"page", asked_us=now)
    await one.settle()
    assert one.failures == 1 and not one.shared.is_away
    assert (await one.shared.get(HERE)).asked_us is not None


async def test_too_much_at_once_is_read_from_the_primary(
    server: RedisServer, one: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKS_MAX", 2)
    monkeypatch.setattr(module, "PUTS_MAX", 2)
    found = await asyncio.gather(*(one.shared.get(HERE) for _ in range(10)))
    assert sum(each.asked_us is not None for each in found) == 2
    for number in range(10):
        place = HERE._replace(about=str(number))
        one.shared.put(place, b"page", asked_us=await asked_us(server) if not number else 2**50)
    assert len(one.shared._puts) <= 2
    await one.settle()
    assert one.failures == 0


async def test_a_server_that_was_never_there(tmp_path) -> None:
    shared = RedisCache(f"unix://{tmp_path}/absent", key=KEY)
    assert await shared.get(HERE) == Found()
    assert shared.is_away
    shared.put(HERE, b"page", asked_us=1)
    await shared.close()
