"""The report of a run: a table for people, JSON for programs, a page and plots for documents.

Law: all forms are made of one value. A result stands beside the machine, the versions and the plan
that it was made with, each benchmark with its own, because they may be measured at different times;
a benchmark that is measured again replaces its result and no other.
"""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import isnan
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table as Grid

import fastpath
from benchmarks import page, plots
from benchmarks.catalogue import CATALOGUE
from benchmarks.contest import Plan
from benchmarks.finding import Finding, Player
from benchmarks.stage import Stage

RESULTS = Path(__file__).parent / "results"
_BUT_RESULTS = ("--", ":/", ":(top,exclude)benchmarks/results")  # of git's paths
PACKAGES = ("aiohttp", "uvloop", "asyncpg", "msgspec", "cryptography", "fastapi", "sqlalchemy")
FIGURES = ("rate", "cpu_us", "database_cpu_us", "p50_ms", "p99_ms", "changes_per_commit",
           "lag_p99_ms")  # fmt: skip
STRANGERS_MAX = 0.05
DIGITS = 3


def result_of(finding: Finding, plan: Plan, stage: Stage, *, seconds: float) -> dict[str, Any]:
    """One benchmark's whole result as a value that JSON can hold."""
    result: dict[str, Any] = msgspec.to_builtins(finding)
    for shown, player in zip(result["players"], finding.players, strict=True):
        shown["medians"] = medians(player)
    for shown, verdict in zip(result["verdicts"], finding.verdicts, strict=True):
        shown["is_met"], shown["is_on_target"] = verdict.is_met, verdict.is_on_target
    return {
        **result,
        "machine": machine(),
        "postgres": stage.durability,
        "plan": {
            "generator": plan.generator,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "connections": plan.connections,
        },
        "books": list(stage.books),
        "strangers_max": round(finding.strangers, DIGITS),
        "took_s": round(seconds),
    }


def medians(player: Player) -> dict[str, float]:
    """The medians of every figure that the rounds of a player have."""
    found = {name: player.middle(name) for name in FIGURES}
    return {name: round(value, DIGITS) for name, value in found.items() if not isnan(value)}


def machine() -> dict[str, Any]:
    """What it ran on, and which versions."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of(RESULTS.parent),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fastpath": fastpath.IMPLEMENTATION,
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def commit_of(folder: Path) -> str:
    """The commit of a working tree, `-dirty` if a file differs from it; `unknown` without git.

    Results do not count: a run writes them while it measures.
    """
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", *_BUT_RESULTS)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def save(result: dict[str, Any], *, name: str) -> Path:
    """Put a result into the JSON file, the page and the plots below `results/`; the JSON file."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    results: dict[str, Any] = {}
    if file.exists():
        results = msgspec.json.decode(file.read_bytes()).get("results", {})
    results[result["name"]] = result
    results = {each: results[each] for each in CATALOGUE if each in results}
    text = msgspec.json.format(msgspec.json.encode({"results": results}), indent=1)
    file.write_bytes(text + b"\n")
    drawn = plots.drawn(results)
    for plot, drawing in drawn.items():
        (RESULTS / f"{name}-{plot}.svg").write_bytes(drawing)
    pictures = {each: f"{name}-{each}.svg" for each in drawn}
    (RESULTS / f"{name}.md").write_text(page.written(results, pictures), encoding="utf-8")
    return file


def show(finding: Finding, result: dict[str, Any], console: Console) -> None:
    """The tables of one benchmark."""
    if finding.players and len(finding.players) <= 8:
        console.print(_grid_of_players(result))
    for table in finding.tables:
        grid = Grid(title=table.title)
        for head in table.head:
            grid.add_column(head, justify="right")
        for row in table.rows:
            grid.add_row(*(page.text_of(cell) for cell in row))
        console.print(grid)
    for each in finding.verdicts:
        colour = "green" if each.is_met else "red"
        console.print(
            f"    [{colour}]{each.value:.2f}{each.unit and ' '}{each.unit}[/{colour}]  {each.what} "
            f"(target {each.target:g}, at least {each.at_least:g})"
        )
    for line in (*finding.notes, finding.proof):
        console.print(f"    {line}")
    if finding.strangers > STRANGERS_MAX:
        console.print(
            f"    [yellow]Other programs took up to {finding.strangers:.0%} of the measured core: "
            "throughput is too low, believe the CPU time.[/yellow]"
        )


def show_promises(results: Mapping[str, Mapping[str, Any] | None], console: Console) -> None:
    """What was promised and what was measured, of all benchmarks of a run; None for a void one."""
    grid = Grid(title="promises")
    for head in ("", "measured", "at least", "kept"):
        grid.add_column(head)
    missed = 0
    for name, result in results.items():
        if result is None:
            grid.add_row(name, "[red]void[/red]", "", "[red]no[/red]")
            continue
        for each in result["verdicts"]:
            missed += not each["is_met"]
            unit = each["unit"] and f" {each['unit']}"
            grid.add_row(
                each["what"],
                f"{each['value']:.2f}{unit}",
                f"{'' if each['more_is_better'] else 'at most '}{each['at_least']:g}{unit}",
                "[green]yes[/green]" if each["is_met"] else "[red]no[/red]",
            )
    console.print(grid)
    void = [name for name, result in results.items() if result is None]
    console.print(
        f"{missed} of these promises are not kept; "
        + (f"void, and not saved: {', '.join(void)}." if void else "nothing was void.")
    )


def _grid_of_players(result: dict[str, Any]) -> Grid:
    grid = Grid()
    grid.add_column("")
    for head in page.FIGURES.values():
        grid.add_column(head, justify="right")
    for player in result["players"]:
        figures = (player["medians"].get(name) for name in page.FIGURES)
        grid.add_row(player["name"], *(page.figure(value) for value in figures))
    return grid
