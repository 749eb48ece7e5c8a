"""A client of the pretend Stripe, and a merchant's server that checks signatures by itself."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EVENT_WAIT_S = 20


class Answer(NamedTuple):
    """Status, JSON body and headers of an answer."""

    status: int
    body: dict[str, Any]
    headers: Any

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.body["error"])


class Client:
    """A merchant's program with one account."""

    def __init__(self, account: dict[str, str], http: aiohttp.ClientSession) -> None:
        self.account = account
        self.http = http

    async def call(
        self,
        method: str,
        path: str,
        parameters: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        authorization: str | None = None,
        raw: str | None = None,
    ) -> Answer:
        url = f"{self.account['gateway_url']}/v1{path}"
        encoded = raw if raw is not None else urlencode(parameters or {})
        given = f"Bearer {self.account['secret_key']}" if authorization is None else authorization
        headers = {"Authorization": given}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            data = encoded.encode()
        elif encoded:
            url += f"?{encoded}"
        target = aiohttp.client.URL(url, encoded=True)
        async with self.http.request(method, target, data=data, headers=headers) as response:
            return Answer(response.status, await response.json(), response.headers)

    async def pay(
        self, card: str = "pm_card_visa", *, key: str | None = None, **parameters: Any
    ) -> Answer:
        """Create and confirm an intent of 12.34 euros."""
        wanted = {
            "amount": "1234",
            "currency": "eur",
            "confirm": "true",
            "payment_method": card,
            **parameters,
        }
        chosen = {name: value for name, value in wanted.items() if value is not None}
        return await self.call("POST", "/payment_intents", chosen, key=key)

    async def paid(self, card: str = "pm_card_visa", **parameters: Any) -> dict[str, Any]:
        """The intent of a payment that worked."""
        answer = await self.pay(card, **parameters)
        assert (answer.status, answer.body["status"]) == (200, "succeeded"), answer
        return answer.body

    async def listen(self, url: str, *events: str) -> dict[str, Any]:
        """A webhook endpoint."""
        wanted = [("url", url), *(("enabled_events[]", event) for event in events or ("*",))]
        answer = await self.call("POST", "/webhook_endpoints", raw=urlencode(wanted))
        assert answer.status == 200, answer
        return answer.body


class Listener:
    """A merchant's server: keeps the events it is sent, and says 200 unless a script says other."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()
        self.script: list[int] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        self.got.put_nowait((dict(request.headers), await request.read()))
        return web.Response(status=self.script.pop(0) if self.script else 200)

    async def raw(self) -> tuple[dict[str, str], bytes]:
        return await asyncio.wait_for(self.got.get(), EVENT_WAIT_S)

    async def event(self, secret: str) -> dict[str, Any]:
        """The next event, whose signature must be right."""
        headers, body = await self.raw()
        assert is_signed(headers, body, secret)
        return dict(json.loads(body))


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    sent, signature = headers["Stripe-Signature"].removeprefix("t=").split(",v1=")
    expected = hmac.new(secret.encode(), sent.encode() + b"." + body, hashlib.sha256)
    return hmac.compare_digest(expected.hexdigest(), signature)


def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture
def open_client(
    http: aiohttp.ClientSession,
) -> Callable[..., Awaitable[Client]]:
    """Open an account at the sandbox of a URL."""

    async def open_client(url: str, key: str | None = None) -> Client:
        wanted = {"channel": "card", "merchant_public_key": key or pem()}
        async with http.post(f"{url}/accounts", json=wanted) as response:
            assert response.status == 200, await response.text()
            return Client(await response.json(), http)

    return open_client


@pytest.fixture
async def client(sandbox: Any, open_client: Any) -> Client:
    found: Client = await open_client(sandbox.url)
    return found


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    application = web.Application()
    application.router.add_post("/events", listener.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    yield listener
    await runner.cleanup()


@pytest.fixture
def arm(control: Any) -> Callable[..., Awaitable[None]]:
    """Arm a fault at the pretend Stripe."""

    async def arm(operation: str, fault: str, **members: Any) -> None:
        wanted = {"channel": "card", "operation": operation, "fault": fault, "times": 1}
        status, answer = await control("POST", "/faults", wanted | members)
        assert status == 200, answer

    return arm


@pytest.fixture
def book(control: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The outside truth."""

    async def book() -> dict[str, Any]:
        status, shown = await control("GET", "/book/card")
        assert status == 200
        return dict(shown)

    return book
