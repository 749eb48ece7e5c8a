"""Load: one round of requests at a server, and what it cost.

Law: the generator is a process of its own on the core that is not measured: `wrk` (Debian's
package) where it is installed, else `replay.py`; which one it was is part of the result. A wrong
status, a broken connection or a file that ran dry voids the run (`RunVoid`).
"""

import asyncio
import json
import shutil
import sys
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


class Round(msgspec.Struct, kw_only=True):
    """What one round measured.

    `cpu_us` is CPU time of the measured process per answered request; `database_cpu_us` that of
    Postgres; `strangers` the share of the measured core that others took.
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


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A server under load: its process, and its Postgres if it has one."""

    pid: int
    port: int
    postgres_pid: int | None = None


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
    clock = asyncio.get_running_loop().time
    begun, cpu, busy = clock(), processes.cpu_s(target.pid), processes.busy_s(cores.server)
    database = _database_cpu_s(target)
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
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    elapsed = clock() - begun
    used = processes.cpu_s(target.pid) - cpu
    used_database = _database_cpu_s(target) - database
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
    )


def _database_cpu_s(target: Target) -> float:
    return 0.0 if target.postgres_pid is None else processes.family_cpu_s(target.postgres_pid)


def _result(out: str, err: str) -> dict[str, float]:
    line = next((line for line in out.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RunVoid(f"the load generator said nothing of its result:\n{out}\n{err}")
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    if result["wrong"] or result["broken"] or not result["requests"]:
        raise RunVoid(f"answers were wrong or missing: {result}\n{err[:2000]}")
    return result
