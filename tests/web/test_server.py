"""The server, by raw sockets: answers, life and end."""

import asyncio
import json
import socket
import struct
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.domain.errors import TillgateError
from gateway.web import limits
from gateway.web.body import BODY_BYTES_MAX
from gateway.web.reply import Reply, empty_reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route, Router
from gateway.web.server import HttpServer
from tests.web.conftest import get, post

# What is answered


async def test_many_requests_on_one_connection_in_order(stand: Any) -> None:
    wire = await stand.wire(b"".join(get(f"/echo?{number}") for number in range(200)))
    for number in range(200):
        assert json.loads((await wire.answer()).body)["query"] == str(number)
    wire.send(get("/echo?last"))
    assert (await wire.answer()).status == 200


async def test_head_has_no_body(stand: Any) -> None:
    wire = await stand.wire(get().replace(b"GET", b"HEAD") + get())
    answer = await wire.answer(head_only=True)
    assert answer.status == 200 and int(answer.headers["content-length"]) > 0
    assert json.loads((await wire.answer()).body)["method"] == "GET"


KEEPING = [
    # version, fields, connection header of the answer, stays open
    (b"1.1", b"", None, True),
    (b"1.1", b"Connection: close\r\n", "close", False),
    (b"1.1", b"Connection: keep-alive\r\n", None, True),
    (b"1.0", b"", "close", False),
    (b"1.0", b"Connection: keep-alive\r\n", "keep-alive", True),
    (b"1.0", b"Connection: close\r\n", "close", False),
    (b"1.1", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", "close", False),
    (b"1.1", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", "close", False),
]


@pytest.mark.parametrize(("version", "fields", "line", "stays"), KEEPING)
async def test_connection_is_kept_or_closed_as_agreed(
    stand: Any, version: bytes, fields: bytes, line: str | None, stays: bool
) -> None:
    wire = await stand.wire(get(fields=fields, version=version))
    answer = await wire.answer()
    assert (answer.status, answer.headers.get("connection")) == (200, line)
    if stays:
        wire.send(get(version=version))
        assert (await wire.answer()).status == 200
    else:
        assert await wire.end() == b""


async def test_who_sends_no_more_is_still_answered(stand: Any) -> None:
    wire = await stand.wire(post())
    wire.writer.write_eof()
    assert (await wire.answer()).status == 200
    assert await wire.end() == b""


async def test_an_ordinary_client_is_served(stand: Any) -> None:
    url = f"http://127.0.0.1:{stand.server.port}/echo"
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(url, json={"a": 1}) as response:
                assert (await response.json())["body_bytes"] == 8
        async with session.post(url, json={"a": "x" * 40_000}, expect100=True) as response:
            assert response.status == 200
    assert [request.connection for request in stand.requests].count(
        stand.requests[0].connection
    ) == 4


async def test_what_was_answered_stays_answered_when_rubbish_follows(stand: Any) -> None:
    wire = await stand.wire(get())
    assert (await wire.answer()).status == 200
    wire.send(b"rubbish\r\n\r\n")
    assert (await wire.answer()).status == 400
    assert await wire.end() == b""
    assert [seen[0] for seen in stand.observed] == ["get_echo", "malformed"]


# What goes wrong


async def test_an_exception_tells_the_client_nothing(start_stand: Any) -> None:
    async def break_down(request: Request) -> Reply:
        raise ZeroDivisionError("secret of the house")

    stand = await start_stand(Route("GET", "/broken", break_down, "broken"))
    wire = await stand.wire(get("/broken") + get())
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (500, "internal_error")
    assert b"secret" not in answer.body and b"ZeroDivision" not in answer.body
    (request_id, exc) = stand.errors[0]
    assert request_id == answer.headers["request-id"] and isinstance(exc, ZeroDivisionError)
    assert (await wire.answer()).status == 200
    assert stand.observed[0] == ("broken", "GET", 500)


async def test_a_refusal_of_a_handler_is_a_problem(start_stand: Any) -> None:
    async def refuse(request: Request) -> Reply:
        raise TillgateError("rate_limited", "Slowly.", retry_after_s=3)

    stand = await start_stand(Route("GET", "/refusing", refuse, "refusing"))
    answer = await stand.ask(get("/refusing"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    assert not stand.errors


async def test_a_failing_observer_costs_no_answer(start_stand: Any) -> None:
    def observe(*seen: object) -> None:
        raise ValueError("observer")

    stand = await start_stand(observe=observe)
    assert (await stand.ask(get())).status == 200
    assert isinstance(stand.errors[0][1], ValueError)


async def test_a_client_that_goes_does_not_stop_its_request(start_stand: Any) -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def pay(request: Request) -> Reply:
        begun.set()
        await go_on.wait()
        done.set()
        return json_reply(201, b"{}", request_id=request.request_id)

    stand = await start_stand(Route("POST", "/pay", pay, "pay"))
    for reset in (False, True):
        begun.clear(), go_on.clear(), done.clear()
        wire = await stand.wire(post(target=b"/pay"))
        await begun.wait()
        if reset:
            wire.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        wire.writer.transport.abort()
        if reset:
            await stand.until(lambda: not stand.server.open_connections)
        go_on.set()
        await asyncio.wait_for(done.wait(), 5)
    await stand.until(
        lambda: not (stand.server.requests_in_flight or stand.server.open_connections)
    )
    assert stand.observed == [("pay", "POST", 201)] * 2 and not stand.errors


# Begin and end


async def test_listening_at_sockets_of_many_kinds(tmp_path: Path) -> None:
    router = Router()

    async def remote(request: Request) -> Reply:
        return json_reply(200, json.dumps(request.remote).encode(), request_id=request.request_id)

    router.add(Route("GET", "/remote", remote, "remote"))
    http = HttpServer(router, new_request_id=lambda: "req_1")
    assert await http.drain(0)
    path = str(tmp_path / "web")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path)
    await http.start("127.0.0.1", 0, reuse_port=True)
    await http.start("127.0.0.1", http.port, reuse_port=True)
    await http.start(sock=unix)
    assert http.ports == [http.port] * 2
    port = http.port
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(get("/remote", b"Connection: close\r\n"))
    assert (await reader.read()).endswith(b'\r\n\r\n""')
    writer.close()
    assert await http.drain(5)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_drain_closes_idle_connections_and_waits_for_the_others(start_stand: Any) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def pay(request: Request) -> Reply:
        begun.set()
        await go_on.wait()
        return empty_reply(204, request_id=request.request_id)

    stand = await start_stand(Route("POST", "/pay", pay, "pay"))
    port = stand.server.port
    used, fresh = await stand.wire(get()), await stand.wire()
    await used.answer()
    busy = await stand.wire(post(target=b"/pay"))
    halfway = await stand.wire(get()[:10])
    await begun.wait()
    await stand.until(lambda: stand.server.open_connections == 4)
    drained = asyncio.create_task(stand.server.drain(20))
    assert await used.end() == b"" and await fresh.end() == b""
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
    assert not drained.done()
    halfway.send(get()[10:])
    for wire, status in ((halfway, 200), (busy, 204)):
        go_on.set()
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert await wire.end() == b""
    assert await drained is True
    assert stand.server.open_connections == 0


async def test_drain_ends_in_time_whatever_hangs(start_stand: Any) -> None:
    async def hang(request: Request) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    stand = await start_stand(Route("GET", "/hang", hang, "hang"))
    wire = await stand.wire(get("/hang"))
    await stand.until(lambda: stand.server.requests_in_flight)
    assert await stand.server.drain(0.05) is False
    assert await wire.end() == b""
    assert stand.server.requests_in_flight == 0


async def test_good_byes_are_said_before_draining(stand: Any) -> None:
    wire = await stand.wire(get())
    assert "connection" not in (await wire.answer()).headers
    stand.server.say_goodbye()
    wire.send(get())
    assert (await wire.answer()).headers["connection"] == "close"
    assert await wire.end() == b""
    assert (await stand.ask(get())).status == 200


async def test_a_slow_reader_is_waited_for_but_not_for_ever(
    start_stand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.reply.REPLY_SECONDS_MAX", 0.3)
    size = 4 * 1024 * 1024

    async def much(request: Request) -> Reply:
        return json_reply(200, b"x" * size, request_id=request.request_id)

    stand = await start_stand(Route("GET", "/much", much, "much"))
    wire = await stand.wire(get("/much"))
    assert len((await wire.answer()).body) == size
    wire.send(get("/much") * 20)
    await stand.until(lambda: not stand.server.open_connections)
    assert len(stand.observed) < 20


def test_limits_stand_as_documented() -> None:
    assert BODY_BYTES_MAX == 65536
    assert (limits.HEADERS_SECONDS_MAX, limits.BODY_SECONDS_MAX) == (5.0, 10.0)
    assert (limits.HEADERS_MAX, limits.HEADERS_BYTES_MAX) == (64, 16384)
    assert limits.IDLE_SECONDS_MAX == 75.0
