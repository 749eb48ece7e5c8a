"""`tillgate up`: everything on this machine, in the sandbox, until it is told to stop.

Law: it serves when it says so, and leaves nothing behind when it has ended.
"""

from time import monotonic

from msgspec.structs import replace

from gateway.cli.options import UpOptions, configuration_of
from gateway.cli.run import Signals, process_age_s, run
from gateway.cli.screen import Screen
from gateway.cli.serve import warn_of_pure_twin
from gateway.cli.tree import Tree
from gateway.config import Settings
from gateway.telemetry.logs import configure


def up(*, options: UpOptions = UpOptions()) -> int:
    """Start everything on this machine: Postgres, gateway, background work, simulators.

    Ends by SIGTERM or Ctrl-C, and takes down all that it started. Always in sandbox mode, on
    loopback. With --json one line tells the addresses when everything serves; the keys are in
    the file of --ready-file.
    """
    screen = Screen(json=options.json)
    return run(lambda signals: _up(options, screen, signals), screen=screen)


async def _up(options: UpOptions, screen: Screen, signals: Signals) -> int:
    begun = monotonic() - process_age_s()
    settings = up_settings(options)
    configure(level=settings.log_level)
    warn_of_pure_twin(screen)
    async with Tree(settings, screen=screen) as tree:
        signals.take_over()
        show_addresses(tree, screen, seconds=monotonic() - begun)
        await signals.asked.wait()
        screen.say("Stopping …")
    return 0


def up_settings(options: UpOptions, **more: object) -> Settings:
    """The settings of `up` and `demo`; `--port 0` frees the two other ports too, unless given."""
    chosen = configuration_of(options, mode="sandbox", **more)
    if chosen.settings.port != 0:
        return chosen.settings
    free = {
        name: 0 for name in ("metrics_port", "sandbox_port") if chosen.sources[name] == "default"
    }
    return replace(chosen.settings, **free)


def show_addresses(tree: Tree, screen: Screen, *, seconds: float) -> None:
    """Tell where everything is."""
    ready = tree.ready
    screen.give(
        {
            "base_url": ready.base_url,
            "sandbox_url": ready.sandbox_url,
            "metrics_url": ready.metrics_url,
            "pid": ready.pid,
            "merchant_id": ready.merchant_id,
        }
    )
    screen.table(
        "",
        "",
        rows=[
            ("API", ready.base_url),
            ("Simulators", ready.sandbox_url),
            ("Payer's phone", f"{ready.sandbox_url}/payer"),
            ("Metrics", f"{ready.metrics_url}/metrics"),
            ("Merchant", ready.merchant_id),
        ],
        title=f"Tillgate serves (sandbox, after {seconds:.1f} s). Ctrl-C stops it.",
    )
