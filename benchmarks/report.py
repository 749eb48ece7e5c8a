"""The report of a run: a table for people, JSON for programs, with the machine that it was made on.

Law: every figure is beside what it was measured against, and both forms are made of one value.
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

import fastpath
from benchmarks.contest import STRANGERS_MAX, Contest, Plan, middle

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("aiohttp", "uvloop", "asyncpg", "msgspec", "cryptography")
_FIGURES = ("rate", "cpu_us", "p50_ms", "p99_ms")


def machine() -> dict[str, Any]:
    """What it ran on, and which versions."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fastpath": fastpath.IMPLEMENTATION,
        "versions": {name: version(name) for name in PACKAGES},
    }


def _commit() -> str:
    try:
        words = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        done = subprocess.run(words, cwd=RESULTS.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def document(
    contests: list[Contest], plan: Plan, *, durability: dict[str, str], books: str
) -> dict[str, Any]:
    """The whole result as a value."""
    return {
        "machine": machine(),
        "postgres": durability,
        "plan": {
            "generator": plan.generator,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "connections": plan.connections,
            "cores": {"server": plan.cores.server, "rest": plan.cores.rest},
        },
        "books": books,
        "benchmarks": [
            {
                "name": each.name,
                "about": each.about,
                "throughput_of_hello": round(each.throughput, 3),
                "hello_cpu_by_ours": round(each.economy, 3),
                "ours": _medians(each.ours),
                "hello": _medians(each.hello),
                "strangers_max": round(each.strangers, 3),
                "proof": each.proof,
                "rounds": {
                    "ours": msgspec.to_builtins(each.ours),
                    "hello": msgspec.to_builtins(each.hello),
                },
            }
            for each in contests
        ],
    }


def _medians(rounds: list[Any]) -> dict[str, float]:
    figures = {name: round(middle(rounds, name), 3) for name in _FIGURES}
    for name in ("database_cpu_us", "changes_per_commit"):
        if all(getattr(each, name) is not None for each in rounds):
            figures[name] = round(middle(rounds, name), 3)
    return figures


def save(result: dict[str, Any], *, name: str) -> Path:
    """Write the result as JSON below `results/`; the file."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    file.write_bytes(text + b"\n")
    return file


def show(result: dict[str, Any], console: Console) -> None:
    """The table."""
    on, plan = result["machine"], result["plan"]
    table = Table(
        title="One gateway process on one core, beside aiohttp's hello on the same core",
        caption=(
            f"{on['processor']}, Python {on['python']}, fast path {on['fastpath']}, "
            f"Postgres {result['postgres']['server_version']} with fsync "
            f"{result['postgres']['fsync']}; {plan['generator']}, {plan['connections']} "
            f"connections; medians of {plan['rounds']} rounds of {plan['seconds']:g} s; "
            f"commit {on['commit']}"
        ),
    )
    table.add_column("", justify="left")
    for head in ("req/s", "hello", "ratio", "CPU us", "hello", "ratio", "p50 ms", "p99 ms"):
        table.add_column(head, justify="right")
    table.add_column("Postgres us", justify="right")
    table.add_column("per commit", justify="right")
    for each in result["benchmarks"]:
        ours, hello = each["ours"], each["hello"]
        batch = ours.get("changes_per_commit")
        table.add_row(
            each["name"],
            f"{ours['rate']:,.0f}",
            f"{hello['rate']:,.0f}",
            f"[bold]{each['throughput_of_hello']:.2f}[/bold]",
            f"{ours['cpu_us']:.1f}",
            f"{hello['cpu_us']:.1f}",
            f"[bold]{each['hello_cpu_by_ours']:.2f}[/bold]",
            f"{ours['p50_ms']:.2f}",
            f"{ours['p99_ms']:.2f}",
            f"{ours['database_cpu_us']:.1f}",
            "" if batch is None else f"{batch:.0f}",
        )
    console.print(table)
    console.print("Ratios: our requests per second by hello's; hello's CPU time by ours.")
    for each in result["benchmarks"]:
        console.print(f"  {each['name']}: {each['about']}. {each['proof']}.")
        if each["strangers_max"] > STRANGERS_MAX:
            share = f"{each['strangers_max']:.0%}"
            console.print(
                f"  [yellow]{each['name']}: other programs took up to {share} of the measured "
                "core; throughput is too low, believe the CPU time.[/yellow]"
            )
    console.print(f"  The books hold: {result['books']}.")
