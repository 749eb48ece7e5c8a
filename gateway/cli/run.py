"""Running a command: its event loop, its signals, and its end as an exit status.

Law: every command ends here. An expected fault is one line on standard error; a signal before a
command says that it takes over itself (`Signals.take_over`) cancels it, so that what it started is
ended by its own clean-up; a fault of ours keeps its traceback. SIGHUP of a closed terminal is
taken like SIGTERM, unless it is ignored (nohup).
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

import uvloop

from gateway.adapters.system.postgres_folder import process_facts
from gateway.cli.faults import DONE, SIGNALED, expected
from gateway.cli.screen import Screen

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """The operator's wish to stop: the first signal sets `asked`, later ones change nothing."""

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.asked = asyncio.Event()
        self.number: int | None = None
        self._task: asyncio.Task[object] | None = task

    def install(self) -> None:
        """Listen to the signals from now on."""
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._heard, number)

    def take_over(self) -> None:
        """From now on a signal only sets `asked`."""
        self._task = None

    def _heard(self, number: int) -> None:
        if self.number is not None:
            return
        self.number = number
        self.asked.set()
        if self._task is not None:
            self._task.cancel()


Body = Callable[[Signals], Awaitable[int]]


def run(body: Body, *, screen: Screen) -> int:
    """Run an asynchronous command to its end; its exit status."""

    async def whole() -> int:
        task = asyncio.current_task()
        assert task is not None
        signals = Signals(task)
        signals.install()
        try:
            return await body(signals)
        except asyncio.CancelledError:
            if signals.number is None:
                raise
            return SIGNALED + signals.number

    return guarded(lambda: uvloop.run(whole()), screen=screen)


def process_age_s() -> float:
    """Seconds since this process was started: what its imports took is waited for, too."""
    facts = process_facts(os.getpid())
    if facts is None:
        return 0.0
    started_s = facts.started_ticks / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)


def guarded(command: Callable[[], int | None], *, screen: Screen) -> int:
    """Run a command; expected faults become one line and a status."""
    try:
        return command() or DONE
    except Exception as error:
        fault = expected(error)
        if fault is None:
            raise
        screen.give({"error": str(fault)})
        screen.fail(str(fault))
        return fault.status
