"""Migrate: from any state of ours to the present schema, on the directory and every shard.

Law: it can be run again at any time, and after any interruption. Before anything is written every
database is asked whose it is: one of another installation, or at another place of the list, is
refused. The first database holds the directory and shard 0. It runs as the owner; the connections
of a running system own nothing (`connect.py`).
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from gateway.adapters.postgres.connect import CONNECT_TIMEOUT_S
from gateway.adapters.postgres.installation import Installation, keep_shard, open_installation
from gateway.adapters.postgres.migration_steps import (
    SCOPES,
    MigrationRefused,
    Report,
    apply_steps,
    check_server,
    make_history,
    read_steps,
    take_turn,
)
from gateway.adapters.postgres.roles import ReaderLogin, make_reader, make_roles
from gateway.adapters.postgres.statements import load
from gateway.center.ports import Clock, NewIds, Vault

__all__ = ["MigrationRefused", "MigrationReport", "migrate"]

SQL = load(__file__)

MODES = ("sandbox", "live")
_SETTINGS = {
    "application_name": "tillgate-migrate",
    "timezone": "UTC",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "60000",
}


class MigrationReport(NamedTuple):
    """What `migrate` found or made.

    `applied` names the steps of this run; `reader` is the login that may only read, None where
    this login may not make roles.
    """

    installation_id: UUID
    house_id: str
    shards: int
    directory_version: int
    applied: tuple[str, ...]
    reader: ReaderLogin | None


class _Database(NamedTuple):
    number: int
    connection: asyncpg.Connection

    @property
    def where(self) -> str:
        return f"shard {self.number}" if self.number else "the first database"


async def migrate(
    dsns: Sequence[str],
    *,
    vault: Vault,
    mode: str,
    clock: Clock,
    ids: NewIds,
    report: Report,
) -> MigrationReport:
    """Bring the databases to the present schema and make the installation if there is none.

    `dsns[n]` is shard n, the first also the directory; the logins own the databases. `mode` is
    `sandbox` or `live`. `report` gets a line for everything that was done.
    Raises `MigrationRefused`, and what asyncpg raises when a database cannot be reached.
    """
    if mode not in MODES:
        raise ValueError(f"{mode!r} is no mode")
    async with AsyncExitStack() as stack:
        databases = []
        for number, dsn in enumerate(dsns):
            connection = await asyncpg.connect(
                dsn, timeout=CONNECT_TIMEOUT_S, server_settings=_SETTINGS
            )
            stack.push_async_callback(connection.close)
            databases.append(_Database(number, connection))
        await _check_places(databases)
        applied = []
        for database in databases:
            applied += await _migrate_one(database, clock, report)
        first = databases[0]
        installation = await open_installation(
            first.connection, shards=len(dsns), vault=vault, mode=mode, clock=clock, ids=ids
        )
        for database in databases[1:]:
            async with database.connection.transaction():
                await take_turn(database.connection)
                await keep_shard(database.connection, installation.id, database.number)
        reader = await _keep_reader(databases, installation, report)
        return MigrationReport(
            installation_id=installation.id,
            house_id=installation.house_id,
            shards=len(dsns),
            directory_version=installation.directory_version,
            applied=tuple(applied),
            reader=reader,
        )


async def _check_places(databases: Sequence[_Database]) -> None:
    """Refuse databases that belong elsewhere, before the first of them is touched."""
    installation_id: UUID | None = None
    for database in databases:
        server = await check_server(database.connection, where=database.where)
        if database.number == 0 and server["has_directory"]:
            state = await database.connection.fetchrow(SQL["state"].text)
            installation_id = None if state is None else state["installation_id"]
        _check_place(database, server, installation_id, await _identity(database, server))


async def _identity(database: _Database, server: Any) -> Any:
    return await database.connection.fetchrow(SQL["identity"].text) if server["has_shard"] else None


def _check_place(
    database: _Database, server: Any, installation_id: UUID | None, identity: Any
) -> None:
    if database.number and server["has_directory"]:
        raise MigrationRefused(
            f"The database named for {database.where} holds a directory: name it first, or take "
            "another one."
        )
    if identity is None:
        return
    if identity["installation_id"] != installation_id:
        raise MigrationRefused(
            f"The database named for {database.where} is shard {identity['shard']} of another "
            "installation than the first one is: name the databases of one, the directory first."
        )
    if identity["shard"] != database.number:
        raise MigrationRefused(
            f"The database named for {database.where} is shard {identity['shard']}: name the "
            "databases in the order in which they were first given."
        )


async def _migrate_one(database: _Database, clock: Clock, report: Report) -> list[str]:
    connection, where = database.connection, database.where
    await make_history(connection)
    async with connection.transaction():
        await take_turn(connection)
        await make_roles(connection, where=where, report=report)
        await connection.execute(SQL["grant_history"].text)
    applied = []
    for scope in SCOPES if database.number == 0 else SCOPES[1:]:
        steps = await apply_steps(
            connection, read_steps(scope), where=where, now=clock.wall, report=report
        )
        applied += [f"{where}: {step}" for step in steps]
    return applied


async def _keep_reader(
    databases: Sequence[_Database], installation: Installation, report: Report
) -> ReaderLogin | None:
    """The reading login, if every database's cluster has it."""
    reader, made = installation.reader, []
    for database in databases:
        async with database.connection.transaction():
            await take_turn(database.connection)
            made.append(
                await make_reader(database.connection, reader, where=database.where, report=report)
            )
    return reader if all(made) else None
