"""`tillgate sandbox`: the simulators, alone or as a child of `up`.

Law: a pretend world for rehearsals, on loopback only. It knows no database and no key of the
installation; its book lies in the data folder.
"""

import os
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from gateway.cli import ports
from gateway.cli.faults import CommandFailed
from gateway.cli.folder import DataFolder
from gateway.cli.handover import Supervised
from gateway.cli.options import PORTS, CommonOptions, LogOptions, option, settings_of
from gateway.cli.run import Signals, run
from gateway.cli.screen import Screen
from gateway.sandbox.book import BookHeld
from gateway.sandbox.server import serve
from gateway.telemetry.logs import configure

LOOPBACK = "127.0.0.1"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SandboxOptions(CommonOptions, LogOptions):
    """Of `sandbox`."""

    sandbox_port: Annotated[
        int | None, option("Port of the simulators (8082).", name="--port", group=PORTS)
    ] = None


def sandbox(*, options: SandboxOptions = SandboxOptions()) -> int:
    """Run the simulators of payment channels."""
    screen = Screen(json=options.json)
    return run(lambda signals: _sandbox(options, screen, signals), screen=screen)


async def _sandbox(options: SandboxOptions, screen: Screen, signals: Signals) -> int:
    settings = settings_of(options)
    configure(level=settings.log_level)
    folder = DataFolder(settings.data)
    supervised = None
    if settings.supervisor_socket is not None:
        supervised = Supervised(settings.supervisor_socket, role="sandbox")
    else:
        folder.create()
        ports.listen(LOOPBACK, settings.sandbox_port, flag="--port").close()

    def ready(url: str) -> None:
        signals.take_over()
        if supervised is not None:
            supervised.serving(url)
            return
        screen.say(f"Simulators at {url}")
        screen.give({"sandbox_url": url, "pid": os.getpid()})

    folder.sandbox.mkdir(mode=0o700, exist_ok=True)
    try:
        await serve(
            host=LOOPBACK,
            port=settings.sandbox_port,
            data=folder.sandbox,
            ready=ready,
            stop=signals.asked,
        )
    except BookHeld as error:
        raise CommandFailed(
            f"Other simulators work in {folder.root} ({error}): stop them, or use another --data."
        ) from None
    return 0
