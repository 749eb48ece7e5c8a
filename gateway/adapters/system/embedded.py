"""A private Postgres cluster that lives and ends with this process.

Law: one object supervises one data folder and one postmaster. The cluster listens on a socket in
a private folder and never on TCP, keeps `fsync`, `synchronous_commit` and `full_page_writes` on
unless the caller says otherwise, and its data outlives any kind of death: `start()` after a crash
recovers. A folder in which a living Postgres works is refused, never taken over. Locking the
folder against a second supervisor is the caller's.

When this process ends in any way, the postmaster gets SIGQUIT, Postgres's *immediate* shutdown:
it ends within milliseconds and the next start replays the log. SIGINT (*fast*) would write a
checkpoint first, and a restart right after the crash would meet a server that is still going.

Call `start()` from the main thread (see `children.py`). Postgres 15 or newer, Linux.
"""

import asyncio
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import quote

import asyncpg

from gateway.adapters.system.children import Child, ChildNotStarted, start_child
from gateway.adapters.system.launch import UNPRIVILEGED_ID
from gateway.adapters.system.postgres_binaries import (
    EmbeddedUnavailable,
    PostgresBinaries,
    find_binaries,
)
from gateway.adapters.system.postgres_folder import PostgresFolder, process_facts, process_ids
from gateway.adapters.system.postgres_identity import (
    Footing,
    find_footing,
    give_to,
    postgres_environment,
)
from gateway.adapters.system.postgres_settings import (
    DEFAULT_SETTINGS,
    check_settings,
    server_options,
)
from gateway.adapters.system.socket_folder import (
    SOCKET_PORT,
    make_socket_folder,
    new_socket_folder,
    remove_socket_folder,
)

__all__ = [
    "DataFolderTaken",
    "EmbeddedPostgres",
    "EmbeddedUnavailable",
    "PostgresBinaries",
    "find_binaries",
]

SUPERUSER = "postgres"
INITDB_S_MAX = 120.0
START_S_MAX = 600.0  # crash recovery replays up to max_wal_size before connections are taken
CONNECT_S_MAX = 30.0
STOP_FAST_S_MAX = 30.0
STOP_IMMEDIATE_S_MAX = 10.0
DYING_S_MAX = 15.0  # an immediate shutdown kills what is left after 5 s
POLL_S = 0.01
LOG_CHECK_S = 30.0
DATABASE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class DataFolderTaken(EmbeddedUnavailable):
    """A living Postgres works in the data folder; `pid` is its postmaster (None: its remains)."""

    way_out = "Stop it first, or use another folder with --data."

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid is not None else "the remains of a dead server"
        super().__init__(f"A Postgres ({who}) already works in {folder}.")


class EmbeddedPostgres:
    """Supervisor of one private cluster in the folder `data`. Also an async context manager.

    `databases` are made when missing (lower-case names). `binaries` is found when not given; an
    existing cluster decides the major version. `settings` override the defaults of
    `postgres_settings.py`; ValueError for one that is the supervisor's own.
    """

    def __init__(
        self,
        data: Path,
        *,
        databases: Sequence[str],
        binaries: PostgresBinaries | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        for name in databases:
            if not DATABASE_NAME.fullmatch(name):
                raise ValueError(f"not a database name: {name!r}")
        check_settings(settings)
        self._folder = PostgresFolder(data)
        self._databases = tuple(databases)
        self._binaries = binaries
        self._settings = {**DEFAULT_SETTINGS, **settings}
        self._sockets: Path | None = None
        self._holds_sockets = False
        self._child: Child | None = None
        self._killed = False
        self._log_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._child.pid if self._child is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether the postmaster runs (and was not killed)."""
        return self._child is not None and not self._killed and self._child.status is None

    @property
    def cluster(self) -> Path:
        """Postgres's data directory (for pg_controldata and its like)."""
        return self._folder.cluster

    @property
    def log(self) -> Path:
        """What Postgres says; bounded, one older file beside it."""
        return self._folder.log

    def dsn(self, database: str, *, user: str = SUPERUSER) -> str:
        """A URL for asyncpg and libpq, by socket. The same after a crash and a new start()."""
        if self._sockets is None:
            raise RuntimeError("start() comes first: the socket folder has no name yet")
        host = quote(str(self._sockets), safe="")
        return f"postgresql://{quote(user)}@/{quote(database)}?host={host}&port={SOCKET_PORT}"

    async def start(self) -> None:
        """Make the cluster if there is none, start it, wait for it, make missing databases.

        Raises DataFolderTaken, or EmbeddedUnavailable with the end of Postgres's log. On any
        error and on cancellation nothing is left running. Takes about 1 s the first time.
        """
        if self._child is not None and not self.alive:
            await self._child.wait()
        await asyncio.to_thread(self._folder.create)
        await self._wait_for_predecessor()
        binaries = await self._choose_binaries()
        footing = await find_footing(self._folder, binaries)
        if self._folder.version() is None:
            await self._make_cluster(footing)
        await asyncio.to_thread(give_to, footing.owner, self._folder.cluster)
        await asyncio.to_thread(self._folder.remove_false_pid_file)
        await asyncio.to_thread(self._folder.bound_log)
        try:
            await self._run(footing)
            await self._make_databases()
        except BaseException:
            self.kill()
            await self.stop()
            raise
        self._log_task = asyncio.create_task(self._keep_log_bounded())

    async def wait(self) -> int:
        """Wait until the postmaster ended, for whatever reason; returns its status."""
        if self._child is None:
            raise RuntimeError("start() comes first: there is no server to wait for")
        return await self._child.wait()

    async def stop(self) -> None:
        """Fast shutdown (SIGINT), immediate after STOP_FAST_S_MAX. Leaves no process or socket.

        May be called again, and after a crash.
        """
        if self._log_task is not None:
            self._log_task.cancel()
            self._log_task = None
        if self._child is not None:
            await self._shut_down(self._child)
            self._child = None
        if self._holds_sockets:
            self._holds_sockets = False
            self._remove_sockets(self._sockets)
            self._folder.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL postmaster and all its processes at once: a crash, for tests of recovery.

        The socket folder and the pid file stay behind, as after a real one; `start()` or
        `stop()` deals with them.
        """
        if (pid := self.pid) is None:
            return
        self._killed = True
        os.kill(pid, signal.SIGSTOP)  # no new process while the list is made
        found = ((process, process_facts(process)) for process in process_ids())
        servers = [process for process, facts in found if facts and facts.parent == pid]
        _kill_all([pid, *servers])

    # The steps of start() and stop()

    async def _wait_for_predecessor(self) -> None:
        """Return when nobody uses the folder.

        A server whose supervisor died is waited for. Processes without a postmaster are killed:
        a busy one notices only when its statement ends. What they committed is in the log.
        """
        deadline = asyncio.get_running_loop().time() + DYING_S_MAX
        while (holder := await asyncio.to_thread(self._folder.holder)) is not None:
            if not holder.dying or asyncio.get_running_loop().time() > deadline:
                raise DataFolderTaken(self._folder.root, holder.pid)
            if holder.pid is None:
                _kill_all(await asyncio.to_thread(self._folder.processes))
            await asyncio.sleep(POLL_S)
        self._remove_sockets(self._folder.recorded_socket_folder())

    async def _choose_binaries(self) -> PostgresBinaries:
        version = self._folder.version()
        binaries = self._binaries
        if binaries is None:
            binaries = await asyncio.to_thread(find_binaries, version)
        if version not in (None, binaries.version):
            raise EmbeddedUnavailable(
                f"The cluster in {self._folder.root} is of Postgres {version}, "
                f"the programs in {binaries.bin} are of {binaries.version}."
            )
        return binaries

    async def _make_cluster(self, footing: Footing) -> None:
        """initdb into a temporary name, then rename: a cluster is whole or absent."""
        folder = self._folder
        if folder.cluster.exists() and any(folder.cluster.iterdir()):
            raise EmbeddedUnavailable(f"{folder.cluster} is not empty and not a cluster.")
        folder.new_cluster.mkdir(mode=0o700)
        give_to(footing.owner, folder.new_cluster)
        options = ["-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--locale=C"]
        options += ["--encoding=UTF8", "--data-checksums", "--no-instructions"]
        if self._settings["fsync"] == "off":
            options.append("--no-sync")
        argv = [str(footing.bin / "initdb"), "-D", str(folder.new_cluster), *options]
        start = folder.log.stat().st_size if folder.log.exists() else 0
        child = await self._start_program(argv, "initdb", footing, death_signal=signal.SIGTERM)
        try:
            async with asyncio.timeout(INITDB_S_MAX):
                status = await child.wait()
        except BaseException:
            child.kill()
            raise
        if status != 0:
            raise EmbeddedUnavailable(
                f"initdb ended with status {status}:\n{folder.log_tail(start)}"
            )
        await asyncio.to_thread(folder.adopt_new_cluster)

    async def _run(self, footing: Footing) -> None:
        """Start the postmaster and wait until it takes connections."""
        sockets = self._claim_sockets(footing)
        options = server_options(self._settings, sockets=sockets)
        argv = [str(footing.bin / "postgres"), "-D", str(self._folder.cluster), *options]
        start = self._folder.log.stat().st_size if self._folder.log.exists() else 0
        self._child = child = await self._start_program(
            argv, "postgres", footing, death_signal=signal.SIGQUIT
        )
        self._killed = False
        deadline = asyncio.get_running_loop().time() + START_S_MAX
        while not self._folder.is_ready(child.pid):
            if child.status is not None:
                why = f"ended with status {child.status}"
            elif asyncio.get_running_loop().time() > deadline:
                why = f"was not ready after {START_S_MAX:.0f} s"
            else:
                await asyncio.sleep(POLL_S)
                continue
            raise EmbeddedUnavailable(f"Postgres {why}:\n{self._folder.log_tail(start)}")

    async def _start_program(
        self, argv: Sequence[str], name: str, footing: Footing, *, death_signal: signal.Signals
    ) -> Child:
        log = self._folder.open_log()
        try:
            return await start_child(
                argv,
                name=name,
                env=postgres_environment(),
                stdout=log,
                stderr=log,
                death_signal=death_signal,
                identity=footing.identity,
                folder=self._folder.root,
            )
        except ChildNotStarted as error:
            raise EmbeddedUnavailable(str(error)) from error
        finally:
            os.close(log)

    async def _make_databases(self) -> None:
        connection = await asyncpg.connect(self.dsn(SUPERUSER), timeout=CONNECT_S_MAX)
        try:
            rows = await connection.fetch("select datname from pg_database")
            present = {row["datname"] for row in rows}
            for name in self._databases:
                if name not in present:
                    await connection.execute(f'create database "{name}"')
        finally:
            await connection.close()

    async def _shut_down(self, child: Child) -> None:
        """End the postmaster and see its processes gone: those of a killed one take a moment."""
        await self._end_postmaster(child)
        async with asyncio.timeout(STOP_IMMEDIATE_S_MAX):
            left = self._killed
            while left:
                left = bool(await asyncio.to_thread(self._folder.processes))
                await asyncio.sleep(POLL_S if left else 0)

    async def _end_postmaster(self, child: Child) -> None:
        steps = ((signal.SIGINT, STOP_FAST_S_MAX), (signal.SIGQUIT, STOP_IMMEDIATE_S_MAX))
        for number, limit_s in steps:
            child.send_signal(number)
            try:
                async with asyncio.timeout(limit_s):
                    await child.wait()
                return
            except TimeoutError:
                continue
        self.kill()
        await child.wait()

    def _claim_sockets(self, footing: Footing) -> Path:
        """Make the socket folder: the one of this object's last start, if its name is free."""
        folder = self._sockets or new_socket_folder()
        while True:
            self._folder.write_record(folder)
            try:
                make_socket_folder(folder, owner=footing.owner)
            except FileExistsError:
                folder = new_socket_folder()
                continue
            self._sockets, self._holds_sockets = folder, True
            return folder

    def _remove_sockets(self, folder: Path | None) -> None:
        if folder is not None:
            remove_socket_folder(folder, owners={os.geteuid(), UNPRIVILEGED_ID})

    async def _keep_log_bounded(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_S)
            await asyncio.to_thread(self._folder.bound_log)


def _kill_all(processes: Sequence[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
