"""The agenda: what falls due at which business moment, and who does it.

Law: nothing here sleeps on the machine's clock alone. Whoever moves the business clock calls
`moved()`, and everything that has become due by then is done; without that the agenda assumes
that the business clock runs at the speed of real time.
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, NamedTuple

from gateway.sandbox.moments import Clock

SLEEP_S_MAX: Final = 60.0
"""The agenda looks at the clock at least this often, should nobody say that it moved."""

SLEEP_S_MIN: Final = 0.001
"""A clock that stands still just before a due moment must not make a busy loop."""

_log = logging.getLogger(__name__)


class Ran(NamedTuple):
    """One thing that was done: the business moment it was due, and what it was."""

    due: datetime
    what: str


class Agenda:
    """A heap of due moments; each entry is an async function that is run as a task of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[tuple[datetime, int, str, Callable[[], Awaitable[None]]]] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, due: datetime, what: str, action: Callable[[], Awaitable[None]]) -> None:
        """Enter `action`, to be run once when the business clock has reached `due`."""
        heapq.heappush(self._entries, (due, next(self._order), what, action))
        if self._entries[0][0] == due:
            self._wake.set()

    def spawn(self, action: Callable[[], Awaitable[None]]) -> None:
        """Run `action` now, as a task that `run_due` and `stop` know of."""
        task = asyncio.create_task(self._guarded(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def next_due(self) -> datetime | None:
        """The earliest moment entered, or None when nothing waits."""
        return self._entries[0][0] if self._entries else None

    def moved(self) -> None:
        """The business clock was moved: look again what is due."""
        self._wake.set()

    async def run_due(self) -> list[Ran]:
        """Do all that is due now and wait until it is done; returns it in order of due moments.

        What the done things enter for a moment that has been reached already is done as well.
        """
        ran = self._launch_due()
        while self._tasks:
            await asyncio.gather(*self._tasks)
            ran += self._launch_due()
        return ran

    async def run(self) -> None:
        """Serve the agenda until cancelled."""
        while True:
            self._wake.clear()
            self._launch_due()
            try:
                # Not wait_for: in Python 3.11 it can swallow the cancellation that ends us.
                async with asyncio.timeout(self._sleep_s()):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def stop(self) -> None:
        """Cancel what runs; what is left undone belongs to whoever keeps it durably."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _sleep_s(self) -> float:
        due = self.next_due()
        if due is None:
            return SLEEP_S_MAX
        return min(max((due - self._clock()).total_seconds(), SLEEP_S_MIN), SLEEP_S_MAX)

    def _launch_due(self) -> list[Ran]:
        now = self._clock()
        ran = []
        while self._entries and self._entries[0][0] <= now:
            due, _, what, action = heapq.heappop(self._entries)
            ran.append(Ran(due, what))
            self.spawn(action)
        return ran

    async def _guarded(self, action: Callable[[], Awaitable[None]]) -> None:
        try:
            await action()
        except Exception:
            # One broken errand must not stop the others, nor pass unseen.
            _log.exception("an errand of the sandbox's agenda failed")
