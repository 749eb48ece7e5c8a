"""The runner: loops that never die while the process lives, and end when it is told to.

Law: one round of a loop runs at a time. What a round raises is logged and costs a pause, never the
loop. A round is never cancelled by stopping: it ends by itself, then the loop does. A loop sleeps
its interval, less if it is woken, and not at all while its rounds say that there is more to do.
A loop that is woken by others' work may keep its rounds apart: the first wake-up is answered at
once, and those that follow on its heels share the next round instead of having one each.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

ERROR_PAUSE_S = 1.0

log = logging.getLogger("tillgate.workers")

Round = Callable[[], Awaitable[bool | None]]


class Loop:
    """One piece of work, round by round. `round` answers whether to go on at once.

    `apart_s` is the least time from the beginning of a round to that of one it is woken for.
    """

    def __init__(self, name: str, round: Round, *, every_s: float, apart_s: float = 0.0) -> None:
        self.name = name
        self.rounds = 0
        self.errors = 0
        self._round = round
        self._every_s = every_s
        self._apart_s = apart_s
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a first round at once."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"loop {self.name}")

    def wake(self) -> None:
        """End the present sleep, or skip the next one."""
        self._woken.set()

    async def stop(self) -> None:
        """Let the present round end and begin no other. May be called twice."""
        self._stopping.set()
        self._woken.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            self._woken.clear()
            begun = clock()
            try:
                has_more = await self._round()
            except Exception:
                self.errors += 1
                log.exception("a round of %s failed", self.name)
                # A wake-up must not turn a failing round into a busy one.
                await _wait(self._stopping, ERROR_PAUSE_S)
            else:
                self.rounds += 1
                if has_more:
                    await asyncio.sleep(0)
                    continue
                await _wait(self._woken, self._every_s)
                if (early_s := begun + self._apart_s - clock()) > 0:
                    await _wait(self._stopping, early_s)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


class Runner:
    """The loops of a worker process: started together, stopped in the reverse order."""

    def __init__(self) -> None:
        self._loops: list[Loop] = []

    def add(self, name: str, round: Round, *, every_s: float, apart_s: float = 0.0) -> Loop:
        """A loop to be; `start` begins it."""
        loop = Loop(name, round, every_s=every_s, apart_s=apart_s)
        self._loops.append(loop)
        return loop

    def start(self) -> None:
        """Start every loop."""
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Stop every loop, the last one first."""
        for loop in reversed(self._loops):
            await loop.stop()
