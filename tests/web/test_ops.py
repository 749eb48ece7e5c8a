"""Operations doors: a word for everybody, the details on a port of their own."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

import fastpath
from gateway.web import ops
from gateway.web.ops import OpsServer, routes, serve_ops
from gateway.web.routing import Router
from gateway.web.server import HttpServer


class Readiness:
    """What is found out about readiness, as a test says."""

    def __init__(self) -> None:
        self.found: Mapping[str, Any] | Exception = {"ready": True, "shards": [{"shard": 0}]}
        self.never = False

    async def __call__(self) -> Mapping[str, Any]:
        if self.never:
            await asyncio.Event().wait()
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def server(readiness: Readiness) -> AsyncIterator[OpsServer]:
    opened = await serve_ops("127.0.0.1", 0, readiness=readiness, metrics=lambda: b"a_total 1\n")
    yield opened
    await opened.close()


@pytest.fixture
async def api(readiness: Readiness) -> AsyncIterator[HttpServer]:
    router = Router()
    for route in routes(readiness):
        router.add(route)
    opened = HttpServer(router, new_request_id=lambda: "req_1")
    await opened.start("127.0.0.1", 0)
    yield opened
    await opened.drain(1)


async def get(port: int, path: str) -> tuple[int, str, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_a_word_on_the_api(api: HttpServer, readiness: Readiness) -> None:
    assert await get(api.port, "/livez") == (200, "text/plain; charset=utf-8", "ok\n")
    assert await get(api.port, "/readyz") == (200, "text/plain; charset=utf-8", "ok\n")
    readiness.found = {"ready": False, "shards": ["secret details"]}
    assert await get(api.port, "/readyz") == (503, "text/plain; charset=utf-8", "not ready\n")
    assert (await get(api.port, "/livez"))[0] == 200
    assert (await get(api.port, "/metrics"))[0] == 404


@pytest.mark.parametrize("found", [{}, {"ready": 1}, {"ready": None}, ValueError("secret")])
async def test_whatever_is_not_ready_is_not(
    api: HttpServer, server: OpsServer, readiness: Readiness, found: Any
) -> None:
    readiness.found = found
    assert (await get(api.port, "/readyz"))[0] == 503
    status, _, body = await get(server.port, "/readyz")
    assert status == 503
    assert "secret" not in body


async def test_an_answer_that_never_comes(
    api: HttpServer, readiness: Readiness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "READY_WAIT_S_MAX", 0.05)
    readiness.never = True
    assert (await get(api.port, "/readyz"))[0] == 503
    assert (await get(api.port, "/livez"))[0] == 200


async def test_details_on_the_metrics_port(server: OpsServer, readiness: Readiness) -> None:
    status, kind, body = await get(server.port, "/readyz")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {
        "ready": True,
        "shards": [{"shard": 0}],
        "fastpath": fastpath.IMPLEMENTATION,
    }
    readiness.found = {"ready": False}
    assert (await get(server.port, "/readyz"))[0] == 503
    assert json.loads((await get(server.port, "/livez"))[2])["live"] is True


async def test_the_scrape(server: OpsServer) -> None:
    status, kind, body = await get(server.port, "/metrics")
    assert (status, body) == (200, "a_total 1\n")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert (await get(server.port, "/v1/payments"))[0] == 404


async def test_on_a_bound_socket(readiness: Readiness) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    opened = await serve_ops("", 0, readiness=readiness, metrics=lambda: b"", sock=sock)
    try:
        assert opened.port == port
        assert (await get(port, "/livez"))[0] == 200
    finally:
        await opened.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
