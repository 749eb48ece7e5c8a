"""The process tree of `up`: one supervisor, and all that it starts on this machine.

Law: what is started is ended, in order, whatever happens in between: gateways (they finish what is
in flight), background work, simulators, Postgres; then sockets and folders. Children die with the
supervisor, also by SIGKILL, and whoever of them dies alone is started again. Ports and the data
folder are taken before anything is started. Sandbox only.

    tree of processes           shares with the supervisor
    supervisor (this)           ports, lock, ready file, merged metrics
      postgres                  unless databases are named
      gateway-1..n   serve      one listening socket
      worker-1       work       wake-ups
      simulators-1   sandbox    its port
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import aiohttp
import asyncpg
from msgspec.structs import replace

from gateway.adapters.local.last_writes import make_table
from gateway.adapters.postgres.connect import open_pool
from gateway.adapters.postgres.migrate import MigrationReport
from gateway.adapters.postgres.readiness import PostgresReadiness
from gateway.cli import databases, ports
from gateway.cli.administration import open_administration
from gateway.cli.crew import Crew, Member, child_environment
from gateway.cli.faults import CommandFailed
from gateway.cli.folder import DataFolder, Run
from gateway.cli.furnish import Furniture, furnish
from gateway.cli.handover import Handover
from gateway.cli.ready import Ready, ReadyFile
from gateway.cli.scrape import faults_of
from gateway.cli.screen import Screen
from gateway.config import PREFIX, Settings, to_environment
from gateway.telemetry.exposition import bury, exposition
from gateway.web.ops import OpsServer, Readiness, serve_ops

LOOPBACK = "127.0.0.1"
GATEWAY_GRACE_S = 65.0  # requests have 60 s to finish
WORKER_GRACE_S = 20.0
SANDBOX_GRACE_S = 10.0
READINESS_CONNECTIONS_MAX = 1
READY_S_MAX = 30.0
READY_POLL_S = 0.1
OTHERS_MAX = 4  # that write beside the gateways: background work, the supervisor, one to spare
GATEWAY, WORKER, SIMULATORS = "serve", "work", "sandbox"


class Tree:
    """Everything that `up` runs. An async context manager: inside it, everything serves.

    Raises CommandFailed and what `faults.expected` knows.
    """

    ready: Ready

    def __init__(self, settings: Settings, *, screen: Screen) -> None:
        if settings.livemode:
            raise CommandFailed("`up` is for the sandbox: real money runs by `serve` and `work`.")
        self._settings = settings
        self._screen = screen
        self._folder = DataFolder(settings.data)
        self._ready_file = None if settings.ready_file is None else ReadyFile(settings.ready_file)
        self._crew = Crew()
        self._stack = AsyncExitStack()
        self._furniture: Furniture | None = None
        self._embedded_urls: tuple[str, ...] = ()
        self._listening: socket.socket | None = None

    @property
    def settings(self) -> Settings:
        """The settings of this start: with addresses, ports and the owner's database URLs."""
        return self._settings

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # The steps of the start

    async def _start(self) -> None:
        screen, stack, folder = self._screen, self._stack, self._folder
        folder.create()
        stack.enter_context(folder.locked())
        if self._ready_file is not None:
            self._ready_file.check()
            stack.callback(self._ready_file.remove)
        metrics = self._take_ports()
        sockets = folder.begin_run()
        stack.callback(folder.end_run)
        self._settings = databases.with_kek_file(
            replace(
                self._settings,
                drain_wait_s=0.0,
                metrics_dir=folder.metrics,
                supervisor_socket=sockets / "supervisor.sock",
                wake_socket=sockets / "wake.sock",
                last_writes=sockets / "last-writes",
            ),
            folder,
        )
        make_table(sockets / "last-writes", processes=self._settings.worker_count + OTHERS_MAX)
        await self._start_handover(sockets / "supervisor.sock")
        simulators = await self._start_simulators()
        with screen.step("Starting Postgres", "Postgres runs"):
            await self._start_postgres()
        with screen.step("Preparing the databases", "Databases are prepared") as step:
            report = await databases.prepare(self._settings, report=step.move, create_keys=True)
        with screen.step("Starting all processes", "All processes serve"):
            await self._start_crew(simulators)
            readiness = await self._serve_metrics(metrics)
            await self._wait_ready(readiness)
        self.ready = self._compose(report)
        self._publish()

    def _take_ports(self) -> socket.socket:
        """Take all ports: the API's listens, the simulators' is held; returns the metrics'."""
        settings, stack = self._settings, self._stack
        self._listening = ports.listen(LOOPBACK, settings.port, flag="--port")
        stack.callback(self._listening.close)
        metrics = ports.listen(LOOPBACK, settings.metrics_port, flag="--metrics-port")
        stack.callback(metrics.close)
        held = ports.hold(LOOPBACK, settings.sandbox_port, flag="--sandbox-port")
        stack.callback(held.close)
        base_url = ports.base_url(LOOPBACK, ports.number_of(self._listening))
        self._base_url = base_url
        self._settings = replace(
            settings,
            host=LOOPBACK,
            port=ports.number_of(self._listening),
            metrics_host=LOOPBACK,
            metrics_port=ports.number_of(metrics),
            sandbox_port=ports.number_of(held),
            sandbox_url=ports.base_url(LOOPBACK, ports.number_of(held)),
            public_url=settings.public_url or base_url,
        )
        return metrics

    async def _start_handover(self, path: Path) -> None:
        def sockets(role: str) -> list[socket.socket]:
            return [self._listening] if role == GATEWAY and self._listening is not None else []

        handover = Handover(path, sockets=sockets, serving=self._crew.heard)
        handover.start()
        self._stack.push_async_callback(handover.stop)

    async def _start_simulators(self) -> Member:
        settings = self._settings
        known = Settings(
            data=settings.data,
            host=LOOPBACK,
            sandbox_port=settings.sandbox_port,
            supervisor_socket=settings.supervisor_socket,
            log_level=settings.log_level,
        )
        member = self._member(SIMULATORS, 1, to_environment(known), opens_secrets=False)
        self._stack.push_async_callback(self._stop_crew, SIMULATORS, SANDBOX_GRACE_S)
        await member.start(self._changed)
        return member

    async def _start_postgres(self) -> None:
        settings, folder = self._settings, self._folder
        if settings.database_urls:
            return
        shards = folder.choose_shards(settings.shards)
        postgres = databases.embedded(folder, shards=shards)
        # The simulators are started before it and stopped before it all the same.
        self._stack.push_async_callback(postgres.stop)
        await postgres.start()
        keeping = asyncio.get_running_loop().create_task(databases.keep_running(postgres))
        self._stack.push_async_callback(_cancel, keeping)
        self._stack.push_async_callback(self._stop_crew, SIMULATORS, SANDBOX_GRACE_S)
        self._embedded_urls = databases.urls_of(postgres, shards=shards)
        self._settings = replace(settings, database_urls=self._embedded_urls)

    async def _start_crew(self, simulators: Member) -> None:
        """Gateways and background work; meanwhile the sandbox gets its furniture."""
        settings = self._settings
        environment = to_environment(replace(settings, shards=None))
        work = self._member(WORKER, 1, environment, opens_secrets=True)
        self._stack.push_async_callback(self._stop_crew, WORKER, WORKER_GRACE_S)
        gateways = [
            self._member(GATEWAY, number + 1, environment, opens_secrets=True)
            for number in range(settings.worker_count)
        ]
        self._stack.push_async_callback(self._stop_gateways)
        for member in (*gateways, work):
            await member.start(self._changed)
        await simulators.wait_serving()
        assert settings.sandbox_url is not None
        async with open_administration(settings, actor="up") as administration:
            self._furniture = await furnish(administration, sandbox_url=settings.sandbox_url)
        await _all_serving((*gateways, work))

    async def _wait_ready(self, readiness: Readiness) -> None:
        """Wait until the API says that it is ready. Raises CommandFailed with what is not."""
        deadline = asyncio.get_running_loop().time() + READY_S_MAX
        timeout = aiohttp.ClientTimeout(total=READY_S_MAX)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                async with session.get(f"{self._base_url}/readyz") as answer:
                    if answer.status == 200:
                        return
                faults = faults_of(await readiness())
                if faults or asyncio.get_running_loop().time() > deadline:
                    why = "; ".join(faults) or f"it was not ready after {READY_S_MAX:.0f} s"
                    raise CommandFailed(
                        f"The databases are not as they must be: {why}. `tillgate doctor` tells "
                        "more."
                    )
                await asyncio.sleep(READY_POLL_S)

    async def _serve_metrics(self, sock: socket.socket) -> Readiness:
        settings, stack = self._settings, self._stack
        pools = []
        for url in settings.database_urls:
            pool = await open_pool(url, size_max=READINESS_CONNECTIONS_MAX)
            stack.callback(pool.terminate)
            pools.append(pool)
        readiness = self._readiness_of(pools)
        server: OpsServer = await serve_ops(
            LOOPBACK,
            settings.metrics_port,
            readiness=readiness,
            metrics=partial(exposition, self._folder.metrics),
            sock=sock,
        )
        stack.push_async_callback(server.close)
        return readiness

    def _readiness_of(self, pools: list[asyncpg.Pool]) -> Readiness:
        of_databases = PostgresReadiness(pools)

        async def readiness() -> Mapping[str, Any]:
            found = await of_databases()
            serving = {
                role: sum(1 for m in self._crew.members if m.role == role and m.serves.is_set())
                for role in (GATEWAY, WORKER, SIMULATORS)
            }
            return {
                **found,
                "ready": found["ready"] and serving[GATEWAY] > 0,
                "processes": serving,
            }

        return readiness

    # The crew

    def _member(
        self, role: str, number: int, settings: Mapping[str, str], *, opens_secrets: bool
    ) -> Member:
        variables = {
            name: value
            for name, value in settings.items()
            if name not in (f"{PREFIX}READY_FILE", f"{PREFIX}OWNER_URLS")
        }
        environment = child_environment(variables, opens_secrets=opens_secrets)
        return self._crew.add(Member(role, number, environment=environment, ended=self._bury))

    def _bury(self, pid: int) -> None:
        """Keep what an ended process has counted."""
        bury(self._folder.metrics, pid)

    async def _stop_gateways(self) -> None:
        if self._listening is not None:
            self._listening.close()  # else the kernel would go on taking connections for nobody
        await self._stop_crew(GATEWAY, GATEWAY_GRACE_S)

    async def _stop_crew(self, role: str, grace_s: float) -> None:
        await self._crew.stop(role, grace_s=grace_s)

    # What the world is told

    def _compose(self, report: MigrationReport) -> Ready:
        settings, furniture = self._settings, self._furniture
        assert furniture is not None and settings.sandbox_url is not None
        if report.reader is None:
            self._screen.warn(
                "This login may not make roles, so there is no login for reading: database_urls "
                "in the ready file stay empty."
            )
            reading: tuple[str, ...] = ()
        else:
            reading = databases.reader_urls(settings.database_urls, report.reader)
        return Ready(
            base_url=self._base_url,
            sandbox_url=settings.sandbox_url,
            metrics_url=ports.base_url(LOOPBACK, settings.metrics_port),
            mode=settings.mode,
            pid=os.getpid(),
            gateway_pids=tuple(self._crew.pids(GATEWAY)),
            merchant_id=furniture.merchant_id,
            key_id=furniture.key_id,
            key_secret=furniture.key_secret,
            admin_key_id=furniture.admin_key_id,
            admin_key_secret=furniture.admin_key_secret,
            admin_merchant_id=furniture.admin_merchant_id,
            notify_secret=furniture.notify_secret,
            database_urls=reading,
        )

    def _publish(self) -> None:
        own = self._settings.supervisor_socket
        assert own is not None
        self._folder.note_run(
            Run(
                pid=os.getpid(),
                socket_folder=str(own.parent),
                database_urls=self._embedded_urls,
                sandbox_url=self.ready.sandbox_url,
            )
        )
        if self._ready_file is not None:
            self._ready_file.write(self.ready)

    def _changed(self) -> None:
        """A child was started again: its process id is another one."""
        if self._ready_file is not None and hasattr(self, "ready"):
            pids = tuple(self._crew.pids(GATEWAY))
            self.ready = replace(self.ready, gateway_pids=pids)
            self._ready_file.write(self.ready)


async def _all_serving(members: tuple[Member, ...]) -> None:
    async with asyncio.TaskGroup() as group:
        for member in members:
            group.create_task(member.wait_serving())


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
