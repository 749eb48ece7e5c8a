"""Packages: simulators that come with installed channel packages.

Law: one name, one simulator. A package that brings a channel may bring its pretend side by an entry
point of the group `tillgate.simulators`, named like the channel, whose object makes a `Simulator`
of a `World`. What cannot be loaded stops the start: a rehearsal without it would prove nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib import metadata

from gateway.sandbox.channel import Simulator, World

ENTRY_POINT_GROUP = "tillgate.simulators"

SimulatorMaker = Callable[[World], Simulator]


class SimulatorUnusable(RuntimeError):
    """An installed simulator cannot be loaded, or its name is taken."""


def installed_simulators(
    entry_points: Iterable[metadata.EntryPoint] | None = None,
) -> Sequence[SimulatorMaker]:
    """The makers of all installed simulators, in the order of their names.

    Raises `SimulatorUnusable`, naming the entry point.
    """
    if entry_points is None:
        entry_points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    return [_load(point) for point in sorted(entry_points, key=lambda point: point.name)]


def by_name(simulators: Iterable[Simulator]) -> dict[str, Simulator]:
    """The simulators by their names. Raises `SimulatorUnusable` where two share one."""
    named: dict[str, Simulator] = {}
    for simulator in simulators:
        if simulator.name in named:
            raise SimulatorUnusable(f"two simulators are named {simulator.name}")
        named[simulator.name] = simulator
    return named


def _load(point: metadata.EntryPoint) -> SimulatorMaker:
    try:
        found = point.load()
    except Exception as error:  # a stranger's import may raise anything
        raise SimulatorUnusable(f"simulator {point.name} ({point.value}) does not load") from error
    if not callable(found):
        raise SimulatorUnusable(f"entry point {point.name} holds nothing that makes a simulator")
    maker: SimulatorMaker = found
    return maker
