"""Gathering: who waits for a fuller batch, for how long, and who never does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sized
from functools import partial
from itertools import count
from math import ceil
from typing import Any

import asyncpg
import pytest

from gateway.adapters.postgres import commit, gathering, shards
from gateway.adapters.postgres.commit import Committer
from gateway.adapters.postgres.connect import open_writer
from gateway.adapters.postgres.gathering import (
    GATHER_CHANGES,
    GATHER_COMMITS,
    GATHER_S_MAX,
    GATHER_STEP_S,
    Crowd,
)
from gateway.domain import ids
from gateway.domain.change import Writes
from tests.adapters.postgres.test_commit import create, make, new_payment

FOR_EVER_S = 1e9
PATIENCE_S = 20.0
QUICK_S = 0.0015
TURNS = 50
SIBLINGS = ("a sibling", "another one")


class Seen(Crowd):
    """A crowd that says when a commit of somebody begins, and how often anybody gathered."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.gathered = 0
        self.is_over = False
        self.patience: float | None = None

    def enter(self, shard: object) -> None:
        super().enter(shard)
        self.entered.set()

    def siblings(self, shard: object) -> int:
        return 0 if self.is_over else super().siblings(shard)

    def patience_s(self, shard: object) -> float:
        return super().patience_s(shard) if self.patience is None else self.patience

    async def gather(self, shard: object, queue: Sized) -> None:
        self.gathered += 1
        await super().gather(shard, queue)


class Crowded:
    """A shard among siblings that commit or do not, as the test says; what it committed."""

    def __init__(self, merchant: str) -> None:
        self.merchant = merchant
        self.crowd = Seen()
        self.committer: Committer
        self.connect: Callable[[], Awaitable[asyncpg.Connection]]
        self.sizes: list[int] = []

    def observe(self, changes: int, seconds: float, way: str) -> None:
        self.sizes.append(changes)

    def submit(self) -> asyncio.Future[Writes]:
        payment = new_payment(self.merchant, f"G-{make.request_id()}")
        return self.committer.submit(create(payment))

    async def until_it_commits(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.crowd.entered.wait()

    def hold_up_the_first(self, until: asyncio.Event) -> None:
        """Let the first lane that is used wait for its connection."""
        connect, opened = self.connect, count()

        async def late() -> asyncpg.Connection:
            if next(opened) == 0:
                await until.wait()
            return await connect()

        self.connect = late


@pytest.fixture
async def crowded(installation) -> AsyncIterator[Crowded]:
    dsn = installation.dsns[0]
    look = await asyncpg.connect(dsn)
    merchant = await a_merchant(look)
    await look.close()
    found = Crowded(merchant)
    found.connect = partial(open_writer, dsn)
    found.committer = Committer(lambda: found.connect(), observe=found.observe, crowd=found.crowd)
    yield found
    found.crowd.is_over = True
    await found.committer.close()


async def a_merchant(look: asyncpg.Connection) -> str:
    merchant = make.in_bucket("mch", 7)
    await look.execute(
        "insert into heads (merchant_id, bucket, open) values ($1, 7, true)", ids.to_hex(merchant)
    )
    return merchant


async def all_of(*asked: asyncio.Future[Writes]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*asked)


async def some_turns() -> None:
    """Turns of the loop enough for a lane to begin its commit, if it does not wait."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Time:
    """A clock that moves while somebody sleeps, without the waiting."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.steps = 0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.steps += 1
        assert self.steps < TURNS, "it waits for ever"

    def crowd(self, *, own_took_s: float = QUICK_S) -> Crowd:
        """A crowd in which "own" has committed once."""
        crowd = Crowd(clock=self)
        crowd.enter("own")
        self.now_s += own_took_s
        crowd.leave("own")
        return crowd


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(gathering, "sleep", time.sleep)
    return time


# --- the crowd -------------------------------------------------------------------------------


def test_a_shard_is_one_sibling_whatever_it_commits_and_never_its_own() -> None:
    crowd = Crowd()
    for shard in ("a", "a", "b"):
        crowd.enter(shard)
    assert [crowd.siblings(each) for each in ("a", "b", "c")] == [1, 1, 2]
    crowd.leave("a")
    assert crowd.siblings("b") == 1
    crowd.leave("a")
    assert [crowd.siblings(each) for each in ("a", "b", "c")] == [1, 0, 1]


@pytest.mark.parametrize(
    ("siblings", "queued", "waits"),
    [
        (0, 1, False),
        (1, 1, False),
        (2, 1, True),
        (7, GATHER_CHANGES - 1, True),
        (7, GATHER_CHANGES, False),
    ],
)
async def test_who_waits(siblings: int, queued: int, waits: bool, time: Time) -> None:
    crowd = time.crowd()
    for number in range(siblings):
        crowd.enter(number)
    await crowd.gather("own", range(queued))
    assert time.steps == (ceil(GATHER_COMMITS * QUICK_S / GATHER_STEP_S) if waits else 0)


@pytest.mark.parametrize(
    ("took_s", "patience_s"),
    [
        (0.0, 0.0),
        (0.002, GATHER_COMMITS * 0.002),
        (GATHER_S_MAX / GATHER_COMMITS, GATHER_S_MAX),
        (10.0, GATHER_S_MAX),
    ],
)
async def test_it_waits_as_long_as_its_last_commit_tells(
    took_s: float, patience_s: float, time: Time
) -> None:
    crowd = time.crowd(own_took_s=took_s)
    assert crowd.patience_s("own") == pytest.approx(patience_s)
    for each in SIBLINGS:
        crowd.enter(each)
    began_at = time.now_s
    await crowd.gather("own", range(1))
    assert patience_s - 1e-9 <= time.now_s - began_at <= patience_s + GATHER_STEP_S


async def test_the_first_commit_of_a_shard_waits_for_nobody(time: Time) -> None:
    crowd = Crowd(clock=time)
    for each in SIBLINGS:
        crowd.enter(each)
    await crowd.gather("own", range(1))
    assert time.steps == 0


async def test_a_shard_does_not_wait_for_its_own_commits(time: Time) -> None:
    crowd = time.crowd()
    for shard in ("own", "own", "own", "a sibling"):
        crowd.enter(shard)
    await crowd.gather("own", range(1))
    assert time.steps == 0


# --- a shard's commits ------------------------------------------------------------------------


async def test_what_arrives_while_siblings_commit_is_one_batch(crowded: Crowded) -> None:
    crowded.crowd.patience = FOR_EVER_S
    for each in SIBLINGS:
        crowded.crowd.enter(each)
    first = crowded.submit()
    await some_turns()
    second = crowded.submit()
    await some_turns()
    assert crowded.crowd.siblings("nobody") == len(SIBLINGS)  # it has not begun
    crowded.crowd.leave(SIBLINGS[0])
    await all_of(first, second)
    await crowded.committer.close()
    assert crowded.sizes == [2]


@pytest.mark.parametrize("siblings", [0, 1])
async def test_without_a_crowd_nobody_waits(crowded: Crowded, siblings: int) -> None:
    crowded.crowd.patience = FOR_EVER_S
    for each in SIBLINGS[:siblings]:
        crowded.crowd.enter(each)
    crowded.crowd.entered.clear()
    first = crowded.submit()
    await crowded.until_it_commits()
    second = crowded.submit()
    await all_of(first, second)
    await crowded.committer.close()
    assert crowded.sizes == [1, 1]


async def test_enough_is_committed_whoever_else_commits(crowded: Crowded) -> None:
    crowded.crowd.patience = FOR_EVER_S
    for each in SIBLINGS:
        crowded.crowd.enter(each)
    await all_of(*(crowded.submit() for _ in range(GATHER_CHANGES)))
    await crowded.committer.close()
    assert crowded.sizes == [GATHER_CHANGES]


async def test_siblings_that_never_end_hold_nobody_up(crowded: Crowded) -> None:
    for each in SIBLINGS:
        crowded.crowd.enter(each)
    await all_of(crowded.submit())
    await all_of(crowded.submit())
    await crowded.committer.close()
    assert crowded.sizes == [1, 1]


async def test_a_second_lane_is_not_begun_while_the_first_gathers(
    crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded.crowd.patience = FOR_EVER_S
    monkeypatch.setattr(commit, "SECOND_LANE_AFTER_S", 0.0)
    for each in SIBLINGS:
        crowded.crowd.enter(each)
    asked = []
    for _ in range(4):
        asked.append(crowded.submit())
        await some_turns()
    assert crowded.crowd.gathered == 1
    crowded.crowd.leave(SIBLINGS[0])
    await all_of(*asked)
    await crowded.committer.close()
    assert crowded.sizes == [4]


async def test_a_lane_that_is_done_leaves_the_other_to_gather(
    crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded.crowd.patience = FOR_EVER_S
    monkeypatch.setattr(commit, "SECOND_LANE_AFTER_S", 0.0)
    is_reached = asyncio.Event()
    crowded.hold_up_the_first(until=is_reached)
    first = crowded.submit()
    await crowded.until_it_commits()
    for each in SIBLINGS:
        crowded.crowd.enter(each)
    second = crowded.submit()
    await some_turns()
    assert crowded.crowd.gathered == 2
    is_reached.set()
    await all_of(first)
    await some_turns()
    assert crowded.crowd.gathered == 2
    crowded.crowd.leave(SIBLINGS[0])
    await all_of(second)
    await crowded.committer.close()
    assert crowded.sizes == [1, 1]


async def test_what_a_full_batch_leaves_behind_is_taken_by_the_second_lane(
    crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else asks afterwards, and the first lane comes to no end."""
    crowded.crowd.patience = FOR_EVER_S
    monkeypatch.setattr(commit, "BATCH_CHANGES_MAX", 2)
    is_reached = asyncio.Event()
    crowded.hold_up_the_first(until=is_reached)
    for each in SIBLINGS:
        crowded.crowd.enter(each)
    asked = [crowded.submit()]
    await some_turns()
    asked += [crowded.submit(), crowded.submit()]
    await some_turns()
    for each in SIBLINGS:
        crowded.crowd.leave(each)
    try:
        await all_of(asked[2])
    finally:
        is_reached.set()
    await all_of(*asked)
    await crowded.committer.close()
    assert crowded.sizes == [1, 2]


async def test_the_second_lane_comes_again_while_the_first_is_held_up(
    crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves the queue to the first after each commit, and is not missed for it."""
    monkeypatch.setattr(commit, "SECOND_LANE_AFTER_S", 0.01)
    is_reached = asyncio.Event()
    crowded.hold_up_the_first(until=is_reached)
    first = crowded.submit()
    await crowded.until_it_commits()
    for _ in range(3):
        await all_of(crowded.submit())
    is_reached.set()
    await all_of(first)
    await crowded.committer.close()
    assert crowded.sizes == [1, 1, 1, 1]


async def test_one_lane_goes_on_alone_when_both_are_quick(
    crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives while the second one commits is left to the first, which is under way again."""
    monkeypatch.setattr(commit, "BATCH_CHANGES_MAX", 2)
    is_reached = asyncio.Event()
    crowded.hold_up_the_first(until=is_reached)
    asked = [crowded.submit()]
    await crowded.until_it_commits()
    asked += [crowded.submit(), crowded.submit()]
    await some_turns()
    assert len(crowded.committer._free) == 0
    asked.append(crowded.submit())
    try:
        await all_of(asked[1], asked[2])
        await some_turns()
        assert len(crowded.committer._free) == 1 and crowded.committer.depth == 1
    finally:
        is_reached.set()
    await all_of(*asked)
    await crowded.committer.close()
    assert crowded.sizes == [2, 1, 1]  # by their ends


async def test_a_commit_is_in_the_crowd_until_its_end(crowded: Crowded) -> None:
    asked = crowded.submit()
    await crowded.until_it_commits()
    assert crowded.crowd.siblings("nobody") == 1
    await all_of(asked)
    await crowded.committer.close()
    assert crowded.crowd.siblings("nobody") == 0


async def test_the_shards_of_a_process_are_one_crowd(
    two_shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Crowd] = []
    gathered: list[Any] = []

    class Watched(Crowd):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

        async def gather(self, shard: object, queue: Sized) -> None:
            gathered.append(shard)
            await super().gather(shard, queue)

    monkeypatch.setattr(shards, "Crowd", Watched)
    opened = await shards.open_shards(two_shards.dsns)
    try:
        for shard in opened.all:
            look = await asyncpg.connect(shard.dsn)
            merchant = await a_merchant(look)
            await look.close()
            await shard.committer.submit(create(new_payment(merchant, "G-1")))
    finally:
        await opened.close()
    assert len(made) == 1
    assert gathered == [shard.committer for shard in opened.all]
