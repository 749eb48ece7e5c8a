"""The agenda: due moments in order, a clock that jumps, errands that fail."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.sandbox.agenda import SLEEP_S_MAX, Agenda

WAIT_S = SLEEP_S_MAX / 3


async def test_what_is_due_is_done_in_order_and_named(clock: Any) -> None:
    agenda, done = Agenda(clock), []
    start = clock()

    def errand(name: str) -> Any:
        async def run() -> None:
            done.append(name)

        return run

    for name, seconds in (("b", 2), ("a", 1), ("later", 9), ("b2", 2)):
        agenda.add(start + timedelta(seconds=seconds), name, errand(name))
    assert await agenda.run_due() == []
    clock.advance(seconds=2)
    ran = await agenda.run_due()
    assert [r.what for r in ran] == done == ["a", "b", "b2"]
    assert [(r.due - start).total_seconds() for r in ran] == [1, 2, 2]
    assert agenda.next_due() == start + timedelta(seconds=9)


async def test_what_an_errand_enters_for_now_is_done_as_well(clock: Any) -> None:
    agenda, done = Agenda(clock), []

    async def second() -> None:
        done.append("second")

    async def first() -> None:
        agenda.add(clock(), "second", second)

    agenda.add(clock(), "first", first)
    assert [r.what for r in await agenda.run_due()] == ["first", "second"]
    assert done == ["second"]


async def test_a_jump_of_the_clock_is_served_when_told(clock: Any) -> None:
    agenda, done = Agenda(clock), asyncio.Event()

    async def errand() -> None:
        done.set()

    agenda.add(clock() + timedelta(days=1), "tomorrow", errand)
    serving = asyncio.create_task(agenda.run())
    await asyncio.sleep(0)
    clock.advance(days=1)
    agenda.moved()
    await asyncio.wait_for(done.wait(), WAIT_S)
    serving.cancel()


async def test_an_earlier_entry_wakes_the_agenda(clock: Any) -> None:
    agenda, done = Agenda(clock), asyncio.Event()

    async def errand() -> None:
        done.set()

    agenda.add(clock() + timedelta(days=1), "tomorrow", errand)
    serving = asyncio.create_task(agenda.run())
    await asyncio.sleep(0)
    agenda.add(clock(), "now", errand)
    await asyncio.wait_for(done.wait(), WAIT_S)
    serving.cancel()


async def test_a_broken_errand_is_logged_and_stops_nobody(
    clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    agenda, done = Agenda(clock), []

    async def broken() -> None:
        raise RuntimeError("no")

    async def whole() -> None:
        done.append(1)

    agenda.add(clock(), "broken", broken)
    agenda.add(clock(), "whole", whole)
    assert len(await agenda.run_due()) == 2
    assert done == [1]
    assert "errand" in caplog.text
