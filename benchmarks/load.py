"""Load: one round of requests at a server, and what it cost.

Law: the generator is a process of its own on the core that is not measured: `wrk` (Debian's
package) where it is installed, else `replay.py`; which one it was is part of the result. A wrong
status, a broken connection or a file that ran dry voids the run (`RunVoid`).
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks import processes
from benchmarks.processes import Cores

HERE = Path(__file__).parent
GENERATORS = ("wrk", "python")
OVERTIME_S_MAX = 30.0
US_PER_S = 1_000_000


class RunVoid(Exception):
    """An answer was wrong or an acknowledged write is missing: no figure of this run counts."""


class RanDry(RunVoid):
    """The file of requests ended before the round did."""


class Round(msgspec.Struct, kw_only=True):
    """What one round measured.

    `cpu_us` is CPU time of the measured processes per answered request; `database_cpu_us` that of
    Postgres; `strangers` the share of the measured core that others took. `lag_p99_ms` is how long
    after its cause a webhook came.
    """

    requests: int
    seconds: float
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    database_cpu_us: float | None = None
    changes_per_commit: float | None = None
    strangers: float = 0.0
    lag_p99_ms: float | None = None

    @property
    def all_cpu_us(self) -> float:
        """CPU time of program and Postgres together per answered request."""
        return self.cpu_us + (self.database_cpu_us or 0.0)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A server under load: its processes, and its Postgres if it has one."""

    pids: tuple[int, ...]
    port: int
    postgres_pid: int | None = None

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have had."""
        return sum(processes.cpu_s(pid) for pid in self.pids)

    def database_cpu_s(self) -> float:
        """Seconds of CPU that its Postgres has had."""
        return 0.0 if self.postgres_pid is None else processes.family_cpu_s(self.postgres_pid)


def default_generator() -> str:
    """`wrk` where it is installed."""
    return "wrk" if shutil.which("wrk") else "python"


def _command(
    generator: str, file: Path, *, port: int, connections: int, seconds: float, loop: bool
) -> list[str]:
    if generator == "wrk":
        script = str(HERE / "replay.lua")
        whole = max(1, round(seconds))
        return [
            *("wrk", "-t1", f"-c{connections}", f"-d{whole}s", "-s", script),
            *(f"http://127.0.0.1:{port}", "--", str(file), *(["loop"] if loop else [])),
        ]
    return [
        *(sys.executable, "-m", "benchmarks.replay", str(file), "--port", str(port)),
        *("--connections", str(connections), "--seconds", str(seconds)),
        *(["--loop"] if loop else []),
    ]


async def run(
    target: Target,
    file: Path,
    *,
    cores: Cores,
    generator: str,
    connections: int,
    seconds: float,
    loop: bool = False,
) -> Round:
    """Replay a file at a server. Raises `RunVoid`."""
    command = _command(
        generator, file, port=target.port, connections=connections, seconds=seconds, loop=loop
    )
    return await measured(target, command, cores=cores, seconds=seconds)


async def paced(
    target: Target,
    file: Path,
    *,
    cores: Cores,
    connections: int,
    rate: float,
    seconds: float,
    loop: bool = False,
) -> Round:
    """Send a file at so many requests a second, whatever the answers do. Raises `RunVoid`."""
    command = [
        *(sys.executable, "-m", "benchmarks.pace", str(file), "--port", str(target.port)),
        *("--rate", str(rate), "--connections", str(connections), "--seconds", str(seconds)),
        *(["--loop"] if loop else []),
    ]
    return await measured(target, command, cores=cores, seconds=seconds)


async def measured(
    target: Target, command: Sequence[str], *, cores: Cores, seconds: float
) -> Round:
    """What a generator found that runs for `seconds`, and what the target spent. Raises `RunVoid`.

    The generator says its result in a line `RESULT {...}`, with `requests`, `seconds`, `wrong`,
    `broken`, `p50_ms`, `p99_ms` and whatever else a `Round` holds; `dry` where it had too few.
    """
    clock = asyncio.get_running_loop().time
    begun, busy = clock(), processes.busy_s(cores.server)
    cpu, database = target.cpu_s(), target.database_cpu_s()
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=processes.ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds + OVERTIME_S_MAX):
            out, err = await process.communicate()
    except TimeoutError:
        raise RunVoid(f"the load generator did not end: {' '.join(command)}") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    elapsed = clock() - begun
    used = target.cpu_s() - cpu
    used_database = target.database_cpu_s() - database
    strangers = (processes.busy_s(cores.server) - busy - used) / elapsed
    result = _result(out.decode(), err.decode())
    requests = int(result["requests"])
    return Round(
        requests=requests,
        seconds=result["seconds"],
        rate=requests / result["seconds"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        cpu_us=used * US_PER_S / requests,
        database_cpu_us=(
            None if target.postgres_pid is None else used_database * US_PER_S / requests
        ),
        strangers=max(0.0, strangers),
        lag_p99_ms=result.get("lag_p99_ms"),
    )


def _result(out: str, err: str) -> dict[str, float]:
    line = next((line for line in out.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RunVoid(f"the load generator said nothing of its result:\n{out}\n{err}")
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    if result.get("dry"):
        raise RanDry(f"the file of requests ended before the round did: {result}")
    if result["wrong"] or result["broken"] or not result["requests"]:
        raise RunVoid(f"answers were wrong or missing: {result}\n{err[:2000]}")
    return result
