"""The catalogue: every benchmark with its name and about how long it takes.

Law: the order is that of a whole run; a name is that of the benchmark's module. Expected times are
those of two shared cores, and are told so that nobody waits without knowing for what.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from benchmarks import (
    callback,
    codecs,
    connections,
    create,
    latency,
    life,
    memory,
    merchants,
    postgres,
    query,
    relay,
    rows,
    services,
    shards,
    simulators,
    twins,
)
from benchmarks.finding import Finding
from benchmarks.stage import Stage


class Benchmark(NamedTuple):
    """One benchmark; `expected_s` and `expected_quick_s` are seconds of a whole and a quick run."""

    name: str
    about: str
    measure: Callable[[Stage], Awaitable[Finding]]
    expected_s: int
    expected_quick_s: int


CATALOGUE = {
    module.NAME: Benchmark(module.NAME, module.ABOUT, module.measure, whole, quick)
    for module, whole, quick in (
        (create, 140, 15),
        (postgres, 60, 10),
        (services, 180, 35),
        (query, 75, 8),
        (callback, 150, 25),
        (latency, 80, 10),
        (life, 150, 25),
        (relay, 220, 60),
        (merchants, 250, 60),
        (rows, 620, 25),
        (shards, 180, 25),
        (memory, 110, 35),
        (connections, 220, 25),
        (twins, 20, 3),
        (codecs, 15, 4),
        (simulators, 40, 8),
    )
}
