"""Receivers that misbehave on purpose, and a record of every connection that was tried."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

Handler = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One connection as a receiver sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The bytes of the next request, head and body. Raises IncompleteReadError at the end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return head + await self.reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_cut(self) -> None:
        """Wait until the other side has gone."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


class Receiver:
    """A TCP server on loopback that does what `handler` says and counts what comes."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.connections = 0
        self.arrived = asyncio.Semaphore(0)  # one permit per connection
        self.requests: list[bytes] = []
        self.finished = asyncio.Event()  # set when one connection has been handled to its end
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.arrived.release()
        exchange = Exchange(reader, writer)
        original = exchange.request

        async def recorded() -> bytes:
            request = await original()
            self.requests.append(request)
            return request

        exchange.request = recorded  # type: ignore[method-assign]
        try:
            await self._handler(exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.finished.set()


@pytest.fixture
async def receive() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """Start receivers: `await receive(handler, host="127.0.0.1", tls=None)`."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler, *, host: str = "127.0.0.1", tls=None) -> Receiver:  # type: ignore[no-untyped-def]
            receiver = Receiver(handler)
            server = await asyncio.start_server(receiver, host, 0, ssl=tls)
            stack.callback(server.close)
            receiver.port = server.sockets[0].getsockname()[1]
            return receiver

        yield start


_tried: list[str] | None = None


def _on_audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _tried is not None:
        address = arguments[1]
        if isinstance(address, tuple):
            _tried.append(str(address[0]))


sys.addaudithook(_on_audit)


@pytest.fixture
def connects() -> Iterator[list[str]]:
    """The addresses of every connect() that this process tries during the test."""
    global _tried
    _tried = []
    yield _tried
    _tried = None
