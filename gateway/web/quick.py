"""Quick requests: those whose bytes came whole and raise no doubt, answered without a parser, a
header map or objects of aiohttp's.

Law: a quick request means what the careful way would take it to mean, and is answered with the same
bytes. Nothing is refused before the careful way has had its say: whatever is in doubt (a header, a
signature, a key that must be looked up) is not taken, and is read again from its first byte. What
is taken is carried out to its end, whoever hangs up, and answered once. A body that its door is not
sure of is read, and refused, by the route's own handler.

`fastpath.request` says which bytes are plain, the door which bodies, `center.authenticate` who
speaks. An open door asks nobody for a key, as its route does not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any, Protocol

from fastpath.request import PlainPost, PlainRequest, scan_post, scan_request
from gateway.center.authenticate import Authenticator
from gateway.domain.errors import TillgateError
from gateway.web.access import Networks, is_trusted
from gateway.web.errors import problem_reply
from gateway.web.limits import Connection
from gateway.web.reply import Reply, date

Observe = Callable[[str, str, int, float], None]


class Door(Protocol):
    """One operation that has a quick way; `name` is that of its route.

    `begin` starts what is asked for and sees to it that the exchange is answered in the end. It may
    still say False while nothing has been done.
    """

    name: str

    def begin(self, asked: Any, exchange: "Exchange") -> bool:
        """Begin; raises TillgateError to refuse."""
        ...


class ScopedDoor(Door, Protocol):
    """A door for keys that have `scope`, as its route says."""

    scope: str


class QuickDoor(ScopedDoor, Protocol):
    """A door that knows by itself what is asked for."""

    def read(self, request: PlainRequest) -> Any:
        """What the request asks for, or None if in doubt."""
        ...


class OpenDoor(Door, Protocol):
    """A door where nobody is asked for a key, as at its route."""

    def read(self, post: PlainPost) -> Any:
        """What the post asks for, or None if in doubt."""
        ...


Find = Callable[[PlainRequest], tuple[ScopedDoor, Any] | None]


class Exchange:
    """A quick request under way: who asked, and how it is answered, once.

    To a handler of the API it is the request: `caller`, `method`, `path`, `request_id`, and what a
    `RouteDoor` has said of `params`, `query` and `body`.
    """

    __slots__ = (
        "_begun",
        "_connection",
        "_is_last",
        "_lane",
        "_target",
        "body",
        "caller",
        "door",
        "method",
        "params",
        "query",
        "request_id",
    )

    body: bytes
    params: dict[str, str]
    query: str

    def __init__(
        self,
        lane: "QuickLane",
        connection: Connection,
        door: Door,
        *,
        method: str,
        target: str,
        caller: Any = None,
        is_last: bool = False,
    ) -> None:
        self._lane = lane
        self._connection = connection
        self._begun = perf_counter()
        self._target = target
        self._is_last = is_last
        self.door = door
        self.caller = caller
        self.method = method
        self.request_id = lane.new_request_id()

    def answer(self, status_line: str, body: str, headers: str = "") -> None:
        """Answer with JSON text; `status_line` and `headers` as they go over the wire."""
        if self.is_last:
            headers += "Connection: close\r\n"
        length = len(body) if body.isascii() else len(body.encode())
        text = (
            f"{status_line}\r\nDate: {date().decode()}\r\nRequest-Id: {self.request_id}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        self._lane.end(self, int(status_line[9:12]), text.encode())

    def reply(self, reply: Reply) -> None:
        """Answer with a reply of the careful way."""
        if self.is_last:
            reply.force_close()
        self._lane.end(self, reply.status, reply.encode(self))

    def refuse(self, error: TillgateError) -> None:
        """Answer with a refusal."""
        self.reply(problem_reply(error, request_id=self.request_id, instance=self.path))

    def fail(self, error: BaseException) -> None:
        """Answer an error: a refusal as such, anything else as a defect of ours."""
        if isinstance(error, TillgateError):
            self.refuse(error)
            return
        self._lane.report_error(self, error)
        detail = "Something broke on our side; it has been recorded."
        self.refuse(TillgateError("internal_error", detail))

    def carry_out(self, work: Awaitable[Reply]) -> None:
        """Answer with what a coroutine comes to: for what turned out to take longer."""
        self._lane.carry_out(self, work)

    @property
    def path(self) -> str:
        """The path that was asked for, without its query."""
        return self._target.partition("?")[0]

    @property
    def route(self) -> Door:
        """What answers: the door has its route's name."""
        return self.door

    @property
    def is_last(self) -> bool:
        """Whether the connection ends with the answer."""
        return self._is_last or self._lane.is_closed or self._connection.is_ending

    @property
    def is_http_1_0(self) -> bool:
        """Never: plain is HTTP/1.1."""
        return False

    @property
    def connection(self) -> Connection:
        """Where the answer goes."""
        return self._connection

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return perf_counter() - self._begun


class QuickLane:
    """The quick way into a server: `exact` doors are found by method and target, those `below` by
    method and the beginning of the target, `open_doors` by the beginning of the bytes, and what
    none of them reads by `find`. `taken` counts what was taken. `log_as` is told the id of the
    request that the current task carries out."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        exact: dict[tuple[bytes, bytes], QuickDoor],
        below: Sequence[tuple[bytes, bytes, QuickDoor]],
        new_request_id: Callable[[], str],
        open_doors: Sequence[tuple[bytes, OpenDoor]] = (),
        find: Find | None = None,
        trusted: Networks = (),
        observe: Observe | None = None,
        on_error: Callable[[Any, BaseException], None] | None = None,
        log_as: Callable[[str], object] | None = None,
    ) -> None:
        self.new_request_id = new_request_id
        self.in_flight = 0
        self.taken = 0
        self.is_closed = False
        self.on_quiet: Callable[[], None] | None = None
        self._authenticator = authenticator
        self._exact = exact
        self._below = tuple(below)
        self._open = tuple(open_doors)
        self._find = find
        self._trusted = trusted
        self._observe = observe
        self._on_error = on_error
        self._log_as = log_as
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self, on_quiet: Callable[[], None]) -> None:
        """Take no more; `on_quiet` is called after each answer from now on."""
        self.is_closed = True
        self.on_quiet = on_quiet

    def take(self, connection: Connection, data: bytes) -> bool:
        """Take a request, if `data` is exactly one and in no doubt."""
        if self.is_closed:
            return False
        for beginning, door in self._open:
            if data.startswith(beginning):
                return self._take_open(connection, door, data)
        request = scan_request(data)
        if request is None:
            return False
        found = self._asked(request)
        if found is None or (self._trusted and is_trusted(connection.remote, self._trusted)):
            return False
        signed_door, asked = found
        caller = self._authenticator.authenticate_plain(
            request, address=connection.remote, scope=signed_door.scope
        )
        if caller is None:
            return False
        exchange = Exchange(
            self,
            connection,
            signed_door,
            method=request.method.decode("ascii"),
            target=request.target.decode("ascii"),
            caller=caller,
        )
        return self._begin(exchange, asked)

    def _take_open(self, connection: Connection, door: OpenDoor, data: bytes) -> bool:
        post = scan_post(data)
        asked = None if post is None else door.read(post)
        if post is None or asked is None:
            return False
        is_last = post.headers.get("connection", "").lower() == "close"
        exchange = Exchange(
            self, connection, door, method="POST", target=post.target, is_last=is_last
        )
        return self._begin(exchange, asked)

    def _begin(self, exchange: Exchange, asked: Any) -> bool:
        connection = exchange.connection
        connection.begin_quick()
        self.in_flight += 1
        self.taken += 1
        try:
            begun = exchange.door.begin(asked, exchange)
        except Exception as error:
            exchange.fail(error)
            return True
        if not begun:
            self.in_flight -= 1
            self.taken -= 1
            connection.leave_quick()
        return begun

    def _asked(self, request: PlainRequest) -> tuple[ScopedDoor, Any] | None:
        """The door of a request and what is asked for there."""
        door = self._exact.get((request.method, request.target))
        if door is None:
            for method, prefix, below in self._below:
                if request.method == method and request.target.startswith(prefix):
                    door = below
                    break
        asked = None if door is None else door.read(request)
        if door is not None and asked is not None:
            return door, asked
        return None if self._find is None else self._find(request)

    def end(self, exchange: Exchange, status: int, answer: bytes) -> None:
        """Send an answer and let the connection go on."""
        self.in_flight -= 1
        if self._observe is not None:
            try:
                self._observe(exchange.door.name, exchange.method, status, exchange.seconds)
            except Exception as error:
                self.report_error(exchange, error)
        exchange.connection.end_quick(answer, close=exchange.is_last)
        if self.is_closed and self.on_quiet is not None:
            self.on_quiet()

    def report_error(self, exchange: Exchange, error: BaseException) -> None:
        """Tell of what nobody meant."""
        if self._on_error is not None:
            self._on_error(exchange, error)

    def carry_out(self, exchange: Exchange, work: Awaitable[Reply]) -> None:
        """See `Exchange.carry_out`."""
        task = asyncio.get_running_loop().create_task(self._carry_out(exchange, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, exchange: Exchange, work: Awaitable[Reply]) -> None:
        if self._log_as is not None:
            self._log_as(exchange.request_id)
        try:
            reply = await work
        except Exception as error:
            exchange.fail(error)
        else:
            exchange.reply(reply)
