"""Replies: the exact bytes."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.web import reply as replies
from gateway.web.reply import Reply, date, empty_reply, json_reply, text_reply

pytestmark = pytest.mark.fast

DATE = b"Thu, 01 Jan 1970 00:00:07 GMT"


@pytest.fixture(autouse=True)
def frozen_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "time", lambda: 7.9)
    monkeypatch.setattr(replies, "_date_second", -1)


def encode(reply: Reply, *, method: str = "GET", old: bool = False) -> bytes:
    request: Any = SimpleNamespace(method=method, is_http_1_0=old)
    return reply.encode(request)


def test_json_reply() -> None:
    reply = json_reply(
        201, b'{"a":1}', request_id="req_1", headers=[("Location", "/v1/x"), ("X-A", "b c")]
    )
    assert encode(reply) == (
        b"HTTP/1.1 201 Created\r\nDate: " + DATE + b"\r\nRequest-Id: req_1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 7\r\n"
        b'Location: /v1/x\r\nX-A: b c\r\n\r\n{"a":1}'
    )
    assert (reply.status, reply.body) == (201, b'{"a":1}')
    assert reply.headers["location"] == "/v1/x"


def test_text_reply_counts_bytes() -> None:
    head, _, body = encode(text_reply(200, "茶", request_id="req_1")).partition(b"\r\n\r\n")
    assert body == "茶".encode()
    assert b"\r\nContent-Length: 3" in head
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in head


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_body_has_no_length(status: int) -> None:
    sent = encode(empty_reply(status, request_id="req_1"))
    assert sent.startswith(b"HTTP/1.1 %d " % status) and sent.endswith(b"req_1\r\n\r\n")
    assert b"Content-" not in sent
    with pytest.raises(ValueError):
        json_reply(status, b"{}", request_id="req_1")


def test_redirection_has_length_zero() -> None:
    sent = encode(empty_reply(303, request_id="req_1", headers=[("Location", "/x")]))
    assert b"\r\nContent-Length: 0\r\n" in sent and b"\r\nLocation: /x\r\n" in sent


def test_head_has_the_length_but_not_the_body() -> None:
    sent = encode(json_reply(200, b"{}", request_id="req_1"), method="HEAD")
    assert b"\r\nContent-Length: 2\r\n" in sent and sent.endswith(b"\r\n\r\n")


CONNECTION = [
    # client speaks 1.0, reply closes, expected line
    (False, False, None),
    (False, True, b"\r\nConnection: close\r\n"),
    (True, False, b"\r\nConnection: keep-alive\r\n"),
    (True, True, b"\r\nConnection: close\r\n"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("old", "close", "line"), CONNECTION)
def test_connection_line(method: str, old: bool, close: bool, line: bytes | None) -> None:
    reply = Reply(200, b"x", content_type="text/x", request_id="req_1", close=close)
    sent = encode(reply, method=method, old=old)
    assert sent.endswith(b"\r\n\r\n" if method == "HEAD" else b"\r\n\r\nx")
    assert (line in sent) if line else (b"Connection" not in sent)
    assert reply.keep_alive is not close


@pytest.mark.parametrize(
    "headers",
    [
        [("Location", "/x\r\nSet-Cookie: a=b")],
        [("Location", "/x\n")],
        [("Location", "/\x00")],
        [("Location", "/茶")],
        [("A\r\nB", "x")],
        [("A: B", "x")],
        [("", "x")],
    ],
)
def test_a_header_cannot_become_two(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError):
        json_reply(200, b"{}", request_id="req_1", headers=headers)


@pytest.mark.parametrize("request_id", ["", "a b", "a\r\nb", "茶", "a-b"])
def test_a_request_id_is_plain(request_id: str) -> None:
    with pytest.raises(ValueError):
        json_reply(200, b"{}", request_id=request_id)


def test_a_content_type_is_plain() -> None:
    with pytest.raises(ValueError):
        text_reply(200, "", request_id="req_1", content_type="text/html\r\nA: b")


def test_date_follows_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert date() == DATE
    monkeypatch.setattr(replies, "time", lambda: 8.0)
    assert date() == b"Thu, 01 Jan 1970 00:00:08 GMT"


def test_a_reply_is_true_and_shows_no_body() -> None:
    reply = json_reply(200, b"secret", request_id="req_1")
    assert reply and "secret" not in repr(reply)
