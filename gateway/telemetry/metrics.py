"""Metrics: what this process counts, and how it reaches the one merged scrape.

Law: a reader. Nothing here decides, waits or fails a request; payments and refunds are counted
from committed journal lines and nowhere else, so that a number here is a fact in the book.

On the hot path only plain integers are moved (about 0.4 us a request, where one value of
prometheus-client's shared files costs 1 us and a histogram several). Every `FLUSH_S` seconds they
are added to the metrics of prometheus-client, which in multiprocess mode live in one file per
process below `folder`; `exposition.py` merges the files. So what a process that is killed has
counted in its last half second is lost, and nothing that was shown before ever falls.

Label values are ours (route names, statuses, event types) or folded into `other`: no client can
make a series.
Source: https://prometheus.github.io/client_python/multiprocess/
"""

import asyncio
import os
import platform
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, disable_created_metrics, values

import fastpath
from gateway.telemetry.families import CHANGES, LAG_SECONDS, SECONDS, Families
from gateway.telemetry.tally import Tally, add_to, require_seam

FLUSH_S = 0.5
ERROR_KINDS_MAX = 256
OTHER = "other"
DELIVERED = "delivered"
PUBLISHED = "published"
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Committed(Protocol):
    """A Change that was committed, with the types of the events that were written for it."""

    @property
    def types(self) -> Sequence[str]: ...


def product_version() -> str:
    """The version of the installed distribution, `unknown` when run from bare sources."""
    try:
        return version("tillgate")
    except PackageNotFoundError:
        return "unknown"


class Metrics:
    """Everything one process counts. `role` is what the process is: gateway, worker, ...

    With a `folder` (of `exposition.prepare_folder`) the values are shared with the process that
    serves the scrape; without one they are this process's own, and `registry` holds them. One per
    process: prometheus-client keeps the folder in the process's environment.
    """

    def __init__(self, folder: Path | None, *, role: str) -> None:
        values.ValueClass = values.MutexValue
        require_seam()
        if folder is not None:
            # Both must be set before the first metric is made; so no order of imports matters.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
            values.ValueClass = values.MultiProcessValue()
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._families = families = Families(self.registry)
        self._children: dict[tuple[Any, ...], Any] = {}
        self._requests = Tally(SECONDS)
        self._batch_sizes = Tally(CHANGES)
        self._batch_seconds = Tally(SECONDS)
        self._calls = Tally(SECONDS)
        self._deliveries = Tally(SECONDS)
        self._lags = Tally(LAG_SECONDS)
        self._events: defaultdict[str, int] = defaultdict(int)
        self._errors: defaultdict[str, int] = defaultdict(int)
        self._cache_reads: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._depths: dict[int, Callable[[], int]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._lag = families.loop_lag.labels(role)
        families.processes.labels(role).set(1)
        families.build_info.labels(
            product_version(), platform.python_version(), fastpath.IMPLEMENTATION
        ).set(1)

    # --- the hot path ----------------------------------------------------------------------------

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answered request: the server's `observe`."""
        if method not in METHODS:
            method = OTHER
        self._requests.add((route, method, status), seconds)

    def committed(self, changes: Sequence[Committed]) -> None:
        """Changes that have become durable: the committer's `committed`."""
        events = self._events
        for change in changes:
            for kind in change.types:
                events[kind] += 1

    def batch(self, shard: int) -> Callable[[int, float, str], None]:
        """The committer's `observe` for one shard: size, seconds, kind."""
        sizes, durations = self._batch_sizes, self._batch_seconds

        def observe(size: int, seconds: float, kind: str) -> None:
            key = (shard, kind)
            sizes.add(key, size)
            durations.add(key, seconds)

        return observe

    # --- the rest --------------------------------------------------------------------------------

    def channel_call(self, channel: str, operation: str, outcome: str, seconds: float) -> None:
        """One call to a channel, all its repeats included."""
        self._calls.add((channel, operation, outcome), seconds)

    def delivery(self, result: str, seconds: float, lag_s: float) -> None:
        """One try to deliver a webhook: what it was judged (delivered, retry, gone), how long it
        took, and how long ago its event became true. The deliverer's `observe`."""
        self._deliveries.add(result, seconds)
        if result == DELIVERED:
            self._lags.add((), max(0.0, lag_s))

    def published(self, outcome: str, events: int, lag_s: float) -> None:
        """One portion of events offered to the stream (published, unavailable). The publisher's
        `observe`; portions are few, so it goes straight to the families."""
        self._child(self._families.stream_events, outcome).inc(events)
        if outcome == PUBLISHED:
            self._families.stream_lag.set(max(0.0, lag_s))

    def cache(self, name: str) -> Callable[[str], None]:
        """A cache's `observe`: where the answer to a question came from."""
        reads = self._cache_reads

        def observe(source: str) -> None:
            reads[name, source] += 1

        return observe

    def cache_failed(self) -> None:
        """An exchange with the shared cache failed; they are few, so it is shown at once."""
        self._families.cache_failures.inc()

    def error(self, kind: str) -> None:
        """One exception that nobody meant, by the name of its type."""
        if kind not in self._errors and len(self._errors) >= ERROR_KINDS_MAX:
            kind = OTHER
        self._errors[kind] += 1

    def watch_queue(self, shard: int, depth: Callable[[], int]) -> None:
        """Ask `depth` for the number of waiting Changes at every flush."""
        self._depths[shard] = depth

    def set_oldest_due(self, queue: str, shard: int, seconds: float) -> None:
        """The age of the oldest due row of a queue; 0 by who holds no lease of it."""
        self._families.oldest_due.labels(queue, shard).set(max(0.0, seconds))

    # --- flush -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Flush from now on, by a timer of the running loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(FLUSH_S, self._tick, loop, loop.time() + FLUSH_S)

    def stop(self) -> None:
        """Flush a last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self._lag.set(max(0.0, now - due))
        self._timer = loop.call_later(FLUSH_S, self._tick, loop, now + FLUSH_S)
        self.flush()

    def flush(self) -> None:
        """Add what was gathered to the metrics that are shown."""
        to = self._families
        for (route, method, status), told in self._requests.take():
            self._child(to.requests, route, method, status).inc(told.observations)
            add_to(self._child(to.request_seconds, route, method), told)
        for key, told in self._batch_sizes.take():
            add_to(self._child(to.commit_changes, *key), told)
        for key, told in self._batch_seconds.take():
            add_to(self._child(to.commit_seconds, *key), told)
        for (channel, operation, outcome), told in self._calls.take():
            self._child(to.channel_calls, channel, operation, outcome).inc(told.observations)
            add_to(self._child(to.channel_seconds, channel, operation), told)
        for result, told in self._deliveries.take():
            self._child(to.deliveries, result).inc(told.observations)
            add_to(self._child(to.delivery_seconds, result), told)
        for _, told in self._lags.take():
            add_to(to.delivery_lag, told)
        self._flush_counts()
        for shard, depth in self._depths.items():
            self._child(to.commit_queue, shard).set(depth())

    def _flush_counts(self) -> None:
        to = self._families
        by_subject = {"payment": to.payments, "refund": to.refunds}
        for kind, count in self._events.items():
            if count:
                self._events[kind] = 0
                self._child(to.events, kind).inc(count)
                subject, _, status = kind.partition(".")
                if subject in by_subject:
                    self._child(by_subject[subject], status).inc(count)
        for (cache, source), count in self._cache_reads.items():
            if count:
                self._cache_reads[cache, source] = 0
                self._child(to.cache_reads, cache, source).inc(count)
        for kind, count in self._errors.items():
            if count:
                self._errors[kind] = 0
                self._child(to.errors, kind).inc(count)

    def _child(self, family: Any, *labels: object) -> Any:
        """`family.labels(...)`, remembered: the library's own way costs several times more."""
        key = (family, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = family.labels(*labels)
        return child
