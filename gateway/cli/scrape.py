"""Metrics and readiness of a process that runs alone (in a tree they are the supervisor's).

Law: the port is opened before the process says that it serves and closed after it has stopped;
whatever it answers costs no request anything. A process of a tree opens none: it has a folder that
its supervisor reads.
"""

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.adapters.postgres.readiness import PostgresReadiness
from gateway.app import Core
from gateway.cli import ports
from gateway.config import Settings
from gateway.telemetry.exposition import exposition
from gateway.telemetry.metrics import Metrics
from gateway.web.ops import Readiness, serve_ops

FOLDER_PREFIX = "tillgate-metrics-"


def readiness_of(core: Core) -> PostgresReadiness:
    """What is asked of the databases by a process that holds them open."""
    pools = [shard.pool for shard in core.shards.all]
    return PostgresReadiness(pools, directory_away_for_s=lambda: core.directory.away_for_s)


def faults_of(readiness: Mapping[str, Any]) -> list[str]:
    """What is wrong with databases that can be reached, in words."""
    return [
        f"shard {shard['shard']}: {shard['fault']}"
        for shard in readiness.get("shards", ())
        if shard.get("reachable") and shard.get("fault")
    ]


@contextmanager
def metrics_folder(settings: Settings) -> Iterator[Settings]:
    """The settings with a folder for this process's counters, its own if it runs alone."""
    if settings.metrics_dir is not None:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        yield replace(settings, metrics_dir=Path(folder))


@asynccontextmanager
async def counting(metrics: Metrics) -> AsyncIterator[None]:
    """Bring what is counted into the folder, until the end."""
    metrics.start()
    try:
        yield
    finally:
        metrics.stop()


@asynccontextmanager
async def serving_metrics(settings: Settings, readiness: Readiness) -> AsyncIterator[None]:
    """Serve `/metrics`, `/livez` and the details of `/readyz` meanwhile. Raises `PortTaken`.

    Does nothing in a process of a tree.
    """
    if settings.supervisor_socket is not None:
        yield
        return
    assert settings.metrics_dir is not None
    sock = ports.listen(settings.metrics_host, settings.metrics_port, flag="--metrics-port")
    server = await serve_ops(
        settings.metrics_host,
        settings.metrics_port,
        readiness=readiness,
        metrics=partial(exposition, settings.metrics_dir),
        sock=sock,
    )
    try:
        yield
    finally:
        await server.close()
