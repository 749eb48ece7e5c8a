"""Callbacks by the quick way: heard as on the careful one, answered in the same bytes, once."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp.web_protocol import HttpRequestParser
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fastpath.request import SIGNIFICANT, scan_post
from gateway.channels.wire import CallbackReply, CallbackRequest
from gateway.domain.errors import TillgateError, not_found
from gateway.web import limits
from gateway.web.callbacks import Callbacks
from gateway.web.quick import QuickLane
from gateway.web.quick_callbacks import BEGINNING, QuickCallbacks
from gateway.web.request import Request
from gateway.web.routing import Router
from gateway.web.server import HttpServer

ACCOUNT = "cac_01jd3x0000e00802000000000a"
FORM = b"Content-Type: application/x-www-form-urlencoded; charset=utf-8"
SECONDS_MAX = 20.0


def callback(
    body: bytes = b"a=b&sign=c",
    *more: bytes,
    path: str = f"/callbacks/alipay/{ACCOUNT}",
    host: bytes = b"Host: tillgate",
) -> bytes:
    lines = [
        b"POST %b HTTP/1.1" % path.encode("latin-1"),
        host,
        b"Content-Length: %d" % len(body),
        *more,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Centre:
    """Stands where the centre does: notes what it is told, and answers what a test wants."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, CallbackRequest, str]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.done = 0

    async def callback(
        self, channel: str, account_id: str, request: CallbackRequest, *, request_id: str
    ) -> CallbackReply:
        self.heard.append((channel, account_id, request, request_id))
        if request.body == b"nobody":
            raise not_found()
        if request.body == b"overloaded":
            raise TillgateError("overloaded", "Too many requests are waiting; try again.")
        if request.body == b"defect":
            raise ValueError("nobody meant this")
        if request.body == b"wait":
            self.begun.set()
            await self.go_on.wait()
        self.done += 1
        if request.body == b"forged":
            return CallbackReply(401, "application/json", b'{"code":"FAIL"}')
        return CallbackReply(200, "text/plain; charset=utf-8", b"success")


class QuickCentre:
    """Stands where the centre's quick way does: books what is `paid` at once, is refused what is
    `overloaded`, and leaves the rest, `unknown` accounts too, to the careful one."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre

    def callback(
        self,
        channel: str,
        account_id: str,
        request: CallbackRequest,
        *,
        request_id: str,
        asker: Any,
    ) -> bool:
        if request.body == b"unknown":
            return False
        if request.body == b"overloaded":
            self._centre.heard.append((channel, account_id, request, request_id))
            asker.refused(TillgateError("overloaded", "Too many requests are waiting; try again."))
            return True
        careful = self._centre.callback(channel, account_id, request, request_id=request_id)
        if request.body != b"paid":
            asker.carefully(careful)
            return True
        with pytest.raises(StopIteration) as ended:
            careful.send(None)
        asker.answered(ended.value.value)
        return True


class House:
    """A server with the doors of callbacks, with or without the quick one."""

    def __init__(self, *, quickly: bool) -> None:
        self.centre = Centre()
        self.observed: list[tuple[str, str, int]] = []
        self.errors: list[tuple[str, str, str, BaseException]] = []
        self.named: list[str] = []
        callbacks = Callbacks(self.centre)  # type: ignore[arg-type]
        quick_receive: Any = QuickCentre(self.centre)
        door = QuickCallbacks(quick_receive=quick_receive, callbacks=callbacks)
        router = Router()
        for route in callbacks.routes():
            router.add(route)
        told: dict[str, Any] = {
            "new_request_id": lambda: "req_1",
            "observe": lambda *seen: self.observed.append(seen[:3]),
            "on_error": self._broken,
        }
        self.lane = QuickLane(
            authenticator=None,  # type: ignore[arg-type]
            exact={},
            below=(),
            open_doors=((BEGINNING, door),),
            log_as=self.named.append,
            **told,
        )
        self.server = HttpServer(router, quick=self.lane if quickly else None, **told)

    def _broken(self, request: Any, error: BaseException) -> None:
        self.errors.append((request.route.name, request.method, request.request_id, error))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.port)


@contextlib.asynccontextmanager
async def open_house(*, quickly: bool = True) -> AsyncIterator[House]:
    house = House(quickly=quickly)
    await house.server.start("127.0.0.1", 0)
    try:
        yield house
    finally:
        house.centre.go_on.set()
        await house.server.drain(0.1)


async def said(reader: asyncio.StreamReader) -> bytes:
    """The next answer, whole, but for its date."""
    async with asyncio.timeout(SECONDS_MAX):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
    return re.sub(rb"Date: [^\r]*", b"Date:", head) + body


async def until(condition: Any) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


async def by_both(data: bytes) -> tuple[House, House, bytes]:
    """The two houses after the same bytes, which both answered alike."""
    answers, houses = [], []
    for quickly in (True, False):
        async with open_house(quickly=quickly) as house:
            reader, writer = await house.connect()
            answer = b""
            for _ in range(2):
                writer.write(data)
                answer += await said(reader)
                if b"Connection: close" in answer:
                    async with asyncio.timeout(SECONDS_MAX):
                        assert await reader.read() == b""
                    break
            writer.close()
            await until(lambda house=house: house.server.open_connections == 0)
        answers.append(answer)
        houses.append(house)
    assert answers[0] == answers[1]
    assert houses[0].observed == houses[1].observed
    assert houses[0].centre.heard == houses[1].centre.heard
    return houses[0], houses[1], answers[0]


@pytest.mark.parametrize("body", [b"a=b&sign=c", b"forged", b"nobody", b"defect", b"\xff\x00\r\n"])
@pytest.mark.parametrize(
    "more",
    [
        (FORM,),
        (b"Content-Type: application/json", b"Wechatpay-Signature: a/b+c==", b"X-Empty:  "),
        (b"X-Forwarded-For: 10.0.0.1", b"Forwarded: for=10.0.0.1", b"Authorization: Basic eA=="),
        (b"Connection: keep-alive",),
        (b"Connection: close",),
    ],
)
async def test_both_ways_hear_and_answer_alike(body: bytes, more: tuple[bytes, ...]) -> None:
    quick, careful, answer = await by_both(callback(body, *more))
    times = 1 if b"close" in more[0] else 2
    assert (quick.lane.taken, careful.lane.taken) == (times, 0)
    assert answer.count(b"HTTP/1.1 ") == times
    assert quick.named == ["req_1"] * times
    seen = [[each[:3] for each in house.errors] for house in (quick, careful)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == (times if body == b"defect" else 0)


@pytest.mark.parametrize("body", [b"paid", b"overloaded", b"unknown"])
@pytest.mark.parametrize("more", [(FORM,), (b"Connection: close",)])
async def test_the_centres_own_quick_way_answers_alike(body: bytes, more: tuple[bytes]) -> None:
    quick, careful, _ = await by_both(callback(body, *more))
    assert (quick.lane.taken > 0, careful.lane.taken) == (True, 0)
    assert (quick.lane.in_flight, quick.errors, careful.errors) == (0, [], [])


async def test_who_sends_no_more_is_answered_alike() -> None:
    answers = []
    for quickly in (True, False):
        async with open_house(quickly=quickly) as house:
            reader, writer = await house.connect()
            writer.write(callback(b"wait"))
            await asyncio.wait_for(house.centre.begun.wait(), SECONDS_MAX)
            writer.write_eof()
            assert house.server._server is not None
            (connection,) = house.server._server.connections
            await until(lambda connection=connection: connection.is_ending)
            house.centre.go_on.set()
            answers.append(await said(reader))
            assert await asyncio.wait_for(reader.read(), SECONDS_MAX) == b""
            assert house.lane.taken == (1 if quickly else 0)
            writer.close()
    assert answers[0] == answers[1] and b"Connection: close\r\n" in answers[0]


@pytest.mark.parametrize(
    "data",
    [
        callback(path=f"/callbacks/alipay/{ACCOUNT}?a=b"),
        callback(path=f"/callbacks/alipay/{ACCOUNT}/"),
        callback(path=f"/callbacks/{ACCOUNT}"),
        callback(path=f"/callbacks/ali%70ay/{ACCOUNT}"),
        callback(path=f"/callbacks//{ACCOUNT}"),
        callback(path="/callbacks/alipay/cac_1"),
        callback(path="/callbacks/alipay/pay_" + ACCOUNT[4:]),
        callback(path="/callbacks/"),
        callback(b"", FORM),
        callback(b"x" * 8192, FORM),
        callback(b"x" * 66_000, FORM),
        callback(b"a", b"X: a", b"x: b"),
        callback(b"a", b"Content-Encoding: gzip"),
        callback(b"a", b"X: caf\xc3\xa9"),
        callback(b"a", b"Expect: nothing"),
        callback(b"a", host=b"X: y"),
        callback().replace(b"HTTP/1.1", b"HTTP/1.0"),
        callback(b"1\r\na\r\n0\r\n\r\n", b"Transfer-Encoding: chunked").replace(
            b"Content-Length: 11\r\n", b""
        ),
    ],
)
async def test_what_is_in_doubt_is_for_the_careful(data: bytes) -> None:
    quick, _, _ = await by_both(data)
    assert quick.lane.taken == 0


async def test_several_and_halves_are_for_the_careful() -> None:
    async with open_house() as house:
        reader, writer = await house.connect()
        writer.write(callback() + callback(b"forged"))
        assert b"success" in await said(reader)
        assert b"401" in await said(reader)
        data = callback(b"second half")
        writer.write(data[:-5])
        await until(lambda: house.server.open_connections == 1 and house.lane.taken == 0)
        writer.write(data[-5:])
        assert b"success" in await said(reader)
        assert house.lane.taken <= 1  # the halves may have met on their way
        writer.close()


async def test_what_comes_meanwhile_waits_for_the_answer() -> None:
    async with open_house() as house:
        reader, writer = await house.connect()
        writer.write(callback(b"wait"))
        await asyncio.wait_for(house.centre.begun.wait(), SECONDS_MAX)
        writer.write(callback(b"forged"))
        writer.write(callback(b"nobody"))
        house.centre.go_on.set()
        assert [(await said(reader))[9:12] for _ in range(3)] == [b"200", b"401", b"404"]
        assert [each[2].body for each in house.centre.heard] == [b"wait", b"forged", b"nobody"]
        writer.close()


async def test_who_hangs_up_cancels_nothing() -> None:
    async with open_house() as house:
        _, writer = await house.connect()
        writer.write(callback(b"wait"))
        await asyncio.wait_for(house.centre.begun.wait(), SECONDS_MAX)
        gone = writer.get_extra_info("socket")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await until(lambda: house.server.open_connections == 0)
        assert house.lane.in_flight == 1
        house.centre.go_on.set()
        await until(lambda: house.lane.in_flight == 0)
        assert house.centre.done == 1
        assert house.observed == [("receive_callback", "POST", 200)]


async def test_a_drain_waits_for_a_callback() -> None:
    async with open_house() as house:
        reader, writer = await house.connect()
        writer.write(callback(b"wait"))
        await asyncio.wait_for(house.centre.begun.wait(), SECONDS_MAX)
        draining = asyncio.create_task(house.server.drain(SECONDS_MAX))
        await asyncio.sleep(0)
        assert not draining.done()
        house.centre.go_on.set()
        assert b"Connection: close\r\n" in await said(reader)
        assert await asyncio.wait_for(draining, SECONDS_MAX / 2) is True
        writer.close()


async def test_what_is_there_before_the_connection_is_taken_too() -> None:
    async with open_house() as house:
        early = socket.create_connection(("127.0.0.1", house.server.port))
        early.sendall(callback())
        reader, writer = await asyncio.open_connection(sock=early)
        assert b"success" in await said(reader)
        assert house.lane.taken == 1
        writer.close()


async def test_a_connection_with_quick_requests_only_may_idle_and_is_closed_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS_MAX", 0.3)
    monkeypatch.setattr(limits, "HEADERS_SECONDS_MAX", 0.05)
    async with open_house() as house:
        reader, writer = await house.connect()
        writer.write(callback(b"wait"))
        await asyncio.wait_for(house.centre.begun.wait(), SECONDS_MAX)
        await asyncio.wait({asyncio.create_task(reader.read(1))}, timeout=0.5)
        assert house.server.open_connections == 1  # no timer of headers or idleness ends it
        house.centre.go_on.set()
        await until(lambda: house.server.open_connections == 0)
        assert (house.lane.taken, house.observed) == (1, [("receive_callback", "POST", 200)])
        writer.close()


names = st.one_of(
    st.sampled_from([b"Host", b"Content-Type", b"Accept", b"Connection", b"Wechatpay-Serial"]),
    st.sampled_from(sorted(SIGNIFICANT)),
    st.text("aZ0-_!#'~", min_size=1, max_size=6).map(str.encode),
    st.binary(max_size=4),
)
values = st.one_of(
    st.sampled_from([b"", b"a", b"close", b"keep-alive", b"a\tb", b" a  b\t", b"x, y"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12).map(str.encode),
    st.binary(max_size=5),
)
paths = st.one_of(
    st.just(f"/callbacks/alipay/{ACCOUNT}"),
    st.sampled_from(["alipay", "a_b", "a-b", "a%20", "A.b", "1"]).map(
        lambda channel: f"/callbacks/{channel}/{ACCOUNT}"
    ),
    st.text("a/?#%_ é", max_size=8).map(lambda end: f"/callbacks/{end}"),
)


@settings(max_examples=600)
@given(st.binary(min_size=1, max_size=30), st.lists(st.tuples(names, values), max_size=5), paths)
@example(b"a", [(b"Sec-WebSocket-Key1", b"x")], f"/callbacks/alipay/{ACCOUNT}")
@example(b"a", [(b"User-Agent", b" \t x \t ")], f"/callbacks/alipay/{ACCOUNT}")
def test_what_is_read_quickly_is_what_the_parser_reads(
    body: bytes, headers: list[tuple[bytes, bytes]], path: str
) -> None:
    try:
        data = callback(body, *(b"%b:%b" % each for each in headers), path=path)
    except UnicodeEncodeError:
        return
    post = scan_post(data)
    door = QuickCallbacks(quick_receive=Mock(), callbacks=Mock())
    quick = None if post is None else door.read(post)
    assume(quick is not None)
    assert quick is not None
    request = parsed(data)
    request.body = request._payload.read_nowait()
    request.request_id = "req_1"
    centre = Centre()
    callbacks = Callbacks(centre)  # type: ignore[arg-type]
    router = Router()
    for route in callbacks.routes():
        router.add(route)
    request.params = router.resolve(request.method, request.path).params
    asyncio.run(callbacks.receive(request))
    ((channel, account_id, heard, _),) = centre.heard
    assert (quick.channel, quick.account_id, quick.request) == (channel, account_id, heard)
    assert list(quick.request.headers) == list(heard.headers)


def parsed(data: bytes) -> Request:
    """The one request that aiohttp's parser makes of the bytes."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(
            Mock(),
            loop,
            limits.READ_BYTES_MAX,
            max_line_size=limits.REQUEST_LINE_BYTES_MAX,
            max_headers=limits.HEADERS_MAX,
            max_field_size=limits.FIELD_BYTES_MAX,
        )
        ((message, payload),), upgraded, rest = parser.feed_data(data)
    finally:
        loop.close()
    assert (upgraded, rest, payload.is_eof()) == (False, b"", True)
    return Request(message, payload, Mock(), Mock(), Mock())
