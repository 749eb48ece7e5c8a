"""Findings: verdicts in both directions, medians, and the page that is made of them."""

from math import isnan
from typing import Any

import msgspec
import pytest

from benchmarks import page, plots
from benchmarks.finding import Finding, Player, Table, Verdict, ratio
from benchmarks.load import Round

pytestmark = pytest.mark.fast


def round_of(rate: float, **more: Any) -> Round:
    return Round(
        requests=1, seconds=1, rate=rate, p50_ms=1, p99_ms=2, cpu_us=1_000_000 / rate, **more
    )


@pytest.mark.parametrize(
    ("more_is_better", "value", "met", "on_target"),
    [
        (True, 1.4, True, True),
        (True, 1.39, True, False),
        (True, 0.99, False, False),
        (False, 1.0, True, True),
        (False, 1.2, True, False),
        (False, 1.41, False, False),
    ],
)
def test_a_verdict_knows_its_direction(
    more_is_better: bool, value: float, met: bool, on_target: bool
) -> None:
    target, at_least = (1.4, 1.0) if more_is_better else (1.0, 1.4)
    verdict = Verdict(
        what="", value=value, target=target, at_least=at_least, more_is_better=more_is_better
    )
    assert (verdict.is_met, verdict.is_on_target) == (met, on_target)


def test_figures_are_medians_and_ratios_are_of_medians() -> None:
    fast = Player(name="fast", about="", rounds=[round_of(each) for each in (400, 1, 100)])
    slow = Player(name="slow", about="", rounds=[round_of(50)])
    assert fast.middle("rate") == 100
    assert ratio(fast, slow, "rate") == 2
    assert isnan(fast.middle("database_cpu_us"))
    assert isnan(Player(name="idle", about="").middle("rate"))


def test_cpu_time_of_all_counts_the_database() -> None:
    assert round_of(100, database_cpu_us=5.0).all_cpu_us == 10_005
    assert round_of(100).all_cpu_us == 10_000


def result() -> dict[str, Any]:
    """A result as it is saved."""
    player = Player(name="tillgate", about="", rounds=[round_of(1234.5)])
    finding = Finding(
        name="connections",
        about="creates",
        proof="all counted",
        players=[player],
        verdicts=[
            Verdict(what="kept", value=2, target=1, at_least=1),
            Verdict(what="just", value=1.5, target=2, at_least=1),
            Verdict(what="broken", value=9, target=1, at_least=2, more_is_better=False),
        ],
        tables=[Table(name="t", title="t", head=list("abcdefg"), rows=[[1, 2, 3, 4, 5, 6, 7]])],
        notes=["a note"],
    )
    whole: dict[str, Any] = msgspec.to_builtins(finding)
    whole["players"][0]["medians"] = {"rate": 1234.5}
    for shown, verdict in zip(whole["verdicts"], finding.verdicts, strict=True):
        shown["is_met"], shown["is_on_target"] = verdict.is_met, verdict.is_on_target
    machine = {"at": "now", "commit": "c", "processor": "p", "cores": 2, "kernel": "k"}
    return whole | {
        "machine": machine | {"python": "3", "fastpath": "cython", "versions": {"aiohttp": "3"}},
        "postgres": {},
        "plan": {"generator": "wrk", "connections": 64, "rounds": 7, "seconds": 4.0},
        "books": ["1 payment"],
        "strangers_max": 0.01,
    }


def test_the_page_says_what_was_kept_and_what_was_not() -> None:
    text = page.written({"connections": result()}, {})
    assert "| kept | **2.00** | 1 | 1 | yes |" in text
    assert "| just | **1.50** | 2 | 1 | at least |" in text
    assert "| broken | **9.00** | at most 1 | at most 2 | **no** |" in text
    assert "| tillgate | 1,234 |" in text or "| tillgate | 1,235 |" in text
    assert "all counted" in text and "a note" in text and "1 payment" in text


def test_plots_show_themselves_without_anything_from_elsewhere() -> None:
    drawn = plots.drawn({"connections": result()})
    assert set(drawn) == {"throughput", "latency"}
    for drawing in drawn.values():
        assert b"<script" not in drawing and b"http://www.w3.org/2000/svg" in drawing
