"""The runner: loops that outlive their errors and end when they are told to."""

import asyncio
import logging

import pytest

from gateway.workers import runner
from gateway.workers.runner import Runner

HOUR_S = 3600.0


async def test_a_loop_goes_on_at_once_while_there_is_more() -> None:
    left = [5]
    done = asyncio.Event()

    async def round() -> bool:
        left[0] -= 1
        if not left[0]:
            done.set()
        return left[0] > 0

    loops = Runner()
    loops.add("work", round, every_s=HOUR_S)
    loops.start()
    await done.wait()
    await loops.stop()
    assert left == [0]


async def test_waking_ends_the_sleep() -> None:
    rounds = asyncio.Semaphore(0)

    async def round() -> None:
        rounds.release()

    loops = Runner()
    loop = loops.add("work", round, every_s=HOUR_S)
    loops.start()
    for _ in range(3):
        await rounds.acquire()
        loop.wake()
    await rounds.acquire()
    await loops.stop()


async def test_wake_ups_on_the_heels_of_a_round_wait_for_the_next() -> None:
    rounds = asyncio.Semaphore(0)

    async def round() -> None:
        rounds.release()

    loops = Runner()
    loop = loops.add("work", round, every_s=HOUR_S, apart_s=HOUR_S)
    loops.start()
    await rounds.acquire()
    for _ in range(10):
        loop.wake()
        await asyncio.sleep(0)
    assert loop.rounds == 1
    await loops.stop()
    assert loop.rounds == 1


async def test_what_waits_for_the_next_round_is_not_lost() -> None:
    rounds = asyncio.Semaphore(0)

    async def round() -> None:
        rounds.release()

    loops = Runner()
    loop = loops.add("work", round, every_s=HOUR_S, apart_s=0.02)
    loops.start()
    for _ in range(3):
        await rounds.acquire()
        loop.wake()
    await rounds.acquire()
    await loops.stop()


async def test_a_loop_with_more_to_do_is_not_kept_apart() -> None:
    left = [5]
    done = asyncio.Event()

    async def round() -> bool:
        left[0] -= 1
        if not left[0]:
            done.set()
        return left[0] > 0

    loops = Runner()
    loops.add("work", round, every_s=HOUR_S, apart_s=HOUR_S)
    loops.start()
    await done.wait()
    await loops.stop()


async def test_a_wake_up_during_a_round_is_not_lost() -> None:
    begun, go_on, second = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def round() -> None:
        if begun.is_set():
            second.set()
        begun.set()
        await go_on.wait()

    loops = Runner()
    loop = loops.add("work", round, every_s=HOUR_S)
    loops.start()
    await begun.wait()
    loop.wake()
    go_on.set()
    await second.wait()
    await loops.stop()


async def test_an_error_costs_a_pause_and_never_the_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "ERROR_PAUSE_S", 0.01)
    again = asyncio.Event()
    calls = []

    async def round() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no database")
        again.set()

    loops = Runner()
    loop = loops.add("work", round, every_s=HOUR_S)
    with caplog.at_level(logging.ERROR):
        loops.start()
        await again.wait()
        await loops.stop()
    assert loop.errors == 1 and "a round of work failed" in caplog.text


async def test_stopping_waits_for_the_round_and_does_not_cancel_it() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended = []

    async def round() -> None:
        begun.set()
        await go_on.wait()
        ended.append(True)

    loops = Runner()
    loops.add("work", round, every_s=HOUR_S)
    loops.start()
    await begun.wait()
    stopping = asyncio.ensure_future(loops.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    go_on.set()
    await stopping
    assert ended == [True]


async def test_stopping_cuts_an_error_pause_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ERROR_PAUSE_S", HOUR_S)
    failed = asyncio.Event()

    async def round() -> None:
        failed.set()
        raise RuntimeError

    loops = Runner()
    loops.add("work", round, every_s=HOUR_S)
    loops.start()
    await failed.wait()
    await asyncio.sleep(0)
    await loops.stop()
    await loops.stop()
