"""`tillgate statement import`: a bank's statement from a file of any size.

Law: the operation is that of the administration; a file that is not whole books nothing, and the
same file again does nothing. An import that was interrupted is completed by running it again.
"""

from pathlib import Path
from typing import Annotated

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gateway.center.statement import Imported
from gateway.channels.bank_transfer.lines import STATEMENT_BYTES_MAX
from gateway.cli.administration import open_administration
from gateway.cli.databases import reached
from gateway.cli.faults import WRONG_USE, CommandFailed
from gateway.cli.options import RUNNING, CommonOptions, option, settings_of
from gateway.cli.run import run
from gateway.cli.screen import Screen
from gateway.domain import ids
from gateway.web.admin.statements import view_import

ACTOR = "cli:statement"


def import_statement(
    file: Path,
    /,
    *,
    account: Annotated[
        str, option("The channel account (cac_…) whose statement it is.", group=RUNNING)
    ],
    options: CommonOptions = CommonOptions(),
) -> int:
    """Import a bank statement: camt.052, 053 or 054, or the table of columns."""
    screen = Screen(json=options.json)

    async def body(_: object) -> int:
        account_id = ids.parse("cac", account)
        if account_id is None:
            raise CommandFailed(f"{account!r} is no id of the form cac_….", status=WRONG_USE)
        content = _read(file)
        async with (
            reached(settings_of(options)) as settings,
            open_administration(settings, actor=ACTOR) as administration,
        ):
            bar = _bar(screen)
            tasks: list[TaskID] = []

            def moved(done: int, total: int) -> None:
                if not tasks:
                    tasks.append(bar.add_task("Lines", total=total))
                bar.update(tasks[0], completed=done)

            with bar:
                imported = await administration.core.statement_import.run(
                    account_id, content, actor=ACTOR, request_id=None, progress=moved
                )
        _show(screen, imported)
        return 0

    return run(body, screen=screen)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > STATEMENT_BYTES_MAX:
            raise CommandFailed(f"{file} has more than {STATEMENT_BYTES_MAX:,} bytes; split it.")
        return file.read_bytes()
    except OSError as error:
        raise CommandFailed(f"The statement {file} cannot be read: {error.strerror}.") from None


def _bar(screen: Screen) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TimeElapsedColumn(),
        console=screen.err,
        transient=True,
        disable=not screen.lively,
    )


def _show(screen: Screen, imported: Imported) -> None:
    screen.give(view_import(imported))
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in imported.verdicts.items())
    screen.show(f"{imported.lines:,} lines: {counts or 'none'}")
    screen.table(
        "verdict",
        "amount",
        "currency",
        "in suspense",
        "payment",
        "bank reference",
        rows=[
            (
                each.verdict,
                str(each.line.amount),
                each.line.currency,
                str(each.line.suspended),
                each.line.payment_id or each.line.refund_id or "",
                each.line.bank_reference or "",
            )
            for each in imported.shown
        ],
    )
