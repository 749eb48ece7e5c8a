"""A contest: programs on the same core in the same run, round by round in turn.

Law: only ratios of one run are believed. Rounds interleave, who begins changes from round to round,
and a figure is the median of its rounds.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import structs

from benchmarks import load
from benchmarks.load import Round, Target
from benchmarks.processes import Cores

Play = Callable[[int], Awaitable[Round]]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is made: seconds of a round, number of rounds, connections, generator.

    `quick` says that the figures only show that everything works: short, few, small. `rows_max` is
    the largest table that is filled.
    """

    cores: Cores
    folder: Path
    generator: str
    rounds: int
    seconds: float
    connections: int
    quick: bool = False
    rows_max: int = 10_000_000

    def with_at_most(self, connections: int) -> "Plan":
        """The plan for a slow program: with more connections an answer would count as lost."""
        return structs.replace(self, connections=min(self.connections, connections))

    async def run(
        self,
        target: Target,
        file: Path,
        *,
        loop: bool = False,
        connections: int | None = None,
        seconds: float | None = None,
    ) -> Round:
        """One round of the plan. Raises `RunVoid`."""
        return await load.run(
            target,
            file,
            cores=self.cores,
            generator=self.generator,
            connections=connections or self.connections,
            seconds=seconds or self.seconds,
            loop=loop,
        )

    async def paced(
        self,
        target: Target,
        file: Path,
        *,
        rate: float,
        seconds: float | None = None,
        loop: bool = False,
    ) -> Round:
        """One round at a constant rate, of requests/s. Raises `RunVoid`."""
        return await load.paced(
            target,
            file,
            cores=self.cores,
            connections=self.connections,
            rate=rate,
            seconds=seconds or self.seconds,
            loop=loop,
        )

    async def check(self, target: Target, file: Path) -> Round:
        """Replay a whole file with a look at every answer. Raises `RunVoid`."""
        return await load.run(
            target,
            file,
            cores=self.cores,
            generator="python",
            connections=self.connections,
            seconds=load.OVERTIME_S_MAX,
        )

    async def interleave(
        self, plays: Mapping[str, Play], *, rounds: int | None = None
    ) -> dict[str, list[Round]]:
        """The rounds of every player; `plays` gives the next one, told its number from 1."""
        found: dict[str, list[Round]] = {name: [] for name in plays}
        names = list(plays)
        for number in range(1, (rounds or self.rounds) + 1):
            for name in names:
                found[name].append(await plays[name](number))
            names = names[1:] + names[:1]
        return found
