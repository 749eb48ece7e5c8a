"""Plain: one request at a time over one kept connection, its answer read with little ado.

Law: what is read here quickly is a plain answer only: HTTP/1.1, its head whole in one piece, of
known length, nothing in it that changes how it is to be read. Every other one is read from its
first byte by aiohttp's own reader, and what that refuses is no answer. A connection serves again
only if the answer was whole, nothing came behind it and all of the request had left; whatever
else happens, it is cut. No request is ever sent twice from here.
Sources: RFC 9110, RFC 9112 (sections 4, 6 and 9.3).
"""

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

HEAD_BYTES_MAX = 8 * 1024
HEADERS_MAX = 100
READ_BUFFER_BYTES = 16 * 1024
_EMPTY = (204, 304)  # statuses whose answers have no body, whatever their head says
_SWITCHING = 101

# Field names are tokens (RFC 9110 section 5.6.2); values here are of printable ASCII.
_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) [\t\x20-\x7e]*\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n)*)\r\n"
)
_TELLING = re.compile(
    rb"^(content-length|connection|retry-after|transfer-encoding|upgrade):"
    rb"[\t ]*([^\r]*?)[\t ]*\r$",
    re.IGNORECASE | re.MULTILINE,
)
_LENGTH = re.compile(rb"[0-9]{1,9}\Z")


class NoAnswer(ConnectionError):
    """What came is no HTTP answer, or not whole."""


class Cut(NoAnswer):
    """The connection ended before the head of an answer was whole."""


class Answer(NamedTuple):
    """A whole answer: its status, and its Retry-After as it came. Its body is not kept."""

    status: int
    retry_after: str | None


class _Head(NamedTuple):
    answer: Answer
    body_bytes: int
    keeps: bool
    size: int


def _read_head(data: bytes, *, body_bytes_max: int) -> _Head | None:
    """The head with which `data` begins, or None if it is not a plain one."""
    match = _HEAD.match(data)
    if match is None or match.end() > HEAD_BYTES_MAX:
        return None
    fields = match[2]
    if fields.count(b"\n") > HEADERS_MAX:
        return None
    status = int(match[1])
    length: int | None = 0 if status in _EMPTY else None
    retry_after: str | None = None
    keeps = True
    told: set[bytes] = set()
    for name, value in _TELLING.findall(fields):
        name = name.lower()
        if name in told:
            return None
        told.add(name)
        if name == b"content-length" and _LENGTH.match(value):
            length = int(value)
        elif name == b"retry-after":
            retry_after = value.decode("ascii")
        elif name == b"connection" and value.lower() in (b"keep-alive", b"close"):
            keeps = value.lower() == b"keep-alive"
        else:
            return None
    if length is None or length > (0 if status in _EMPTY else body_bytes_max):
        return None
    return _Head(Answer(status, retry_after), length, keeps, match.end())


class PlainConnection(asyncio.Protocol):
    """A connection to one receiver. `is_free` says whether it may serve another request.

    At most `body_bytes_max` of an answer's body are read, then the connection is cut: the status
    counts. `lost` is called once it is gone.
    """

    def __init__(self, *, body_bytes_max: int, lost: Callable[["PlainConnection"], None]) -> None:
        self.idle_since = 0.0  # monotonic seconds; for who keeps it
        self._loop = asyncio.get_running_loop()
        self._body_bytes_max = body_bytes_max
        self._lost = lost
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[Answer | None] | None = None
        self._head: _Head | None = None
        self._missing = 0  # of the body; below zero if more came than belongs to it
        self._handler: ResponseHandler | None = None
        self._is_late = False
        self._keeps = True

    # --- one exchange ----------------------------------------------------------------------------

    async def exchange(self, request: bytes, *, until: float) -> Answer:
        """Send the bytes of a request; what was answered by `until` (the loop's time).

        Raises `Cut` and `NoAnswer`, and TimeoutError if no answer was whole by then. The
        connection must be free.
        """
        self._head, self._missing, self._keeps = None, 0, False
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until, self._expire)
        try:
            self._transport.write(request)
            answer = await waiter
            if answer is None:
                answer = await self._read_carefully()
        except BaseException:
            self.abort()
            raise
        finally:
            timer.cancel()
            self._waiter = None
        if not self._keeps:
            self.abort()
        return answer

    def _expire(self) -> None:
        self._is_late = True
        self.abort()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    async def _read_carefully(self) -> Answer:
        """The answer by aiohttp's reader, to which everything is handed that comes."""
        handler = self._handler
        assert handler is not None
        try:
            while True:
                message, payload = await handler.read()
                if not 100 <= message.code <= 199 or message.code == _SWITCHING:
                    break
            size = 0
            async for chunk in payload.iter_any():
                size += len(chunk)
                if size > self._body_bytes_max:
                    break
        except (aiohttp.ClientError, HttpProcessingError) as failure:
            if self._is_late:
                raise TimeoutError from failure
            if isinstance(failure, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
                raise Cut from failure
            raise NoAnswer from failure
        if self._is_late:
            raise TimeoutError  # a body may end with its connection: the end was ours
        is_whole = size <= self._body_bytes_max and not handler.should_close
        self._keeps = is_whole and self._has_left and self._transport.is_reading()
        self._handler = None
        return Answer(message.code, message.headers.get("Retry-After"))

    # --- between exchanges -----------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether it is open, and nothing of an exchange is left."""
        return self._keeps and not self._transport.is_closing()

    @property
    def _has_left(self) -> bool:
        return not self._transport.get_write_buffer_size()

    def close(self) -> None:
        """End it politely."""
        self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        self._keeps = False
        self._transport.abort()

    # --- what the event loop tells ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base class

    def data_received(self, data: bytes) -> None:
        """Something came."""
        if self._handler is not None:
            self._handler.data_received(data)
            return
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.abort()  # nobody asked
            return
        if self._head is None:
            self._head = _read_head(data, body_bytes_max=self._body_bytes_max)
            if self._head is None:
                self._hand_over(data, waiter)
                return
            self._missing = self._head.size + self._head.body_bytes
        self._missing -= len(data)
        if self._missing <= 0:
            self._keeps = self._head.keeps and self._missing == 0 and self._has_left
            waiter.set_result(self._head.answer)

    def _hand_over(self, data: bytes, waiter: "asyncio.Future[Answer | None]") -> None:
        handler = self._handler = ResponseHandler(self._loop)
        handler.connection_made(self._transport)
        handler.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        handler.data_received(data)
        waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._keeps = False
        self._lost(self)
        if self._handler is not None:
            self._handler.connection_lost(exc)
        elif self._waiter is not None and not self._waiter.done():
            lost = Cut() if self._head is None else NoAnswer()
            lost.__cause__ = exc
            self._waiter.set_exception(lost)
