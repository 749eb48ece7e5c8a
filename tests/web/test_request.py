"""Requests, by raw sockets: what is understood, what is refused, what is smuggled."""

import asyncio
import json
from typing import Any

import pytest

from gateway.web.body import BODY_BYTES_MAX
from gateway.web.request import is_json
from tests.web.conftest import HOST, JSON, chunked, get, post

# What is understood


async def test_request_reaches_its_handler_as_it_came(stand: Any) -> None:
    answer = await stand.ask(post(b'{"a":1}', target=b"/echo/pay_1?b=%2f&c"))
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "method": "POST",
        "path": "/echo/pay_1",
        "query": "b=%2f&c",
        "target": "/echo/pay_1?b=%2f&c",
        "params": {"thing": "pay_1"},
        "body": '{"a":1}',
        "body_bytes": 7,
        "remote": "127.0.0.1",
    }
    assert answer.headers["request-id"] == "req_1"
    assert answer.headers["date"].endswith(" GMT")
    assert "connection" not in answer.headers and "server" not in answer.headers
    assert stand.observed == [("post_thing", "POST", 200)]


TARGETS = ["/echo", "/echo?", "/echo?a=%0a&b=/?:@", "/echo?a=b?c=d", "/echo?%e8%8c%b6"]


@pytest.mark.parametrize("target", TARGETS)
async def test_target_is_exactly_that_of_the_request_line(stand: Any, target: str) -> None:
    assert json.loads((await stand.ask(get(target))).body)["target"] == target


async def test_bytes_may_come_one_by_one(stand: Any) -> None:
    wire = await stand.wire()
    for data in (post(b'{"a":"bc"}'), chunked(b'{"a"', b':"bc"}')):
        for byte in data:
            wire.send(bytes((byte,)))
            await wire.writer.drain()
            await asyncio.sleep(0)
        assert json.loads((await wire.answer()).body)["body"] == '{"a":"bc"}'


async def test_chunks_and_trailers(stand: Any) -> None:
    answer = await stand.ask(
        chunked(*[b"x"] * 5000, end=b"0\r\nX-Trailer: 1\r\nAuthorization: evil\r\n\r\n")
    )
    assert json.loads(answer.body)["body_bytes"] == 5000
    assert "Authorization" not in stand.requests[0].headers


async def test_continue_is_said_before_the_body_and_not_before_a_refusal(stand: Any) -> None:
    expect = JSON + b"Expect: 100-Continue\r\n"
    wire = await stand.wire(post(b"{}", expect)[:-2])
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(b"{}")
    assert (await wire.answer()).status == 200
    large = b"POST /echo HTTP/1.1\r\n" + HOST + expect + b"Content-Length: 65537\r\n\r\n"
    assert (await stand.ask(large)).status == 413
    whole = await stand.wire(post(b"{}", expect))
    assert (await whole.answer()).status == 200


# What is refused

REFUSED = [
    # request, status, code
    (get("/nothing"), 404, "not_found"),
    (get("/echo/"), 404, "not_found"),
    (get("/%65cho"), 404, "not_found"),
    (post(target=b"/echo/a%62"), 404, "not_found"),
    (get("/echo/x"), 405, "method_not_allowed"),
    (get().replace(b"GET", b"DELETE"), 405, "method_not_allowed"),
    (get().replace(b"GET", b"OPTIONS"), 405, "method_not_allowed"),
    (post(b"{}", b""), 415, "unsupported_media_type"),
    (post(b"{}", b"Content-Type: text/plain\r\n"), 415, "unsupported_media_type"),
    (post(b"{}", b"Content-Type: application/jsonx\r\n"), 415, "unsupported_media_type"),
    (post(b"{}", b"Content-Type: application/json; charset=gbk\r\n"), 415,
     "unsupported_media_type"),
    (post(b"{}", JSON + b"Content-Encoding: gzip\r\n"), 415, "unsupported_media_type"),
    (post(b"{}", JSON + b"Content-Encoding: identity\r\n"), 415, "unsupported_media_type"),
    (post(b"{}", JSON + b"Content-Encoding: gzip\r\n", b"/raw"), 415,
     "unsupported_media_type"),
    (post(b" " * (BODY_BYTES_MAX + 1)), 413, "body_too_large"),
    (post(b" " * (BODY_BYTES_MAX + 1), target=b"/raw"), 413, "body_too_large"),
    (chunked(*[b" " * 1024] * 65), 413, "body_too_large"),
    (chunked(b" " * 100_000), 413, "body_too_large"),
    (get("http://x/echo"), 400, "malformed_request"),
    (get("https://x:1/echo"), 400, "malformed_request"),
    (get("/echo#part"), 400, "malformed_request"),
    (get("/echo?\xe8"), 400, "malformed_request"),
    (get("/\xe8"), 400, "malformed_request"),
    (get("*").replace(b"GET", b"OPTIONS"), 400, "malformed_request"),
    (get("x:1").replace(b"GET", b"CONNECT"), 400, "malformed_request"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "status", "code"), REFUSED, ids=lambda value: repr(value)[:60])
async def test_refusals(stand: Any, data: bytes, status: int, code: str) -> None:
    answer = await stand.ask(data)
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert answer.problem["status"] == status
    assert answer.problem["request_id"] == answer.headers["request-id"] == "req_1"
    assert "date" in answer.headers
    assert not stand.requests and not stand.errors
    assert [seen[2] for seen in stand.observed] == [status]


ACCEPTED = [
    post(b"", b""),
    post(b"", b"Content-Type: text/plain\r\n"),
    post(b"{}", b"Content-Type: application/json; charset=utf-8\r\n"),
    post(b"{}", b'Content-Type: Application/JSON;charset="UTF-8"\r\n'),
    post(b"a=b", b"Content-Type: application/x-www-form-urlencoded\r\n", b"/raw"),
    post(b"a=b", b"", b"/raw"),
    post(b" " * BODY_BYTES_MAX),
    chunked(*[b" " * 1024] * 64),
    b"POST /echo HTTP/1.1\r\n" + HOST + b"\r\n",
]


@pytest.mark.parametrize("data", ACCEPTED, ids=lambda value: repr(value)[:60])
async def test_what_is_not_refused(stand: Any, data: bytes) -> None:
    assert (await stand.ask(data)).status == 200


async def test_wrong_method_names_the_right_ones(stand: Any) -> None:
    answer = await stand.ask(get().replace(b"GET", b"PUT"))
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert answer.problem["instance"] == "/echo"


async def test_too_large_a_body_is_refused_before_it_comes_and_not_read_to_its_end(
    stand: Any,
) -> None:
    head = b"POST /echo HTTP/1.1\r\n" + HOST + JSON
    for declared in (b"65537", b"99999999999"):
        wire = await stand.wire(head + b"Content-Length: " + declared + b"\r\n\r\n")
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
    endless = await stand.wire(head + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    for _ in range(3):
        endless.send(chunk)
    answer = await endless.answer()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert not stand.requests


async def test_a_refused_body_that_is_there_costs_no_connection(stand: Any) -> None:
    wire = await stand.wire(post(b"{}", b"") + get())
    assert (await wire.answer()).status == 415
    assert (await wire.answer()).status == 200


def test_media_types() -> None:
    assert is_json("application/json ; charset=UTF-8") and is_json("application/json;")
    for other in ("", "json", "application/json, text/plain", "application/json;a=b",
                  "application/json; charset=utf-16", "application/problem+json"):  # fmt: skip
        assert not is_json(other), other


# What is not one request to everyone

CL = b"Content-Length: 2\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n" + JSON
SMUGGLED = [
    ("CL and TE", HEAD + CL + TE + b"\r\n0\r\n\r\n"),
    ("TE and CL", HEAD + TE + CL + b"\r\n0\r\n\r\n"),
    ("CL twice, equal", HEAD + CL + CL + b"\r\n{}"),
    ("CL twice, unequal", HEAD + CL + b"Content-Length: 0\r\n\r\n{}"),
    ("CL list", HEAD + b"Content-Length: 2, 2\r\n\r\n{}"),
    ("CL sign", HEAD + b"Content-Length: +2\r\n\r\n{}"),
    ("CL minus", HEAD + b"Content-Length: -2\r\n\r\n{}"),
    ("CL hexadecimal", HEAD + b"Content-Length: 0x2\r\n\r\n{}"),
    ("CL underscore", HEAD + b"Content-Length: 1_0\r\n\r\n{}"),
    ("CL empty", HEAD + b"Content-Length: \r\n\r\n{}"),
    ("CL huge", HEAD + b"Content-Length: 18446744073709551618\r\n\r\n{}"),
    ("CL space before colon", HEAD + b"Content-Length : 2\r\n\r\n{}"),
    ("TE twice", HEAD + TE + TE + b"\r\n0\r\n\r\n"),
    ("TE list", HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("TE identity", HEAD + b"Transfer-Encoding: identity\r\n\r\n{}"),
    ("TE chunked, identity", HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("TE gzip", HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}"),
    ("TE gzip, chunked", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("TE xchunked", HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("TE quoted", HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    ("TE vertical tab", HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("TE space before colon", HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("TE tab before colon", HEAD + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    ("TE folded", HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("TE empty", HEAD + b"Transfer-Encoding: \r\n\r\n{}"),
    ("TE in HTTP/1.0", HEAD.replace(b"1.1", b"1.0") + TE + b"\r\n0\r\n\r\n"),
    ("TE with CL in HTTP/1.0", HEAD.replace(b"1.1", b"1.0") + TE + CL + b"\r\n0\r\n\r\n"),
    ("bare LF everywhere", HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}"),
    ("bare LF after a field", HEAD + b"X: 1\nContent-Length: 2\r\n\r\n{}"),
    ("bare LF at the end of the headers", HEAD + CL + b"\n{}"),
    ("bare CR in a field", HEAD + b"X: 1\rContent-Length: 2\r\n\r\n"),
    ("bare LF in the chunk size", HEAD + TE + b"\r\n2\n{}\r\n0\r\n\r\n"),
    ("chunk size too long", HEAD + TE + b"\r\n" + b"f" * 17 + b"\r\n{}"),
    ("chunk size sign", HEAD + TE + b"\r\n+2\r\n{}\r\n0\r\n\r\n"),
    ("chunk size hexadecimal mark", HEAD + TE + b"\r\n0x2\r\n{}\r\n0\r\n\r\n"),
    ("chunk size space", HEAD + TE + b"\r\n2 \r\n{}\r\n0\r\n\r\n"),
    ("chunk size absent", HEAD + TE + b"\r\n\r\n{}\r\n0\r\n\r\n"),
    ("chunk longer than said", HEAD + TE + b"\r\n1\r\n{}\r\n0\r\n\r\n"),
    ("chunk end missing", HEAD + TE + b"\r\n2\r\n{}0\r\n\r\n"),
    ("Host twice", HEAD + b"Host: y\r\n" + CL + b"\r\n{}"),
    ("Host twice, equal", HEAD + b"Host: x\r\n" + CL + b"\r\n{}"),
    ("Host absent", b"GET /echo HTTP/1.1\r\n\r\n"),
    ("folded field", get(fields=b"X: 1\r\n 2\r\n")),
    ("first field folded", b"GET /echo HTTP/1.1\r\n Host: x\r\n\r\n"),
    ("field without colon", get(fields=b"X\r\n")),
    ("field without name", get(fields=b": x\r\n")),
    ("field name with space", get(fields=b"X Y: 1\r\n")),
    ("field name not ASCII", get(fields=b"X\xe8: 1\r\n")),
    ("NUL in a field", get(fields=b"X: a\x00b\r\n")),
    ("NUL in a name", get(fields=b"X\x00: a\r\n")),
    ("NUL in the target", get("/echo?\x00")),
    ("space in the target", get("/echo /x")),
    ("tab", b"GET\t/echo HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("no version", b"GET /echo\r\n\r\n"),
    ("version 2.0", get(version=b"2.0")),
    ("version 1.2", get(version=b"1.2")),
    ("version 0.9", get(version=b"0.9")),
    ("version in small letters", b"GET /echo http/1.1\r\nHost: x\r\n\r\n"),
    ("method in small letters", b"get /echo HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("method unknown", b"BREW /echo HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 60),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("content type twice", HEAD + JSON + CL + b"\r\n{}"),
]


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in SMUGGLED])
async def test_smuggled_requests_are_refused_and_the_connection_closed(
    stand: Any, data: bytes
) -> None:
    hidden = get("/echo?hidden")
    wire = await stand.wire(data + hidden)
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (400, "malformed_request")
    assert answer.headers["connection"] == "close"
    assert await wire.end() == b""
    assert not stand.requests and not stand.errors


@pytest.mark.parametrize("rest", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx"])
async def test_a_body_that_breaks_on_its_way_is_refused_at_once(stand: Any, rest: bytes) -> None:
    wire = await stand.wire(HEAD + TE + b"\r\n1\r\n \r\n")
    await stand.until(lambda: stand.server.requests_in_flight)
    wire.send(rest)
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (400, "malformed_request")
    assert await wire.end() == b""
    assert not stand.requests


async def test_spoofed_addresses_change_nothing(stand: Any) -> None:
    answer = await stand.ask(get(fields=b"X-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n"))
    assert json.loads(answer.body)["remote"] == "127.0.0.1"


async def test_half_a_body_and_gone_is_no_request(stand: Any) -> None:
    for half_close in (True, False):
        wire = await stand.wire(HEAD + b"Content-Length: 100\r\n\r\n{")
        await stand.until(lambda: stand.server.requests_in_flight)
        if half_close:
            wire.writer.write_eof()
            assert (await wire.answer()).status == 400
        else:
            wire.writer.transport.abort()
        await stand.until(lambda: not stand.server.requests_in_flight)
    assert not stand.requests and not stand.errors
