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
        (create, 170, 45),
        (postgres, 80, 25),
        (services, 130, 45),
        (query, 80, 25),
        (callback, 150, 45),
        (latency, 90, 25),
        (life, 150, 50),
        (merchants, 300, 90),
        (rows, 900, 60),
        (shards, 200, 60),
        (memory, 170, 40),
        (connections, 220, 30),
        (twins, 20, 5),
        (codecs, 15, 5),
        (simulators, 40, 15),
    )
}
