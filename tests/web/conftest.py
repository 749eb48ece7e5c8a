"""A server on loopback and a client that repairs nothing."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import uvloop

from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route, Router
from gateway.web.server import HttpServer

# What depends on the loop is tested on both: production's and the standard library's.
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
LOOP_OF_THE_REST = {"uvloop": uvloop.new_event_loop}
MODULES_ON_BOTH_LOOPS = ("test_server.py", "test_request.py", "test_limits.py")
ANSWER_SECONDS_MAX = 20.0
HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which event loops an asynchronous test below this folder runs on."""
    return LOOPS if item.path.name in MODULES_ON_BOTH_LOOPS else LOOP_OF_THE_REST


def get(target: str = "/echo", fields: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A GET request as it goes over the wire; `fields` are whole lines."""
    return b"GET %b HTTP/%b\r\n%b%b\r\n" % (target.encode("latin-1"), version, HOST, fields)


def post(body: bytes = b"{}", fields: bytes = JSON, target: bytes = b"/echo") -> bytes:
    """A POST request with a body of known length."""
    return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (
        target, HOST, fields, len(body), body,
    )  # fmt: skip


def chunked(*chunks: bytes, fields: bytes = JSON, end: bytes = b"0\r\n\r\n") -> bytes:
    """A POST request whose body comes in chunks."""
    return (
        b"POST /echo HTTP/1.1\r\n" + HOST + fields + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    )  # fmt: skip


class Answer(NamedTuple):
    """One reply as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)


class Wire:
    """A raw connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, head_only: bool = False) -> Answer:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            line, *fields = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
            headers = {}
            for field in fields:
                name, value = field.decode("ascii").split(": ", 1)
                assert name.lower() not in headers
                headers[name.lower()] = value
            length = 0 if head_only else int(headers.get("content-length", 0))
            return Answer(int(line.split()[1]), headers, await self.reader.readexactly(length))

    async def end(self) -> bytes:
        """What comes until the server closes the connection."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        self.writer.close()


class Stand:
    """A server, what it told its hooks, and connections to it."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.observed: list[tuple[str, str, int]] = []
        self.errors: list[tuple[str, BaseException]] = []
        self.requests: list[Request] = []
        self._wires: list[Wire] = []

    async def wire(self, data: bytes = b"") -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.server.port))
        self._wires.append(wire)
        wire.send(data)
        return wire

    async def ask(self, data: bytes, *, head_only: bool = False) -> Answer:
        """The first answer to `data` on a connection of its own."""
        return await (await self.wire(data)).answer(head_only=head_only)

    @staticmethod
    async def until(condition: Callable[[], object]) -> None:
        """Give the loop its turns until something is so that no event tells of."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while True:
                if condition():
                    return
                await asyncio.sleep(0)

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


async def echo(request: Request) -> Reply:
    """Say what was understood."""
    said = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "target": request.target.decode("ascii"),
        "params": request.params,
        "body": request.body.decode("latin-1"),
        "body_bytes": len(request.body),
        "remote": request.remote,
    }
    return json_reply(200, json.dumps(said).encode(), request_id=request.request_id)


ROUTES = (
    Route("GET", "/echo", echo, "get_echo"),
    Route("HEAD", "/echo", echo, "head_echo"),
    Route("POST", "/echo", echo, "post_echo"),
    Route("POST", "/echo/{thing}", echo, "post_thing"),
    Route("POST", "/raw", echo, "post_raw", raw=True),
)

StartStand = Callable[..., Awaitable[Stand]]


@pytest.fixture
async def start_stand() -> AsyncIterator[StartStand]:
    """Start a server with `ROUTES` and further routes; ended after the test."""
    stands: list[Stand] = []
    numbers = itertools.count(1)

    async def start(*routes: Route, **settings: Any) -> Stand:
        router = Router()
        for route in (*ROUTES, *routes):
            router.add(route)
        observe = settings.pop("observe", None)
        stand: Stand

        async def dispatch(request: Request) -> Reply:
            stand.requests.append(request)
            assert request.route is not None
            return await request.route.handler(request)

        settings.setdefault("dispatch", dispatch)
        server = HttpServer(
            router,
            new_request_id=lambda: f"req_{next(numbers)}",
            observe=observe or (lambda *seen: stand.observed.append(seen[:3])),
            on_error=lambda request, exc: stand.errors.append((request.request_id, exc)),
            **settings,
        )
        stand = Stand(server)
        await server.start("127.0.0.1", 0)
        stands.append(stand)
        return stand

    yield start
    for stand in stands:
        stand.close()
        await stand.server.drain(0)


@pytest.fixture
async def stand(start_stand: StartStand) -> Stand:
    """A server with `ROUTES` only."""
    return await start_stand()
