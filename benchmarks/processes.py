"""Processes of a measurement: where they run, what they cost, how they end.

Law: what is measured has one core to itself; everything else shares another. CPU time is the
kernel's own count (nanoseconds of all threads), never estimated from a percentage. Only processes
that were started here are ended, by their id.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.system.children import Child, start_child

ROOT = Path(__file__).parent.parent
NS_PER_S = 1_000_000_000
END_S_MAX = 15.0
LISTEN_S_MAX = 30.0
POLL_S = 0.02
_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Cores(NamedTuple):
    """The core of what is measured, and the one of everything else."""

    server: int
    rest: int

    @property
    def is_shared(self) -> bool:
        """Whether the machine has one core only; then no figure means much."""
        return self.server == self.rest


def choose_cores() -> Cores:
    """The first two cores that this process may use; this process moves to the second."""
    usable = sorted(os.sched_getaffinity(0))
    cores = Cores(usable[0], usable[1] if len(usable) > 1 else usable[0])
    os.sched_setaffinity(0, {cores.rest})
    return cores


@contextlib.asynccontextmanager
async def started(
    command: Sequence[str], *, core: int, environment: dict[str, str], log: Path
) -> AsyncIterator[Child]:
    """A process on a core of its own, ended on the way out; its words go to `log`.

    It ends with this process, however that ends. Raises `ChildNotStarted`.
    """
    with log.open("ab") as written:
        child = await start_child(
            command,
            name=log.stem,
            env=environment,
            stdout=written,
            stderr=written,
            folder=ROOT,
        )
    try:
        # It has just begun: threads that it starts will inherit this.
        os.sched_setaffinity(child.pid, {core})
        yield child
    finally:
        await child.stop(END_S_MAX)


async def listening(child: Child, port: int, *, log: Path) -> None:
    """Wait until the process takes connections. Raises RuntimeError with its last words."""
    last = asyncio.get_running_loop().time() + LISTEN_S_MAX
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        if child.status is not None or asyncio.get_running_loop().time() > last:
            raise RuntimeError(f"nothing listens at {port}:\n{log.read_text()[-2000:]}")
        await asyncio.sleep(POLL_S)


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def cpu_s(pid: int) -> float:
    """Seconds of CPU that the threads of a process have had; 0 for one that has ended."""
    total_ns = 0
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            total_ns += int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return total_ns / NS_PER_S
    return total_ns / NS_PER_S


def family_cpu_s(parent: int) -> float:
    """Seconds of CPU of a process and its children (a Postgres and its backends)."""
    return cpu_s(parent) + sum(cpu_s(pid) for pid in children_of(parent))


def children_of(parent: int) -> list[int]:
    """The processes whose parent this is."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in brackets may contain anything; the parent is the second word after.
                words = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(words[1]) == parent:
                    found.append(int(entry.name))
    return found


def busy_s(core: int) -> float:
    """Seconds for which a core has worked for anybody, time stolen by the host included."""
    for line in (_PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S
    return 0.0


def resident_bytes(pid: int) -> int:
    """Resident memory of a process, as the kernel counts it."""
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def pin(pid: int, core: int) -> None:
    """Move a process and all its threads to a core."""
    for task in (_PROC / str(pid) / "task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {core})


def command_of(pid: int) -> list[str]:
    """The words that a process was started with; none for one that has ended."""
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_text().rstrip("\0").split("\0")
    return []
