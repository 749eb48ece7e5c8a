"""The crew: child processes that are kept running until they are told to stop.

Law: whoever dies is started again, soon at first and less often the more it dies; whoever has
never served and dies too often ends the start. Stopping is in the caller's order, by SIGTERM, and
after the grace by SIGKILL. Children get their settings by environment, never by command line, and
import this very package, whatever folder they are started in.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGKILL
from time import monotonic

import gateway
from gateway.adapters.system.children import Child, ChildNotStarted, start_child
from gateway.cli.faults import CommandFailed

BACK_OFF_S_MIN = 0.1
BACK_OFF_S_MAX = 5.0
STEADY_S = 30.0  # who lived that long has earned a quick restart
BIRTHS_MAX = 3  # how often a start is tried before it is given up
SERVE_S_MAX = 60.0

PACKAGE_FOLDER = Path(gateway.__file__).parent.parent
log = logging.getLogger("tillgate.supervisor")


class Member:
    """One place in the crew, filled by one child after another.

    `ended` hears the process id of every child that has ended.
    """

    def __init__(
        self,
        role: str,
        number: int,
        *,
        environment: Mapping[str, str],
        ended: Callable[[int], None],
    ) -> None:
        self.role = role
        self.name = f"{role}-{number}"
        self.address = ""
        self.child: Child | None = None
        self.serves = asyncio.Event()
        self._environment = environment
        self._ended = ended
        self._births = 0
        self._has_served = False
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def __repr__(self) -> str:
        return f"Member({self.name}, {self.child})"

    @property
    def pid(self) -> int | None:
        """The id of the living child."""
        return self.child.pid if self.child is not None and self.child.status is None else None

    def heard(self, address: str) -> None:
        """Its child says that it serves."""
        self.address = address
        self._has_served = True
        self.serves.set()

    async def start(self, changed: Callable[[], None]) -> None:
        """Start the first child and watch it from now on; `changed` hears of every new one.

        Must be called on the main thread's event loop. Raises ChildNotStarted.
        """
        await self._bear()
        self._task = asyncio.get_running_loop().create_task(self._keep(changed))

    async def wait_serving(self) -> None:
        """Wait until its child serves. Raises CommandFailed when it never will."""
        assert self._task is not None
        serving = asyncio.ensure_future(self.serves.wait())
        try:
            await asyncio.wait(
                (serving, self._task), timeout=SERVE_S_MAX, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            serving.cancel()
        if self.serves.is_set():
            return
        if self._task.done():
            self._task.result()
        raise CommandFailed(
            f"The process {self.name} did not serve within {SERVE_S_MAX:.0f} s; what it said is "
            "above."
        )

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and after `grace_s` seconds SIGKILL; returns when it has ended."""
        self._stopping = True
        if self.child is not None:
            status = await self.child.stop(grace_s)
            self._ended(self.child.pid)
            if status != 0:
                log.warning("process ended badly", extra={"member": self.name, "status": status})
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self._stopping = True
        if self.child is not None:
            self.child.kill()

    async def _bear(self) -> None:
        self._births += 1
        self.serves.clear()
        self.child = await start_child(
            [sys.executable, "-P", "-m", "gateway.cli", self.role],
            name=self.name,
            env=self._environment,
            death_signal=SIGKILL,
        )

    async def _keep(self, changed: Callable[[], None]) -> None:
        back_off_s = BACK_OFF_S_MIN
        while True:
            assert self.child is not None
            born = monotonic()
            status = await self.child.wait()
            self.serves.clear()
            if self._stopping:
                return
            self._ended(self.child.pid)
            if not self._has_served and self._births >= BIRTHS_MAX:
                raise CommandFailed(
                    f"The process {self.name} ended with status {status} before it served, "
                    f"{self._births} times; what it said is above."
                )
            log.error("process ended", extra={"member": self.name, "status": status})
            if monotonic() - born > STEADY_S:
                back_off_s = BACK_OFF_S_MIN
            await asyncio.sleep(back_off_s)
            back_off_s = min(back_off_s * 2, BACK_OFF_S_MAX)
            while not self._stopping:
                try:
                    await self._bear()
                    break
                except (ChildNotStarted, OSError) as error:
                    log.error(
                        "process cannot start", extra={"member": self.name, "why": str(error)}
                    )
                    await asyncio.sleep(BACK_OFF_S_MAX)
            if self.child is not None and self._stopping:
                self.child.kill()
            changed()


class Crew:
    """All members, found by process id."""

    def __init__(self) -> None:
        self.members: list[Member] = []

    def add(self, member: Member) -> Member:
        """Take a member in."""
        self.members.append(member)
        return member

    def heard(self, pid: int, address: str) -> None:
        """A child says that it serves."""
        for member in self.members:
            if member.pid == pid:
                member.heard(address)

    def pids(self, role: str) -> list[int]:
        """The ids of the living children of a role."""
        return [m.pid for m in self.members if m.role == role and m.pid is not None]

    async def stop(self, role: str, *, grace_s: float) -> None:
        """Stop all children of a role, all at once."""
        ending = [member for member in self.members if member.role == role]
        await asyncio.gather(*(member.stop(grace_s) for member in ending))
        self.members = [member for member in self.members if member.role != role]


def child_environment(settings: Mapping[str, str], *, opens_secrets: bool) -> dict[str, str]:
    """The environment of a child: ours without settings of our own, and the given ones.

    `settings` are variables (see `config.to_environment`). Only who `opens_secrets` gets the
    key-encryption key that we were given. The package's folder comes first on the module path:
    the child runs the same code, from wherever it is started.
    """
    kept = ("TILLGATE_KEK",) if opens_secrets else ()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TILLGATE_") or name in kept
    }
    path = [str(PACKAGE_FOLDER), *filter(None, [inherited.get("PYTHONPATH")])]
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
