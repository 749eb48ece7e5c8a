"""The cache of a process: answers in memory for a second, and below it one that instances share.

Law: an answer serves a question only if its reading from the primary began less than `AGE_MAX_S`
ago and after the last known write of its merchant. That is the whole rule, for what lies in
memory, for what comes from the shared cache, and for a reading under way that others join. Its
version is therefore the moment in which its reading began: nothing has to be removed for an answer
to be out of date, so nothing that is lost can keep one alive.

Everything is bounded; the oldest goes first. What is too old is gone from memory a second later,
asked for or not: some of it tells of persons.
"""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import NamedTuple

from gateway.center.cache_ports import AGE_MAX_S, LastWrites, Load, Place, SharedCache

ENTRIES_MAX = 4_096
MEMORY_BYTES_MAX = 32 * 1024 * 1024
ANSWER_BYTES_MAX = 256 * 1024
ENTRY_EXTRA_BYTES = 1_024  # about what a place and its entry take beside the body
_AGE_MAX_NS = int(AGE_MAX_S * 1e9)


class _Entry(NamedTuple):
    """An answer in memory."""

    body: bytes
    begun_ns: int


class _Reading(NamedTuple):
    """A reading under way."""

    task: "asyncio.Task[bytes]"
    begun_ns: int


class LocalCache:
    """The Cache port in memory. `observe` hears how each question was answered: from `memory`, by
    a reading `joined`, from the `shared` cache, from the `primary`, or `past` the cache."""

    def __init__(
        self,
        last_writes: LastWrites,
        *,
        shared: SharedCache | None = None,
        observe: Callable[[str], None] = lambda outcome: None,
        clock_ns: Callable[[], int] = monotonic_ns,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:
        self._last_writes = last_writes
        self._shared = shared
        self._observe = observe
        self._clock_ns = clock_ns
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._held: dict[Place, _Entry] = {}
        self._readings: dict[Place, _Reading] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self.bytes_held = 0

    def __len__(self) -> int:
        return len(self._held)

    async def get(self, place: Place, load: Load, *, past: bool = False) -> bytes:
        """The answer kept at a place, else what `load` reads; `past` reads in any case.

        Concurrent equal questions are read once. Raises what `load` raises.
        """
        now = self._clock_ns()
        if past:
            self._observe("past")
            return await self._load(place, load, now, asked_us=None)
        entry = self._held.get(place)
        if entry is not None and self._is_good(place, entry.begun_ns, now):
            self._observe("memory")
            return entry.body
        reading = self._readings.get(place)
        if reading is not None and self._is_good(place, reading.begun_ns, now):
            self._observe("joined")
        else:
            task = asyncio.get_running_loop().create_task(self._read(place, load, now))
            reading = _Reading(task, now)
            self._readings[place] = reading
            task.add_done_callback(lambda done: self._ended(place, done))
        # Whoever asks may go away; the others wait on.
        return await asyncio.shield(reading.task)

    def _is_good(self, place: Place, begun_ns: int, now: int) -> bool:
        """The rule: young enough, and begun after the last write."""
        return now - begun_ns < _AGE_MAX_NS and begun_ns > self._last_writes.of(place.merchant_id)

    # --- reading -------------------------------------------------------------------------------

    async def _read(self, place: Place, load: Load, begun_ns: int) -> bytes:
        asked_us = None
        if self._shared is not None:
            found = await self._shared.get(place)
            now = self._clock_ns()
            if found.body is not None and self._is_good(place, found.begun_ns, now):
                self._observe("shared")
                self._keep(place, found.body, found.begun_ns)
                return found.body
            asked_us = found.asked_us
        self._observe("primary")
        return await self._load(place, load, begun_ns, asked_us=asked_us)

    async def _load(
        self, place: Place, load: Load, begun_ns: int, *, asked_us: int | None
    ) -> bytes:
        loaded = await load()
        if len(loaded.body) <= ANSWER_BYTES_MAX:
            self._keep(place, loaded.body, begun_ns)
            if self._shared is not None and asked_us is not None and not loaded.is_personal:
                self._shared.put(place, loaded.body, asked_us=asked_us)
        return loaded.body

    def _ended(self, place: Place, task: "asyncio.Task[bytes]") -> None:
        reading = self._readings.get(place)
        if reading is not None and reading.task is task:
            del self._readings[place]
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; nobody else needs to hear of it

    # --- keeping -------------------------------------------------------------------------------

    def _keep(self, place: Place, body: bytes, begun_ns: int) -> None:
        held = self._held.get(place)
        if held is not None and held.begun_ns >= begun_ns:
            return
        self._drop(place)
        size = len(body) + ENTRY_EXTRA_BYTES
        if size > self._bytes_max:
            return
        while self._held and (
            len(self._held) >= self._entries_max or self.bytes_held + size > self._bytes_max
        ):
            self._drop(next(iter(self._held)))
        self._held[place] = _Entry(body, begun_ns)
        self.bytes_held += size
        if self._sweeper is None:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(AGE_MAX_S, self._sweep)

    def _drop(self, place: Place) -> None:
        entry = self._held.pop(place, None)
        if entry is not None:
            self.bytes_held -= len(entry.body) + ENTRY_EXTRA_BYTES

    def _sweep(self) -> None:
        """Forget what is too old, and come back while there is something."""
        self._sweeper = None
        oldest = self._clock_ns() - _AGE_MAX_NS
        for place in [place for place, each in self._held.items() if each.begun_ns <= oldest]:
            self._drop(place)
        if self._held:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(AGE_MAX_S, self._sweep)

    async def close(self) -> None:
        """Let the readings under way end, and forget everything."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        tasks = [reading.task for reading in self._readings.values()]
        if tasks:
            await asyncio.wait(tasks)
        if self._shared is not None:
            await self._shared.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._held.clear()
        self.bytes_held = 0
