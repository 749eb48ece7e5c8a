"""The request: one as it came, whole and well-formed, or refused.

Law: a request reaches its handler whole and well-formed or not at all. Target, framing, headers
and route are settled first, then size and media type, and then the body is read to its end; what
is refused is refused as a problem of the catalogue. Nothing is repaired, and nothing here answers.

It is what `request_factory` of aiohttp's low-level server makes of parsed headers.
Source: RFC 9110, RFC 9112; limits in limits.py and body.py.
"""

import asyncio
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDictProxy

from gateway.domain.errors import TillgateError, not_found
from gateway.web.body import BODY_BYTES_MAX
from gateway.web.limits import BODY_SECONDS_MAX, HEADERS_BYTES_MAX, Connection
from gateway.web.reply import JSON
from gateway.web.routing import Route, Router

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The colon and space of a header line, and its end.
_HEADER_LINE_EXTRA_BYTES = 4


class MethodNotAllowed(TillgateError):
    """A 405 that knows which methods would be allowed."""

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__("method_not_allowed", f"Allowed here: {', '.join(allow)}.")
        self.allow = allow


class Request:
    """One request, as it came.

    `path` and `query` are raw text; `params` the values of the route's placeholders; `body` the
    whole body; `remote` the peer's address. `caller` is left for whoever authenticates.
    The members that begin with an underscore are what aiohttp's connection asks of a request.
    """

    __slots__ = (
        "_message",
        "_payload",
        "_task",
        "body",
        "caller",
        "connection",
        "keep_alive",
        "method",
        "params",
        "path",
        "query",
        "request_id",
        "route",
        "writer",
    )

    def __init__(
        self,
        message: Any,
        payload: StreamReader,
        connection: Connection,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> None:
        self._message = message
        self._payload = payload
        self._task = task
        self.connection = connection
        self.writer = writer
        self.method: str = message.method
        self.path, _, self.query = message.path.partition("?")
        self.keep_alive: bool = not message.should_close
        self.request_id = ""
        self.route: Route | None = None
        self.params: dict[str, str] = {}
        self.body = b""
        self.caller: Any = None

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """All headers; names compare without case."""
        return self._message.headers

    @property
    def target(self) -> bytes:
        """Path and query exactly as they stood in the request line: what is signed."""
        return self._message.path.encode("utf-8", "surrogateescape")

    @property
    def remote(self) -> str:
        """The address at the other end of the connection, "" for a Unix socket."""
        return self.connection.remote

    @property
    def is_http_1_0(self) -> bool:
        """Whether the client speaks HTTP/1.0."""
        return self._message.version == HttpVersion10

    @property
    def is_read(self) -> bool:
        """Whether all of it has arrived; else the rest comes into an answered request."""
        return self._payload.is_eof()

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path!r} {self.request_id}>"

    def admit(self, router: Router) -> bool:
        """Set `route`, `params` and `body`; False if the body is still coming (`read_body`).

        Raises `malformed_request`, `not_found`, MethodNotAllowed, `body_too_large` and
        `unsupported_media_type`.
        """
        message = self._message
        path = self.path
        target: str = message.path
        if path[:1] != "/" or not target.isascii() or "#" in target:
            raise self._unsound("The request target is not a plain path.")
        if message.chunked and not _is_plainly_chunked(self):
            raise self._unsound("The only transfer coding is chunked, from HTTP/1.1 on.")
        if self.connection.measured and _header_bytes(message) > HEADERS_BYTES_MAX:
            raise self._unsound("The headers are too large.")
        if message.upgrade:
            # Whatever follows is not spoken here.
            self.keep_alive = False
        found = router.resolve(self.method, path)
        if found.route is None:
            if found.allow:
                raise MethodNotAllowed(found.allow)
            raise not_found()
        self.route = found.route
        self.params = found.params
        payload = self._payload
        if not payload.is_eof():
            return False
        if payload.total_bytes:
            self._examine_body(payload.total_bytes)
            self.body = payload.read_nowait()
        return True

    async def read_body(self) -> None:
        """Read a body that was not there at once, within time and size.

        Raises `body_too_large`, `unsupported_media_type`, and `malformed_request` if it comes too
        late or broken.
        """
        self._examine_body(int(self.headers.get(hdrs.CONTENT_LENGTH, 0)))
        payload = self._payload
        if not payload.total_bytes and _awaits_continue(self):
            transport = self.connection.transport
            if transport is not None:
                transport.write(_CONTINUE)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while chunk := await payload.readany():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        self._examine_body(len(body))
        except TimeoutError:
            raise TillgateError(
                "malformed_request", f"The body was not there after {BODY_SECONDS_MAX:g} s."
            ) from None
        except (web.RequestPayloadError, ConnectionError, RuntimeError):
            # Broken framing, or the client has gone: nobody may be there to read this.
            raise self._unsound("The body is not well framed.") from None
        self.body = bytes(body)

    def _examine_body(self, body_bytes: int) -> None:
        """Refuse by size and media type what has a body of `body_bytes` (as far as known)."""
        if body_bytes > BODY_BYTES_MAX:
            raise TillgateError(
                "body_too_large", f"A body may have at most {BODY_BYTES_MAX} bytes."
            )
        headers = self.headers
        if hdrs.CONTENT_ENCODING in headers:
            raise TillgateError(
                "unsupported_media_type", "A body with a Content-Encoding is not read."
            )
        media_type = headers.get(hdrs.CONTENT_TYPE, "")
        route = self.route
        if media_type == JSON or (route is not None and route.raw) or is_json(media_type):
            return
        raise TillgateError("unsupported_media_type", "The body must be application/json in UTF-8.")

    def _unsound(self, detail: str) -> TillgateError:
        """A refusal after which nothing more can be believed of what comes on the connection."""
        self.keep_alive = False
        return TillgateError("malformed_request", detail)

    def _cancel(self, exc: BaseException) -> None:
        self._payload.set_exception(exc)

    def _finish(self) -> None:
        """aiohttp closes uploaded files here; there are none."""


def is_json(media_type: str) -> bool:
    """Whether a Content-Type says `application/json`, at most with `charset=utf-8`."""
    essence, *parameters = media_type.split(";")
    if essence.strip().lower() != JSON:
        return False
    return all(
        parameter.strip().lower() in ("", "charset=utf-8", 'charset="utf-8"')
        for parameter in parameters
    )


def _is_plainly_chunked(request: Request) -> bool:
    """Whether a proxy before us can have seen no other end of the body (RFC 9112, 6.1)."""
    coding = request.headers.get(hdrs.TRANSFER_ENCODING, "")
    return coding.lower() == "chunked" and not request.is_http_1_0


def _awaits_continue(request: Request) -> bool:
    return (
        request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"
        and request._message.version == HttpVersion11
    )


def _header_bytes(message: Any) -> int:
    return sum(
        len(name) + len(value) + _HEADER_LINE_EXTRA_BYTES for name, value in message.raw_headers
    )
