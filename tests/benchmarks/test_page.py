"""The page of results: every promise, every table, and the plots that stand beside it."""

import io
from typing import Any

import pytest
from rich.console import Console

from benchmarks import page, plots, report

pytestmark = pytest.mark.fast


def result(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "about": f"what {name} is",
        "proof": "counted",
        "players": [],
        "verdicts": [],
        "tables": [],
        "notes": [],
        "books": [],
        "machine": {
            **dict.fromkeys(("at", "commit", "processor", "kernel", "python", "fastpath"), "x"),
            "cores": 2,
            "versions": {},
        },
        "postgres": {},
        "plan": {"generator": "wrk", "connections": 128, "rounds": 1, "seconds": 1.0},
        "strangers_max": 0.0,
        **more,
    }


def promise(value: float, *, is_met: bool, more_is_better: bool = True) -> dict[str, Any]:
    return {
        "what": f"a promise of {value}",
        "value": value,
        "target": 2.0,
        "at_least": 1.0,
        "more_is_better": more_is_better,
        "unit": "s",
        "is_met": is_met,
        "is_on_target": False,
    }


CONNECTIONS = {
    "title": "create over connections",
    "head": ["connections", "req/s", "hello's", "p50 ms", "hello's", "p99 ms", "hello's"],
    "rows": [[1, 1_900.0, 11_000.0, 0.5, 0.1, 1.6, 1.5], [512, 22_000.0, 26_000.0, 19, 17, 91, 52]],
}
RESULTS = {
    "connections": result("connections", tables=[CONNECTIONS]),
    "services": result(
        "services",
        players=[
            {"name": name, "medians": {"rate": rate, "p99_ms": 1.0}}
            for name, rate in (("tillgate", 25_000.0), ("FastAPI + SQLAlchemy", 880.0))
        ],
        verdicts=[promise(28.9, is_met=True), promise(0.5, is_met=False)],
    ),
}


def test_every_plot_that_is_drawn_stands_on_the_page() -> None:
    drawn = plots.drawn(RESULTS)
    assert set(drawn) == {"throughput", "latency", "rivals", "rivals-latency"}
    for drawing in drawn.values():
        assert drawing.lstrip().startswith(b"<?xml")
        assert b"<script" not in drawing
    text = page.written(RESULTS, {name: f"latest-{name}.svg" for name in drawn})
    for name in drawn:
        assert text.count(f"(latest-{name}.svg)") == 1


def test_the_page_has_all_rows_and_promises() -> None:
    text = page.written(RESULTS, {})
    assert "| 512 | 22,000 | 26,000 | 19 | 17 | 91 | 52 |" in text
    assert "| a promise of 28.9 | **28.90** s | 2 s | 1 s | at least |" in text
    assert "| a promise of 0.5 | **0.50** s | 2 s | 1 s | **no** |" in text


def test_the_end_of_a_run_lists_promises_and_what_was_void() -> None:
    out = io.StringIO()
    report.show_promises({**RESULTS, "rows": None}, Console(file=out, width=100))
    text = out.getvalue()
    assert "28.90 s" in text
    assert "1 of these promises are not kept" in text
    assert "void, and not saved: rows." in text
