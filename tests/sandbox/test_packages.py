"""Simulators of installed packages: found by entry point, or told why not."""

import sys
import types
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from gateway.sandbox.packages import (
    ENTRY_POINT_GROUP,
    SimulatorUnusable,
    by_name,
    installed_simulators,
)


class Pretend:
    """Enough of a simulator to have a name."""

    name = "mine"

    def __init__(self, world: Any) -> None:
        self.world = world


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of an installed package."""
    made = types.ModuleType("pretend_package")
    made.__dict__.update(Pretend=Pretend, TEXT="no maker")
    monkeypatch.setitem(sys.modules, "pretend_package", made)


def point(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"pretend_package:{attribute}", ENTRY_POINT_GROUP)


def test_an_installed_simulator_is_made_of_the_world() -> None:
    (make,) = installed_simulators([point("mine", "Pretend")])
    world: Any = object()
    simulator: Any = make(world)
    assert (simulator.name, simulator.world) == ("mine", world)


@pytest.mark.parametrize(("attribute", "word"), [("ABSENT", "does not load"), ("TEXT", "nothing")])
def test_an_unusable_simulator_stops_the_start(attribute: str, word: str) -> None:
    with pytest.raises(SimulatorUnusable, match=word):
        installed_simulators([point("mine", attribute)])


def test_two_of_one_name_are_refused() -> None:
    pair: Any = [Pretend(None), Pretend(None)]
    with pytest.raises(SimulatorUnusable, match="two simulators are named mine"):
        by_name(pair)
