"""A merchant of the pretend WeChat Pay who signs, verifies and opens seals on its own.

The merchant here uses `cryptography` alone, so that a mistake in the simulator's signing code
cannot hide itself.
"""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.sandbox import Sandbox

NOTIFY_URL = "https://shop.example/notify"


def pem_of(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def opened(resource: dict[str, str], apiv3_key: str) -> bytes:
    return AESGCM(apiv3_key.encode()).decrypt(
        resource["nonce"].encode(),
        base64.b64decode(resource["ciphertext"]),
        resource["associated_data"].encode(),
    )


class Answered:
    """One answer: `right` says whether its signature is, None for an unsigned one."""

    def __init__(
        self, status: int, headers: dict[str, str], body: bytes, right: bool | None
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.right = right

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Merchant:
    """A client with one account; `mode` is the key it names: `public_key`, `certificate`, None."""

    def __init__(
        self, key: rsa.RSAPrivateKey, account: dict[str, str], http: aiohttp.ClientSession
    ) -> None:
        self.key = key
        self.account = account
        self.http = http
        self.mode: str | None = "public_key"
        public = serialization.load_pem_public_key(account["platform_public_key"].encode())
        assert isinstance(public, rsa.RSAPublicKey)
        self.keys = {account["public_key_id"]: public}
        self.learn(account["platform_certificate"])

    def learn(self, pem: str) -> str:
        """Take up a platform certificate; its serial."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        public = certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        serial = f"{certificate.serial_number:X}"
        self.keys[serial] = public
        return serial

    def sign(self, message: bytes, algorithm: hashes.HashAlgorithm | None = None) -> str:
        raw = self.key.sign(message, padding.PKCS1v15(), algorithm or hashes.SHA256())
        return base64.b64encode(raw).decode()

    def authorization(self, method: str, target: str, body: bytes, **changes: str) -> str:
        """A signed header; `changes` replaces a part after signing."""
        parts = {
            "mchid": self.account["mchid"],
            "nonce_str": secrets.token_hex(16),
            "timestamp": str(int(time.time())),
            "serial_no": self.account["merchant_serial"],
        }
        parts |= {name: changes.pop(name) for name in ("timestamp", "nonce_str") if name in changes}
        head = f"{method}\n{target}\n{parts['timestamp']}\n{parts['nonce_str']}\n"
        parts["signature"] = self.sign(head.encode() + body + b"\n")
        parts |= changes
        pairs = ",".join(f'{name}="{value}"' for name, value in parts.items())
        return f"WECHATPAY2-SHA256-RSA2048 {pairs}"

    async def send(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        headers: dict[str, str | None] | None = None,
        mounted: bool = True,
        **parts: str,
    ) -> Answered:
        """The answer, checked; `mounted` is whether the mount is part of what is signed."""
        body = b""
        if content is not None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
        mount = urlsplit(self.account["gateway_url"]).path
        target = mount + path if mounted else path
        wanted: dict[str, str | None] = {
            "Accept": "application/json",
            "User-Agent": "a merchant",
            "Authorization": self.authorization(method, target, body, **parts),
        }
        if method == "POST":
            wanted["Content-Type"] = "application/json"
        if self.mode is not None:
            named = "public_key_id" if self.mode == "public_key" else "platform_serial"
            wanted["Wechatpay-Serial"] = self.account[named]
        wanted |= headers or {}
        url = aiohttp.client.URL(self.account["gateway_url"] + path, encoded=True)
        async with self.http.request(
            method,
            url,
            data=body or None,
            headers={name: value for name, value in wanted.items() if value is not None},
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
        ) as response:
            answer = await response.read()
            found = {name.lower(): value for name, value in response.headers.items()}
            right = self.is_right(found, answer) if "wechatpay-signature" in found else None
            return Answered(response.status, found, answer, right)

    def is_right(self, headers: dict[str, str], body: bytes) -> bool:
        """Whether a message is signed by the key that it names."""
        assert headers["wechatpay-signature-type"] == "WECHATPAY2-SHA256-RSA2048"
        timestamp, nonce = headers["wechatpay-timestamp"], headers["wechatpay-nonce"]
        assert abs(int(timestamp) - time.time()) < 60
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        key = self.keys[headers["wechatpay-serial"]]
        try:
            raw = base64.b64decode(headers["wechatpay-signature"], validate=True)
            key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True

    async def call(
        self, method: str, path: str, content: Any = None, *, status: int = 200
    ) -> dict[str, Any]:
        """The content of a rightly signed answer."""
        answer = await self.send(method, path, content)
        assert answer.right is True, answer.body
        assert answer.status == status, answer.body
        return answer.json if answer.body else {}

    async def code(self, method: str, path: str, content: Any = None) -> tuple[int, str]:
        """Status and code of a rightly signed refusal."""
        answer = await self.send(method, path, content)
        assert answer.right is True
        return answer.status, str(answer.json["code"])

    def order(self, number: str, total: int = 1234, /, **members: Any) -> dict[str, Any]:
        """The content of a native order; None takes a member away."""
        content = {
            "appid": self.account["appid"],
            "mchid": self.account["mchid"],
            "description": "一本书",
            "out_trade_no": number,
            "notify_url": NOTIFY_URL,
            "amount": {"total": total, "currency": "CNY"},
            **members,
        }
        return {name: value for name, value in content.items() if value is not None}

    def charge(self, number: str, amount: int, code: str, **members: Any) -> dict[str, Any]:
        """The content of a payer's code."""
        return self.order(
            number,
            amount,
            payer={"auth_code": code},
            scene_info={"store_info": {"out_id": "S1"}},
            notify_url=None,
            **members,
        )

    async def native(self, number: str, amount: int = 1234, **members: Any) -> str:
        """The code of a new native order."""
        content = self.order(number, amount, **members)
        return str((await self.call("POST", "/v3/pay/transactions/native", content))["code_url"])

    async def query(self, number: str) -> dict[str, Any]:
        """An order as it is."""
        path = f"/v3/pay/transactions/out-trade-no/{number}?mchid={self.account['mchid']}"
        return await self.call("GET", path)

    def refunding(self, number: str, refund_no: str, amount: int, total: int, **more: Any) -> dict:
        """The content of a refund."""
        amounts = {"refund": amount, "total": total, "currency": "CNY"}
        return {"out_trade_no": number, "out_refund_no": refund_no, "amount": amounts, **more}

    def read_notice(self, headers: Any, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        """Envelope and plain content of a rightly signed notification."""
        found = {name.lower(): value for name, value in headers.items()}
        assert self.is_right(found, body)
        envelope = json.loads(body)
        return envelope, json.loads(opened(envelope["resource"], self.account["apiv3_key"]))


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, merchant_key: rsa.RSAPrivateKey) -> Path:
    """A data folder in which WeChat's keys are made already: making them takes its time."""
    folder = tmp_path_factory.mktemp("wechat")

    async def make() -> None:
        sandbox = Sandbox(data=folder)
        await sandbox.start()
        wanted = {"channel": "wechat", "merchant_public_key": pem_of(merchant_key)}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{sandbox.url}/accounts", json=wanted) as response,
        ):
            assert response.status == 200
        await sandbox.stop()

    asyncio.run(make())
    return folder


@pytest.fixture
def wechat_enrol(
    http: aiohttp.ClientSession,
) -> Callable[[str, rsa.RSAPrivateKey], Awaitable[Merchant]]:
    """Open an account at WeChat for a key at the sandbox of a URL."""

    async def enrol(url: str, key: rsa.RSAPrivateKey) -> Merchant:
        wanted = {"channel": "wechat", "merchant_public_key": pem_of(key)}
        async with http.post(f"{url}/accounts", json=wanted) as response:
            assert response.status == 200, await response.text()
            return Merchant(key, await response.json(), http)

    return enrol


@pytest.fixture
async def shop(sandbox: Any, merchant_key: rsa.RSAPrivateKey, wechat_enrol: Any) -> Merchant:
    found: Merchant = await wechat_enrol(sandbox.url, merchant_key)
    return found


@pytest.fixture
def spoil(control: Any) -> Callable[..., Awaitable[None]]:
    """Arm a fault at WeChat."""

    async def spoil(operation: str, fault: str, **members: Any) -> None:
        wanted = {"channel": "wechat", "operation": operation, "fault": fault, "times": 1}
        status, answer = await control("POST", "/faults", wanted | members)
        assert status == 200, answer

    return spoil


@pytest.fixture
def ledger(control: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The outside truth."""

    async def ledger() -> dict[str, Any]:
        status, shown = await control("GET", "/book/wechat")
        assert status == 200
        return dict(shown)

    return ledger


class Mailbox:
    """A merchant's address: keeps what it is sent with its headers, answers from a script."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()
        self.script: list[int] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert request.content_type == "application/json"
        status = self.script.pop(0) if self.script else 204
        self.got.put_nowait((dict(request.headers), body))
        return web.Response(status=status)

    async def next(self) -> tuple[dict[str, str], bytes]:
        return await asyncio.wait_for(self.got.get(), 20)


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    application = web.Application()
    application.router.add_post("/notify", mailbox.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mailbox.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
    yield mailbox
    await runner.cleanup()


@pytest.fixture(scope="session")
def stranger_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
