"""Leases: one holder at a time, by the database's clock, each with a higher fence."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from gateway.adapters.postgres.connect import open_pool
from gateway.adapters.postgres.leases import RANGES, SEATS_MAX, PostgresLeases
from gateway.workers.tenure import Tenure
from tests.conftest import Installation

WORK = "relay"


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(installation.dsns[0])
    await PostgresLeases(opened, holder=str(uuid4())).prepare(WORK)
    yield opened
    await opened.close()


def holder(pool: asyncpg.Pool) -> PostgresLeases:
    return PostgresLeases(pool, holder=str(uuid4()))


async def lapse(pool: asyncpg.Pool) -> None:
    await pool.execute("update leases set until = clock_timestamp()")


async def test_ranges_cover_every_bucket_once(pool: asyncpg.Pool) -> None:
    leases = await holder(pool).take(WORK, 100)
    assert len(leases) == RANGES
    covered = [b for lease in leases for b in range(lease.bucket_from, lease.bucket_to + 1)]
    assert sorted(covered) == list(range(4096))
    await holder(pool).prepare(WORK)
    assert await holder(pool).take(WORK, 100) == []


async def test_a_range_has_one_holder_whoever_asks_at_once(pool: asyncpg.Pool) -> None:
    taken = await asyncio.gather(*(holder(pool).take(WORK, 5) for _ in range(6)))
    ranges = [lease.bucket_from for each in taken for lease in each]
    assert len(ranges) == len(set(ranges)) <= RANGES


async def test_the_fence_rises_with_every_holder(pool: asyncpg.Pool) -> None:
    first, second = holder(pool), holder(pool)
    (old,) = await first.take(WORK, 1)
    await first.release([old])
    (new,) = await second.take(WORK, 1)
    assert (new.bucket_from, new.fence) == (old.bucket_from, old.fence + 1)
    # Neither renewing nor releasing works with the old fence.
    assert await first.renew([old]) == []
    await first.release([old])
    assert await second.renew([new]) == [new]


async def test_a_lapsed_lease_is_taken_anew_and_not_renewed(pool: asyncpg.Pool) -> None:
    mine = holder(pool)
    (lease,) = await mine.take(WORK, 1)
    assert await mine.renew([lease]) == [lease]
    await lapse(pool)
    assert await mine.renew([lease]) == []
    (again,) = await mine.take(WORK, 1)
    assert again.fence == lease.fence + 1


async def test_another_holders_lease_is_not_renewed(pool: asyncpg.Pool) -> None:
    (lease,) = await holder(pool).take(WORK, 1)
    assert await holder(pool).renew([lease]) == []


async def test_seats_are_counted_while_they_are_taken(pool: asyncpg.Pool) -> None:
    first, second = holder(pool), holder(pool)
    assert await first.seats_taken(WORK) == 0
    seat = await first.take_seat(WORK)
    assert seat is not None and await second.take_seat(WORK) != seat
    assert await first.seats_taken(WORK) == 2
    await first.release([seat])
    assert await first.seats_taken(WORK) == 1
    for _ in range(SEATS_MAX - 1):
        assert await first.take_seat(WORK)
    assert await first.take_seat(WORK) is None


async def test_a_lease_in_use_is_not_taken_over_before_the_write_ends(
    pool: asyncpg.Pool,
) -> None:
    """A write locks its lease, so that the next holder begins behind it."""
    (lease,) = await holder(pool).take(WORK, 1)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select 1 from leases where work = $1 and bucket_from = $2 for share",
            WORK,
            lease.bucket_from,
        )
        await connection.execute("select 1")
        await lapse_others_cannot(pool, lease.bucket_from)


async def lapse_others_cannot(pool: asyncpg.Pool, bucket_from: int) -> None:
    taken = await holder(pool).take(WORK, 100)
    assert bucket_from not in {lease.bucket_from for lease in taken}


# --- sharing the ranges -------------------------------------------------------------------------


async def rounds(*tenures: Tenure, times: int = 3) -> None:
    for _ in range(times):
        for tenure in tenures:
            await tenure.round()


def held(tenure: Tenure) -> set[int]:
    return {lease.bucket_from for lease in tenure.working()}


async def test_one_worker_has_all_two_share_and_the_last_has_all_again(
    pool: asyncpg.Pool,
) -> None:
    first, second, third = (Tenure(holder(pool), WORK) for _ in range(3))
    await rounds(first, times=1)
    assert len(held(first)) == RANGES
    await rounds(first, second, times=2)
    assert len(held(first)) == len(held(second)) == RANGES // 2
    assert not held(first) & held(second)
    await rounds(first, second, third)
    counts = sorted(len(held(each)) for each in (first, second, third))
    assert sum(counts) == RANGES and counts[0] >= 4 and counts[2] <= 6
    await first.leave()
    await third.leave()
    assert held(first) == set() and not await pool.fetch(
        "select 1 from leases where holder is not null and until = '-infinity'"
    )
    await rounds(second, times=1)
    assert len(held(second)) == RANGES


async def test_a_busy_range_is_given_back_when_it_is_done(pool: asyncpg.Pool) -> None:
    busy = True
    first = Tenure(holder(pool), WORK, is_busy=lambda lease: busy)
    second = Tenure(holder(pool), WORK)
    await rounds(first, times=1)
    await rounds(second, first, second)
    # Nothing new begins in the ranges that leave, what is in hand there may end.
    assert len(held(first)) == RANGES // 2 and len(first.held()) == RANGES
    assert held(second) == set()
    busy = False
    await rounds(first, second, times=1)
    assert len(held(second)) == RANGES // 2


async def test_after_the_lease_lapsed_nothing_may_be_done(pool: asyncpg.Pool) -> None:
    tenure = Tenure(PostgresLeases(pool, holder=str(uuid4()), ttl_s=1.0), WORK)
    await tenure.round()
    # The margin takes the whole second: by our own clock it may have lapsed unseen.
    assert tenure.working() == tenure.held() == [] and not tenure.is_good


async def test_a_sleeper_finds_its_ranges_taken(pool: asyncpg.Pool) -> None:
    sleeper, other = Tenure(holder(pool), WORK), Tenure(holder(pool), WORK)
    await rounds(sleeper, times=1)
    fences = {lease.bucket_from: lease.fence for lease in sleeper.working()}
    await lapse(pool)
    await rounds(other, times=1)
    assert len(held(other)) == RANGES
    assert all(lease.fence == fences[lease.bucket_from] + 1 for lease in other.working())
    await rounds(sleeper, times=1)
    assert held(sleeper) == set()
