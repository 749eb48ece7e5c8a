"""The generator of constant rate counts from the intended moment, and looks at every answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.pace import pace
from benchmarks.requests import Request, plain, write

RAW = plain("GET", "/", b"", media_type="")
STALL_S = 0.5

Serve = Callable[[Callable[[], Awaitable[None]]], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Gives a port at which `hello` is answered after whatever the given function does."""
    runners = []

    async def start(before: Callable[[], Awaitable[None]]) -> int:
        async def hello(request: web.BaseRequest) -> web.Response:
            await before()
            return web.Response(text="hello")

        runner = web.ServerRunner(web.Server(hello))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return int(runner.addresses[0][1])

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_every_request_is_sent_and_looked_at(tmp_path: Path, serve: Serve) -> None:
    async def nothing() -> None: ...

    port = await serve(nothing)
    requests = [Request(RAW, 200, b"hello"), Request(RAW, 200, b"bye")] * 50
    write(tmp_path / "file", requests)
    found = await asyncio.to_thread(
        pace, tmp_path / "file", port=port, rate=500, connections=4, seconds=0.2, loop=False
    )
    assert (found["requests"], found["wrong"]) == (100, 50)


async def test_a_stall_is_felt_by_all_that_should_have_been_sent_meanwhile(
    tmp_path: Path, serve: Serve
) -> None:
    """One connection, and one answer that takes half a second: the others waited for it."""
    stalls = iter([STALL_S])

    async def stall() -> None:
        await asyncio.sleep(next(stalls, 0))

    port = await serve(stall)
    write(tmp_path / "file", [Request(RAW, 200, b"hello")])
    found = await asyncio.to_thread(
        pace, tmp_path / "file", port=port, rate=100, connections=1, seconds=0.5, loop=True
    )
    # Measured from the real sending, 49 of 50 would have been answered at once.
    assert found["p50_ms"] > STALL_S * 1000 / 4
