"""Limits of a connection: slow, large and too many peers; and the seam with aiohttp."""

import asyncio
import resource
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web, web_protocol
from aiohttp.http_parser import HttpRequestParserPy

from gateway.web import limits
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route, Router
from gateway.web.server import HttpServer

GET = b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
POST_HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Shorten time limits; the others stay far away, so that what cuts is what is meant."""

    def shorten(**seconds: float) -> None:
        for name, value in seconds.items():
            monkeypatch.setattr(limits, name, value)
        if "BODY_SECONDS_MAX" in seconds:
            monkeypatch.setattr("gateway.web.request.BODY_SECONDS_MAX", seconds["BODY_SECONDS_MAX"])

    return shorten


def slow_route(begun: asyncio.Event, go_on: asyncio.Event) -> Route:
    async def wait(request: Request) -> Reply:
        begun.set()
        await go_on.wait()
        return json_reply(200, b"{}", request_id=request.request_id)

    return Route("GET", "/slow", wait, "slow")


# The seam


def test_aiohttp_is_the_one_that_was_measured() -> None:
    limits.require_seam()
    assert limits.has_compiled_parser()


@pytest.mark.parametrize("name", limits._SEAM)
def test_another_inside_of_aiohttp_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = tuple(slot for slot in web.RequestHandler.__slots__ if slot != name)
    base = web.RequestHandler.__mro__[1]
    monkeypatch.setattr(web.RequestHandler, "__slots__", slots)
    monkeypatch.setattr(base, "__slots__", tuple(s for s in base.__slots__ if s != name))
    with pytest.raises(RuntimeError, match=name):
        HttpServer(Router(), new_request_id=lambda: "req_1")


def test_the_slow_parser_is_for_sandboxes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_protocol, "HttpRequestParser", HttpRequestParserPy)
    with pytest.raises(RuntimeError, match="compiled"):
        HttpServer(Router(), new_request_id=lambda: "req_1")
    HttpServer(Router(), new_request_id=lambda: "req_1", pure_parser_allowed=True)


async def test_the_members_of_the_seam_mean_what_they_meant(start_stand: Any) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    stand = await start_stand(slow_route(begun, go_on))
    wire = await stand.wire(GET.replace(b"echo", b"slow"))
    await begun.wait()
    connection = stand.requests[0].connection
    assert isinstance(connection, limits.Connection)
    assert isinstance(connection._messages, deque) and not connection._messages
    assert (connection._request_count, connection._waiter) == (1, None)
    assert (connection._close, connection._force_close, connection._upgraded) == (False,) * 3
    assert not connection.is_idle
    wire.send(POST_HEAD + b"Content-Length: 2\r\n\r\n")
    await stand.until(lambda: connection._messages)
    assert connection._request_count == 2
    message, payload = connection._messages[-1]
    assert message.path == "/echo" and not payload.is_eof()
    wire.send(b"{}" + GET)
    await stand.until(lambda: connection._request_count == 3)
    assert payload.is_eof() and payload.total_bytes == 2
    go_on.set()
    for _ in range(3):
        assert (await wire.answer()).status == 200
    await stand.until(lambda: connection.is_idle)
    waiter = connection._waiter
    assert waiter is not None and not waiter.done()
    connection.close()
    assert connection.is_ending


# Time


@pytest.mark.parametrize(
    "data", [b"", b"G", GET[:-2], b"\r\n", POST_HEAD], ids=["nothing", "G", "all", "CRLF", "head"]
)
async def test_headers_that_do_not_end_are_cut(
    stand: Any, fast_clock: Callable[..., None], data: bytes
) -> None:
    fast_clock(HEADERS_SECONDS_MAX=0.1)
    assert await (await stand.wire(data)).end() == b""


async def test_dripping_headers_are_cut(stand: Any, fast_clock: Callable[..., None]) -> None:
    fast_clock(HEADERS_SECONDS_MAX=0.1)
    for used in (False, True):
        wire = await stand.wire(GET if used else b"")
        if used:
            assert (await wire.answer()).status == 200
        ended = asyncio.create_task(wire.end())
        wire.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nX: ")
        while not ended.done():
            wire.send(b"x")
            await asyncio.sleep(0.01)
        assert await ended == b""


async def test_an_idle_connection_outlives_the_limit_of_headers(
    stand: Any, fast_clock: Callable[..., None]
) -> None:
    fast_clock(HEADERS_SECONDS_MAX=0.05)
    wire = await stand.wire(GET)
    assert (await wire.answer()).status == 200
    await asyncio.sleep(0.05 * 3 + limits.GRACE_SECONDS)
    wire.send(GET[:20])
    await asyncio.sleep(0)
    wire.send(GET[20:])
    assert (await wire.answer()).status == 200


async def test_an_idle_connection_is_closed_in_its_time(
    stand: Any, fast_clock: Callable[..., None]
) -> None:
    fast_clock(IDLE_SECONDS_MAX=0.1)
    wire = await stand.wire(GET)
    assert (await wire.answer()).status == 200
    assert await wire.end() == b""


async def test_headers_begun_in_idle_time_are_not_cut_by_the_idle_limit(
    stand: Any, fast_clock: Callable[..., None]
) -> None:
    fast_clock(IDLE_SECONDS_MAX=0.2)
    wire = await stand.wire(GET)
    assert (await wire.answer()).status == 200
    wire.send(GET[:20])
    await asyncio.sleep(0.4)
    wire.send(GET[20:])
    assert (await wire.answer()).status == 200
    assert await wire.end() == b""


async def test_late_headers_never_cut_the_request_before_them(
    start_stand: Any, fast_clock: Callable[..., None]
) -> None:
    fast_clock(HEADERS_SECONDS_MAX=0.05)
    begun, go_on = asyncio.Event(), asyncio.Event()
    stand = await start_stand(slow_route(begun, go_on))
    wire = await stand.wire(GET.replace(b"echo", b"slow"))
    await begun.wait()
    wire.send(GET[:-2])
    await stand.until(lambda: stand.requests[0].connection.is_ending)
    go_on.set()
    answer = await wire.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await wire.end() == b""


@pytest.mark.parametrize("framing", [b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_bodies_that_do_not_end_are_refused(
    stand: Any, fast_clock: Callable[..., None], framing: bytes
) -> None:
    fast_clock(BODY_SECONDS_MAX=0.1, HEADERS_SECONDS_MAX=0.02, LINGER_SECONDS_MAX=0.1)
    wire = await stand.wire(POST_HEAD + framing + b"\r\n")
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (400, "malformed_request")
    assert answer.headers["connection"] == "close"
    assert await wire.end() == b""
    assert not stand.requests


async def test_dripping_bodies_are_refused(stand: Any, fast_clock: Callable[..., None]) -> None:
    fast_clock(BODY_SECONDS_MAX=0.1, LINGER_SECONDS_MAX=0.1)
    wire = await stand.wire(POST_HEAD + b"Content-Length: 60000\r\n\r\n")
    answered = asyncio.create_task(wire.answer())
    while not answered.done():
        wire.send(b" ")
        await asyncio.sleep(0.01)
    assert (await answered).status == 400


async def test_a_slow_body_within_its_time_is_read(
    stand: Any, fast_clock: Callable[..., None]
) -> None:
    fast_clock(HEADERS_SECONDS_MAX=0.02)
    wire = await stand.wire(POST_HEAD + b"Content-Length: 2\r\n\r\n")
    await asyncio.sleep(0.02 * 3 + limits.GRACE_SECONDS)
    wire.send(b"{}")
    assert (await wire.answer()).status == 200


# Size


def with_fields(number: int, value_bytes: int) -> bytes:
    fields = b"".join(b"X-%d: %b\r\n" % (place, b"v" * value_bytes) for place in range(number))
    return GET[:-2] + fields + b"\r\n"


async def test_headers_within_the_limits_are_read(stand: Any) -> None:
    for data in (
        with_fields(limits.HEADERS_MAX - 1, 10),
        with_fields(2, limits.FIELD_BYTES_MAX - 100),
        GET.replace(b"/echo", b"/echo?" + b"q" * (limits.REQUEST_LINE_BYTES_MAX - 100)),
    ):
        assert (await stand.ask(data)).status == 200


LARGE = {
    "too many fields": with_fields(limits.HEADERS_MAX, 10),
    "a field too long": with_fields(1, limits.FIELD_BYTES_MAX + 1),
    "a name too long": GET[:-2] + b"X" * limits.FIELD_BYTES_MAX + b": 1\r\n\r\n",
    "all fields too long": with_fields(20, 900),
    "a target too long": GET.replace(b"/echo", b"/" + b"q" * limits.REQUEST_LINE_BYTES_MAX),
}


@pytest.mark.parametrize("data", LARGE.values(), ids=list(LARGE))
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_large_headers_are_refused(stand: Any, data: bytes, in_pieces: bool) -> None:
    wire = await stand.wire()
    if in_pieces:
        for place in range(0, len(data) // 2, 1000):
            wire.send(data[place : place + 1000])
            await asyncio.sleep(0)
        wire.send(data[place + 1000 :])
    else:
        wire.send(data)
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (400, "malformed_request")
    assert answer.headers["connection"] == "close"
    assert await wire.end() == b""
    assert not stand.requests


async def test_a_large_header_after_a_small_one_is_refused(stand: Any) -> None:
    wire = await stand.wire(GET + with_fields(20, 900))
    assert (await wire.answer()).status == 200
    assert (await wire.answer()).status == 400
    wire = await stand.wire(GET)
    assert (await wire.answer()).status == 200
    wire.send(with_fields(20, 900))
    assert (await wire.answer()).status == 400


async def test_headers_are_cut_by_size_before_they_end(
    stand: Any, fast_clock: Callable[..., None]
) -> None:
    fast_clock(HEADERS_SECONDS_MAX=1000.0)
    fields = b"".join(b"X-%d: %b\r\n" % (place, b"v" * 1000) for place in range(30))
    wire = await stand.wire(GET[:-2] + fields[:10_000])
    await asyncio.sleep(0)
    wire.send(fields[10_000:])
    assert await wire.end() == b""


@pytest.mark.parametrize("piece", [b"X: 1\r\n", b"X" * 500 + b": 1\r\n", b"x"])
async def test_headers_without_end_take_no_memory(stand: Any, piece: bytes) -> None:
    wire = await stand.wire(GET[:-2])
    ended = asyncio.create_task(wire.end())
    sent = 0
    while sent < 10_000_000 and not (ended.done() or wire.writer.is_closing()):
        wire.send(piece)
        sent += len(piece)
        await asyncio.sleep(0)
    # An answer may be lost: the client is still sending when the connection is closed.
    assert (await ended)[:12] in (b"", b"HTTP/1.1 400")
    await stand.until(lambda: not stand.server.open_connections)
    assert sent < 10_000_000 and not stand.requests


# Number


async def test_one_connection_too_many_is_told_so(start_stand: Any) -> None:
    stand = await start_stand(connections_max=2)
    wires = [await stand.wire(GET) for _ in range(2)]
    for wire in wires:
        assert (await wire.answer()).status == 200
    surplus = await stand.wire(GET)
    answer = await surplus.answer()
    assert (answer.status, answer.problem["code"]) == (503, "overloaded")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert await surplus.end() == b""
    wires[0].close()
    await stand.until(lambda: stand.server.open_connections <= 1)
    assert (await stand.ask(GET)).status == 200


async def test_a_flood_of_connections_is_not_even_told(
    start_stand: Any, fast_clock: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast_clock(SURPLUS_SECONDS_MAX=1000.0)
    monkeypatch.setattr(limits, "SURPLUS_MAX", 3)
    stand = await start_stand(connections_max=1)
    kept = await stand.wire(GET)
    assert (await kept.answer()).status == 200
    flood = [await stand.wire() for _ in range(12)]
    for wire in flood[3:]:
        assert await wire.end() == b""
    for wire in flood[:3]:
        wire.send(GET)
        assert (await wire.answer()).status == 503
    kept.send(GET)
    assert (await kept.answer()).status == 200


async def test_a_silent_surplus_connection_is_dropped(
    start_stand: Any, fast_clock: Callable[..., None]
) -> None:
    fast_clock(SURPLUS_SECONDS_MAX=0.1)
    stand = await start_stand(connections_max=1)
    kept = await stand.wire(GET)
    assert (await kept.answer()).status == 200
    assert await (await stand.wire()).end() == b""
    await stand.until(lambda: stand.server.open_connections == 1)
    assert len(stand.observed) == 1


def test_connections_leave_descriptors_to_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, room in ((64, 48), (1, 1), (1_000_000, 100), (resource.RLIM_INFINITY, 100)):
        monkeypatch.setattr(resource, "getrlimit", lambda which, soft=soft: (soft, soft))
        assert limits.connections_room(100) == room


def test_addresses() -> None:
    for peer, address in (
        (("1.2.3.4", 5), "1.2.3.4"),
        (("::1", 5, 0, 0), "::1"),
        (("::ffff:1.2.3.4", 5, 0, 0), "1.2.3.4"),
        (("::ffff:1", 5, 0, 0), "::ffff:1"),
        ("", ""),
        (None, ""),
    ):
        assert limits._address(peer) == address
