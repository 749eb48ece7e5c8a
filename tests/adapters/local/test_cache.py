"""The cache of a process: never older than a second or than a write, never anybody else's."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gateway.adapters.local import cache as module
from gateway.adapters.local.cache import ANSWER_BYTES_MAX, ENTRY_EXTRA_BYTES, LocalCache
from gateway.adapters.local.last_writes import LastWrites, make_table
from gateway.center.cache_ports import Found, Load, Loaded, Place

DEADLINE_S = 10.0
HERE = Place("mch_a", "list", "?limit=1")


class Clock:
    """A clock that a test moves; nanoseconds, as the last writes' own."""

    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


class Writes:
    """Last writes by the test's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: dict[str, int] = {}

    def of(self, merchant_id: str) -> int:
        return self._at.get(merchant_id, 0)

    def wrote(self, merchant_id: str) -> None:
        self._clock.now += 1
        self._at[merchant_id] = self._clock.now
        self._clock.now += 1


class Truth:
    """What is read: a number that grows with every reading."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.readings = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Loaded:
        self.readings += 1
        body = f"{self.name}{self.readings}".encode()
        await self.gate.wait()
        return Loaded(body, is_personal=False)

    def of_size(self, size: int) -> Load:
        async def load() -> Loaded:
            self.readings += 1
            return Loaded(bytes(size), is_personal=False)

        return load


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writes(clock: Clock) -> Writes:
    return Writes(clock)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def truth() -> Truth:
    return Truth()


@pytest.fixture
async def cache(
    clock: Clock, writes: Writes, said: list[str], truth: Truth
) -> AsyncIterator[LocalCache]:
    made = LocalCache(writes, clock_ns=clock, observe=said.append)
    yield made
    truth.gate.set()
    await made.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until something is so; fails at a deadline."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0)


async def begun(truth: Truth, readings: int) -> None:
    """Until so many readings have begun."""
    await until(lambda: truth.readings >= readings)


async def test_an_answer_is_kept_for_a_second(
    cache: LocalCache, clock: Clock, truth: Truth, said: list[str]
) -> None:
    assert await cache.get(HERE, truth) == b"1"
    clock.advance(0.999)
    assert await cache.get(HERE, truth) == b"1"
    clock.advance(0.001)
    assert await cache.get(HERE, truth) == b"2"
    assert said == ["primary", "memory", "primary"]


async def test_age_counts_from_the_beginning_of_the_reading(
    cache: LocalCache, clock: Clock, truth: Truth
) -> None:
    truth.gate.clear()
    first = asyncio.ensure_future(cache.get(HERE, truth))
    await begun(truth, 1)
    clock.advance(0.6)
    truth.gate.set()
    assert await first == b"1"
    clock.advance(0.3)
    assert await cache.get(HERE, truth) == b"1"
    clock.advance(0.1)
    assert await cache.get(HERE, truth) == b"2"


async def test_a_write_ends_what_was_read_before_it(
    cache: LocalCache, writes: Writes, truth: Truth
) -> None:
    assert await cache.get(HERE, truth) == b"1"
    writes.wrote("mch_b")
    assert await cache.get(HERE, truth) == b"1"
    writes.wrote("mch_a")
    assert await cache.get(HERE, truth) == b"2"
    assert await cache.get(HERE, truth) == b"2"


async def test_a_reading_that_a_write_overtook_serves_nobody_who_asks_later(
    cache: LocalCache, writes: Writes, truth: Truth
) -> None:
    truth.gate.clear()
    early = asyncio.ensure_future(cache.get(HERE, truth))
    await begun(truth, 1)
    writes.wrote("mch_a")
    later = asyncio.ensure_future(cache.get(HERE, Truth("new ")))
    assert await later == b"new 1"
    truth.gate.set()
    assert await early == b"1"
    # The one that began later is kept, though the other came last.
    assert await cache.get(HERE, truth) == b"new 1"


async def test_equal_questions_at_once_are_read_once(
    cache: LocalCache, truth: Truth, said: list[str]
) -> None:
    answers = await asyncio.gather(*(cache.get(HERE, truth) for _ in range(50)))
    assert answers == [b"1"] * 50
    assert sorted(said) == ["joined"] * 49 + ["primary"]


async def test_a_reading_is_joined_for_a_second_only(
    cache: LocalCache, clock: Clock, truth: Truth
) -> None:
    truth.gate.clear()
    early = asyncio.ensure_future(cache.get(HERE, truth))
    await begun(truth, 1)
    clock.advance(1)
    later = asyncio.ensure_future(cache.get(HERE, truth))
    await begun(truth, 2)
    truth.gate.set()
    assert (await early, await later) == (b"1", b"2")


async def test_who_goes_away_takes_nobody_along(cache: LocalCache, truth: Truth) -> None:
    truth.gate.clear()
    asking = [asyncio.ensure_future(cache.get(HERE, truth)) for _ in range(3)]
    await begun(truth, 1)
    asking[0].cancel()
    truth.gate.set()
    assert await asyncio.gather(*asking[1:]) == [b"1", b"1"]
    assert truth.readings == 1


async def test_a_failure_is_told_to_all_and_not_kept(cache: LocalCache, truth: Truth) -> None:
    async def fail() -> Loaded:
        await asyncio.sleep(0)
        raise LookupError("gone")

    failed = await asyncio.gather(
        *(cache.get(HERE, fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in failed] == [LookupError] * 3
    assert await cache.get(HERE, truth) == b"1"


async def test_past_the_cache_is_the_primary_and_refreshes_it(
    cache: LocalCache, clock: Clock, truth: Truth, said: list[str]
) -> None:
    assert await cache.get(HERE, truth) == b"1"
    clock.advance(0.1)
    assert await cache.get(HERE, truth, past=True) == b"2"
    assert await cache.get(HERE, truth) == b"2"
    truth.gate.clear()
    clock.advance(2)
    under_way = asyncio.ensure_future(cache.get(HERE, truth))
    await begun(truth, 3)
    past = asyncio.ensure_future(cache.get(HERE, truth, past=True))
    await begun(truth, 4)
    truth.gate.set()
    assert (await under_way, await past) == (b"3", b"4")
    assert said == ["primary", "past", "memory", "primary", "past"]


@pytest.mark.parametrize(
    "other",
    [
        HERE._replace(merchant_id="mch_b"),
        HERE._replace(operation="get"),
        HERE._replace(about="?limit=2"),
    ],
)
async def test_another_place_is_another_answer(
    cache: LocalCache, truth: Truth, other: Place
) -> None:
    assert await cache.get(HERE, truth) == b"1"
    assert await cache.get(other, truth) == b"2"
    assert await cache.get(HERE, truth) == b"1"


async def test_it_is_bounded_by_entries_and_bytes(
    clock: Clock, writes: Writes, truth: Truth
) -> None:
    room = 10 * (1_000 + ENTRY_EXTRA_BYTES)
    cache = LocalCache(writes, clock_ns=clock, entries_max=20, bytes_max=room)
    places = [HERE._replace(about=str(number)) for number in range(100)]
    for place in places:
        await cache.get(place, truth.of_size(10))
        assert len(cache) <= 20 and cache.bytes_held <= room
    assert len(cache) == room // (10 + ENTRY_EXTRA_BYTES)
    for place in places:
        await cache.get(place, truth.of_size(1_000))
        assert cache.bytes_held <= room
    assert len(cache) == 10
    # The newest are held, the oldest went first.
    readings = truth.readings
    for place in places[-10:]:
        await cache.get(place, truth.of_size(1_000))
    assert truth.readings == readings
    # One that is too large for all of it is answered, not kept.
    assert len(await cache.get(HERE, truth.of_size(room))) == room
    assert len(cache) == 10
    await cache.close()
    assert (len(cache), cache.bytes_held) == (0, 0)


async def test_an_answer_that_is_too_large_is_not_kept(cache: LocalCache, truth: Truth) -> None:
    for size, kept in ((ANSWER_BYTES_MAX, 1), (ANSWER_BYTES_MAX + 1, 1)):
        assert len(await cache.get(HERE._replace(about=str(size)), truth.of_size(size))) == size
        assert len(cache) == kept


async def test_what_is_too_old_leaves_memory_unasked(
    writes: Writes, clock: Clock, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGE_MAX_S", 0.001)
    cache = LocalCache(writes, clock_ns=clock)
    await cache.get(HERE, truth)
    clock.advance(0.5)
    await cache.get(HERE._replace(about="2"), truth)
    clock.advance(0.5)
    await until(lambda: len(cache) == 1)
    assert await cache.get(HERE._replace(about="2"), truth) == b"2"
    clock.advance(0.5)
    await until(lambda: len(cache) == 0)
    assert cache.bytes_held == 0
    await cache.close()


# What instances share


class Shared:
    """A shared cache that says what a test wants, and remembers what it was given."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.put_in: list[tuple[Place, bytes, int]] = []
        self.closed = False

    async def get(self, place: Place) -> Found:
        await asyncio.sleep(0)
        return self.found

    def put(self, place: Place, body: bytes, *, asked_us: int) -> None:
        self.put_in.append((place, body, asked_us))

    async def close(self) -> None:
        self.closed = True


async def test_a_shared_answer_counts_by_the_same_rule(
    clock: Clock, writes: Writes, truth: Truth, said: list[str]
) -> None:
    shared = Shared(Found(b"theirs", clock.now - 900_000_000, 77))
    cache = LocalCache(writes, shared=shared, clock_ns=clock, observe=said.append)
    assert await cache.get(HERE, truth) == b"theirs"
    # Its age goes on in our memory.
    clock.advance(0.09)
    assert await cache.get(HERE, truth) == b"theirs"
    clock.advance(0.01)
    assert await cache.get(HERE, truth) == b"1"
    assert shared.put_in == [(HERE, b"1", 77)]
    # A write of ours ends also what another instance read before it.
    shared.found = Found(b"theirs", clock.now, 78)
    writes.wrote("mch_a")
    assert await cache.get(HERE, truth) == b"2"
    assert said == ["shared", "memory", "primary", "primary"]
    await cache.close()
    assert shared.closed


async def test_what_tells_of_persons_is_not_shared(
    clock: Clock, writes: Writes, truth: Truth
) -> None:
    async def personal() -> Loaded:
        return Loaded(b"Li Lei", is_personal=True)

    shared = Shared(Found(asked_us=1))
    cache = LocalCache(writes, shared=shared, clock_ns=clock)
    assert await cache.get(HERE, personal) == b"Li Lei"
    assert await cache.get(HERE, personal) == b"Li Lei"
    # Nor what could not be dated, nor what went past.
    await cache.get(HERE, truth, past=True)
    shared.found = Found()
    await cache.get(HERE._replace(about="2"), truth)
    assert shared.put_in == []
    await cache.close()


# Two processes of a tree


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[list[LastWrites]]:
    make_table(tmp_path / "table", processes=2)
    tables = [LastWrites(tmp_path / "table") for _ in range(2)]
    yield tables
    for table in tables:
        table.close()


@pytest.mark.parametrize("seed", range(5))
async def test_who_was_answered_sees_his_write_in_every_process(
    tree: list[LastWrites], seed: int
) -> None:
    """Writers and listers race; a list that is asked for after a write's answer must have it."""
    dice = random.Random(seed)
    caches = [LocalCache(table) for table in tree]
    rows: list[int] = []

    async def pause() -> None:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)

    async def load() -> Loaded:
        await pause()
        snapshot = bytes(rows)
        await pause()
        return Loaded(snapshot, is_personal=False)

    async def write(number: int) -> None:
        for step in range(40):
            row = number * 40 + step
            await pause()
            rows.append(row)
            await pause()
            dice.choice(tree).wrote("mch_a")
            for cache in dice.sample(caches, 2):
                assert row in await cache.get(HERE, load)

    async def lurk() -> None:
        seen = 0
        while len(rows) < 6 * 40:
            count = len(await dice.choice(caches).get(HERE, load))
            assert count <= len(rows)
            seen = max(seen, count)
            await pause()

    await asyncio.gather(*(write(number) for number in range(6)), *(lurk() for _ in range(4)))
    for cache in caches:
        await cache.close()
