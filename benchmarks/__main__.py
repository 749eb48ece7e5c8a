"""`make bench`: measure the gateway beside hello, rival services, a bare COPY and its own twins.

Law: status 0 only if every answer was right, every acknowledged write is in Postgres and the books
hold; a benchmark that is void saves nothing. Nothing is left running and nothing is left on the
disk but `results/`. A promise that is not kept is told in the table, not by the status.

    python -m benchmarks [create query callback ...] [--quick] [--list]
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import load, processes, report
from benchmarks.catalogue import CATALOGUE, Benchmark
from benchmarks.contest import Plan
from benchmarks.load import RunVoid
from benchmarks.stage import Stage

ROUNDS, SECONDS = 7, 4.0
ROUNDS_QUICK, SECONDS_QUICK = 1, 2.0
TABLE_CHARS = 120
DISK_BYTES_MIN = 4 * 10**9
DISK_BYTES_PER_ROW = 2_500  # table, indexes, journal row, and what the log keeps of it
ROWS_MAX, ROWS_MAX_QUICK = 10_000_000, 50_000
# What takes so many times as long as it should, and so much longer, does not end by itself.
PATIENCE, PATIENCE_S = 4, 300


async def run(given: argparse.Namespace, console: Console) -> bool:
    """Measure what was asked for, show it, save it; whether nothing was void."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    chosen = [CATALOGUE[name] for name in given.names or CATALOGUE]
    expected = {each.name: each.expected_quick_s if given.quick else each.expected_s
                for each in chosen}  # fmt: skip
    console.print(
        f"{len(chosen)} benchmarks, about {_minutes(sum(expected.values()))}; a run that is "
        "stopped keeps what was finished."
    )
    cores = processes.choose_cores()
    if cores.is_shared:
        console.print("[yellow]One core only: server, load and Postgres share it.[/yellow]")
    if given.generator == "python":
        console.print(
            "[yellow]The load comes from Python, which is slower than what it measures may be: "
            "install wrk (apt-get install wrk).[/yellow]"
        )
    results: dict[str, dict[str, Any] | None] = {}
    with (
        folder_of(given.folder) as parent,
        tempfile.TemporaryDirectory(prefix="tillgate-bench-", dir=parent) as name,
    ):
        folder = Path(name)
        folder.chmod(0o711)
        plan = plan_of(given, cores, folder)
        check_disk(plan, [each.name for each in chosen])
        async with Stage(plan, tell=lambda line: console.print(f"    {line}")) as stage:
            left = sum(expected.values())
            for number, each in enumerate(chosen, start=1):
                ends = datetime.now().astimezone() + timedelta(seconds=left)
                console.print(
                    f"[{number}/{len(chosen)}] {each.name}: {each.about} "
                    f"[dim](about {_minutes(expected[each.name])}; all until {ends:%H:%M})[/dim]"
                )
                patience_s = PATIENCE * expected[each.name] + PATIENCE_S
                results[each.name] = await play(each, stage, plan, console, patience_s=patience_s)
                left -= expected[each.name]
    report.show_promises(results, console)
    return None not in results.values()


async def play(
    each: Benchmark, stage: Stage, plan: Plan, console: Console, *, patience_s: float
) -> dict[str, Any] | None:
    """One benchmark: measured, proven, shown and saved; None if it was void."""
    begun = time.monotonic()
    stage.books.clear()
    try:
        async with asyncio.timeout(patience_s) as limit:
            finding = await each.measure(stage)
            await stage.close_books()
    except Exception as fault:
        # A defect of one benchmark must not cost the figures of those that follow.
        if isinstance(fault, RunVoid):
            why = f"VOID: {each.name}: {fault}"
        elif limit.expired():
            why = f"VOID: {each.name}: it did not end within {patience_s:.0f} s"
        else:
            why = f"BROKEN: {each.name}:\n{traceback.format_exc()}"
        print(f"bench: {why}", file=sys.stderr)
        await stage.renew()
        return None
    seconds = time.monotonic() - begun
    result = report.result_of(finding, plan, stage, seconds=seconds)
    report.show(finding, result, console)
    where = report.save(result, name="quick" if plan.quick else "latest")
    console.print(f"    [dim]{seconds:.0f} s; saved in {os.path.relpath(where)}[/dim]")
    return result


@contextlib.contextmanager
def folder_of(wanted: Path | None) -> Iterator[Path | None]:
    """The folder for the databases; made if it is not there, and then removed again. Exits."""
    if wanted is None or wanted.is_dir():
        yield wanted
        return
    missing = [each for each in (wanted, *wanted.parents) if not each.exists()]
    try:
        wanted.mkdir(parents=True)
    except OSError as error:
        sys.exit(f"bench: the folder {wanted} cannot be made: {error.strerror}")
    try:
        yield wanted
    finally:
        for each in missing:
            with contextlib.suppress(OSError):
                each.rmdir()


def plan_of(given: argparse.Namespace, cores: processes.Cores, folder: Path) -> Plan:
    """The plan that the command line asks for."""
    return Plan(
        cores=cores,
        folder=folder,
        generator=given.generator,
        rounds=given.rounds or (ROUNDS_QUICK if given.quick else ROUNDS),
        seconds=given.seconds or (SECONDS_QUICK if given.quick else SECONDS),
        connections=given.connections,
        quick=given.quick,
        rows_max=given.rows_max or (ROWS_MAX_QUICK if given.quick else ROWS_MAX),
    )


def check_disk(plan: Plan, names: list[str]) -> None:
    """Refuse to fill a disk. Exits."""
    needed = DISK_BYTES_MIN + ("rows" in names) * plan.rows_max * DISK_BYTES_PER_ROW
    free = shutil.disk_usage(plan.folder).free
    if free < needed:
        sys.exit(
            f"bench: {plan.folder} has {free / 1e9:.0f} GB free, {needed / 1e9:.0f} are needed: "
            "name another place with --folder, fewer rows with --rows-max, or leave `rows` out."
        )


def _minutes(seconds: int) -> str:
    return f"{seconds} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="name", help="default: all; --list shows them")
    parser.add_argument("--list", action="store_true", help="say what can be measured")
    parser.add_argument("--quick", action="store_true", help="show that all works; saved apart")
    parser.add_argument("--rounds", type=int, help=f"of each program ({ROUNDS})")
    parser.add_argument("--seconds", type=float, help=f"of a round ({SECONDS:g})")
    parser.add_argument("--connections", type=int, default=256, help="of each program (256)")
    parser.add_argument("--rows-max", type=int, help=f"largest table of `rows` ({ROWS_MAX:,})")
    parser.add_argument("--generator", choices=load.GENERATORS, default=load.default_generator())
    parser.add_argument("--folder", type=Path, help="where the databases lie meanwhile")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in CATALOGUE]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(CATALOGUE)}")
    # A file or a pipe has no width of its own.
    console = Console(width=None if sys.stdout.isatty() else TABLE_CHARS, highlight=False)
    if given.list:
        for each in CATALOGUE.values():
            console.print(f"{each.name:<12} {_minutes(each.expected_s):>6}  {each.about}")
        return 0
    try:
        return 0 if asyncio.run(run(given, console)) else 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("bench: stopped; what was finished is saved", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
