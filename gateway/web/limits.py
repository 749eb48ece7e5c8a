"""Limits on what a connection may cost: time, bytes and number, put around aiohttp's connection.

Law: whoever is slow or large is cut off here, before anything of ours has seen the request, and
never in the middle of one that is being carried out. aiohttp sets no time limit on headers; this
is the one file that adds it, and the one file (with `Request` in request.py) that knows aiohttp's
inside. `require_seam` refuses to start on an aiohttp that looks different inside.

Time limits: the first request's headers count from the connection, later ones from their first
byte seen while the connection was idle; idle connections are closed by aiohttp's own keep-alive
timer. The time limit on bodies is held where bodies are read (request.py).
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web, web_protocol

HEADERS_SECONDS_MAX = 5.0
BODY_SECONDS_MAX = 10.0
IDLE_SECONDS_MAX = 75.0
LINGER_SECONDS_MAX = 2.0
GRACE_SECONDS = 0.05
HEADERS_MAX = 64
HEADERS_BYTES_MAX = 16 * 1024
FIELD_BYTES_MAX = 8 * 1024
REQUEST_LINE_BYTES_MAX = 8 * 1024
READ_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 4096
SURPLUS_MAX = 64
SURPLUS_SECONDS_MAX = 1.0
# Of the process's file descriptors, the part that connections of clients may take.
DESCRIPTORS_SHARE_PERCENT = 75

_SEAM = (
    "_request_count",
    "_messages",
    "_waiter",
    "_close",
    "_force_close",
    "_upgraded",
    "_keepalive_handle",
    "_keepalive_timeout",
    "_next_keepalive_close_time",
)
_SEAM_FUNCTIONS = ("handle_error", "_process_keepalive")

Refuse = Callable[[Any, int], web.StreamResponse]
Take = Callable[["Connection", bytes], bool]


def require_seam(*, pure_parser_allowed: bool = False) -> None:
    """Raises RuntimeError if aiohttp is not the one this file was written for.

    Without aiohttp's compiled parser every request costs many times more, so that a server is
    easily put out of service; only a sandbox may run so (`pure_parser_allowed`).
    """
    slots = {name for kind in web.RequestHandler.__mro__ for name in getattr(kind, "__slots__", ())}
    missing = [name for name in _SEAM if name not in slots]
    missing += [
        name for name in _SEAM_FUNCTIONS if not callable(getattr(web.RequestHandler, name, None))
    ]
    if missing:
        raise RuntimeError(f"aiohttp has changed inside: {missing} are missing")
    if not has_compiled_parser() and not pure_parser_allowed:
        raise RuntimeError("aiohttp runs without its compiled HTTP parser: install its wheel")


def has_compiled_parser() -> bool:
    """Whether aiohttp's server parses with its C extension."""
    parser = web_protocol.HttpRequestParser
    return parser.__module__ == "aiohttp._http_parser"


def connections_room(connections_max: int = CONNECTIONS_MAX) -> int:
    """How many connections may be open at once: not more than our file descriptors allow."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return connections_max
    return max(1, min(connections_max, descriptors * DESCRIPTORS_SHARE_PERCENT // 100))


class Quick(Protocol):
    """A way for plain requests that goes round the parser: see quick.py."""

    in_flight: int

    def take(self, connection: "Connection", data: bytes) -> bool:
        """Take what arrived on an idle connection, or leave it."""
        ...

    def close(self, on_quiet: Callable[[], None]) -> None:
        """Take no more; `on_quiet` is called after each answer from now on."""
        ...


class LimitedServer(web.Server):
    """aiohttp's low-level server, whose connections are `Connection`s.

    `refuse` answers what never became a request; `overloaded` gives the bytes for a connection
    that is one too many. `on_gone` is called after a connection has ended. `take` is shown what
    arrives while nothing of a request is under way, before aiohttp's parser is, and may take it.
    """

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[web.StreamResponse]],
        *,
        request_factory: Callable[..., Any],
        refuse: Refuse,
        overloaded: Callable[[], bytes],
        on_gone: Callable[[], None],
        connections_max: int,
        take: "Take | None" = None,
    ) -> None:
        super().__init__(handler, request_factory=request_factory)
        self.take = take
        self.refuse = refuse
        self.overloaded = overloaded
        self.on_gone = on_gone
        self.connections_max = connections_max
        self.open_connections = 0
        self.surplus_connections = 0

    def __call__(self) -> "Connection":
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS_MAX,
            lingering_time=LINGER_SECONDS_MAX,
            max_line_size=REQUEST_LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            max_field_size=FIELD_BYTES_MAX,
            read_bufsize=READ_BYTES_MAX,
        )


class Connection(web.RequestHandler):
    """One client's connection, with limits.

    `remote` is the peer's address ("" for a Unix socket); `measured` tells that the last headers
    came in so many bytes that their size must be summed up.
    """

    __slots__ = (
        "_body",
        "_header_bytes",
        "_header_timer",
        "_held",
        "_is_quick",
        "_server",
        "_surplus",
        "measured",
        "remote",
    )

    def __init__(self, server: LimitedServer, **settings: Any) -> None:
        super().__init__(server, **settings)
        self.remote = ""
        self.measured = False
        self._server = server
        self._surplus: asyncio.Transport | None = None
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        # The body that is still coming in, None between requests.
        self._body: Any = None
        # Whether a request that aiohttp has never seen is being carried out, and what came since.
        self._is_quick = False
        self._held = b""

    @property
    def is_ending(self) -> bool:
        """Whether this connection closes after the reply that is being made."""
        return self._close or self._force_close

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived that is not answered."""
        waiter = self._waiter
        return (
            # aiohttp's task waits for a request, or has not had its first turn.
            (self._request_count == 0 if waiter is None else not waiter.done())
            and self._body is None
            and self._header_bytes == 0
            and not self._is_quick
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._server
        server.open_connections += 1
        if server.open_connections > server.connections_max:
            self._turn_away(transport)  # type: ignore[arg-type]
            return
        super().connection_made(transport)
        self.remote = _address(self.peername)
        self._header_timer = self._loop.call_later(HEADERS_SECONDS_MAX, self._headers_are_late)

    def data_received(self, data: bytes) -> None:
        if self._is_quick:
            self._hold(data)
            return
        take = self._server.take
        if (
            take is not None
            and self.is_idle
            and not self.is_ending
            and not self._upgraded
            and not self.writing_paused
            and take(self, data)
        ):
            return
        requests = self._request_count
        super().data_received(data)
        if self._request_count != requests:
            if self._body is not None and not self._body.is_eof():
                # No request ends the body of another: the body itself is broken.
                self._body.set_exception(web.RequestPayloadError("The body is not well framed."))
            body = self._messages[-1][1]
            self._body = None if body.is_eof() else body
            if self._header_timer is not None or len(data) > HEADERS_BYTES_MAX:
                self._headers_are_complete(len(data))
        elif self._body is not None:
            if self._body.is_eof():
                self._body = None
        elif data:
            self._headers_are_incomplete(len(data))

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client will send no more: answer what it has sent, then close."""
        if self._is_quick:
            self._close = True
            return self.ssl_context is None
        if self._surplus is not None or self.ssl_context is not None or self.is_idle:
            return False
        if self._body is not None:
            self._body.set_exception(web.RequestPayloadError("The body ends early."))
        self.close()
        return self._header_bytes == 0

    def connection_lost(self, exc: BaseException | None) -> None:
        server = self._server
        server.open_connections -= 1
        self._stop_header_timer()
        if self._surplus is not None:
            server.surplus_connections -= 1
            self._surplus = None
        super().connection_lost(exc)
        server.on_gone()

    # Quick requests

    def begin_quick(self) -> None:
        """A request was taken before aiohttp saw it; what comes next is held until its answer."""
        self._is_quick = True
        self._stop_header_timer()

    def leave_quick(self) -> None:
        """The request was not taken after all; nothing was done."""
        self._is_quick = False

    def end_quick(self, answer: bytes, *, close: bool) -> None:
        """Send the answer, then close, or read what came meanwhile."""
        self._is_quick = False
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        transport.write(answer)
        if self._close or close:
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._held:
            held, self._held = self._held, b""
            transport.resume_reading()
            self.data_received(held)

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > READ_BYTES_MAX and self.transport is not None:
            self.transport.pause_reading()

    def _process_keepalive(self) -> None:
        if self._is_quick:
            # aiohttp believes that nothing is under way; the answer will set the time anew.
            self._keepalive_handle = self._loop.call_later(
                self._keepalive_timeout, self._process_keepalive
            )
            return
        super()._process_keepalive()

    def handle_error(
        self,
        request: Any,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request; aiohttp's own answer would repeat the bytes in the log."""
        return self._server.refuse(request, status)

    def _headers_are_complete(self, new_bytes: int) -> None:
        if self._header_bytes + new_bytes > HEADERS_BYTES_MAX:
            self.measured = True
        self._header_bytes = 0
        self._stop_header_timer()

    def _headers_are_incomplete(self, new_bytes: int) -> None:
        if self._surplus is not None:
            self._surplus.write(self._server.overloaded())
            self._surplus.close()
            return
        if self.is_ending or self._upgraded:
            return
        self._header_bytes += new_bytes
        if self._header_timer is None:
            # The idle timer would cut a request that begins just before it fires.
            self.keep_alive(True)
            self._header_timer = self._loop.call_later(HEADERS_SECONDS_MAX, self._headers_are_late)
        if self._header_bytes > HEADERS_BYTES_MAX + REQUEST_LINE_BYTES_MAX:
            self._cut()

    def _headers_are_late(self) -> None:
        # Once more after the next look at the socket: it may be we who were late.
        self._header_timer = self._loop.call_later(GRACE_SECONDS, self._cut)

    def _cut(self) -> None:
        """Close now, or after the reply to the request that is being carried out."""
        self._stop_header_timer()
        if self._waiter is None or self._waiter.done():
            self.close()
        else:
            self.force_close()

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _turn_away(self, transport: asyncio.Transport) -> None:
        """Answer 503 to the first bytes; a peer that sends none is dropped after a second."""
        server = self._server
        server.surplus_connections += 1
        self._surplus = transport
        self.force_close()
        if server.surplus_connections > SURPLUS_MAX:
            transport.abort()
        else:
            self._header_timer = self._loop.call_later(SURPLUS_SECONDS_MAX, transport.abort)


def _address(peer: object) -> str:
    """The address of a peer's name; an IPv4 address as such, also on an IPv6 socket."""
    if not isinstance(peer, tuple) or not peer:
        return ""
    address = str(peer[0])
    return address[7:] if address.startswith("::ffff:") and "." in address else address
