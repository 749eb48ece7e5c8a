"""The load generator in Python: it counts, and it sees what is wrong."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.replay import replay
from benchmarks.requests import Request, plain, write

RAW = plain("GET", "/", b"", media_type="")


@pytest.mark.parametrize(
    ("status", "contains", "wrong"), [(200, b"hello", 0), (201, b"hello", 30), (200, b"bye", 30)]
)
async def test_every_answer_is_looked_at(
    tmp_path: Path, status: int, contains: bytes, wrong: int
) -> None:
    async def hello(request: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    runner = web.ServerRunner(web.Server(hello))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    file = tmp_path / "file"
    write(file, [Request(RAW, status, contains)] * 30)
    try:
        found = await asyncio.to_thread(
            replay, file, port=port, connections=4, seconds=30.0, loop=False
        )
    finally:
        await runner.cleanup()
    assert (found["requests"], found["wrong"]) == (30, wrong)
