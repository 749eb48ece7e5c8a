"""Replies: one buffer, made at once, written at once.

Law: a reply is complete before its first byte leaves, and it leaves in one write. It knows nothing
of what it says. It carries Date and Request-Id always, Connection only where the rule of the
protocol's version would say otherwise, and no header that holds a control character.

aiohttp's own responses build a header mapping, write it and then the body; `Reply` answers the
four questions that aiohttp's connection asks of a response (`prepare`, `write_eof`, `keep_alive`,
`status`) and doubles the requests per second of a core.

Source: RFC 9110 (semantics), RFC 9112 (framing, persistence).
"""

import asyncio
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import Any, Protocol

from aiohttp import web
from multidict import CIMultiDict

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
REPLY_SECONDS_MAX = 30.0
_CLOSE = b"Connection: close\r\n"
_KEEP_ALIVE = b"Connection: keep-alive\r\n"
_BODILESS_STATUSES = frozenset((204, 304))

Headers = Sequence[tuple[str, str]]


class Asked(Protocol):
    """What an answer must know of its request."""

    @property
    def method(self) -> str: ...
    @property
    def is_http_1_0(self) -> bool: ...


class Connected(Asked, Protocol):
    """A request whose client is there; `connection` and `writer` are aiohttp's."""

    connection: Any
    keep_alive: bool
    writer: Any


class Reply(web.StreamResponse):
    """A whole answer: status, headers and body, in bytes from the start.

    `close` ends the connection after it, whatever the client asked for. One reply is good for one
    request. Raises ValueError for a header or request id with characters that do not belong there.
    """

    def __init__(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str,
        request_id: str,
        headers: Headers = (),
        close: bool = False,
    ) -> None:
        # StreamResponse.__init__ is left out: it would build mappings that nobody reads.
        self._status = status
        self._keep_alive = not close
        self.body = body
        self.extra_headers = headers
        if not request_id.isidentifier() or not request_id.isascii():
            raise ValueError("a request id is made of ASCII letters, digits and underscores")
        head = b"%bDate: %b\r\nRequest-Id: %b\r\n" % (
            _STATUS_LINES[status],
            date(),
            request_id.encode("ascii"),
        )
        if status not in _BODILESS_STATUSES:
            head = b"%bContent-Type: %b\r\nContent-Length: %d\r\n" % (
                head,
                _MEDIA_TYPES.get(content_type) or _header_text(content_type),
                len(body),
            )
        elif body:
            raise ValueError(f"a reply of status {status} has no body")
        if headers:
            head += _header_lines(headers)
        self._head_bytes = len(head)
        self._buffer = b"%b\r\n%b" % (head, body)

    # StreamResponse is a mapping of remarks, empty here, and an empty mapping would be false.
    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Reply {self._status}, {len(self.body)} bytes>"

    @property
    def headers(self) -> CIMultiDict[str]:
        """A copy of the extra headers."""
        return CIMultiDict(self.extra_headers)

    async def prepare(self, request: Connected) -> None:  # type: ignore[override]
        """Write everything; wait only where the client reads more slowly than we write."""
        connection = request.connection
        transport = connection.transport
        if transport is None or transport.is_closing():
            self._keep_alive = False
            return
        if not request.keep_alive:
            self._keep_alive = False
        transport.write(self.encode(request))
        if connection.writing_paused:
            await self._wait_for_reader(request, transport)

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: everything was written by `prepare`."""

    def encode(self, request: Asked) -> bytes:
        """The bytes for this request: as they were built, but for HEAD and the ends of HTTP."""
        head_only = request.method == "HEAD"
        if not self._keep_alive:
            return self._with_line(_CLOSE, head_only=head_only)
        if request.is_http_1_0:
            return self._with_line(_KEEP_ALIVE, head_only=head_only)
        return self._with_line(b"", head_only=True) if head_only else self._buffer

    def encode_closed(self) -> bytes:
        """The bytes for a client whose request was not read."""
        return self._with_line(_CLOSE, head_only=False)

    def _with_line(self, line: bytes, *, head_only: bool) -> bytes:
        body = b"" if head_only else self.body
        return b"%b%b\r\n%b" % (self._buffer[: self._head_bytes], line, body)

    async def _wait_for_reader(self, request: Connected, transport: asyncio.Transport) -> None:
        try:
            async with asyncio.timeout(REPLY_SECONDS_MAX):
                await request.writer.drain()
        except TimeoutError:
            transport.abort()
        except ConnectionError:
            self._keep_alive = False


def json_reply(status: int, body: bytes, *, request_id: str, headers: Headers = ()) -> Reply:
    """A reply of `application/json`; `body` is JSON already."""
    return Reply(status, body, content_type=JSON, request_id=request_id, headers=headers)


def text_reply(
    status: int,
    text: str,
    *,
    request_id: str,
    headers: Headers = (),
    content_type: str = "text/plain; charset=utf-8",
) -> Reply:
    """A reply of text in UTF-8: plain, or of another `content_type` such as HTML."""
    body = text.encode("utf-8")
    return Reply(status, body, content_type=content_type, request_id=request_id, headers=headers)


def empty_reply(status: int = 204, *, request_id: str, headers: Headers = ()) -> Reply:
    """A reply without a body: 204, 304 or a redirection."""
    return Reply(status, b"", content_type=JSON, request_id=request_id, headers=headers)


_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
    if status.value >= 200
}
_MEDIA_TYPES = {name: name.encode("ascii") for name in (JSON, PROBLEM_JSON, "text/plain")}


def _header_text(text: str) -> bytes:
    """A header's value as bytes. Raises ValueError for anything but printable ASCII."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("a header holds a character that does not belong there")
    return text.encode("ascii")


def _header_lines(headers: Headers) -> bytes:
    lines = b""
    for name, value in headers:
        if not name or ":" in name or " " in name:
            raise ValueError("not a header's name")
        lines += b"%b: %b\r\n" % (_header_text(name), _header_text(value))
    return lines


_date_second = -1
_date_text = b""


def date() -> bytes:
    """The Date header's value for now, made once per second (RFC 9110, section 5.6.7)."""
    global _date_second, _date_text
    second = int(time())
    if second != _date_second:
        _date_text = formatdate(second, usegmt=True).encode("ascii")
        _date_second = second
    return _date_text
