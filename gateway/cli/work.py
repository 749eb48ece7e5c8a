"""`tillgate work`: one process of background work, alone or as a child of `up`.

Law: it may die at any moment: what it does is claimed in the databases first, and another process
goes on with it. SIGTERM lets the present rounds end and gives its leases back.
"""

import os
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from gateway.app import Worker, open_core
from gateway.cli.databases import with_kek_file
from gateway.cli.faults import CommandFailed
from gateway.cli.folder import DataFolder
from gateway.cli.handover import Supervised
from gateway.cli.options import (
    PORTS,
    ChannelOptions,
    CommonOptions,
    LogOptions,
    option,
    settings_of,
)
from gateway.cli.run import Signals, run
from gateway.cli.scrape import counting, metrics_folder, readiness_of, serving_metrics
from gateway.cli.screen import Screen
from gateway.cli.serve import check_installation, rarely_collect
from gateway.config import Mode, check_live
from gateway.telemetry.logs import configure
from gateway.telemetry.metrics import Metrics


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WorkOptions(CommonOptions, ChannelOptions, LogOptions):
    """Of `work`."""

    mode: Annotated[Mode | None, option("Whether real money moves (sandbox).")] = None
    owner_urls: Annotated[
        list[str] | None,
        option(
            "The same databases by the login that owns them, for work that only it may do.",
            name="--owner-url",
        ),
    ] = None
    sandbox_url: Annotated[str | None, option("Where the simulators are (sandbox mode).")] = None
    metrics_host: Annotated[
        str | None, option("Address of the metrics (127.0.0.1).", group=PORTS)
    ] = None
    metrics_port: Annotated[int | None, option("Port of the metrics (8081).", group=PORTS)] = None


def work(*, options: WorkOptions = WorkOptions()) -> int:
    """Run one process of background work on prepared databases (see `tillgate migrate`)."""
    screen = Screen(json=options.json)
    return run(lambda signals: _work(options, screen, signals), screen=screen)


async def _work(options: WorkOptions, screen: Screen, signals: Signals) -> int:
    settings = settings_of(options)
    check_live(settings, os.environ)
    configure(level=settings.log_level)
    settings = with_kek_file(settings, DataFolder(settings.data))
    if not settings.database_urls:
        raise CommandFailed("`work` needs --database-url; `tillgate up` brings its own Postgres.")
    supervised = None
    if settings.supervisor_socket is not None:
        supervised = Supervised(settings.supervisor_socket, role="work")
    with metrics_folder(settings) as settings:
        metrics = Metrics(settings.metrics_dir, role="worker")
        async with open_core(settings, metrics) as core, counting(metrics):
            await check_installation(core)
            async with serving_metrics(settings, readiness_of(core)):
                worker = Worker(core)
                await worker.start()
                try:
                    signals.take_over()
                    rarely_collect()
                    if supervised is not None:
                        supervised.serving()
                    else:
                        screen.say("Working")
                        screen.give({"pid": os.getpid()})
                    await signals.asked.wait()
                finally:
                    await worker.stop()
    return 0
