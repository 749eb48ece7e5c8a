"""The databases of an installation: those named by URL, or an embedded Postgres of our own.

Law: an embedded server lives as long as the command that started it, and is started again when it
dies meanwhile. While somebody else has the data folder, their server is used and nothing is
started. Preparing (`prepare`) is `migrate`, as the owner; everything else works as a role that
owns nothing.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from msgspec.structs import replace

from gateway.adapters.postgres.migrate import MigrationReport, migrate
from gateway.adapters.postgres.roles import ReaderLogin
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.embedded import EmbeddedPostgres, EmbeddedUnavailable
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.root_keys import read_root_keys
from gateway.adapters.system.vault import Vault
from gateway.cli.faults import CommandFailed
from gateway.cli.folder import DataFolder, FolderInUse
from gateway.config import Settings

AGAIN_S_MIN = 0.2
AGAIN_S_MAX = 5.0

log = logging.getLogger("tillgate.supervisor")


def database_names(shards: int) -> list[str]:
    """The names of the embedded databases; the first also holds the directory."""
    return [f"tillgate_{number}" for number in range(shards)]


def embedded(folder: DataFolder, *, shards: int) -> EmbeddedPostgres:
    """The embedded Postgres of a data folder, not started."""
    return EmbeddedPostgres(folder.postgres, databases=database_names(shards))


def urls_of(postgres: EmbeddedPostgres, *, shards: int) -> tuple[str, ...]:
    """The owner's URLs of a server that was started."""
    return tuple(postgres.dsn(name) for name in database_names(shards))


async def keep_running(postgres: EmbeddedPostgres) -> None:
    """Start the server again whenever it dies, until cancelled."""
    while True:
        status = await postgres.wait()
        log.error("Postgres ended with status %s; it is started again", status)
        pause_s = AGAIN_S_MIN
        while True:
            try:
                await postgres.start()
                break
            except (EmbeddedUnavailable, asyncpg.PostgresError, OSError) as error:
                log.error("Postgres does not start: %s", str(error).partition("\n")[0])
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, AGAIN_S_MAX)


async def prepare(
    settings: Settings, *, report: Callable[[str], None], create_keys: bool
) -> MigrationReport:
    """Bring the databases of `settings` to the present schema.

    `create_keys` lets a sandbox make its key-encryption key. Raises `MigrationRefused`,
    `RootKeysUnusable`, and what asyncpg raises when a database cannot be reached.
    """
    keys = read_root_keys(settings.kek_file, os.environ, create=create_keys)
    return await migrate(
        settings.owner_urls or settings.database_urls,
        vault=Vault(keys),
        mode=settings.mode,
        clock=SystemClock(),
        ids=RandomIds(),
        report=report,
    )


@asynccontextmanager
async def reached(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with the databases' URLs, for commands beside or without a running system.

    Named databases are taken as they are. Otherwise those of the `up` that has the data folder;
    if none has, its Postgres is started for as long as this takes. Raises CommandFailed if there
    is no installation in the folder.
    """
    folder = DataFolder(settings.data)
    settings = with_kek_file(settings, folder)
    if settings.database_urls:
        yield settings
        return
    if folder.shards is None:
        raise CommandFailed(
            f"There is no installation in {folder.root}: start one with `tillgate up`, or name "
            "another one with --data or --database-url."
        )
    try:
        with folder.locked():
            async with embedded(folder, shards=folder.shards) as postgres:
                yield replace(settings, database_urls=urls_of(postgres, shards=folder.shards))
            return
    except FolderInUse:
        run = folder.run()
    if run is None or not run.database_urls:
        raise CommandFailed(
            f"Tillgate works in {folder.root}, but not with an embedded Postgres (or not yet): "
            "try again, or name the databases with --database-url."
        )
    yield replace(settings, database_urls=run.database_urls)


def with_kek_file(settings: Settings, folder: DataFolder) -> Settings:
    """The settings with the data folder's key file, unless keys come from elsewhere."""
    if settings.kek_file is not None or settings.livemode or "TILLGATE_KEK" in os.environ:
        return settings
    return replace(settings, kek_file=folder.kek_file)


def reader_urls(urls: Sequence[str], reader: ReaderLogin) -> tuple[str, ...]:
    """The same databases by the login that may only read."""
    return tuple(_as_user(url, reader) for url in urls)


def _as_user(url: str, reader: ReaderLogin) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    login = f"{quote(reader.user, safe='')}:{quote(reader.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{place}"))
