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
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    values,
)

import fastpath

FLUSH_S = 0.5
SERIES_MAX = 4_096
OTHER = "other"
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
CHANGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class _Line(Protocol):
    @property
    def type(self) -> str: ...


class _Told(Protocol):
    @property
    def line(self) -> _Line: ...


class Committed(Protocol):
    """A Change that was committed, with the journal lines that were written for it."""

    @property
    def told(self) -> Sequence[Any]: ...


class Told(NamedTuple):
    """What a tally has gathered for one key since the last flush."""

    counts: list[int]
    total: float


class Tally:
    """Observations in plain numbers, by key: how many fell below each bound, and their sum."""

    __slots__ = ("_bounds", "_rows")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        # Per key: one count per bound, one for what is above them all, and the sum.
        self._rows: dict[Hashable, list[float]] = {}

    def add(self, key: Hashable, value: float) -> None:
        """Count one observation."""
        try:
            row = self._rows[key]
        except KeyError:
            row = self._rows[key] = [0] * (len(self._bounds) + 1) + [0.0]
        row[bisect_left(self._bounds, value)] += 1
        row[-1] += value

    def __contains__(self, key: Hashable) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def take(self) -> Iterable[tuple[Any, Told]]:
        """What was gathered since the last time; the tally starts again at zero."""
        for key, row in self._rows.items():
            counts = [int(count) for count in row[:-1]]
            if any(counts):
                told = Told(counts, row[-1])
                row[:] = [0] * len(counts) + [0.0]
                yield key, told


def require_seam() -> None:
    """Raises RuntimeError if prometheus-client's histogram looks different inside.

    It has no way to add many observations at once, so `flush` adds to its buckets.
    """
    probe = Histogram("probe", "probe", buckets=(1.0,), registry=None)
    buckets, total = getattr(probe, "_buckets", None), getattr(probe, "_sum", None)
    if not isinstance(buckets, list) or len(buckets) != 2 or not hasattr(total, "inc"):
        raise RuntimeError("prometheus-client has changed inside: Histogram")


def _add(histogram: Any, told: Told) -> None:
    for bucket, count in zip(histogram._buckets, told.counts, strict=True):
        if count:
            bucket.inc(count)
    histogram._sum.inc(told.total)


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
        if folder is None:
            values.ValueClass = values.MutexValue
        else:
            # Both must be set before the first metric is made; so no order of imports matters.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
            values.ValueClass = values.MultiProcessValue()
        require_seam()
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._families()
        self._requests = Tally(SECONDS)
        self._batch_sizes = Tally(CHANGES)
        self._batch_seconds = Tally(SECONDS)
        self._calls = Tally(SECONDS)
        self._deliveries = Tally(SECONDS)
        self._events: defaultdict[str, int] = defaultdict(int)
        self._errors: defaultdict[str, int] = defaultdict(int)
        self._depths: dict[int, Callable[[], int]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._lag = self.loop_lag.labels(role)
        self.processes.labels(role).set(1)
        self.build_info.labels(
            product_version(), platform.python_version(), fastpath.IMPLEMENTATION
        ).set(1)

    def _families(self) -> None:
        registry = self.registry

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"tillgate_{name}", about, labels, registry=registry)

        def histogram(
            name: str, about: str, *labels: str, buckets: Sequence[float] = SECONDS
        ) -> Histogram:
            return Histogram(f"tillgate_{name}", about, labels, buckets=buckets, registry=registry)

        def gauge(name: str, about: str, *labels: str, mode: Any) -> Gauge:
            return Gauge(
                f"tillgate_{name}", about, labels, multiprocess_mode=mode, registry=registry
            )

        self.requests = counter("requests_total", "Requests answered.", "route", "method", "status")
        self.request_seconds = histogram(
            "request_seconds", "From the request's headers to its reply.", "route", "method"
        )
        self.payments = counter(
            "payments_total", "Payments that reached a status, from the journal.", "status"
        )
        self.refunds = counter(
            "refunds_total", "Refunds that reached a status, from the journal.", "status"
        )
        self.events = counter("events_total", "Committed journal rows.", "type")
        self.commit_changes = histogram(
            "commit_changes", "Changes in one transaction.", "shard", "kind", buckets=CHANGES
        )
        self.commit_seconds = histogram(
            "commit_seconds", "From the start of a transaction to its end.", "shard", "kind"
        )
        self.commit_queue = gauge(
            "commit_queue_depth", "Changes that wait for a transaction.", "shard", mode="livesum"
        )
        self.channel_calls = counter(
            "channel_calls_total", "Calls to channels.", "channel", "operation", "outcome"
        )
        self.channel_seconds = histogram(
            "channel_call_seconds", "Duration of calls to channels.", "channel", "operation"
        )
        self.deliveries = counter(
            "webhook_deliveries_total", "Tries to deliver a webhook.", "result"
        )
        self.delivery_seconds = histogram(
            "webhook_delivery_seconds", "Duration of tries to deliver a webhook.", "result"
        )
        self.oldest_due = gauge(
            "oldest_due_seconds",
            "For how long the oldest due row of a queue has waited, as its lease holder sees it.",
            "queue",
            "shard",
            mode="livemax",
        )
        self.errors = counter("errors_total", "Exceptions that nobody meant.", "kind")
        self.loop_lag = gauge(
            "loop_lag_seconds",
            "How late the event loop called its last timer.",
            "role",
            mode="livemax",
        )
        self.processes = gauge("processes", "Living processes.", "role", mode="livesum")
        self.build_info = gauge(
            "build_info", "What runs: always 1.", "version", "python", "fastpath", mode="livemax"
        )

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
            for told in change.told:
                events[told.line.type] += 1

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

    def delivery(self, result: str, seconds: float) -> None:
        """One try to deliver a webhook: `delivered`, or the word for why not."""
        self._deliveries.add(result, seconds)

    def error(self, kind: str) -> None:
        """One exception that nobody meant, by the name of its type."""
        if kind not in self._errors and len(self._errors) >= SERIES_MAX:
            kind = OTHER
        self._errors[kind] += 1

    def watch_queue(self, shard: int, depth: Callable[[], int]) -> None:
        """Ask `depth` for the number of waiting Changes at every flush."""
        self._depths[shard] = depth

    def set_oldest_due(self, queue: str, shard: int, seconds: float) -> None:
        """The age of the oldest due row of a queue; 0 by who holds no lease of it."""
        self.oldest_due.labels(queue, shard).set(max(0.0, seconds))

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
        for (route, method, status), told in self._requests.take():
            self.requests.labels(route, method, status).inc(sum(told.counts))
            _add(self.request_seconds.labels(route, method), told)
        for key, told in self._batch_sizes.take():
            _add(self.commit_changes.labels(*key), told)
        for key, told in self._batch_seconds.take():
            _add(self.commit_seconds.labels(*key), told)
        for (channel, operation, outcome), told in self._calls.take():
            self.channel_calls.labels(channel, operation, outcome).inc(sum(told.counts))
            _add(self.channel_seconds.labels(channel, operation), told)
        for result, told in self._deliveries.take():
            self.deliveries.labels(result).inc(sum(told.counts))
            _add(self.delivery_seconds.labels(result), told)
        self._flush_counts()
        for shard, depth in self._depths.items():
            self.commit_queue.labels(shard).set(depth())

    def _flush_counts(self) -> None:
        by_subject = {"payment": self.payments, "refund": self.refunds}
        for kind, count in self._events.items():
            if count:
                self._events[kind] = 0
                self.events.labels(kind).inc(count)
                subject, _, status = kind.partition(".")
                if subject in by_subject:
                    by_subject[subject].labels(status).inc(count)
        for kind, count in self._errors.items():
            if count:
                self._errors[kind] = 0
                self.errors.labels(kind).inc(count)
