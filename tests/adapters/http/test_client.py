"""Both clients against real servers on loopback, most of them badly behaved."""

import asyncio
import gzip
import json
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
import standardwebhooks
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.adapters.http.client import (
    CHANNEL_ANSWER_BYTES_MAX,
    WEBHOOK_ANSWER_BYTES_MAX,
    ChannelHttp,
    WebhookHttp,
)
from gateway.adapters.http.names import NameUnknown
from gateway.channels.wire import ChannelSilent, HttpRequest
from gateway.domain import webhook

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHORT_S = 0.8


class Book:
    """A resolver whose answers a test writes, one list per look-up; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def lookup(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise NameUnknown(host)
        return answer

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Authority:
    """A certificate authority of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name.from_rfc4514_string("CN=Test authority")
        self._certificate = self._issue(self._name, self._key.public_key(), None)

    def _issue(self, subject: x509.Name, key: object, host: str | None) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def trusted(self) -> ssl.SSLContext:
        """What a client that trusts this authority uses."""
        pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def serving(self, host: str) -> ssl.SSLContext:
        """What a server with a certificate for `host` uses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name.from_rfc4514_string(f"CN={host}")
        chain = self._issue(subject, key.public_key(), host)
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            chain.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


# --- receivers ----------------------------------------------------------------------------------


async def answer_ok(exchange) -> None:
    while True:
        await exchange.request()
        await exchange.send(OK)


async def never_answer(exchange) -> None:
    await exchange.request()
    await exchange.until_cut()


async def never_read(exchange) -> None:
    await asyncio.get_running_loop().create_future()


async def cut_after_request(exchange) -> None:
    await exchange.request()


async def cut_in_the_body(exchange) -> None:
    await exchange.request()
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def drip_head(exchange) -> None:
    await exchange.request()
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.send(b"X-Drip: 1\r\n")
        await asyncio.sleep(0.05)


async def drip_body(exchange) -> None:
    await exchange.request()
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await exchange.send(b".")
        await asyncio.sleep(0.05)


async def never_close(exchange) -> None:
    await exchange.request()
    await exchange.send(b"HTTP/1.1 200 OK\r\n\r\nthe body ends with the connection")
    await exchange.until_cut()


async def flood(exchange) -> None:
    await exchange.request()
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await exchange.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


async def flood_head(exchange) -> None:
    await exchange.request()
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.send(b"X-Flood: " + b"x" * 4000 + b"\r\n")


async def speak_nonsense(exchange) -> None:
    await exchange.request()
    await exchange.send(b"220 smtp.example ESMTP ready\r\n\r\n")
    await exchange.until_cut()


def answer_with(head: str, body: bytes = b""):
    async def handler(exchange) -> None:
        while True:
            await exchange.request()
            await exchange.send(
                f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )

    return handler


# --- channels -----------------------------------------------------------------------------------


async def test_channel_gets_the_codecs_bytes_unchanged(receive) -> None:
    receiver = await receive(answer_ok)
    body = "a=1&b=%2F茶".encode() + b"\x00\xff"
    request = HttpRequest(
        "POST",
        f"http://127.0.0.1:{receiver.port}/gateway.do?x=%2f+%E8%8C%B6&y=a%20b;c='d'&z",
        (("Content-Type", "text/plain;charset=utf-8"), ("Wechatpay-Serial", "AB")),
        body,
    )
    async with ChannelHttp() as channel:
        response = await channel.send(request)
    assert (response.status, response.body) == (200, b"ok")
    head, _, sent = receiver.requests[0].partition(b"\r\n\r\n")
    assert sent == body
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /gateway.do?x=%2f+%E8%8C%B6&y=a%20b;c='d'&z HTTP/1.1"
    assert {
        b"Content-Type: text/plain;charset=utf-8",
        b"Wechatpay-Serial: AB",
        b"Accept-Encoding: identity",
        b"Content-Length: %d" % len(body),
        b"Host: 127.0.0.1:%d" % receiver.port,
    } <= set(lines)


async def test_channel_request_gets_no_type_and_length_that_it_has_not(receive) -> None:
    receiver = await receive(answer_ok)
    async with ChannelHttp() as channel:
        await channel.send(HttpRequest("GET", f"http://127.0.0.1:{receiver.port}/v3/x"))
        await channel.send(HttpRequest("POST", f"http://127.0.0.1:{receiver.port}/", body=b"x"))
    head = receiver.requests[0].lower()
    assert b"content-type" not in head and b"content-length" not in head
    assert b"content-type" not in receiver.requests[1].lower()  # none is made up


async def test_channel_answer_is_given_as_it_is(receive) -> None:
    packed = gzip.compress(b"{}")
    head = (
        "503 Busy\r\nWechatPay-Signature: abc=\r\nX-Two: 1\r\nX-TWO: 2\r\n"
        "Set-Cookie: a=b\r\nContent-Encoding: gzip"
    )
    receiver = await receive(answer_with(head, packed))
    request = HttpRequest("POST", f"http://127.0.0.1:{receiver.port}/")
    async with ChannelHttp() as channel:
        response = await channel.send(request)
        await channel.send(request)
    assert response.status == 503
    assert response.headers["wechatpay-signature"] == "abc="
    assert response.headers["x-two"] == "1, 2"
    assert response.body == packed
    assert receiver.connections == 1  # kept
    assert b"cookie" not in receiver.requests[1].lower()


async def test_channel_answer_says_when_it_came(receive) -> None:
    moments = iter(datetime(2026, 11, 22, 12, 0, second, tzinfo=UTC) for second in range(2))
    receiver = await receive(answer_with("401 No"))
    request = HttpRequest("GET", f"http://127.0.0.1:{receiver.port}/")
    async with ChannelHttp(wall=lambda: next(moments)) as channel:
        answers = [await channel.send(request) for _ in range(2)]
    assert [answer.received_at.second for answer in answers if answer.received_at] == [0, 1]
    async with ChannelHttp() as channel:
        before = datetime.now(UTC)
        answer = await channel.send(request)
    assert answer.received_at is not None
    assert before <= answer.received_at <= datetime.now(UTC)


async def test_channel_redirect_is_an_answer(receive) -> None:
    other = await receive(answer_ok)
    receiver = await receive(answer_with(f"302 Found\r\nLocation: http://127.0.0.1:{other.port}/"))
    async with ChannelHttp() as channel:
        response = await channel.send(HttpRequest("GET", f"http://127.0.0.1:{receiver.port}/"))
    assert response.status == 302
    assert other.connections == 0


async def silence(url: str, **options) -> ChannelSilent:
    async with ChannelHttp(**options) as channel:
        with pytest.raises(ChannelSilent) as silent:
            await channel.send(HttpRequest("POST", url, body=b"order"))
    return silent.value


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (never_answer, "timeout"),
        (never_read, "timeout"),
        (drip_head, "timeout"),
        (drip_body, "timeout"),
        (never_close, "timeout"),
        (cut_after_request, "protocol"),
        (cut_in_the_body, "protocol"),
        (speak_nonsense, "protocol"),
        (flood_head, "protocol"),
        (flood, "too_large"),
        (answer_with("200 OK", b"x" * (CHANNEL_ANSWER_BYTES_MAX + 1)), "too_large"),
    ],
)
async def test_channel_silence_after_the_request_may_have_left(receive, handler, reason) -> None:
    receiver = await receive(handler)
    total_s = SHORT_S if reason == "timeout" else 30
    silent = await silence(f"http://127.0.0.1:{receiver.port}/", total_s=total_s)
    assert (silent.reason, silent.sent) == (reason, True)
    assert receiver.connections == 1  # nothing was sent twice


async def test_channel_answer_of_the_largest_size(receive) -> None:
    body = b"x" * CHANNEL_ANSWER_BYTES_MAX
    receiver = await receive(answer_with("200 OK", body))
    async with ChannelHttp(total_s=30) as channel:
        response = await channel.send(HttpRequest("GET", f"http://127.0.0.1:{receiver.port}/"))
    assert response.body == body


async def test_channel_cut_on_a_kept_connection_counts_as_sent(receive) -> None:
    async def once(exchange) -> None:
        await exchange.request()
        await exchange.send(OK)
        await exchange.request()

    receiver = await receive(once)
    request = HttpRequest("POST", f"http://127.0.0.1:{receiver.port}/", body=b"order")
    async with ChannelHttp() as channel:
        await channel.send(request)
        with pytest.raises(ChannelSilent) as silent:
            await channel.send(request)
    assert (silent.value.reason, silent.value.sent) == ("protocol", True)
    assert (receiver.connections, len(receiver.requests)) == (1, 2)


async def test_channel_refused_is_not_sent(closed_port: int) -> None:
    silent = await silence(f"http://127.0.0.1:{closed_port}/")
    assert (silent.reason, silent.sent) == ("refused", False)


async def test_channel_unknown_name_is_not_sent() -> None:
    silent = await silence("http://channel.example/", names=Book([]))
    assert (silent.reason, silent.sent) == ("dns", False)


async def test_channel_not_connected_in_time_is_not_sent(receive) -> None:
    receiver = await receive(never_read)  # takes the connection, never speaks TLS
    async with asyncio.timeout(30):  # far more than the one, far less than the other
        url = f"https://127.0.0.1:{receiver.port}/"
        silent = await silence(url, connect_s=SHORT_S, total_s=600)
    assert (silent.reason, silent.sent) == ("timeout", False)
    assert receiver.requests == []


async def test_channel_untrusted_certificate_is_not_sent(receive, authority: Authority) -> None:
    receiver = await receive(answer_ok, tls=authority.serving("channel.example"))
    url = f"https://channel.example:{receiver.port}/"
    silent = await silence(url, names=Book(["127.0.0.1"]))
    assert (silent.reason, silent.sent) == ("tls", False)
    assert receiver.requests == []
    names = Book(["127.0.0.1"])
    async with ChannelHttp(names=names, tls=authority.trusted()) as channel:
        assert (await channel.send(HttpRequest("POST", url))).status == 200


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://[::1", "http:///x", "nonsense", ""])
async def test_channel_bad_url_is_not_sent(url: str) -> None:
    silent = await silence(url)
    assert (silent.reason, silent.sent) == ("bad_url", False)


async def test_channel_uses_no_proxy_of_the_environment(receive, monkeypatch) -> None:
    proxy, receiver = await receive(answer_ok), await receive(answer_ok)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    async with ChannelHttp() as channel, WebhookHttp(allow=LOOPBACK) as webhooks:
        url = f"http://127.0.0.1:{receiver.port}/"
        await channel.send(HttpRequest("GET", url))
        await webhooks.post(url, headers={}, body=b"{}")
    assert (proxy.connections, len(receiver.requests)) == (0, 2)


# --- webhooks -----------------------------------------------------------------------------------


def sandbox(**options) -> WebhookHttp:
    return WebhookHttp(**({"allow": LOOPBACK} | options))


async def test_a_signed_webhook_arrives_and_verifies() -> None:
    secret, seen = bytes(range(32)), []

    async def hook(request: web.Request) -> web.Response:
        body = await request.read()
        headers = dict(request.headers)
        verifier = standardwebhooks.Webhook(webhook.secret_text(secret))
        seen.append((request.raw_path, verifier.verify(body, headers), headers))
        return web.Response(status=204, headers={"Retry-After": "7"})

    application = web.Application()
    application.router.add_post("/hooks/{rest:.*}", hook)
    body = '{"id":"evt_1","data":{"subject":"茶"}}'.encode()
    headers = webhook.sign(
        "evt_1", at=int(time.time()), body=body, secrets=[secret], private_key=secret
    )
    async with TestServer(application) as server, sandbox() as webhooks:
        url = f"http://127.0.0.1:{server.port}/hooks/a%2fb?x=%e8%8c%b6+1"
        answer = await webhooks.post(url, headers=headers, body=body)
    assert (answer.status, answer.retry_after, answer.error) == (204, "7", None)
    assert answer.duration_s >= 0
    path, payload, received = seen[0]
    assert path == "/hooks/a%2fb?x=%e8%8c%b6+1"
    assert payload == json.loads(body)
    assert received["Content-Type"] == "application/json"
    assert received["User-Agent"].startswith("Tillgate")
    assert "Cookie" not in received


@pytest.mark.parametrize("status", ["200 OK", "301 Moved", "410 Gone", "429 Later", "500 Broken"])
async def test_status_is_told_and_no_redirect_followed(receive, status: str) -> None:
    other = await receive(answer_ok)
    head = f"{status}\r\nLocation: http://127.0.0.1:{other.port}/\r\nSet-Cookie: a=b"
    receiver = await receive(answer_with(head))
    url = f"http://127.0.0.1:{receiver.port}/"
    async with sandbox() as webhooks:
        for _ in range(2):
            answer = await webhooks.post(url, headers={}, body=b"{}")
            assert (answer.status, answer.error) == (int(status[:3]), None)
    assert other.connections == 0
    assert receiver.connections == 1
    assert b"cookie" not in receiver.requests[1].lower()


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (never_answer, "timeout"),
        (never_read, "timeout"),
        (drip_head, "timeout"),
        (drip_body, "timeout"),
        (never_close, "timeout"),
        (cut_after_request, "protocol"),
        (cut_in_the_body, "protocol"),
        (speak_nonsense, "protocol"),
        (flood_head, "protocol"),
    ],
)
async def test_bad_receivers_end_in_a_word(receive, handler, error: str) -> None:
    receiver = await receive(handler)
    async with sandbox(total_s=SHORT_S if error == "timeout" else 30) as webhooks:
        answer = await webhooks.post(
            f"http://127.0.0.1:{receiver.port}/", headers={}, body=b"x" * 60_000
        )
    assert (answer.status, answer.error) == (None, error)
    assert receiver.connections == 1


async def test_one_bad_receiver_slows_no_other(receive) -> None:
    bad, good = await receive(never_answer), await receive(answer_ok)
    async with sandbox(total_s=60) as webhooks, asyncio.timeout(30):
        url = f"http://127.0.0.1:{bad.port}/"
        stuck = [
            asyncio.create_task(webhooks.post(url, headers={}, body=b"{}")) for _ in range(150)
        ]
        for _ in stuck:
            await bad.arrived.acquire()
        answer = await webhooks.post(f"http://127.0.0.1:{good.port}/", headers={}, body=b"{}")
        assert answer.status == 200
        for task in stuck:
            task.cancel()
        ends = await asyncio.gather(*stuck, return_exceptions=True)
        assert {type(end) for end in ends} == {asyncio.CancelledError}


async def test_an_endless_answer_is_cut_and_its_status_counts(receive) -> None:
    receiver = await receive(flood)
    async with sandbox(total_s=30) as webhooks:
        answer = await webhooks.post(f"http://127.0.0.1:{receiver.port}/", headers={}, body=b"{}")
        assert (answer.status, answer.error) == (200, None)
        await receiver.finished.wait()  # the receiver was cut off while the client lives on


@pytest.mark.parametrize(("over", "connections"), [(0, 1), (1_000_000, 2)])
async def test_only_what_is_within_the_limit_keeps_the_connection(
    receive, over: int, connections: int
) -> None:
    receiver = await receive(answer_with("200 OK", b"x" * (WEBHOOK_ANSWER_BYTES_MAX + over)))
    async with sandbox() as webhooks:
        for _ in range(2):
            answer = await webhooks.post(
                f"http://127.0.0.1:{receiver.port}/", headers={}, body=b"{}"
            )
            assert answer.status == 200
    assert receiver.connections == connections


async def test_a_compressed_answer_is_not_unpacked(receive) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    receiver = await receive(answer_with("200 OK\r\nContent-Encoding: gzip", bomb[:60_000]))
    async with sandbox() as webhooks:
        answer = await webhooks.post(f"http://127.0.0.1:{receiver.port}/", headers={}, body=b"{}")
    assert answer.status == 200


async def test_a_long_retry_after_is_shortened(receive) -> None:
    receiver = await receive(answer_with("503 Busy\r\nRetry-After: " + "9" * 1000))
    async with sandbox() as webhooks:
        answer = await webhooks.post(f"http://127.0.0.1:{receiver.port}/", headers={}, body=b"{}")
    assert answer.retry_after == "9" * webhook.RETRY_AFTER_CHARS_MAX


@pytest.mark.parametrize(("cut", "status", "requests"), [(1, 200, 3), (9, None, 3)])
async def test_a_kept_connection_that_was_cut_is_replaced_once(
    receive, cut: int, status: int | None, requests: int
) -> None:
    answered = 0

    async def handler(exchange) -> None:
        nonlocal answered
        while True:
            await exchange.request()
            answered += 1
            if 2 <= answered < 2 + cut:
                return
            await exchange.send(OK)

    receiver = await receive(handler)
    url = f"http://127.0.0.1:{receiver.port}/"
    async with sandbox() as webhooks:
        assert (await webhooks.post(url, headers={}, body=b"{}")).status == 200
        answer = await webhooks.post(url, headers={"webhook-id": "evt_1"}, body=b"{}")
    assert answer.status == status
    assert answer.error == (None if status else "protocol")
    assert len(receiver.requests) == requests
    assert receiver.requests[1] == receiver.requests[2]


async def test_refused(closed_port: int) -> None:
    async with sandbox() as webhooks:
        answer = await webhooks.post(f"http://127.0.0.1:{closed_port}/", headers={}, body=b"{}")
    assert (answer.status, answer.error) == (None, "refused")


async def test_unknown_name() -> None:
    async with sandbox(names=Book([])) as webhooks:
        answer = await webhooks.post("https://gone.example/", headers={}, body=b"{}")
    assert (answer.status, answer.error) == (None, "dns")


async def test_a_name_server_that_never_answers_is_a_timeout() -> None:
    class Hanging(Book):
        async def lookup(self, host: str) -> Sequence[str]:
            return await asyncio.get_running_loop().create_future()

    async with sandbox(names=Hanging(), total_s=SHORT_S) as webhooks:
        answer = await webhooks.post("https://slow.example/", headers={}, body=b"{}")
    assert (answer.status, answer.error) == (None, "timeout")


async def test_tls_is_spoken_to_the_name_at_the_pinned_address(
    receive, authority: Authority
) -> None:
    context = authority.serving("hooks.example")
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    receiver = await receive(answer_ok, tls=context)
    names = Book(["127.0.0.1"])
    async with sandbox(names=names, tls=authority.trusted()) as webhooks:
        url = f"https://Hooks.Example:{receiver.port}/"
        answer = await webhooks.post(url, headers={}, body=b"{}")
        assert (answer.status, answer.error) == (200, None)
        wrong = await webhooks.post(
            f"https://other.example:{receiver.port}/", headers={}, body=b"{}"
        )
        assert (wrong.status, wrong.error) == (None, "tls")
    assert asked == ["hooks.example", "other.example"]
    assert b"Host: hooks.example:%d\r\n" % receiver.port in receiver.requests[0]
    assert len(receiver.requests) == 1
    async with sandbox(names=names) as webhooks:
        untrusted = await webhooks.post(url, headers={}, body=b"{}")
    assert (untrusted.status, untrusted.error) == (None, "tls")


# --- forgery ------------------------------------------------------------------------------------

# Every way to write "this machine" or "a machine inside" that has been used against senders.
LITERALS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7F.1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "0x0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "2852039166",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::feff:fefe]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[ff02::1]",
    "localhost",
    "LocalHost",
    "localhost.",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "1.1.1.1@127.0.0.1",
    "1.1.1.1:80@127.0.0.1",
    "127.0.0.1\\@1.1.1.1",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.com",
]


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", LITERALS)
async def test_no_spelling_reaches_inside(receive, connects, host: str, scheme: str) -> None:
    receiver = await receive(answer_ok)
    async with WebhookHttp(names=Book(["127.0.0.1"])) as webhooks:
        url = f"{scheme}://{host}:{receiver.port}/"
        answer = await webhooks.post(url, headers={}, body=b"{}")
    assert answer.error in ("blocked_address", "bad_url")
    assert answer.status is None
    assert connects == []
    assert receiver.connections == 0


@pytest.mark.parametrize("port", [22, 5432, 6379])
async def test_no_service_inside_is_reached_by_port(connects, port: int) -> None:
    async with WebhookHttp() as webhooks:
        answer = await webhooks.post(f"https://127.0.0.1:{port}/", headers={}, body=b"{}")
    assert (answer.error, connects) == ("blocked_address", [])


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["0.0.0.0"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%lo"],
        ["64:ff9b::a9fe:a9fe"],
        ["1.1.1.1", "127.0.0.1"],
        ["127.0.0.1", "1.1.1.1"],
        ["nonsense"],
    ],
)
async def test_no_name_leads_inside(receive, connects, addresses: list[str]) -> None:
    receiver = await receive(answer_ok)
    async with WebhookHttp(names=Book(addresses)) as webhooks:
        url = f"https://inside.example:{receiver.port}/"
        answer = await webhooks.post(url, headers={}, body=b"{}")
    assert (answer.status, answer.error) == (None, "blocked_address")
    assert connects == []
    assert receiver.connections == 0


async def test_nothing_goes_to_the_internet_without_tls(connects) -> None:
    async with sandbox(names=Book(["93.184.216.34"])) as webhooks:
        for host in ("public.example", "93.184.216.34"):
            answer = await webhooks.post(f"http://{host}/", headers={}, body=b"{}")
            assert (answer.status, answer.error) == (None, "blocked_address")
    assert connects == []


async def test_rebinding_is_caught_at_the_next_delivery(receive, connects) -> None:
    outside = await receive(answer_ok, host="127.0.0.2")
    inside = await receive(answer_ok, host="127.0.0.1")
    names = Book(["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.2"])
    url = f"http://turning.example:{outside.port}/"
    async with WebhookHttp(allow=[ip_network("127.0.0.2/32")], names=names) as webhooks:
        answers = [await webhooks.post(url, headers={}, body=b"{}") for _ in range(4)]
    assert [(answer.status, answer.error) for answer in answers] == [
        (200, None),
        (None, "blocked_address"),  # although a kept connection was at hand
        (None, "blocked_address"),
        (200, None),
    ]
    assert set(connects) == {"127.0.0.2"}
    assert inside.connections == 0


async def test_each_connection_goes_where_its_own_delivery_was_judged_to_go(
    receive, connects
) -> None:
    handler = answer_with("200 OK\r\nConnection: close")
    first = await receive(handler, host="127.0.0.2")
    names = Book(["127.0.0.2"], ["127.0.0.3"])
    async with sandbox(names=names) as webhooks:
        url = f"http://moving.example:{first.port}/"
        assert (await webhooks.post(url, headers={}, body=b"{}")).status == 200
        moved = await webhooks.post(url, headers={}, body=b"{}")
    assert moved.error == "refused"
    assert connects == ["127.0.0.2", "127.0.0.3"]


async def test_the_address_connected_to_is_the_one_that_was_judged(receive, connects) -> None:
    receiver = await receive(answer_ok, host="127.0.0.2")
    names = Book(["127.0.0.2"], ["127.0.0.1"])
    async with WebhookHttp(allow=[ip_network("127.0.0.2/32")], names=names) as webhooks:
        url = f"http://quick.example:{receiver.port}/"
        assert (await webhooks.post(url, headers={}, body=b"{}")).status == 200
    # A second look-up would be the gap in which a name turns.
    assert names.asked == ["quick.example"]
    assert connects == ["127.0.0.2"]


async def test_deliveries_at_once_do_not_borrow_each_others_addresses(receive) -> None:
    receivers = [await receive(answer_ok, host=f"127.0.0.{n}") for n in (2, 3, 4)]

    class Map(Book):
        async def lookup(self, host: str) -> Sequence[str]:
            await asyncio.sleep(0)
            return [f"127.0.0.{host[0]}"]

    async with sandbox(names=Map()) as webhooks:
        answers = await asyncio.gather(
            *(
                webhooks.post(f"http://{n}.example:{receiver.port}/", headers={}, body=b"{}")
                for n, receiver in zip((2, 3, 4), receivers, strict=True)
                for _ in range(10)
            )
        )
    assert {answer.status for answer in answers} == {200}
    assert [len(receiver.requests) for receiver in receivers] == [10, 10, 10]


async def test_the_last_gate_holds_when_the_first_one_is_gone(
    receive, connects, monkeypatch
) -> None:
    receiver = await receive(answer_ok)
    monkeypatch.setattr(
        "gateway.adapters.http.addresses.AddressGuard.vet",
        lambda self, addresses, *, tls: tuple(addresses),
    )
    async with WebhookHttp(names=Book(["127.0.0.1"])) as webhooks:
        for host in ("127.0.0.1", "inside.example"):
            answer = await webhooks.post(f"https://{host}:{receiver.port}/", headers={}, body=b"{}")
            assert (answer.status, answer.error) == (None, "blocked_address")
    assert connects == []


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://example.com/", "https://a b/", "http://example.com/\r\nX: y"]
)
async def test_bad_url(connects, url: str) -> None:
    async with sandbox() as webhooks:
        answer = await webhooks.post(url, headers={}, body=b"{}")
    assert (answer.status, answer.error, connects) == (None, "bad_url", [])
