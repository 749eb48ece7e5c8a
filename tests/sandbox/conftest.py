"""A running sandbox with a standing clock, a merchant who signs, and a merchant's server.

The merchant here signs and verifies with `cryptography` on its own, so that a mistake in the
simulator's signing code cannot hide itself.
"""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.sandbox import Sandbox

START = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC)
ANSWER_WAIT_S = 20


class StandingClock:
    """Business time that moves only when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def is_signed(public_pem: str, text: str, signature: str) -> bool:
    key = serialization.load_pem_public_key(public_pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(base64.b64decode(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


class Merchant:
    """A client in public key mode with one account."""

    def __init__(
        self, key: rsa.RSAPrivateKey, account: dict[str, str], http: aiohttp.ClientSession
    ) -> None:
        self.key = key
        self.account = account
        self.http = http

    def parameters(self, method: str, biz: Any, /, **changes: str | None) -> dict[str, str]:
        """Signed parameters; `changes` replaces one, or leaves it out with None."""
        content = biz if isinstance(biz, str) else json.dumps(biz)
        parameters: dict[str, str | None] = {
            "app_id": self.account["app_id"],
            "method": f"alipay.trade.{method}",
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": "2026-11-22 12:00:00",
            "version": "1.0",
            "biz_content": content,
            **changes,
        }
        chosen = {k: v for k, v in parameters.items() if v is not None}
        return chosen if "sign" in chosen else self.signed(chosen)

    def signed(self, parameters: dict[str, str]) -> dict[str, str]:
        text = "&".join(f"{k}={v}" for k, v in sorted(parameters.items()) if v)
        raw = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return {**parameters, "sign": base64.b64encode(raw).decode()}

    async def send(self, parameters: dict[str, str], *, way: str = "both") -> str:
        """The raw answer; `way` is where the parameters stand: both, body, query or get."""
        url = self.account["gateway_url"]
        query = {k: v for k, v in parameters.items() if k != "biz_content"}
        body = {k: v for k, v in parameters.items() if k == "biz_content"}
        if way == "body":
            query, body = {}, parameters
        elif way in ("query", "get"):
            query, body = parameters, {}
        method = "GET" if way == "get" else "POST"
        target = aiohttp.client.URL(f"{url}?{urlencode(query)}", encoded=True)
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        async with self.http.request(
            method, target, data=urlencode(body).encode(), headers=headers
        ) as response:
            assert response.status == 200
            return await response.text()

    def read(self, answer: str) -> tuple[str, dict[str, Any], bool | None]:
        """(name of the node, node, whether its signature is right; None when unsigned)."""
        whole = json.loads(answer)
        name = next(iter(whole))
        start = answer.index("{", answer.index(f'"{name}"'))
        node, end = json.JSONDecoder().raw_decode(answer, start)
        if "sign" not in whole:
            return name, node, None
        right = is_signed(self.account["alipay_public_key"], answer[start:end], whole["sign"])
        return name, node, right

    async def call(self, method: str, biz: Any, **changes: str | None) -> dict[str, Any]:
        """The node of a rightly signed answer."""
        answer = await self.send(self.parameters(method, biz, **changes))
        name, node, right = self.read(answer)
        assert name == f"alipay_trade_{method.replace('.', '_')}_response"
        assert right is True
        return node

    async def code(self, number: str, amount: str = "12.34", **members: Any) -> str:
        """The QR code of a new order; a member `notify_url` goes beside the content."""
        notify_url = members.pop("notify_url", None)
        biz = {"out_trade_no": number, "total_amount": amount, "subject": "一本书", **members}
        node = await self.call("precreate", biz, notify_url=notify_url)
        assert node["code"] == "10000", node
        return str(node["qr_code"])

    def read_notice(self, body: bytes) -> dict[str, str]:
        """The parameters of a notification whose V1 signature is right."""
        parameters = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        assert self.is_notice_signed(parameters)
        return parameters

    def is_notice_signed(self, parameters: dict[str, str]) -> bool:
        text = "&".join(
            f"{k}={v}" for k, v in sorted(parameters.items()) if k not in ("sign", "sign_type")
        )
        return is_signed(self.account["alipay_public_key"], text, parameters["sign"])


class Receiver:
    """A merchant's server: keeps what it is sent and answers from a script, then `success`."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.script: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []
        self.url = ""

    def answer(self, status: int, text: str, *, times: int = 1, **headers: str) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, headers=headers)

        self.script += [answer] * times

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        assert request.content_type == "application/x-www-form-urlencoded"
        answer = self.script.pop(0)(request) if self.script else None
        self.got.put_nowait(body)
        return await answer if answer else web.Response(text="success")

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.got.get(), ANSWER_WAIT_S)


@pytest.fixture(scope="session")
def merchant_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which Alipay's key is made already: making one takes its time."""
    folder = tmp_path_factory.mktemp("seeded")

    async def make() -> None:
        sandbox = Sandbox(data=folder)
        await sandbox.start()
        await sandbox.stop()

    asyncio.run(make())
    return folder


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def data(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seeded, tmp_path / "data"))


@pytest.fixture
async def sandbox(data: Path, clock: StandingClock) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(data=data, clock=clock)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def enrol(
    http: aiohttp.ClientSession,
) -> Callable[[str, rsa.RSAPrivateKey], Awaitable[Merchant]]:
    """Open an account for a key at the sandbox of a URL."""

    async def enrol(url: str, key: rsa.RSAPrivateKey) -> Merchant:
        wanted = {"channel": "alipay", "merchant_public_key": pem_of(key)}
        async with http.post(f"{url}/accounts", json=wanted) as response:
            assert response.status == 200, await response.text()
            return Merchant(key, await response.json(), http)

    return enrol


@pytest.fixture
async def merchant(sandbox: Sandbox, merchant_key: rsa.RSAPrivateKey, enrol: Any) -> Merchant:
    found: Merchant = await enrol(sandbox.url, merchant_key)
    return found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/notify", receiver.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
    yield receiver
    await runner.cleanup()


@pytest.fixture
def control(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> Callable[..., Awaitable[tuple[int, Any]]]:
    """`await control("POST", "/payer/pay", {...})` -> (status, JSON of the answer)."""

    async def call(method: str, path: str, value: Any = None) -> tuple[int, Any]:
        async with http.request(method, sandbox.url + path, json=value) as response:
            return response.status, await response.json()

    return call


@pytest.fixture
def pay(control: Any) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Let the payer act on a code, successfully."""

    async def pay(code: str, behaviour: str = "pay") -> dict[str, Any]:
        status, played = await control("POST", "/payer/pay", {"code": code, "behaviour": behaviour})
        assert status == 200, played
        return dict(played)

    return pay


@pytest.fixture
def arm(control: Any) -> Callable[..., Awaitable[None]]:
    """Arm a fault at Alipay."""

    async def arm(operation: str, fault: str, **members: Any) -> None:
        wanted = {"channel": "alipay", "operation": operation, "fault": fault, "times": 1}
        status, answer = await control("POST", "/faults", wanted | members)
        assert status == 200, answer

    return arm


@pytest.fixture
def book(control: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The outside truth."""

    async def book() -> dict[str, Any]:
        status, shown = await control("GET", "/book/alipay")
        assert status == 200
        return dict(shown)

    return book
