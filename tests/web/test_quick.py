"""The quick lane in a server that says good-bye."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from fastpath.request import PlainRequest
from gateway.web.quick import Exchange, QuickLane
from gateway.web.routing import Router
from gateway.web.server import HttpServer

HEAD = b"POST /quick HTTP/1.1\r\nHost: a\r\nAuthorization: X y\r\n"
BODY = b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
DRAIN_SECONDS_MAX = 20.0


class Door:
    """An operation that ends when a test says so."""

    name = "quick"
    scope = "payments.write"

    def __init__(self) -> None:
        self.begun: asyncio.Queue[Exchange] = asyncio.Queue()

    def read(self, request: PlainRequest) -> bytes:
        return request.body

    def begin(self, asked: Any, exchange: Exchange) -> bool:
        self.begun.put_nowait(exchange)
        return True


class Anybody:
    """Authenticates everybody."""

    def authenticate_plain(self, request: PlainRequest, *, address: str, scope: str) -> object:
        return object()


async def in_flight(
    clients: list[asyncio.StreamWriter],
) -> tuple[HttpServer, QuickLane, Exchange, asyncio.StreamReader]:
    """A server with one quick request under way, and the client's end of it."""
    door, anybody = Door(), Anybody()
    lane = QuickLane(
        authenticator=anybody,  # type: ignore[arg-type]
        exact={(b"POST", b"/quick"): door},
        below=(),
        new_request_id=lambda: "req_1",
    )
    server = HttpServer(Router(), new_request_id=lambda: "req_1", quick=lane)
    await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    clients.append(writer)
    writer.write(HEAD + BODY)
    exchange = await asyncio.wait_for(door.begun.get(), DRAIN_SECONDS_MAX)
    return server, lane, exchange, reader


@pytest.fixture
def clients() -> Iterator[list[asyncio.StreamWriter]]:
    """The clients' ends: one that nobody holds would hang up."""
    held: list[asyncio.StreamWriter] = []
    yield held
    for writer in held:
        writer.close()


@pytest.mark.parametrize("by_reply", [True, False])
async def test_a_drain_ends_with_the_last_quick_answer(
    by_reply: bool, clients: list[asyncio.StreamWriter]
) -> None:
    server, lane, exchange, reader = await in_flight(clients)
    draining = asyncio.create_task(server.drain(DRAIN_SECONDS_MAX))
    await asyncio.sleep(0)
    assert lane.in_flight == 1 and not draining.done()
    if by_reply:
        exchange.fail(ValueError("a defect"))
    else:
        exchange.answer("HTTP/1.1 201 Created", "{}")
    async with asyncio.timeout(DRAIN_SECONDS_MAX / 2):
        assert await draining is True
        said = await reader.read()
    assert b"Connection: close\r\n" in said
    assert lane.in_flight == 0


async def test_nothing_is_taken_after_good_bye(clients: list[asyncio.StreamWriter]) -> None:
    server, lane, exchange, reader = await in_flight(clients)
    server.say_goodbye()
    exchange.answer("HTTP/1.1 201 Created", "{}")
    assert b"201 Created" in await reader.read()
    assert lane.take(exchange.connection, HEAD + BODY) is False
    assert await server.drain(DRAIN_SECONDS_MAX) is True
