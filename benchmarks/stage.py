"""The stage: what benchmarks play on, opened when first asked for and ended at the end.

Law: one house, one hello and one nothing serve all benchmarks that need no other; what changes a
house for good (its size, its shards, its memory) opens one of its own. A house whose books do not
hold voids the run.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Self

from benchmarks import processes
from benchmarks.contest import Plan, Play
from benchmarks.house import MERCHANTS, House, open_house
from benchmarks.load import Round, Target
from benchmarks.replay import records
from benchmarks.requests import Request, write

HELLO = "benchmarks.rivals.hello"
NOTHING = "benchmarks.rivals.nothing"
COPIED_MAX = 2_000


class Stage:
    """The plan of a run and the programs that play. An async context manager."""

    def __init__(self, plan: Plan, *, tell: Callable[[str], None]) -> None:
        self.plan = plan
        self.tell = tell
        self.books: list[str] = []
        self.durability: dict[str, str] = {}
        self._stack = contextlib.AsyncExitStack()
        self._house: House | None = None
        self._houses = 0
        self._rivals: dict[str, Target] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def house(self) -> House:
        """The house that most benchmarks share."""
        if self._house is None:
            self._houses += 1
            folder = self.plan.folder / f"house-{self._houses}"
            self._house = await self._stack.enter_async_context(
                open_house(folder, cores=self.plan.cores)
            )
            self.durability = self._house.durability
        return self._house

    async def renew(self) -> None:
        """End all that plays: what follows a benchmark that failed begins with nothing of it."""
        self._house = None
        self._rivals.clear()
        await self._stack.aclose()

    @contextlib.asynccontextmanager
    async def own_house(
        self,
        name: str,
        *,
        shards: int = 1,
        merchants: int = MERCHANTS,
        with_worker: bool = False,
    ) -> AsyncIterator[House]:
        """A house of one benchmark's own. Its books must hold in the end (`close_books`)."""
        folder = self.plan.folder / name
        async with open_house(
            folder,
            cores=self.plan.cores,
            shards=shards,
            merchants=merchants,
            with_worker=with_worker,
        ) as house:
            self.durability = house.durability
            yield house

    async def close_books(self) -> None:
        """Recompute the books of the shared house. Raises `RunVoid`."""
        if self._house is not None:
            self.books.append(await self._house.verify())

    async def rival(self, module: str) -> Target:
        """A program of `rivals/` that needs only a port, on the measured core."""
        if module not in self._rivals:
            self._rivals[module] = await self._stack.enter_async_context(
                open_program(module, self.plan)
            )
        return self._rivals[module]

    async def hello(self, file: Path, *, name: str) -> Play:
        """Rounds of hello with the requests of `file` (its first thousands), sent to its path."""
        return await self._echo(HELLO, file, name=name)

    async def nothing(self, file: Path, *, name: str) -> Play:
        """Rounds of the limit with the same requests."""
        return await self._echo(NOTHING, file, name=name)

    async def hello_small(self, method: str) -> Play:
        """Rounds of hello with the least request there is: three headers, body `{}` or none."""
        file = self.plan.folder / f"small-{method}"
        body = b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        head = b"%b / HTTP/1.1\r\nHost: 127.0.0.1\r\n" % method.encode()
        raw = head + (body if method == "POST" else b"\r\n")
        write(file, [Request(raw, 200, b'{"hello":"world"}')])
        return await self._looped(HELLO, file)

    async def _echo(self, module: str, file: Path, *, name: str) -> Play:
        copied = self.plan.folder / f"{name}-{module.rpartition('.')[2]}"
        write(copied, rivals_requests(file))
        return await self._looped(module, copied)

    async def _looped(self, module: str, file: Path) -> Play:
        target = await self.rival(module)
        await self.plan.check(target, file)

        async def play(number: int) -> Round:
            return await self.plan.run(target, file, loop=True)

        return play


def rivals_requests(file: Path) -> Iterator[Request]:
    """The same bytes as ours, headers and body, but for the path and what must come back."""
    for _, (raw, _status, _contains) in zip(
        range(COPIED_MAX), records(file, loop=False), strict=False
    ):
        method, _path, rest = raw.split(b" ", 2)
        yield Request(b"%b / %b" % (method, rest), 200, b'{"hello":"world"}')


@contextlib.asynccontextmanager
async def open_program(
    module: str,
    plan: Plan,
    *arguments: str,
    port: int | None = None,
    postgres_pid: int | None = None,
    core: int | None = None,
) -> AsyncIterator[Target]:
    """A program that takes a port and listens at it, on the measured core unless told."""
    port, log = port or processes.free_port(), plan.folder / f"{module.rpartition('.')[2]}.log"
    command = [sys.executable, "-m", module, str(port), *arguments]
    async with processes.started(
        command,
        core=plan.cores.server if core is None else core,
        environment=dict(os.environ),
        log=log,
    ) as process:
        await processes.listening(process, port, log=log)
        yield Target(pids=(process.pid,), port=port, postgres_pid=postgres_pid)
