"""Overdue: what is due is moved once at a time, and what fails holds up no other."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.lease import Lease
from gateway.workers import overdue
from gateway.workers.overdue import Overdue

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LEASES = [Lease("chase", at, at + 255, 1) for at in (0, 256)]


class Due:
    """Rows that are due, in their order, until they were moved on; some cannot be."""

    def __init__(self, count: int, *, broken: Sequence[str] = ()) -> None:
        self.keys = [f"row_{number:03}" for number in range(count)]
        self.broken = set(broken)
        self.asked: list[tuple[Sequence[Lease], int]] = []
        self.moved: list[str] = []
        self.go_on = asyncio.Event()

    async def find(
        self, leases: Sequence[Lease], now: datetime, limit: int
    ) -> list[tuple[str, str]]:
        assert now == NOW
        self.asked.append((leases, limit))
        return [("merchant", key) for key in self.keys[:limit]]

    async def act(self, merchant_id: str, key: str) -> object:
        await self.go_on.wait()
        self.moved.append(key)
        if key in self.broken:
            return None
        self.keys.remove(key)
        return key


def overdue_of(due: Due, leases: Sequence[Lease] = LEASES) -> Overdue:
    tenure: Any = SimpleNamespace(working=lambda: list(leases))
    return Overdue("work", tenure=tenure, find=due.find, act=due.act, now=lambda: NOW)


async def until_done(work: Overdue) -> None:
    while await work.round():
        pass
    await work.drain()


async def test_all_leased_ranges_are_one_question() -> None:
    due = Due(3)
    due.go_on.set()
    work = overdue_of(due)
    assert not await work.round()
    await work.drain()
    assert [leases for leases, _ in due.asked] == [LEASES]
    assert due.moved == ["row_000", "row_001", "row_002"]


async def test_nothing_is_asked_without_a_lease() -> None:
    due = Due(3)
    assert not await overdue_of(due, leases=[]).round()
    assert not due.asked


async def test_a_row_in_hand_is_not_taken_again() -> None:
    due = Due(2)
    work = overdue_of(due)
    await work.round()
    await work.round()
    due.go_on.set()
    await work.drain()
    assert due.moved == ["row_000", "row_001"]


async def test_more_than_there_is_room_for_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "IN_HAND_MAX", 4)
    due = Due(10)
    due.go_on.set()
    await until_done(overdue_of(due))
    assert sorted(due.moved) == [f"row_{number:03}" for number in range(10)]


async def test_broken_rows_in_front_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "FOUND_MAX", 2)
    due = Due(6, broken=["row_000", "row_001", "row_002"])
    due.go_on.set()
    work = overdue_of(due)
    for _ in range(6):
        await work.round()
        await work.drain()
    assert due.keys == ["row_000", "row_001", "row_002"]
    assert sorted(due.moved) == [f"row_{number:03}" for number in range(6)]
