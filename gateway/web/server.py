"""The server: bytes of HTTP in, one reply out, as few objects in between as can be.

Law: a request reaches its handler whole and well-formed or not at all: route, size, media type and
target are settled first, the body is read to its end, and what is refused is refused as a problem
of the catalogue. A handler that has begun is never cancelled because its client has gone. Nothing
here knows who calls or what is asked; `dispatch` does.

It stands on `aiohttp.web.Server` (the low-level server) and its `request_factory`: no application,
no middlewares, no URL objects.
Source: RFC 9110, RFC 9112; limits in limits.py and body.py.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDictProxy

from gateway.domain.errors import TillgateError, not_found
from gateway.web.body import BODY_BYTES_MAX
from gateway.web.errors import problem_reply
from gateway.web.limits import (
    BODY_SECONDS_MAX,
    CONNECTIONS_MAX,
    HEADERS_BYTES_MAX,
    Connection,
    LimitedServer,
    Quick,
    connections_room,
    require_seam,
)
from gateway.web.reply import JSON, Reply
from gateway.web.routing import Route, Router

BACKLOG_CONNECTIONS_MAX = 1024
TLS_HANDSHAKE_SECONDS_MAX = 5.0
# What aiohttp waits before it cancels a handler; it takes 0 for "for ever".
CUT_SECONDS = 0.01
UNMATCHED = "unmatched"
MALFORMED = "malformed"

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The colon and space of a header line, and its end.
_HEADER_LINE_EXTRA_BYTES = 4


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

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path!r} {self.request_id}>"

    def _cancel(self, exc: BaseException) -> None:
        self._payload.set_exception(exc)

    def _finish(self) -> None:
        """aiohttp closes uploaded files here; there are none."""


Dispatch = Callable[[Request], Awaitable[Reply]]
Observe = Callable[[str, str, int, float], None]
OnError = Callable[[Request, BaseException], None]


def _call_handler(request: Request) -> Awaitable[Reply]:
    assert request.route is not None
    return request.route.handler(request)


class HttpServer:
    """Listens, reads requests, has them answered, and drains.

    `dispatch` answers a request whose `route`, `params` and `body` are set (by default the route's
    handler does); it raises TillgateError to refuse. `observe` gets route name, method, status and
    seconds of every answer; `on_error` every exception that was nobody's intention.
    Raises RuntimeError where `require_seam` does.
    """

    def __init__(
        self,
        router: Router,
        *,
        new_request_id: Callable[[], str],
        dispatch: Dispatch = _call_handler,
        observe: Observe | None = None,
        on_error: OnError | None = None,
        quick: Quick | None = None,
        connections_max: int = CONNECTIONS_MAX,
        pure_parser_allowed: bool = False,
    ) -> None:
        require_seam(pure_parser_allowed=pure_parser_allowed)
        self._router = router
        self._new_request_id = new_request_id
        self._dispatch = dispatch
        self._observe = observe
        self._on_error = on_error
        self._quick = quick
        self._connections_max = connections_room(connections_max)
        self._listeners: list[asyncio.Server] = []
        self._server: LimitedServer | None = None
        self._is_draining = False
        self._quiet = asyncio.Event()
        self.requests_in_flight = 0

    # Life: start, say good-bye, drain

    async def start(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        reuse_port: bool = False,
        sock: socket.socket | None = None,
    ) -> None:
        """Listen at an address (port 0: a free one) or on a bound socket; may be called again.

        Raises OSError if the address cannot be had.
        """
        if self._server is None:
            self._server = LimitedServer(
                self._answer,
                request_factory=Request,
                refuse=self._refuse_wire,
                overloaded=self._overloaded,
                on_gone=self._connection_is_gone,
                connections_max=self._connections_max,
                take=None if self._quick is None else self._quick.take,
            )
        where: dict[str, Any] = {"host": host, "port": port} if sock is None else {"sock": sock}
        if ssl_context is not None:
            where["ssl"] = ssl_context
            where["ssl_handshake_timeout"] = TLS_HANDSHAKE_SECONDS_MAX
        if reuse_port:
            where["reuse_port"] = True
        listener = await asyncio.get_running_loop().create_server(
            self._server, backlog=BACKLOG_CONNECTIONS_MAX, **where
        )
        self._listeners.append(listener)

    @property
    def ports(self) -> list[int]:
        """The ports listened at, in the order of the listeners."""
        return [
            bound.getsockname()[1]
            for listener in self._listeners
            for bound in listener.sockets
            if bound.family in (socket.AF_INET, socket.AF_INET6)
        ]

    @property
    def port(self) -> int:
        """The first port listened at."""
        return self.ports[0]

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return 0 if self._server is None else self._server.open_connections

    def say_goodbye(self) -> None:
        """From now on every reply ends its connection; new ones are still taken.

        For the time between "not ready" and `drain`, so that clients leave by themselves.
        """
        self._is_draining = True
        if self._quick is not None:
            # Whoever is told good-bye is told so by the careful way.
            self._quick.close(self._connection_is_gone)

    async def drain(self, timeout_s: float) -> bool:
        """Stop listening, close idle connections, let requests end; the rest is cut in the end.

        Returns whether everything ended by itself within `timeout_s` seconds.
        """
        self.say_goodbye()
        server = self._server
        if server is None:
            return True
        # What the system has accepted or received already is taken in first.
        for _ in range(2):
            await asyncio.sleep(0)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for connection in server.connections:
            if isinstance(connection, Connection) and connection.is_idle:
                connection.force_close()
        ended = True
        try:
            async with asyncio.timeout(timeout_s):
                while not self._is_quiet():
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            ended = False
        await server.shutdown(CUT_SECONDS)
        return ended

    def _is_quiet(self) -> bool:
        under_way = 0 if self._quick is None else self._quick.in_flight
        return self.requests_in_flight + under_way == 0 and self.open_connections == 0

    def _connection_is_gone(self) -> None:
        if self._is_draining and self._is_quiet():
            self._quiet.set()

    # One request

    async def _answer(self, request: Request) -> Reply:
        begun = perf_counter()
        request.request_id = self._new_request_id()
        self.requests_in_flight += 1
        try:
            reply = await self._answer_or_refuse(request)
        finally:
            self.requests_in_flight -= 1
        if self._is_draining or request.connection.is_ending:
            request.keep_alive = False
            self._connection_is_gone()
        if self._observe is not None:
            route = request.route
            self._report(
                UNMATCHED if route is None else route.name,
                request.method,
                reply.status,
                perf_counter() - begun,
                request,
            )
        return reply

    async def _answer_or_refuse(self, request: Request) -> Reply:
        try:
            self._find_route(request)
            payload = request._payload
            if not payload.is_eof():
                request.body = await self._read_slowly(request)
            elif payload.total_bytes:
                self._examine_body(request, payload.total_bytes)
                request.body = payload.read_nowait()
            return await self._dispatch(request)
        except TillgateError as error:
            return self._refusal(request, error)
        except Exception as exc:
            if self._on_error is not None:
                self._on_error(request, exc)
            return self._refusal(request, _internal_error())

    def _find_route(self, request: Request) -> None:
        message = request._message
        path = request.path
        target: str = message.path
        if path[:1] != "/" or not target.isascii() or "#" in target:
            raise _unsound(request, "The request target is not a plain path.")
        if message.chunked and not _is_plainly_chunked(request):
            raise _unsound(request, "The only transfer coding is chunked, from HTTP/1.1 on.")
        if request.connection.measured and _header_bytes(message) > HEADERS_BYTES_MAX:
            raise _unsound(request, "The headers are too large.")
        if message.upgrade:
            # Whatever follows is not spoken here.
            request.keep_alive = False
        found = self._router.resolve(request.method, path)
        if found.route is None:
            if found.allow:
                raise _MethodNotAllowed(found.allow)
            raise not_found()
        request.route = found.route
        request.params = found.params

    def _examine_body(self, request: Request, body_bytes: int) -> None:
        """Refuse by size and media type what has a body of `body_bytes` (as far as known)."""
        if body_bytes > BODY_BYTES_MAX:
            raise TillgateError(
                "body_too_large", f"A body may have at most {BODY_BYTES_MAX} bytes."
            )
        headers = request.headers
        if hdrs.CONTENT_ENCODING in headers:
            raise TillgateError(
                "unsupported_media_type", "A body with a Content-Encoding is not read."
            )
        media_type = headers.get(hdrs.CONTENT_TYPE, "")
        route = request.route
        if media_type == JSON or (route is not None and route.raw) or is_json(media_type):
            return
        raise TillgateError("unsupported_media_type", "The body must be application/json in UTF-8.")

    async def _read_slowly(self, request: Request) -> bytes:
        """Read a body that was not there at once, within time and size."""
        self._examine_body(request, int(request.headers.get(hdrs.CONTENT_LENGTH, 0)))
        payload = request._payload
        if not payload.total_bytes and _awaits_continue(request):
            transport = request.connection.transport
            if transport is not None:
                transport.write(_CONTINUE)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while chunk := await payload.readany():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        self._examine_body(request, len(body))
        except TimeoutError:
            raise TillgateError(
                "malformed_request", f"The body was not there after {BODY_SECONDS_MAX:g} s."
            ) from None
        except (web.RequestPayloadError, ConnectionError, RuntimeError):
            # Broken framing, or the client has gone: nobody may be there to read this.
            raise _unsound(request, "The body is not well framed.") from None
        return bytes(body)

    # Refusals

    def _refusal(self, request: Request, error: TillgateError) -> Reply:
        return problem_reply(
            error,
            request_id=request.request_id,
            instance=request.path,
            allow=error.allow if isinstance(error, _MethodNotAllowed) else (),
            # Who has not sent all of it yet would send the rest into an answered request.
            close=not request._payload.is_eof(),
        )

    def _refuse_wire(self, request: Request, status: int) -> Reply:
        """Answer bytes that are no request (aiohttp says 400), or a fault of aiohttp's (5xx)."""
        request.request_id = self._new_request_id()
        request.keep_alive = False
        error = (
            TillgateError("malformed_request", "The request is not well-formed HTTP.")
            if status < 500
            else _internal_error()
        )
        if self._observe is not None:
            self._report(MALFORMED, request.method, error.status, 0.0, request)
        return problem_reply(
            error, request_id=request.request_id, instance=request.path, close=True
        )

    def _overloaded(self) -> bytes:
        error = TillgateError("overloaded", "There are too many connections.")
        request_id = self._new_request_id()
        if self._observe is not None:
            self._observe(UNMATCHED, "", error.status, 0.0)
        reply = problem_reply(error, request_id=request_id, instance="/", close=True)
        return reply.encode_closed()

    def _report(
        self, name: str, method: str, status: int, seconds: float, request: Request
    ) -> None:
        """Tell the observer; its failure must not cost the client an answer about money."""
        assert self._observe is not None
        try:
            self._observe(name, method, status, seconds)
        except Exception as exc:
            if self._on_error is not None:
                self._on_error(request, exc)


class _MethodNotAllowed(TillgateError):
    """A 405 that knows which methods would be allowed."""

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__("method_not_allowed", f"Allowed here: {', '.join(allow)}.")
        self.allow = allow


def _internal_error() -> TillgateError:
    return TillgateError("internal_error", "Something broke on our side; it has been recorded.")


def _unsound(request: Request, detail: str) -> TillgateError:
    """A refusal after which nothing more can be believed of what comes on the connection."""
    request.keep_alive = False
    return TillgateError("malformed_request", detail)


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
