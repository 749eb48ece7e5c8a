"""`tillgate verify`: recompute books and history beside live traffic, and say what does not hold.

Law: reads only. The exit status is 0 only if everything holds; every fault is one line with the
merchant, the object and what was expected. Progress moves on a terminal, the result is the last
word.
"""

from collections.abc import Sequence

import msgspec
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gateway.adapters.postgres import verify as books
from gateway.cli.databases import reached
from gateway.cli.faults import DONE, FAILED, CommandFailed
from gateway.cli.options import CommonOptions, settings_of
from gateway.cli.run import Signals, run
from gateway.cli.screen import Screen

FAULTS_SHOWN_MAX = 100
_COUNTED = ("merchants", "payments", "attempts", "refunds", "entries", "postings", "events")


def verify(*, options: CommonOptions = CommonOptions()) -> int:
    """Recompute balances, counters and histories from postings and journal.

    Works beside live traffic, in one read-only snapshot per shard. Status 0 only if all holds.
    """
    screen = Screen(json=options.json)

    async def body(signals: Signals) -> int:
        async with reached(settings_of(options)) as settings:
            report = await verified(settings.database_urls, screen=screen)
        return DONE if report.holds else FAILED

    return run(body, screen=screen)


async def verified(urls: Sequence[str], *, screen: Screen) -> books.Report:
    """Verify the databases (`urls[0]` also holds the directory) and show the report.

    Raises `CommandFailed` where they are no installation of Tillgate in this order.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} events"),
        TimeElapsedColumn(),
        console=screen.err,
        transient=True,
        disable=not screen.lively,
    )
    tasks: dict[int, TaskID] = {}

    def moved(progress: books.Progress) -> None:
        if progress.shard not in tasks:
            tasks[progress.shard] = bar.add_task("", total=progress.total)
        bar.update(
            tasks[progress.shard],
            completed=progress.done,
            total=progress.total,
            description=f"Shard {progress.shard}: {progress.check}",
        )

    try:
        with bar:
            report = await books.verify(urls, progress=moved)
    except books.VerifyImpossible as error:
        raise CommandFailed(str(error)) from error
    _show(report, screen)
    return report


def _show(report: books.Report, screen: Screen) -> None:
    screen.give({"holds": report.holds, **msgspec.structs.asdict(report)})
    counts = ", ".join(f"{getattr(report, name):,} {name}" for name in _COUNTED)
    for fault in report.faults[:FAULTS_SHOWN_MAX]:
        screen.show(f"[red]✗[/red] {escape(str(fault))}")
    unshown = len(report.faults) - FAULTS_SHOWN_MAX
    if unshown > 0 or report.truncated:
        more = f"{unshown} more listed by --json" if unshown > 0 else "not all of them are listed"
        screen.show(f"  … {more}")
    verdict = (
        "[green]✓[/green] The books hold"
        if report.holds
        else f"[red]✗ The books do not hold: {len(report.faults)} faults[/red]"
    )
    screen.show(f"{verdict} ({report.shards} shards, {counts}; {report.seconds:.1f} s)")
    screen.show(f"  Audit chain: {report.chain}")
