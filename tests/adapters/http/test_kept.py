"""Kept connections: used again while they are good, never where something is left of before."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address

import pytest

from gateway.adapters.http.addresses import AddressBlocked
from gateway.adapters.http.client import WebhookHttp
from gateway.adapters.http.kept import KeptConnections, NotConnected, Place
from tests.adapters.http.test_client import LOOPBACK, OK, answer_ok, sandbox

REQUEST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
SOON_S = 30.0


def open_socket(address) -> socket.socket:
    family, kind, protocol, _, (host, *_) = address
    if not ip_address(host).is_loopback:
        raise AddressBlocked(host)
    return socket.socket(family, kind, protocol)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., KeptConnections]]:
    made: list[KeptConnections] = []

    def make(keep_s: float = SOON_S) -> KeptConnections:
        made.append(
            KeptConnections(tls=ssl.create_default_context(), keep_s=keep_s, body_bytes_max=100)
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def until() -> float:
    return asyncio.get_running_loop().time() + SOON_S


async def used(kept: KeptConnections, place: Place):
    connection = await kept.open(place, ["127.0.0.1"], open_socket=open_socket)
    await connection.exchange(REQUEST, until=until())
    kept.give(place, connection)
    return connection


async def test_the_newest_is_taken_first_and_only_for_its_place(receive, make) -> None:
    receiver = await receive(answer_ok)
    place, kept = Place("a.example", receiver.port, False), make()
    first, second = await used(kept, place), await used(kept, place)
    assert kept.take(place._replace(host="b.example")) is None
    assert kept.take(place._replace(tls=True)) is None
    assert kept.take(place) is second
    assert kept.take(place) is first
    assert kept.take(place) is None


async def test_what_is_idle_for_too_long_is_closed(receive, make) -> None:
    receiver = await receive(answer_ok)
    place, kept = Place("a.example", receiver.port, False), make(keep_s=0.05)
    connection = await used(kept, place)
    await receiver.finished.wait()  # nobody asked for it
    assert kept.take(place) is None
    assert not connection.is_free


async def test_what_is_too_old_is_not_taken(receive, make) -> None:
    receiver = await receive(answer_ok)
    place, kept = Place("a.example", receiver.port, False), make()
    connection = await used(kept, place)
    connection.idle_since -= SOON_S + 1
    assert kept.take(place) is None
    await receiver.finished.wait()


async def test_what_the_receiver_closed_is_not_taken(receive, make) -> None:
    async def once(exchange) -> None:
        await exchange.request()
        await exchange.send(OK)

    receiver = await receive(once)
    place, kept = Place("a.example", receiver.port, False), make()
    connection = await used(kept, place)
    gone = asyncio.Event()
    connection._lost = lambda connection: gone.set()
    if connection.is_free:
        await gone.wait()
    assert kept.take(place) is None


async def test_what_is_not_free_is_not_kept(receive, make) -> None:
    receiver = await receive(answer_ok)
    place, kept = Place("a.example", receiver.port, False), make()
    connection = await kept.open(place, ["127.0.0.1"], open_socket=open_socket)
    connection.abort()
    kept.give(place, connection)
    assert not kept._idle
    assert kept.take(place) is None


async def test_close_cuts_all(receive, make) -> None:
    receiver = await receive(answer_ok)
    place, kept = Place("a.example", receiver.port, False), make()
    idle = await used(kept, place)
    busy = await kept.open(place, ["127.0.0.1"], open_socket=open_socket)
    kept.close()
    assert not idle.is_free and not busy.is_free
    assert kept.take(place) is None


async def test_of_several_addresses_one_that_answers_is_taken(receive, make) -> None:
    receiver = await receive(answer_ok, host="127.0.0.3")
    place, kept = Place("a.example", receiver.port, False), make()
    addresses = ["127.0.0.2", "127.0.0.3"]
    connection = await kept.open(place, addresses, open_socket=open_socket)
    assert (await connection.exchange(REQUEST, until=until())).status == 200


async def test_no_socket_is_made_for_what_the_last_gate_refuses(make) -> None:
    with pytest.raises(AddressBlocked):
        await make().open(Place("a.example", 9, False), ["10.0.0.1"], open_socket=open_socket)


async def test_nobody_there(make) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        place = Place("a.example", bound.getsockname()[1], False)
        with pytest.raises(NotConnected):
            await make().open(place, ["127.0.0.1"], open_socket=open_socket)


# --- through the client --------------------------------------------------------------------------


async def test_a_connection_closed_while_idle_costs_no_second_sending(receive) -> None:
    async def once(exchange) -> None:
        await exchange.request()
        await exchange.send(OK)

    receiver = await receive(once)
    async with sandbox() as webhooks:
        for number in range(3):
            answer = await webhooks.post(
                f"http://127.0.0.1:{receiver.port}/", headers={"webhook-id": str(number)}, body=b""
            )
            assert answer.status == 200
            receiver.finished.clear()
    assert [request.split(b"webhook-id: ")[1][:1] for request in receiver.requests] == [
        b"0",
        b"1",
        b"2",
    ]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz", "protocol"),
        (b"nonsense\r\n\r\n", "protocol"),
        (None, "timeout"),
    ],
)
async def test_a_bad_answer_on_a_kept_connection_costs_no_second_sending(
    receive, said: bytes | None, error: str
) -> None:
    async def handler(exchange) -> None:
        await exchange.request()
        await exchange.send(OK)
        await exchange.request()
        if said is None:
            await exchange.until_cut()
        else:
            await exchange.send(said)

    receiver = await receive(handler)
    url = f"http://127.0.0.1:{receiver.port}/"
    async with sandbox(total_s=0.3 if said is None else SOON_S) as webhooks:
        assert (await webhooks.post(url, headers={}, body=b"")).status == 200
        answer = await webhooks.post(url, headers={}, body=b"")
    assert (answer.status, answer.error) == (None, error)
    assert (receiver.connections, len(receiver.requests)) == (1, 2)


async def test_a_request_is_the_same_on_every_connection(receive) -> None:
    receiver = await receive(answer_ok)
    url = f"http://127.0.0.1:{receiver.port}/a?b=%2f"
    async with sandbox() as webhooks:
        for _ in range(2):
            await webhooks.post(url, headers={"webhook-id": "evt_1"}, body=b'{"a":1}')
    assert receiver.connections == 1
    assert set(receiver.requests) == {
        b"POST /a?b=%%2f HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Tillgate\r\n"
        b"Accept-Encoding: identity\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        b'webhook-id: evt_1\r\nContent-Length: 7\r\n\r\n{"a":1}' % receiver.port
    }


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nX: y", "a\rX: y", "\r", "\n"])
async def test_a_header_stays_one_header(receive, value: str) -> None:
    receiver = await receive(answer_ok)
    async with WebhookHttp(allow=LOOPBACK) as webhooks:
        with pytest.raises(ValueError, match="line feed"):
            await webhooks.post(
                f"http://127.0.0.1:{receiver.port}/", headers={"webhook-id": value}, body=b""
            )
    assert receiver.connections == 0
