"""Publish: from the journal to the event stream, every event at least once.

Law: an event is appended to the stream first and passed by the cursor afterwards, so a crash in
between repeats it with the same id and loses nothing. Who lost the lease moves no cursor. While
the stream takes nothing, events wait in the journal: this loop alone backs off, nothing waits for
it, and it says so once. Nothing is ever decided by what the stream holds.

    hint or sweep -> positions -> events -> append -> advance
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.center.ports import Clock
from gateway.center.webhook_ports import Leases, Position, Span
from gateway.domain.errors import StreamUnavailable
from gateway.domain.events import Event
from gateway.domain.ids import bucket_of, parse
from gateway.domain.lease import Lease
from gateway.workers.runner import Loop, Runner
from gateway.workers.tenure import RENEW_EVERY_S, Tenure

WORK = "publish"
# A round finds nothing unless it is woken or the sweep is due.
PUBLISH_EVERY_S = 1.0
SWEEP_EVERY_S = 5.0
SWEEP_MERCHANTS_MAX = 2_000
PASS_MERCHANTS_MAX = 200
PASS_EVENTS_MAX = 500
HINTS_MAX = 50_000
PAUSE_S_MIN = 0.5
PAUSE_S_MAX = 30.0
FAILED_IN_A_ROW_MAX = 3  # so many merchants failing one by one: it is not the merchants

log = logging.getLogger("tillgate.publish")

# What came of an append (published, unavailable), how many events, seconds since the oldest.
Observe = Callable[[str, int, float], None]


class Journal(Protocol):
    """One shard's events as their publisher sees them; set-based, for the holder of leases."""

    async def positions(self, merchant_ids: Sequence[str]) -> list[Position]: ...
    async def behind(self, leases: Sequence[Lease], *, limit: int) -> list[Position]: ...
    async def events(self, spans: Sequence[Span]) -> list[Event]: ...
    async def advance(self, leases: Sequence[Lease], spans: Sequence[Span]) -> set[str]: ...


class Stream(Protocol):
    """Where events go. `append` keeps their order and raises `StreamUnavailable`."""

    async def append(self, events: Sequence[Event]) -> None: ...
    async def close(self) -> None: ...


class ShardPublication(Struct, frozen=True):
    """What the work needs of one shard."""

    journal: Journal
    leases: Leases


class Breaker:
    """Whether the stream may be tried now: after a failure not before a pause, which doubles."""

    def __init__(self) -> None:
        self._pause_s = PAUSE_S_MIN
        self._until = 0.0
        self._since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the stream is left alone."""
        return asyncio.get_running_loop().time() < self._until

    def trip(self, error: StreamUnavailable) -> None:
        """Take note of a failure; those of one moment count once."""
        if self.is_open:
            return
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
            log.warning("the event stream is not available, events wait: %s", error)
        self._until = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, PAUSE_S_MAX)

    def reset(self) -> None:
        """Take note of a success."""
        if self._since is not None:
            away_s = asyncio.get_running_loop().time() - self._since
            log.info("the event stream is available again, after %.1f s", away_s)
        self._pause_s, self._until, self._since = PAUSE_S_MIN, 0.0, None


class Publisher:
    """Publishes the events of one shard. `hint` names merchants that have something new."""

    def __init__(
        self,
        journal: Journal,
        *,
        stream: Stream,
        tenure: Tenure,
        breaker: Breaker,
        clock: Clock,
        observe: Observe,
    ) -> None:
        self._journal = journal
        self._stream = stream
        self._tenure = tenure
        self._breaker = breaker
        self._clock = clock
        self._observe = observe
        self._hints: dict[str, None] = {}
        self._sweep_at = 0.0
        self._is_passing = False
        tenure.is_busy = lambda lease: self._is_passing

    def hint(self, merchant_ids: Iterable[str]) -> bool:
        """Take note of merchants with something new; answers whether any is ours."""
        if self._breaker.is_open:
            return False  # the sweep finds them
        ours = [
            each
            for each in merchant_ids
            if parse("mch", each) is not None and self._tenure.covers(each)
        ]
        if len(self._hints) < HINTS_MAX:
            self._hints.update(dict.fromkeys(ours))
        return bool(ours)

    async def round(self) -> bool:
        """One pass. Answers whether there is more to do at once."""
        leases = self._tenure.working()
        if not leases:
            self._sweep_at = 0.0
        if not leases or self._breaker.is_open:
            return False
        await self._sweep(leases)
        merchants = list(self._hints)[:PASS_MERCHANTS_MAX]
        for merchant in merchants:
            del self._hints[merchant]
        ours = [each for each in merchants if _covers(leases, each)]
        self._is_passing = True
        try:
            positions = await self._journal.positions(ours) if ours else []
            if positions:
                await self._pass_isolated(leases, positions)
        except StreamUnavailable as error:
            self._breaker.trip(error)
            self._observe("unavailable", 0, 0.0)
            self._hints.clear()
            self._sweep_at = 0.0
        finally:
            self._is_passing = False
        return bool(self._hints)

    async def _sweep(self, leases: Sequence[Lease]) -> None:
        """Find what no hint named, from time to time."""
        now = asyncio.get_running_loop().time()
        if now < self._sweep_at:
            return
        behind = await self._journal.behind(leases, limit=SWEEP_MERCHANTS_MAX)
        self._hints.update((merchant, None) for merchant, _, _ in behind)
        if len(behind) < SWEEP_MERCHANTS_MAX:
            self._sweep_at = now + SWEEP_EVERY_S

    async def _pass_isolated(self, leases: Sequence[Lease], positions: list[Position]) -> None:
        """One pass; if its events cannot be read, one for each merchant, so that none holds up
        the others."""
        try:
            await self._pass(leases, positions)
        except StreamUnavailable:
            raise
        except Exception:
            if len(positions) == 1:
                raise
            log.exception("a pass failed; its merchants go one by one")
            failed = 0
            for number, position in enumerate(positions, 1):
                try:
                    await self._pass(leases, [position])
                except StreamUnavailable:
                    raise
                except Exception:
                    failed += 1
                    log.exception("the events of %s cannot be published", position[0])
                    if failed == number == FAILED_IN_A_ROW_MAX:
                        raise

    async def _pass(self, leases: Sequence[Lease], positions: Sequence[Position]) -> None:
        """Publish the next events of some merchants."""
        each = max(1, PASS_EVENTS_MAX // len(positions))
        heads = {merchant: head for merchant, _, head in positions}
        spans = [(merchant, read, min(head, read + each)) for merchant, read, head in positions]
        events = await self._journal.events(spans)
        if events:
            await self._stream.append(events)
            self._breaker.reset()
            oldest = min(event.at for event in events)
            lag_s = (self._clock.business() - oldest).total_seconds()
            self._observe("published", len(events), lag_s)
        moved = await self._journal.advance(leases, spans)
        for merchant, _, until in spans:
            if merchant in moved and until < heads[merchant]:
                self._hints[merchant] = None


class Publications:
    """The publishers of all shards, for the ranges that this process gets leases for.

    They share the stream, which is closed with them.
    """

    def __init__(
        self,
        shards: Sequence[ShardPublication],
        *,
        stream: Stream,
        clock: Clock,
        observe: Observe = lambda outcome, events, lag_s: None,
    ) -> None:
        self._stream = stream
        self._tenures: list[Tenure] = []
        self._publishers: list[tuple[Publisher, Loop]] = []
        self._keeping = Runner()
        self._working = Runner()
        breaker = Breaker()
        for number, shard in enumerate(shards):
            tenure = Tenure(shard.leases, WORK)
            publisher = Publisher(
                shard.journal,
                stream=stream,
                tenure=tenure,
                breaker=breaker,
                clock=clock,
                observe=observe,
            )
            name = f"{WORK} {number}"
            self._keeping.add(f"leases of {name}", tenure.round, every_s=RENEW_EVERY_S)
            loop = self._working.add(name, publisher.round, every_s=PUBLISH_EVERY_S)
            tenure.on_gain = loop.wake
            self._tenures.append(tenure)
            self._publishers.append((publisher, loop))

    async def start(self) -> None:
        """Take leases, as far as they are free, and begin."""
        self._keeping.start()
        self._working.start()

    def hint(self, merchant_ids: Iterable[str]) -> None:
        """Merchants with new events: published at once instead of at the next sweep."""
        merchants = list(merchant_ids)
        for publisher, loop in self._publishers:
            if publisher.hint(merchants):
                loop.wake()

    async def drain(self) -> None:
        """End the pass in hand, begin no other, give the leases back."""
        await self._working.stop()
        await self._keeping.stop()
        for tenure in self._tenures:
            await tenure.leave()
        await self._stream.close()


def _covers(leases: Sequence[Lease], merchant_id: str) -> bool:
    bucket = bucket_of(merchant_id)
    return any(lease.covers(bucket) for lease in leases)
