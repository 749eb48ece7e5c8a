"""Metrics: what is counted, what it costs in series, and that dead processes still count."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

import fastpath
from gateway.domain.events import TYPES
from gateway.telemetry.exposition import bury, exposition, prepare_folder
from gateway.telemetry.families import SECONDS
from gateway.telemetry.metrics import OTHER, Metrics
from gateway.telemetry.tally import Tally, require_seam

PROGRAM = Path(__file__).with_name("metrics_program.py")
ROOT = Path(__file__).parents[2]


def read(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float | None:
    return read(text).get((f"tillgate_{name}", tuple(sorted(labels.items()))))


def shown(metrics: Metrics) -> bytes:
    metrics.flush()
    return generate_latest(metrics.registry)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(None, role="gateway")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "metrics"
    prepare_folder(made)
    return made


def run(folder: Path, *, role: str = "gateway", requests: int, end: str) -> int:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), role, str(requests), end],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    return done.returncode


def pids(folder: Path) -> set[int]:
    return {
        int(path.stem.rpartition("_")[2])
        for path in folder.glob("*.db")
        if path.stem.rpartition("_")[2].isdigit()
    }


class Lingering:
    """A process that has counted and lives until it is let go."""

    def __init__(self, folder: Path, *, role: str, requests: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), role, str(requests), "linger"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.pid = int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture
def living(folder: Path) -> Iterator[Lingering]:
    process = Lingering(folder, role="gateway", requests=7)
    yield process
    if process.process.poll() is None:
        process.end()


# --- one process ---------------------------------------------------------------------------------


def test_questions_to_caches_by_where_their_answers_came_from(metrics: Metrics) -> None:
    lists, directory = metrics.cache("lists"), metrics.cache("directory")
    for source in ("memory", "memory", "primary"):
        lists(source)
    directory("behind")
    metrics.cache_failed()
    for _ in range(2):
        text = shown(metrics)
        assert value(text, "cache_reads_total", cache="lists", source="memory") == 2
        assert value(text, "cache_reads_total", cache="lists", source="primary") == 1
        assert value(text, "cache_reads_total", cache="directory", source="behind") == 1
        assert value(text, "cache_failures_total") == 1
    lists("memory")
    assert value(shown(metrics), "cache_reads_total", cache="lists", source="memory") == 3


def test_requests_by_route_method_and_status(metrics: Metrics) -> None:
    for status, seconds in ((201, 0.0015), (201, 0.3), (200, 0.0015)):
        metrics.request("create_payment", "POST", status, seconds)
    text = shown(metrics)
    labels = {"route": "create_payment", "method": "POST"}
    assert value(text, "requests_total", status="201", **labels) == 2
    assert value(text, "requests_total", status="200", **labels) == 1
    assert value(text, "request_seconds_bucket", le="0.001", **labels) == 0
    assert value(text, "request_seconds_bucket", le="0.002", **labels) == 2
    assert value(text, "request_seconds_bucket", le="+Inf", **labels) == 3
    assert value(text, "request_seconds_sum", **labels) == pytest.approx(0.303)


def test_a_flush_adds_only_what_is_new(metrics: Metrics) -> None:
    metrics.request("livez", "GET", 200, 0.001)
    shown(metrics)
    metrics.request("livez", "GET", 200, 0.001)
    text = shown(metrics)
    assert value(text, "requests_total", route="livez", method="GET", status="200") == 2
    assert value(text, "request_seconds_count", route="livez", method="GET") == 2


def test_a_client_cannot_make_series(metrics: Metrics) -> None:
    for number in range(1000):
        metrics.request("unmatched", f"BREW{number}", 405, 0.001)
    text = shown(metrics)
    labels = {"route": "unmatched", "method": OTHER, "status": "405"}
    assert value(text, "requests_total", **labels) == 1000
    assert text.count(b"tillgate_requests_total{") == 1


def test_payments_and_refunds_are_counted_from_committed_lines(metrics: Metrics) -> None:
    def change(*types: str) -> SimpleNamespace:
        return SimpleNamespace(types=types)

    metrics.committed([change("payment.created"), change("payment.created"), change()])
    metrics.committed([change("payment.succeeded", "payment.unexpected_funds")])
    metrics.committed([change("refund.failed"), change("key.created")])
    text = shown(metrics)
    assert value(text, "payments_total", status="created") == 2
    assert value(text, "payments_total", status="succeeded") == 1
    assert value(text, "payments_total", status="unexpected_funds") == 1
    assert value(text, "refunds_total", status="failed") == 1
    assert value(text, "events_total", type="key.created") == 1
    assert value(text, "events_total", type="payment.created") == 2
    assert {kind.partition(".")[0] for kind in TYPES} >= {"payment", "refund"}


def test_batches_calls_and_deliveries(metrics: Metrics) -> None:
    observe = metrics.batch(1)
    observe(60, 0.004, "create")
    metrics.channel_call("alipay", "pay", "handed_out", 0.2)
    metrics.channel_call("alipay", "pay", "unknown", 5.0)
    metrics.delivery("delivered", 0.01, 0.3)
    metrics.delivery("retry", 15.0, 99.0)
    metrics.set_oldest_due("refunds", 1, -3.0)
    metrics.watch_queue(1, lambda: 17)
    metrics.error("KeyError")
    text = shown(metrics)
    labels = {"shard": "1", "kind": "create"}
    assert value(text, "commit_changes_sum", **labels) == 60
    assert value(text, "commit_seconds_count", **labels) == 1
    call = {"channel": "alipay", "operation": "pay"}
    assert value(text, "channel_calls_total", outcome="unknown", **call) == 1
    assert value(text, "channel_call_seconds_count", **call) == 2
    assert value(text, "webhook_deliveries_total", result="retry") == 1
    assert value(text, "webhook_lag_seconds_count") == 1
    assert value(text, "oldest_due_seconds", queue="refunds", shard="1") == 0
    assert value(text, "commit_queue_depth", shard="1") == 17
    assert value(text, "errors_total", kind="KeyError") == 1


def test_what_runs_is_told(metrics: Metrics) -> None:
    [labels] = [
        dict(labels)
        for (name, labels), _ in read(shown(metrics)).items()
        if name == "tillgate_build_info"
    ]
    assert labels["fastpath"] == fastpath.IMPLEMENTATION
    assert labels["version"]


async def test_the_timer_flushes_and_the_end_does(metrics: Metrics) -> None:
    metrics.request("livez", "GET", 200, 0.001)
    flushed = asyncio.Event()
    metrics.watch_queue(0, lambda: flushed.set() or 0)
    metrics.start()
    async with asyncio.timeout(20):
        await flushed.wait()
    metrics.request("livez", "GET", 200, 0.001)
    metrics.stop()
    text = generate_latest(metrics.registry)
    assert value(text, "requests_total", route="livez", method="GET", status="200") == 2


def test_the_inside_of_the_library_is_as_expected() -> None:
    require_seam()


@given(st.lists(st.floats(min_value=0, max_value=20), max_size=50))
def test_a_tally_counts_as_a_histogram_does(found: list[float]) -> None:
    tally = Tally(SECONDS)
    for each in found:
        tally.add("x", each)
    rows = list(tally.take())
    counts = rows[0][1].counts if rows else [0] * (len(SECONDS) + 1)
    below = [sum(counts[: at + 1]) for at in range(len(SECONDS))]
    assert below == [sum(1 for each in found if each <= bound) for bound in SECONDS]
    assert sum(counts) == len(found)
    assert list(tally.take()) == []


# --- several processes ---------------------------------------------------------------------------

REQUESTS = {"route": "create_payment", "method": "POST", "status": "201"}
SECONDS_OF = {"route": "create_payment", "method": "POST"}


def test_two_processes_are_merged(folder: Path, living: Lingering) -> None:
    other = Lingering(folder, role="worker", requests=5)
    try:
        text = exposition(folder)
        assert value(text, "requests_total", **REQUESTS) == 12
        assert value(text, "request_seconds_count", **SECONDS_OF) == 12
        assert value(text, "request_seconds_bucket", le="0.005", **SECONDS_OF) == 12
        assert value(text, "oldest_due_seconds", queue="deliveries", shard="0") == 7
        assert value(text, "commit_queue_depth", shard="0") == 12
        assert value(text, "processes", role="gateway") == 1
        assert value(text, "processes", role="worker") == 1
        assert all(name.startswith("tillgate_") for name, _ in read(text))
    finally:
        other.end()


def test_counters_of_the_dead_never_fall(folder: Path, living: Lingering) -> None:
    assert run(folder, requests=100, end="kill") < 0
    assert run(folder, requests=10, end="stop") == 0
    before = exposition(folder)
    assert value(before, "requests_total", **REQUESTS) == 117
    for pid in pids(folder) - {living.pid}:
        bury(folder, pid)
        bury(folder, pid)
    after = exposition(folder)
    counters = {
        key: counted
        for key, counted in read(before).items()
        if key[0].endswith(("_total", "_count", "_sum", "_bucket"))
    }
    assert counters.items() <= read(after).items()
    assert value(after, "processes", role="gateway") == 1
    assert value(after, "oldest_due_seconds", queue="deliveries", shard="0") == 7
    assert run(folder, requests=1, end="kill") < 0
    assert value(exposition(folder), "requests_total", **REQUESTS) == 118
    for pid in pids(folder) - {living.pid}:
        bury(folder, pid)
    assert value(exposition(folder), "requests_total", **REQUESTS) == 118
    assert len(list(folder.glob("*.db"))) < 10


def test_the_last_moment_of_the_killed_is_all_that_is_lost(folder: Path) -> None:
    run(folder, requests=3, end="kill")
    assert value(exposition(folder), "requests_total", **REQUESTS) == 3
    lost = {"route": "never_flushed", "method": "GET", "status": "200"}
    assert value(exposition(folder), "requests_total", **lost) is None
    run(folder, requests=3, end="stop")
    assert value(exposition(folder), "requests_total", **lost) == 1


def test_a_start_begins_at_zero(folder: Path) -> None:
    run(folder, requests=3, end="stop")
    prepare_folder(folder)
    assert exposition(folder) == b""


def test_a_file_that_was_just_made_is_passed_by(folder: Path) -> None:
    run(folder, requests=3, end="stop")
    (folder / "counter_99999.db").touch()
    assert value(exposition(folder), "requests_total", **REQUESTS) == 3
    bury(folder, 99999)
    assert not (folder / "counter_99999.db").exists()
