"""Answers read quickly and carefully are one: the same bytes, the same word, however they come."""

import asyncio

import pytest

from gateway.adapters.http import plain
from gateway.adapters.http.plain import Answer, Cut, NoAnswer, PlainConnection

REQUEST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY_BYTES_MAX = 1_000
SOON_S = 30.0

# What servers say, and whether the connection may be used again afterwards.
ANSWERS: dict[str, tuple[bytes, bool]] = {
    "plain": (OK, True),
    "empty": (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    "empty with a length of 0": (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", True),
    "empty with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", True),
    "not modified with a length": (b"HTTP/1.1 304 Same\r\nContent-Length: 2\r\n\r\n", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", True),
    "no reason": (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", True),
    "no reason and no space": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", True),
    "many fields": (
        b"HTTP/1.1 503 Busy\r\nServer: nginx/1.29\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
        b"Content-Type: text/html; charset=utf-8\r\ncontent-length: 5\r\nConnection: keep-alive\r\n"
        b"Retry-After:  120 \r\nX-Empty:\r\nVary: a, b\r\n\r\nlater",
        True,
    ),
    "two to retry after": (
        b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n",
        True,
    ),
    "asks to close": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        False,
    ),
    "several options": (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, x\r\nContent-Length: 0\r\n\r\n",
        True,
    ),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;x=y\r\n!\r\n0\r\n\r\n",
        True,
    ),
    "told before": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, True),
    "older": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", True),
    "beyond ASCII": (
        b"HTTP/1.1 200 OK\r\nX-Name: \xe8\x8c\xb6\r\nContent-Length: 0\r\n\r\n",
        True,
    ),
    "the largest": (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES_MAX + b"x" * BODY_BYTES_MAX,
        True,
    ),
    "too large": (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX * 9)
        + b"x" * BODY_BYTES_MAX * 9,
        False,
    ),
    "another behind it": (OK + OK, False),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", True),
    "unknown status": (b"HTTP/1.1 799 What\r\nContent-Length: 0\r\n\r\n", True),
}
# What is no answer, although the connection stays open.
GARBAGE: dict[str, bytes] = {
    "another protocol": b"220 smtp.example ESMTP ready\r\n\r\n",
    "another version": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
    "length in words": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "space in a name": b"HTTP/1.1 200 OK\r\nContent Length: 0\r\nContent-Length: 0\r\n\r\n",
    "null in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "too many fields": (
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * plain.HEADERS_MAX + b"Content-Length: 0\r\n\r\n"
    ),
    "too long a field": (
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * plain.HEAD_BYTES_MAX + b"\r\nContent-Length: 0\r\n\r\n"
    ),
}


async def open_to(port: int) -> PlainConnection:
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: PlainConnection(body_bytes_max=BODY_BYTES_MAX, lost=lambda connection: None),
        "127.0.0.1",
        port,
    )
    return connection


def until(seconds: float = SOON_S) -> float:
    return asyncio.get_running_loop().time() + seconds


def saying(*parts: bytes):
    """Answers each request with these parts, each in a segment of its own."""

    async def handler(exchange) -> None:
        while True:
            await exchange.request()
            for number, part in enumerate(parts):
                if number:
                    await asyncio.sleep(0.002)  # so that the parts are not read as one
                await exchange.send(part)

    return handler


@pytest.fixture(params=["quick", "careful"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As it is, and by aiohttp's reader alone, which is the measure."""
    if request.param == "careful":
        monkeypatch.setattr(plain, "_read_head", lambda data, *, body_bytes_max: None)
    return request.param


def expected(raw: bytes) -> Answer:
    head = raw.rpartition(b"Early Hints\r\nLink: x\r\n\r\n")[2].replace(b"\r\n", b"\n")
    status = int(head.split(b"\n")[0].split(b" ")[1])
    retries = [line for line in head.split(b"\n") if line.startswith(b"Retry-After:")]
    return Answer(status, retries[0].partition(b":")[2].strip().decode() if retries else None)


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers(receive, reading: str, name: str) -> None:
    raw, keeps = ANSWERS[name]
    receiver = await receive(saying(raw))
    connection = await open_to(receiver.port)
    assert await connection.exchange(REQUEST, until=until()) == expected(raw)
    assert connection.is_free is keeps
    if keeps:  # nothing of the first answer is left for the second
        assert await connection.exchange(REQUEST, until=until()) == expected(raw)
        assert receiver.connections == 1
    connection.abort()


@pytest.mark.parametrize("name", [name for name in ANSWERS if not name.startswith("too")])
async def test_answers_in_two_pieces(receive, reading: str, name: str) -> None:
    raw, keeps = ANSWERS[name]
    whole = len(raw) // 2 if name.endswith("behind it") else len(raw)
    for at in {1, 12, 17, whole // 2, whole - 3, whole - 1}:
        receiver = await receive(saying(raw[:at], raw[at:]))
        connection = await open_to(receiver.port)
        assert await connection.exchange(REQUEST, until=until()) == expected(raw), at
        assert connection.is_free is keeps, at
        connection.abort()


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_no_answer(receive, reading: str, name: str) -> None:
    receiver = await receive(saying(GARBAGE[name]))
    connection = await open_to(receiver.port)
    with pytest.raises(NoAnswer) as refused:
        await connection.exchange(REQUEST, until=until())
    assert not isinstance(refused.value, Cut)  # it is not sent again
    assert not connection.is_free


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"", Cut),
        (b"HTTP/1.1 200", Cut),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", Cut),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", NoAnswer),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok", NoAnswer),
    ],
)
async def test_what_ends_too_early(receive, reading: str, said: bytes, fault: type) -> None:
    async def handler(exchange) -> None:
        await exchange.request()
        await exchange.send(said)

    receiver = await receive(handler)
    connection = await open_to(receiver.port)
    with pytest.raises(NoAnswer) as failure:
        await connection.exchange(REQUEST, until=until())
    assert type(failure.value) is fault
    assert not connection.is_free


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nends with the connection",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
async def test_what_is_not_whole_in_time_is_none(receive, reading: str, said: bytes) -> None:
    async def handler(exchange) -> None:
        await exchange.request()
        await exchange.send(said)
        await exchange.until_cut()

    receiver = await receive(handler)
    connection = await open_to(receiver.port)
    with pytest.raises(TimeoutError):
        await connection.exchange(REQUEST, until=until(0.2))
    await receiver.finished.wait()  # it was cut


async def test_a_body_that_ends_with_its_connection(receive, reading: str) -> None:
    async def handler(exchange) -> None:
        await exchange.request()
        await exchange.send(b"HTTP/1.1 201 Made\r\n\r\nok")

    receiver = await receive(handler)
    connection = await open_to(receiver.port)
    assert await connection.exchange(REQUEST, until=until()) == Answer(201, None)
    assert not connection.is_free


async def test_an_answer_and_then_the_end_counts(receive, reading: str) -> None:
    async def handler(exchange) -> None:
        await exchange.request()
        await exchange.send(OK)
        exchange.writer.write_eof()
        await exchange.until_cut()

    receiver = await receive(handler)
    connection = await open_to(receiver.port)
    assert await connection.exchange(REQUEST, until=until()) == Answer(200, None)
    await receiver.finished.wait()
    assert not connection.is_free


async def test_an_answer_before_the_request_is_read_counts(receive, reading: str) -> None:
    async def handler(exchange) -> None:
        await exchange.reader.readuntil(b"\r\n\r\n")
        await exchange.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.get_running_loop().create_future()

    receiver = await receive(handler)
    connection = await open_to(receiver.port)
    request = b"POST / HTTP/1.1\r\nContent-Length: 50000000\r\n\r\n" + bytes(50_000_000)
    assert await connection.exchange(request, until=until()) == Answer(413, None)
    assert not connection.is_free  # the rest of the request would be taken for another one


async def test_what_comes_unasked_ends_the_connection(receive) -> None:
    async def handler(exchange) -> None:
        await exchange.request()
        await exchange.send(OK)
        assert await exchange.reader.readexactly(1) == b"!"
        await exchange.send(OK)
        await exchange.until_cut()

    receiver = await receive(handler)
    connection = await open_to(receiver.port)
    assert (await connection.exchange(REQUEST, until=until())).status == 200
    assert connection.is_free
    connection._transport.write(b"!")
    await receiver.finished.wait()
    assert not connection.is_free


async def test_a_byte_behind_the_answer_ends_the_connection(receive) -> None:
    receiver = await receive(saying(OK + b"H"))
    connection = await open_to(receiver.port)
    assert (await connection.exchange(REQUEST, until=until())).status == 200
    assert not connection.is_free


async def test_who_gives_up_cuts_the_connection(receive) -> None:
    came = asyncio.Event()

    async def handler(exchange) -> None:
        await exchange.request()
        came.set()
        await exchange.until_cut()

    receiver = await receive(handler)
    connection = await open_to(receiver.port)
    task = asyncio.create_task(connection.exchange(REQUEST, until=until()))
    await came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await receiver.finished.wait()
    assert not connection.is_free
