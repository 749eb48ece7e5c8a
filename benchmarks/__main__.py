"""`make bench`: measure create, query and callback at one pinned worker against aiohttp's hello.

Law: status 0 only if every answer was right, every acknowledged write is in Postgres and the books
hold; a void run saves nothing. Nothing is left running and nothing is left on the disk.

    python -m benchmarks [create query callback] [--quick]
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import callback, create, load, processes, query, report
from benchmarks.contest import Plan, open_hello
from benchmarks.house import open_house
from benchmarks.load import RunVoid

BENCHMARKS = {module.NAME: module.measure for module in (create, query, callback)}
ROUNDS, SECONDS = 7, 4
ROUNDS_QUICK, SECONDS_QUICK = 3, 2
TABLE_CHARS = 120


async def run(given: argparse.Namespace, console: Console) -> None:
    """Measure what was asked for, show it, save it. Raises `RunVoid`."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    cores = processes.choose_cores()
    if cores.is_shared:
        console.print("[yellow]One core only: server, load and Postgres share it.[/yellow]")
    if given.generator == "python":
        console.print(
            "[yellow]The load comes from Python, which is slower than what it measures may be: "
            "install wrk (apt-get install wrk).[/yellow]"
        )
    with tempfile.TemporaryDirectory(prefix="tillgate-bench-", dir=given.folder) as name:
        folder = Path(name)
        folder.chmod(0o711)
        plan = Plan(
            cores=cores,
            folder=folder,
            generator=given.generator,
            rounds=given.rounds or (ROUNDS_QUICK if given.quick else ROUNDS),
            seconds=given.seconds or (SECONDS_QUICK if given.quick else SECONDS),
            connections=given.connections,
        )
        async with (
            open_house(folder / "house", cores=cores) as house,
            open_hello(folder, cores=cores) as rival,
        ):
            contests = []
            for name in given.names or BENCHMARKS:
                console.print(f"{name} ...")
                contests.append(await BENCHMARKS[name](house, rival, plan))
            books = await house.verify()
            durability = house.durability
    result = report.document(contests, plan, durability=durability, books=books)
    report.show(result, console)
    kind = "quick" if given.quick else "latest"
    console.print(f"Saved as {os.path.relpath(report.save(result, name=kind))}")


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    parser.add_argument("--quick", action="store_true", help="a minute, saved apart")
    parser.add_argument("--rounds", type=int, help=f"of each program ({ROUNDS})")
    parser.add_argument("--seconds", type=int, help=f"of a round ({SECONDS})")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--generator", choices=load.GENERATORS, default=load.default_generator())
    parser.add_argument("--folder", type=Path, help="where the databases lie meanwhile")
    given = parser.parse_args()
    # A file or a pipe has no width of its own.
    console = Console(width=None if sys.stdout.isatty() else TABLE_CHARS)
    try:
        asyncio.run(run(given, console))
    except RunVoid as fault:
        print(f"bench: VOID: {fault}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("bench: stopped, nothing is saved", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
