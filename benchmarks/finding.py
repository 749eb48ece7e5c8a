"""Findings: what a benchmark measured, and how it stands against what was promised.

Law: values only. A verdict is one row of the table of targets; a player is one program with its
rounds; every figure of a player is a median of rounds. All forms of a report (screen, JSON, page,
plots) are made from these values.
"""

from collections.abc import Sequence
from statistics import median

import msgspec

from benchmarks.load import Round

Cell = str | int | float
Row = Sequence[Cell]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One promise: `value` against `target` and what is asked `at_least`, both in `unit`."""

    what: str
    value: float
    target: float
    at_least: float
    more_is_better: bool = True
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether what is asked at least is reached."""
        return self._reaches(self.at_least)

    @property
    def is_on_target(self) -> bool:
        """Whether the target is reached."""
        return self._reaches(self.target)

    def _reaches(self, goal: float) -> bool:
        return self.value >= goal if self.more_is_better else self.value <= goal


class Player(msgspec.Struct, kw_only=True):
    """One program in a contest."""

    name: str
    about: str
    rounds: list[Round] = msgspec.field(default_factory=list)

    def middle(self, name: str) -> float:
        """The median of one figure; NaN where some round lacks it."""
        return middle(self.rounds, name)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Figures that are best read side by side."""

    name: str
    title: str
    head: list[str]
    rows: Sequence[Row]


class Finding(msgspec.Struct, kw_only=True):
    """What one benchmark found. `proof` says what was checked so that the figures may count."""

    name: str
    about: str
    proof: str
    players: list[Player] = msgspec.field(default_factory=list)
    verdicts: list[Verdict] = msgspec.field(default_factory=list)
    tables: list[Table] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    @property
    def strangers(self) -> float:
        """The largest share of the measured core that others took in a round."""
        return max((each.strangers for p in self.players for each in p.rounds), default=0.0)


def middle(rounds: list[Round], name: str) -> float:
    """The median of one figure; NaN where some round lacks it."""
    values = [getattr(each, name) for each in rounds]
    return float("nan") if not values or None in values else median(values)


def ratio(above: Player, below: Player, name: str) -> float:
    """The median of one figure of a player, divided by that of another."""
    return above.middle(name) / below.middle(name)
