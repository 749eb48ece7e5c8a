"""`tillgate migrate`: prepare databases of one's own, or bring them up to date.

Law: as `adapters/postgres/migrate.py`: it may be run at any time and again. In live mode it makes
no key: the operator's must be there.
"""

import os
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from gateway.cli import databases
from gateway.cli.faults import CommandFailed
from gateway.cli.folder import DataFolder
from gateway.cli.options import CommonOptions, option, settings_of
from gateway.cli.run import Signals, run
from gateway.cli.screen import Screen
from gateway.config import Mode


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MigrateOptions(CommonOptions):
    """Of `migrate`."""

    mode: Annotated[Mode | None, option("What a new installation is for (sandbox).")] = None
    owner_urls: Annotated[
        list[str] | None,
        option(
            "The same databases by the login that owns them, if --database-url does not.",
            name="--owner-url",
        ),
    ] = None


def migrate(*, options: MigrateOptions = MigrateOptions()) -> int:
    """Bring the databases to the present schema; make the installation if there is none."""
    screen = Screen(json=options.json)
    return run(lambda signals: _migrate(options, screen, signals), screen=screen)


async def _migrate(options: MigrateOptions, screen: Screen, signals: Signals) -> int:
    settings = settings_of(options)
    folder = DataFolder(settings.data)
    if settings.livemode and settings.kek_file is None and "TILLGATE_KEK" not in os.environ:
        raise CommandFailed(
            "Live mode makes no key-encryption key: set TILLGATE_KEK (openssl rand -base64 32), "
            "or name its file with --kek-file."
        )
    makes_key = not settings.livemode and settings.kek_file is None
    if makes_key:
        folder.create()
    done: list[str] = []
    async with databases.reached(settings) as reached:
        with screen.step("Migrating", "Migrated") as step:

            def report(line: str) -> None:
                done.append(line)
                step.move(line)

            made = await databases.prepare(reached, report=report, create_keys=makes_key)
    screen.give(
        {
            "installation_id": str(made.installation_id),
            "house_id": made.house_id,
            "mode": settings.mode,
            "shards": made.shards,
            "applied": list(made.applied),
            "done": done,
        }
    )
    for line in done:
        screen.show(line)
    applied = f"{len(made.applied)} steps applied" if made.applied else "nothing to apply"
    screen.show(f"{made.shards} database(s) are at the present schema: {applied}.")
    return 0
