"""Families: every metric that Tillgate has, with its labels and buckets.

Law: a table. Names begin with `tillgate_` and end with their unit; label values are ours (route
names, statuses, event types), so that no client can make a series; buckets are few.
"""

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
LAG_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0, 3600.0, 86400.0)
CHANGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Families:
    """The metrics of one process, registered in `registry`.

    Gauges are of living processes only: `sum` adds them up, `max` takes the largest.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._about_requests()
        self._about_money()
        self._about_channels()
        self._about_background_work()
        self._about_caches()
        self._about_processes()

    def _about_requests(self) -> None:
        self.requests = self._counter("requests_total", "Answered.", "route", "method", "status")
        self.request_seconds = self._histogram(
            "request_seconds", "From the request's headers to its reply.", "route", "method"
        )
        self.errors = self._counter("errors_total", "Exceptions that nobody meant.", "kind")

    def _about_money(self) -> None:
        told = "that reached a status, from committed journal lines."
        self.payments = self._counter("payments_total", f"Payments {told}", "status")
        self.refunds = self._counter("refunds_total", f"Refunds {told}", "status")
        self.events = self._counter("events_total", "Committed journal lines.", "type")
        self.commit_changes = self._histogram(
            "commit_changes", "Changes in one transaction.", "shard", "kind", buckets=CHANGES
        )
        self.commit_seconds = self._histogram(
            "commit_seconds", "From the start of a transaction to its end.", "shard", "kind"
        )
        self.commit_queue = self._gauge(
            "commit_queue_depth", "Changes that wait for a transaction.", "shard", mode="livesum"
        )

    def _about_channels(self) -> None:
        self.channel_calls = self._counter(
            "channel_calls_total", "Calls to channels.", "channel", "operation", "outcome"
        )
        self.channel_seconds = self._histogram(
            "channel_call_seconds", "Duration of calls to channels.", "channel", "operation"
        )

    def _about_background_work(self) -> None:
        self.deliveries = self._counter(
            "webhook_deliveries_total", "Tries to deliver a webhook.", "result"
        )
        self.delivery_seconds = self._histogram(
            "webhook_delivery_seconds", "Duration of tries to deliver a webhook.", "result"
        )
        self.delivery_lag = self._histogram(
            "webhook_lag_seconds",
            "From an event to its delivery, of those that were delivered.",
            buckets=LAG_SECONDS,
        )
        self.stream_events = self._counter(
            "stream_events_total", "Events offered to the stream, by what became of it.", "outcome"
        )
        self.stream_lag = self._gauge(
            "stream_lag_seconds",
            "How old the newest event of the last portion was when the stream took it.",
            mode="livemax",
        )
        self.oldest_due = self._gauge(
            "oldest_due_seconds",
            "For how long the oldest due row of a queue has waited, as its lease holder sees it.",
            "queue",
            "shard",
            mode="livemax",
        )

    def _about_caches(self) -> None:
        self.cache_reads = self._counter(
            "cache_reads_total",
            "Questions to a cache, by where the answer came from.",
            "cache",
            "source",
        )
        self.cache_failures = self._counter(
            "cache_failures_total", "Exchanges with the shared cache that failed."
        )

    def _about_processes(self) -> None:
        self.loop_lag = self._gauge(
            "loop_lag_seconds",
            "How late the event loop called its last timer.",
            "role",
            mode="livemax",
        )
        self.processes = self._gauge("processes", "Living processes.", "role", mode="livesum")
        self.build_info = self._gauge(
            "build_info", "What runs: always 1.", "version", "python", "fastpath", mode="livemax"
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"tillgate_{name}", about, labels, registry=self._registry)

    def _histogram(
        self, name: str, about: str, *labels: str, buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        return Histogram(
            f"tillgate_{name}", about, labels, buckets=buckets, registry=self._registry
        )

    def _gauge(self, name: str, about: str, *labels: str, mode: Any) -> Gauge:
        return Gauge(
            f"tillgate_{name}", about, labels, multiprocess_mode=mode, registry=self._registry
        )
