"""A contest: two programs on the same core in the same run, round by round in turn.

Law: only ratios of one run are believed. Rounds alternate, who begins alternates too, and a figure
is the median of its rounds. A benchmark is a function that gives the next round of ours; hello's
is the same for all.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from statistics import median

import msgspec

from benchmarks import load, processes, requests
from benchmarks.load import Round, Target
from benchmarks.processes import Cores
from benchmarks.requests import Request
from benchmarks.rivals import hello

STRANGERS_MAX = 0.05


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is made: seconds of a round, number of rounds, connections, generator."""

    cores: Cores
    folder: Path
    generator: str
    rounds: int
    seconds: float
    connections: int

    async def run(self, target: Target, file: Path, *, loop: bool = False) -> Round:
        """One round of the plan. Raises `RunVoid`."""
        return await load.run(
            target,
            file,
            cores=self.cores,
            generator=self.generator,
            connections=self.connections,
            seconds=self.seconds,
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


class Contest(msgspec.Struct, kw_only=True):
    """What a benchmark found: the rounds of both, and what was proven of ours."""

    name: str
    about: str
    ours: list[Round]
    hello: list[Round]
    proof: str

    @property
    def throughput(self) -> float:
        """Our requests per second, divided by hello's."""
        return middle(self.ours, "rate") / middle(self.hello, "rate")

    @property
    def economy(self) -> float:
        """Hello's CPU time per request, divided by ours."""
        return middle(self.hello, "cpu_us") / middle(self.ours, "cpu_us")

    @property
    def strangers(self) -> float:
        """The largest share of the measured core that others took in a round."""
        return max(each.strangers for each in (*self.ours, *self.hello))


def middle(rounds: list[Round], name: str) -> float:
    """The median of one figure."""
    return median(getattr(each, name) for each in rounds)


@contextlib.asynccontextmanager
async def open_hello(folder: Path, *, cores: Cores) -> AsyncIterator[Target]:
    """The hello program on the measured core."""
    port, log = processes.free_port(), folder / "hello.log"
    command = [sys.executable, "-m", "benchmarks.rivals.hello", str(port)]
    async with processes.started(
        command, core=cores.server, environment=dict(os.environ), log=log
    ) as process:
        await processes.listening(process, port, log=log)
        yield Target(pid=process.pid, port=port)


async def contest(
    plan: Plan,
    *,
    name: str,
    about: str,
    method: str,
    ours: Callable[[int], Awaitable[Round]],
    rival: Target,
    proof: Callable[[], str],
) -> Contest:
    """Play the rounds. `ours` is given the number of the round, from 1. Raises `RunVoid`."""
    file = plan.folder / f"hello-{method}"
    body = b"{}" if method == "POST" else b""
    raw = requests.plain(method, hello.PATH, body, media_type="application/json")
    requests.write(file, [Request(raw, 200, hello.BODY)])
    await plan.check(rival, file)
    found = Contest(name=name, about=about, ours=[], hello=[], proof="")
    for number in range(1, plan.rounds + 1):
        if number % 2:
            found.hello.append(await plan.run(rival, file, loop=True))
            found.ours.append(await ours(number))
        else:
            found.ours.append(await ours(number))
            found.hello.append(await plan.run(rival, file, loop=True))
    found.proof = proof()
    return found
