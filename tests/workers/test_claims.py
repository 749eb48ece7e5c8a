"""Claims: what waits in the database is fetched for all, and beside what the relay brings."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.workers.deliver import CLAIM_JOBS_MAX, REFILL_MIN, Deliverer
from gateway.workers.lanes import QUEUE_FIRST

pytestmark = pytest.mark.fast

FIRST, SECOND = ("mch_first", "whe_1"), ("mch_second", "whe_2")
NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Store:
    """What waits, by target; claims are noted, and wait until they may end."""

    def __init__(self, **waiting: int) -> None:
        self.due = dict(zip((FIRST, SECOND), waiting.values(), strict=False))
        self.claims: list[dict[Any, int]] = []
        self.is_asked, self.may_end = asyncio.Event(), asyncio.Event()

    async def waiting(self, leases: object, *, now: datetime) -> list[Any]:
        return list(self.due)

    async def claim(self, leases: object, rooms: Mapping[Any, int], **_: object) -> list[Any]:
        self.claims.append(dict(rooms))
        self.is_asked.set()
        await self.may_end.wait()
        return []


def deliverer(store: Store) -> Deliverer:
    tenure: Any = SimpleNamespace(working=lambda: ["lease"], is_busy=None)
    clock: Any = SimpleNamespace(business=lambda: NOW)
    anything: Any = SimpleNamespace()
    return Deliverer(
        store=store,  # type: ignore[arg-type]
        tenure=tenure,
        http=anything,
        secrets=anything,
        notify=anything,
        persons=anything,
        clock=clock,
        random=lambda: 0.5,
    )


async def test_every_target_that_waits_is_claimed_for_at_once() -> None:
    store = Store(first=1, second=1)
    store.may_end.set()
    assert await deliverer(store).round() is False
    assert store.claims == [{FIRST: QUEUE_FIRST // 2, SECOND: QUEUE_FIRST // 2}]


async def test_the_relay_finds_room_while_a_claim_is_under_way() -> None:
    store = Store(first=1)
    made = deliverer(store)
    claiming = asyncio.create_task(made.round())
    await store.is_asked.wait()
    taken = 0
    while made.reserve(FIRST):
        taken += 1
    assert taken == QUEUE_FIRST // 2
    # What was refused waits in the database: it is fetched next, not at the next survey.
    store.may_end.set()
    assert await claiming is True
    assert await made.round() is False
    assert store.claims[1] == {FIRST: QUEUE_FIRST // 4}


async def test_more_targets_than_a_claim_has_places_for_take_turns() -> None:
    store = Store()
    count = CLAIM_JOBS_MAX // REFILL_MIN + 5
    targets = [(f"mch_{number}", "whe") for number in range(count)]
    store.due = dict.fromkeys(targets, 1)
    store.may_end.set()
    made = deliverer(store)
    assert await made.round() is True
    assert await made.round() is False
    first, second = store.claims
    assert set(first.values()) == {REFILL_MIN}
    assert sum(first.values()) == CLAIM_JOBS_MAX
    assert [*first, *second] == targets
