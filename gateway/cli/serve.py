"""`tillgate serve`: one gateway process, alone or as a child of `up`.

Law: a request that was taken is answered. SIGTERM makes the process not ready at once; it goes on
serving for `--drain-wait` seconds, so that load balancers leave, then stops listening and finishes
what is in flight, all within `DRAIN_S_MAX`. Live mode starts on no default: keys, addresses and
databases must be an operator's own.
"""

import asyncio
import gc
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import fastpath
from gateway.app import Core, Gateway, open_core
from gateway.cli import ports
from gateway.cli.databases import with_kek_file
from gateway.cli.faults import CommandFailed
from gateway.cli.folder import DataFolder
from gateway.cli.handover import Supervised
from gateway.cli.options import (
    PORTS,
    RUNNING,
    CommonOptions,
    DoorOptions,
    LogOptions,
    option,
    settings_of,
)
from gateway.cli.run import Signals, run
from gateway.cli.scrape import (
    counting,
    faults_of,
    metrics_folder,
    readiness_of,
    serving_metrics,
)
from gateway.cli.screen import Screen
from gateway.config import Mode, Settings, check_live
from gateway.telemetry.logs import configure
from gateway.telemetry.metrics import Metrics

COLLECT_THRESHOLDS = (50_000, 20, 20)
DRAIN_S_MAX = 60.0
FINISH_S_MIN = 15.0  # the longest request: 10 s for a commit, 5 s for a channel


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServeOptions(CommonOptions, DoorOptions, LogOptions):
    """Of `serve`."""

    mode: Annotated[Mode | None, option("Whether real money moves (sandbox).")] = None
    host: Annotated[str | None, option("Address to listen at (127.0.0.1).", group=PORTS)] = None
    port: Annotated[int | None, option("Port of the API (8080).", group=PORTS)] = None
    metrics_host: Annotated[
        str | None, option("Address of the metrics (127.0.0.1).", group=PORTS)
    ] = None
    metrics_port: Annotated[int | None, option("Port of the metrics (8081).", group=PORTS)] = None
    sandbox_url: Annotated[
        str | None, option("Where the simulators are (sandbox mode).", group=RUNNING)
    ] = None
    tls_cert: Annotated[
        Path | None, option("Certificate chain, PEM, to serve https.", group=PORTS)
    ] = None
    tls_key: Annotated[Path | None, option("Its private key, PEM.", group=PORTS)] = None
    drain_wait_s: Annotated[
        float | None,
        option(
            "Seconds from SIGTERM to the end of listening; two health periods (30).",
            name="--drain-wait",
            group=RUNNING,
        ),
    ] = None


def serve(*, options: ServeOptions = ServeOptions()) -> int:
    """Run one gateway process on prepared databases (see `tillgate migrate`)."""
    screen = Screen(json=options.json)
    return run(lambda signals: _serve(options, screen, signals), screen=screen)


async def _serve(options: ServeOptions, screen: Screen, signals: Signals) -> int:
    settings = settings_of(options)
    check_live(settings, os.environ)
    configure(level=settings.log_level)
    settings = with_kek_file(settings, DataFolder(settings.data))
    if not settings.database_urls:
        raise CommandFailed("`serve` needs --database-url; `tillgate up` brings its own Postgres.")
    supervised = None
    if settings.supervisor_socket is not None:
        supervised = Supervised(settings.supervisor_socket, role="serve")
    warn_of_pure_twin(screen)
    with metrics_folder(settings) as settings:
        metrics = Metrics(settings.metrics_dir, role="gateway")
        async with open_core(settings, metrics) as core, counting(metrics):
            await check_installation(core)
            gateway = Gateway(core)
            async with serving_metrics(settings, gateway.readiness):
                if supervised is None:
                    address = await _listen(gateway, settings)
                    screen.say(f"Serving at {address}")
                    screen.give({"base_url": address, "pid": os.getpid()})
                else:
                    await gateway.start(sock=supervised.sockets[0])
                await _until_asked(gateway, settings, signals, supervised=supervised)
    return 0


async def _listen(gateway: Gateway, settings: Settings) -> str:
    """Listen at the address of the settings; the base URL."""
    sock = ports.listen(settings.host, settings.port, flag="--port")
    context = tls_context(settings)
    await gateway.start(sock=sock, ssl_context=context)
    scheme = "http" if context is None else "https"
    return ports.base_url(settings.host, ports.number_of(sock), scheme=scheme)


def rarely_collect() -> None:
    """Take what was made at the start out of garbage collection, and collect rarely.

    Requests leave no cycles behind them; with the default thresholds a fifth of the processor's
    time went into looking for some.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_THRESHOLDS)


async def _until_asked(
    gateway: Gateway, settings: Settings, signals: Signals, *, supervised: Supervised | None
) -> None:
    signals.take_over()
    rarely_collect()
    if supervised is not None:
        supervised.serving()
    await signals.asked.wait()
    gateway.not_ready()
    await asyncio.sleep(settings.drain_wait_s)
    await gateway.drain(max(FINISH_S_MIN, DRAIN_S_MAX - settings.drain_wait_s))


def warn_of_pure_twin(screen: Screen) -> None:
    """Say loudly that the slower twin of the fast path runs."""
    if fastpath.IMPLEMENTATION != "cython":
        screen.warn(
            "The compiled fast path is missing: the slower pure twin runs. Install a C compiler "
            "and build again."
        )


async def check_installation(core: Core) -> None:
    """Refuse databases of another mode and, in live mode, a role or server that is not safe.

    Raises CommandFailed.
    """
    settings, found = core.settings, core.directory.mode
    if found != settings.mode:
        raise CommandFailed(
            f"This installation is for the mode {found}, not {settings.mode}: name its own "
            "databases, or start with the right --mode."
        )
    if settings.livemode:
        faults = faults_of(await readiness_of(core)())
        if faults:
            raise CommandFailed(
                f"Live mode does not start on these databases: {'; '.join(faults)}. "
                "`tillgate doctor` tells more."
            )


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the operator's certificate; None without one.

    Raises CommandFailed when the files cannot be used.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise CommandFailed(
            f"--tls-cert and --tls-key cannot be used ({error}): give a PEM chain and its key."
        ) from None
    return context
