"""The server: bytes of HTTP in, one reply out, as few objects in between as can be.

Law: every request is answered once, and what nobody intended is answered without a word of it. A
handler that has begun is never cancelled because its client has gone. Nothing here knows who calls
or what is asked; `dispatch` does.

It stands on `aiohttp.web.Server` (the low-level server) and its `request_factory`: no application,
no middlewares, no URL objects.
Source: RFC 9110, RFC 9112; what a request must be in request.py, limits in limits.py.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from gateway.domain.errors import TillgateError
from gateway.web.errors import problem_reply
from gateway.web.limits import (
    CONNECTIONS_MAX,
    Connection,
    LimitedServer,
    Quick,
    connections_room,
    require_seam,
)
from gateway.web.reply import Reply
from gateway.web.request import MethodNotAllowed, Request
from gateway.web.routing import Router

BACKLOG_CONNECTIONS_MAX = 1024
TLS_HANDSHAKE_SECONDS_MAX = 5.0
# What aiohttp waits before it cancels a handler; it takes 0 for "for ever".
CUT_SECONDS = 0.01
UNMATCHED = "unmatched"
MALFORMED = "malformed"

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
            if not request.admit(self._router):
                await request.read_body()
            return await self._dispatch(request)
        except TillgateError as error:
            return self._refusal(request, error)
        except Exception as exc:
            if self._on_error is not None:
                self._on_error(request, exc)
            return self._refusal(request, _internal_error())

    # Refusals

    def _refusal(self, request: Request, error: TillgateError) -> Reply:
        return problem_reply(
            error,
            request_id=request.request_id,
            instance=request.path,
            allow=error.allow if isinstance(error, MethodNotAllowed) else (),
            # Who has not sent all of it yet would send the rest into an answered request.
            close=not request.is_read,
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


def _internal_error() -> TillgateError:
    return TillgateError("internal_error", "Something broke on our side; it has been recorded.")
