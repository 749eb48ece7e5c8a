"""Both twins of `fastpath.request`: what is plain is read, everything else is None."""

from types import ModuleType

import pytest

from fastpath._request_terms import (
    ATTRIBUTING,
    HEADERS_MAX,
    REQUEST_BYTES_MAX,
    SIGNIFICANT,
    PlainPost,
    PlainRequest,
)

pytestmark = pytest.mark.fast

BODY = b'{"a":1}'


def request(
    *more: bytes,
    line: bytes = b"POST /v1/payments HTTP/1.1",
    host: bytes = b"Host: a",
    authorization: bytes = b"Authorization: X y",
    length: bytes = b"Content-Length: 7",
    kind: bytes = b"Content-Type: application/json",
    body: bytes = BODY,
) -> bytes:
    lines = [each for each in (line, host, authorization, length, kind, *more) if each]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def get(
    *more: bytes,
    line: bytes = b"GET /v1/payments/pay_1 HTTP/1.1",
    body: bytes = b"",
    **parts: bytes,
) -> bytes:
    return request(*more, line=line, length=b"", kind=b"", body=body, **parts)


def test_a_plain_post_is_read(plain_request: ModuleType) -> None:
    assert plain_request.scan_request(request()) == PlainRequest(
        b"POST", b"/v1/payments", b"X y", BODY
    )


def test_a_plain_get_is_read(plain_request: ModuleType) -> None:
    line = b"GET /v1/payments/pay_1?a=%20&b=~ HTTP/1.1"
    assert plain_request.scan_request(get(line=line)) == PlainRequest(
        b"GET", b"/v1/payments/pay_1?a=%20&b=~", b"X y", b""
    )


@pytest.mark.parametrize(
    "more",
    [
        b"Connection: keep-alive",
        b"connection:  Keep-Alive\t",
        b"User-Agent: curl/8.0 (x; y)",
        b"Accept:*/*",
        b"Accept-Encoding: gzip, deflate",
        b"X-Empty:",
        b"X-Empty: \t ",
        b"x!#$%&'*+-.^_`|~1: odd but a name",
        b"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ],
)
def test_headers_that_mean_nothing_here_are_passed_over(
    plain_request: ModuleType, more: bytes
) -> None:
    assert plain_request.scan_request(request(more)) is not None
    assert plain_request.scan_request(get(more, more if b"onnection" not in more else b"A: b"))


@pytest.mark.parametrize("name", sorted(SIGNIFICANT))
def test_significant_headers_are_for_the_careful(plain_request: ModuleType, name: bytes) -> None:
    for spelt in (name, name.title(), name.upper()):
        assert plain_request.scan_request(request(spelt + b": chunked")) is None
        assert plain_request.scan_request(get(spelt + b": close")) is None


DOUBTFUL = [
    b"",
    b"\r\n" + request(),
    request()[:-1],
    request() + b"x",
    request() + request(),
    request().replace(b"\r\n", b"\n"),
    request(line=b"POST /v1/payments HTTP/1.0"),
    request(line=b"POST /v1/payments HTTP/2.0"),
    request(line=b"POST  /v1/payments HTTP/1.1"),
    request(line=b"POST /v1/payments  HTTP/1.1"),
    request(line=b"post /v1/payments HTTP/1.1"),
    request(line=b"PUT /v1/payments HTTP/1.1"),
    request(line=b"POST http://a/v1/payments HTTP/1.1"),
    request(line=b"POST * HTTP/1.1"),
    request(line=b"POST /v1/payments#x HTTP/1.1"),
    request(line=b"POST /v1/\xc3\xa9 HTTP/1.1"),
    request(line=b"POST /v1/\x00 HTTP/1.1"),
    request(line=b"POST /v1/payments"),
    request(host=b""),
    request(host=b"Host:"),
    request(b"Host: b"),
    request(host=b"Host : a"),
    request(host=b" Host: a"),
    request(b" folded: x"),
    request(b": nameless"),
    request(b"no colon"),
    request(b"X: \x00"),
    request(b"X: \x7f"),
    request(b"X: \xe9"),
    request(b"X: a\rb"),
    request(b"N\xc3\xa9: a"),
    request(length=b""),
    request(length=b"Content-Length: 6"),
    request(length=b"Content-Length: 8"),
    request(length=b"Content-Length: 07"),
    request(length=b"Content-Length: +7"),
    request(length=b"Content-Length: 7, 7"),
    request(length=b"Content-Length: 7 7"),
    request(b"Content-Length: 7"),
    request(length=b"Content-Length: 0", body=b""),
    request(length=b"Content-Length: 000007"),
    request(length=b"Content-Length: 100007"),
    request(b"Content-Type: application/json"),
    request(b"Connection: keep-alive, te"),
    request(b"Connection: keep-alive", b"Connection: keep-alive"),
]
DOUBTFUL_WITH_A_CALLER = [
    request(authorization=b""),
    request(authorization=b"Authorization: "),
    request(b"authorization: other"),
    request(kind=b""),
    request(kind=b"Content-Type: application/json; charset=utf-8"),
    request(kind=b"Content-Type: Application/JSON"),
    request(kind=b"Content-Type: text/plain"),
    get(body=b"x"),
    get(b"Content-Length: 0"),
    get(b"Content-Type: application/json"),
    request(b"Connection: close"),
]


@pytest.mark.parametrize("doubtful", [*DOUBTFUL, *DOUBTFUL_WITH_A_CALLER])
def test_what_is_in_doubt_is_none(plain_request: ModuleType, doubtful: bytes) -> None:
    assert plain_request.scan_request(doubtful) is None


def post(*more: bytes, **parts: bytes) -> bytes:
    return request(*more, **({"authorization": b"", "kind": b""} | parts))


def test_a_plain_post_is_read_with_its_headers(plain_request: ModuleType) -> None:
    data = post(
        b"CONTENT-type: text/x; a=b",
        b"Wechatpay-Signature:\ta b=\t ",
        b"X-Empty:",
        b"Connection: Close",
        line=b"POST /callbacks/x?a=%20 HTTP/1.1",
    )
    read = plain_request.scan_post(data)
    assert read == PlainPost(
        "/callbacks/x?a=%20",
        {
            "host": "a",
            "content-length": "7",
            "content-type": "text/x; a=b",
            "wechatpay-signature": "a b=",
            "x-empty": "",
            "connection": "Close",
        },
        BODY,
    )
    assert [type(part) for part in read] == [str, dict, bytes]


@pytest.mark.parametrize("name", sorted(SIGNIFICANT))
def test_a_post_says_who_sent_it_and_no_more(plain_request: ModuleType, name: bytes) -> None:
    for spelt in (name, name.title(), name.upper()):
        read = plain_request.scan_post(post(spelt + b": trailers"))
        if name in ATTRIBUTING:
            assert read.headers[name.decode()] == "trailers"
        else:
            assert read is None


@pytest.mark.parametrize(
    "doubtful",
    [
        *DOUBTFUL,
        post(b"X: a", b"x: a"),
        post(kind=b"Content-Type: a", authorization=b"content-type: a"),
        post(b"Connection: keep-alive", b"connection: close"),
        get(line=b"GET /callbacks/x HTTP/1.1", authorization=b""),
    ],
)
def test_what_is_in_doubt_is_no_post(plain_request: ModuleType, doubtful: bytes) -> None:
    assert plain_request.scan_post(doubtful) is None


def test_a_post_cut_anywhere_is_none(plain_request: ModuleType) -> None:
    whole = post(b"Connection: keep-alive", b"Accept: */*")
    for end in range(len(whole)):
        assert plain_request.scan_post(whole[:end]) is None
    assert plain_request.scan_post(whole) is not None


def test_limits_of_a_post(plain_request: ModuleType) -> None:
    most = [b"X-%d: y" % number for number in range(HEADERS_MAX - 2)]
    assert len(plain_request.scan_post(post(*most)).headers) == HEADERS_MAX
    assert plain_request.scan_post(post(*most, b"One: more")) is None
    room = REQUEST_BYTES_MAX - len(post(b": y"))
    assert plain_request.scan_post(post(b"x" * room + b": y")) is not None
    assert plain_request.scan_post(post(b"x" * (room + 1) + b": y")) is None


def test_a_request_cut_anywhere_is_none(plain_request: ModuleType) -> None:
    whole = request(b"Connection: keep-alive", b"Accept: */*")
    for end in range(len(whole)):
        assert plain_request.scan_request(whole[:end]) is None
    assert plain_request.scan_request(whole) is not None


def test_limits(plain_request: ModuleType) -> None:
    most = [b"X-%d: y" % number for number in range(HEADERS_MAX - 4)]
    assert plain_request.scan_request(request(*most)) is not None
    assert plain_request.scan_request(request(*most, b"One: more")) is None
    room = REQUEST_BYTES_MAX - len(request(b"X: "))
    assert plain_request.scan_request(request(b"X: " + b"y" * room)) is not None
    assert plain_request.scan_request(request(b"X: " + b"y" * (room + 1))) is None


@pytest.mark.parametrize("wrong", ["GET", bytearray(request()), memoryview(request()), None])
def test_only_bytes_are_read(plain_request: ModuleType, wrong: object) -> None:
    for scan in (plain_request.scan_request, plain_request.scan_post):
        with pytest.raises(TypeError, match=r"^data must be bytes"):
            scan(wrong)
