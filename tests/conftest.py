"""Real parts for all tests: one private cluster per process, a fresh installation per test.

A migrated installation is made once and cloned by Postgres (`create database … template …`), which
takes milliseconds. Nothing here stands in for a database.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.adapters.postgres.migrate import migrate
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.embedded import EmbeddedPostgres, find_binaries
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.vault import Vault

MEMORY_FOLDER = Path("/dev/shm")
SCRATCH_BYTES_MIN = 2 * 1024**3
KEK = bytes(range(32))
# The versions that come with the tests; `make test-system` names one of the machine's own.
VERSIONS = [int(text) for text in os.environ.get("POSTGRES_OF_TESTS", "16 18").split()]
# fsync guards against the machine's death, which is played by no test; kill -9 loses nothing.
SETTINGS = {"shared_buffers": "64MB", "fsync": "off", "max_connections": "100"}


def scratch_place() -> str | None:
    """Memory, where it is roomy and programs may run; else the default for temporary folders."""
    try:
        facts = os.statvfs(MEMORY_FOLDER)
    except OSError:
        return None
    roomy = facts.f_bavail * facts.f_frsize >= SCRATCH_BYTES_MIN
    usable = os.access(MEMORY_FOLDER, os.W_OK) and not facts.f_flag & os.ST_NOEXEC
    return str(MEMORY_FOLDER) if roomy and usable else None


class Cluster:
    """A running cluster with migrated templates of installations, by number of shards."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        self._templates: dict[int, list[str]] = {}
        self._names = (f"test_{number}" for number in itertools.count())

    async def admin(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.postgres.dsn("postgres"))

    async def create(self, template: str | None = None) -> str:
        """A new database, empty or a clone; its name."""
        name = next(self._names)
        connection = await self.admin()
        try:
            source = f" template {template} strategy file_copy" if template else ""
            await connection.execute(f"create database {name}{source}")
        finally:
            await connection.close()
        return name

    async def drop(self, names: list[str]) -> None:
        connection = await self.admin()
        try:
            for name in names:
                await connection.execute(f"drop database if exists {name} with (force)")
        finally:
            await connection.close()

    async def templates(self, shards: int) -> list[str]:
        """The databases of a migrated installation that nobody connects to."""
        if shards not in self._templates:
            names = [await self.create() for _ in range(shards)]
            await migrate(
                [self.postgres.dsn(name) for name in names],
                vault=Vault({1: KEK}),
                mode="sandbox",
                clock=SystemClock(),
                ids=RandomIds(),
                report=lambda line: None,
            )
            self._templates[shards] = names
        return self._templates[shards]


class Installation:
    """The databases of one test: `dsns[n]` is shard n, by a login that owns them."""

    def __init__(self, cluster: Cluster, names: list[str]) -> None:
        self.cluster = cluster
        self.names = names
        self.dsns = [cluster.postgres.dsn(name) for name in names]
        self.vault = Vault({1: KEK})


def start_cluster(version: int | None = None) -> Iterator[Cluster]:
    """A cluster in a scratch folder, ended with everything in it."""
    folder = Path(tempfile.mkdtemp(prefix="tillgate-test-", dir=scratch_place()))
    postgres = EmbeddedPostgres(
        folder, databases=(), binaries=find_binaries(version), settings=SETTINGS
    )
    try:
        asyncio.run(postgres.start())
        yield Cluster(postgres)
    finally:
        asyncio.run(postgres.stop())
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster of this process, of the newest Postgres that comes with the tests."""
    yield from start_cluster()


@pytest.fixture(scope="session", params=VERSIONS)
def any_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of each Postgres in VERSIONS."""
    yield from start_cluster(request.param)


async def _install(cluster: Cluster, shards: int) -> AsyncIterator[Installation]:
    names = [await cluster.create(template) for template in await cluster.templates(shards)]
    try:
        yield Installation(cluster, names)
    finally:
        await cluster.drop(names)


@pytest.fixture
async def installation(cluster: Cluster) -> AsyncIterator[Installation]:
    """A fresh installation of one shard."""
    async for made in _install(cluster, 1):
        yield made


@pytest.fixture
async def two_shards(cluster: Cluster) -> AsyncIterator[Installation]:
    """A fresh installation of two shards."""
    async for made in _install(cluster, 2):
        yield made


@pytest.fixture
async def any_installation(any_cluster: Cluster) -> AsyncIterator[Installation]:
    """A fresh installation of one shard on each Postgres in VERSIONS."""
    async for made in _install(any_cluster, 1):
        yield made
