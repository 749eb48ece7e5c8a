"""Migration steps: numbered `.sql` files, and their careful application to one database.

Law: a step and its line in the history are one transaction. What was applied is never edited: a
changed file is refused by its checksum, and so is a history that knows steps which these files do
not (a newer Tillgate was here). Two runners take turns by the lock of the history; a step that
cannot have its locks in time lets traffic pass and tries again.

Files are `migrations/<scope>/NNNN_name.sql`, the scopes `directory` and `shard`.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from gateway.adapters.postgres.statements import load

SQL = load(__file__.replace("migration_steps", "migrate"))

FOLDER = Path(__file__).with_name("migrations")
SCOPES = ("directory", "shard")
STEP_LOCK_MS_MAX = 5_000
GUARD_LOCK_MS_MAX = 120_000
TRIES_MAX = 10
RETRY_DELAY_S = 1.0
SERVER_VERSION_MIN = 150_000

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

Report = Callable[[str], None]


class MigrationRefused(Exception):
    """The databases are not as they must be; nothing of the refused step was done.

    The text says what was found and the way out.
    """


class Step(NamedTuple):
    """One numbered file. `checksum` is the SHA-256 of its bytes."""

    scope: str
    number: int
    name: str
    text: str
    checksum: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.number:04}_{self.name}"


@cache
def read_steps(scope: str, folder: Path = FOLDER) -> tuple[Step, ...]:
    """The steps of a scope in order. Raises ValueError for a name or numbers out of order."""
    steps: list[Step] = []
    for file in sorted((folder / scope).glob("*.sql")):
        match = _FILE.fullmatch(file.name)
        if match is None or int(match[1]) != len(steps) + 1:
            raise ValueError(f"{file.name} is not the next migration of {scope}")
        raw = file.read_bytes()
        checksum = hashlib.sha256(raw).hexdigest()
        steps.append(Step(scope, int(match[1]), match[2], raw.decode("utf-8"), checksum))
    return tuple(steps)


async def make_history(connection: asyncpg.Connection) -> None:
    """Make the history's table; somebody else may be making it at the same moment."""
    try:
        await connection.execute(SQL["make_history"].text)
    except (
        asyncpg.UniqueViolationError,
        asyncpg.DuplicateTableError,
        asyncpg.DuplicateObjectError,
    ):
        await connection.execute(SQL["make_history"].text)


async def take_turn(connection: asyncpg.Connection) -> None:
    """Inside a transaction: wait for every other runner on this database, and hold it off.

    Raises `MigrationRefused` when another one does not come to its end.
    """
    await _set_lock_timeout(connection, GUARD_LOCK_MS_MAX)
    try:
        await connection.execute(SQL["guard"].text)
    except asyncpg.LockNotAvailableError:
        raise MigrationRefused(
            f"Another migration has been at work for more than {GUARD_LOCK_MS_MAX // 1000} s; "
            "wait for its end and run this one again."
        ) from None
    await _set_lock_timeout(connection, STEP_LOCK_MS_MAX)


async def _set_lock_timeout(connection: asyncpg.Connection, milliseconds: int) -> None:
    await connection.execute("select set_config('lock_timeout', $1, true)", str(milliseconds))


async def apply_steps(
    connection: asyncpg.Connection,
    steps: Sequence[Step],
    *,
    where: str,
    now: Callable[[], datetime],
    report: Report,
) -> list[Step]:
    """Apply what is missing of one scope's `steps`; returns what was applied.

    `where` names the database in reports. Raises `MigrationRefused`.
    """
    applied = []
    for step in steps:
        for tries in range(1, TRIES_MAX + 1):
            try:
                if await _apply(connection, step, steps, where=where, now=now):
                    report(f"{where}: applied {step}")
                    applied.append(step)
                break
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                if tries == TRIES_MAX:
                    raise MigrationRefused(
                        f"{where}: {step} could not get its locks in {TRIES_MAX} tries; traffic "
                        "holds them. Run it again at a quieter time."
                    ) from None
                report(f"{where}: {step} waits for locks")
                await asyncio.sleep(RETRY_DELAY_S)
    return applied


async def _apply(
    connection: asyncpg.Connection,
    step: Step,
    steps: Sequence[Step],
    *,
    where: str,
    now: Callable[[], datetime],
) -> bool:
    async with connection.transaction():
        await take_turn(connection)
        history = await connection.fetch(SQL["history"].text, step.scope)
        check_history(history, steps, where=where)
        if any(line["number"] == step.number for line in history):
            return False
        await connection.execute(step.text)
        await connection.execute(
            SQL["record"].text, step.scope, step.number, step.name, step.checksum, now()
        )
        return True


def check_history(history: Sequence[Any], steps: Sequence[Step], *, where: str) -> None:
    """Refuse a history that these steps did not make."""
    by_number = {step.number: step for step in steps}
    for line in history:
        step = by_number.get(line["number"])
        if step is None:
            raise MigrationRefused(
                f"{where} was migrated by a newer Tillgate (step {line['number']:04}_"
                f"{line['name']}); use that version."
            )
        if step.checksum != line["checksum"]:
            raise MigrationRefused(
                f"{where}: {step} was applied with other content than this Tillgate has; use the "
                "version that applied it, or one after it."
            )


async def check_server(connection: asyncpg.Connection, *, where: str) -> Any:
    """What `migrate.sql` calls `server`. Raises `MigrationRefused` for one we cannot use."""
    found = await connection.fetchrow(SQL["server"].text)
    if found["version"] < SERVER_VERSION_MIN:
        raise MigrationRefused(f"{where}: Postgres 15 or newer is needed.")
    if found["standby"]:
        raise MigrationRefused(f"{where} is a standby; name the primary.")
    if found["encoding"] != "UTF8":
        raise MigrationRefused(
            f"{where} has the encoding {found['encoding']}; make the database with UTF8."
        )
    return found
