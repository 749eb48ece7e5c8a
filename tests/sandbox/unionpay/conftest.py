"""A running sandbox with a standing clock, a merchant who signs, and a merchant's server.

The merchant here signs and verifies with `cryptography` on its own, so that a mistake in the
simulator's signing code cannot hide itself.
"""

import asyncio
import base64
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.sandbox import Sandbox
from tests.sandbox.conftest import Receiver, StandingClock, pem_of

BEIJING = timedelta(hours=8)
ORDER = "A0000001"


def beijing(moment: datetime) -> str:
    return (moment + BEIJING).strftime("%Y%m%d%H%M%S")


def text_of(fields: dict[str, str]) -> bytes:
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "signature")
    return hashlib.sha256(text.encode()).hexdigest().encode()


class Merchant:
    """A client with one account."""

    def __init__(
        self,
        key: rsa.RSAPrivateKey,
        account: dict[str, str],
        http: aiohttp.ClientSession,
        clock: StandingClock,
    ) -> None:
        self.key = key
        self.account = account
        self.http = http
        self.clock = clock
        self.back_url = "http://127.0.0.1:9/notify"

    def fields(self, kind: str, **changes: str | None) -> dict[str, str]:
        """Signed fields; `kind` is like `01.07.000000`, None leaves a field out."""
        txn_type, sub_type, biz_type = kind.split(".")
        whole: dict[str, str | None] = {
            "version": "5.1.0",
            "encoding": "UTF-8",
            "signMethod": "01",
            "certId": self.account["cert_id"],
            "accessType": "0",
            "merId": self.account["mer_id"],
            "txnType": txn_type,
            "txnSubType": sub_type,
            "bizType": biz_type,
            "channelType": "07",
            "orderId": ORDER,
            "txnTime": beijing(self.clock.now),
            **changes,
        }
        chosen = {name: value for name, value in whole.items() if value is not None}
        return chosen if "signature" in chosen else self.signed(chosen)

    def signed(self, fields: dict[str, str]) -> dict[str, str]:
        raw = self.key.sign(text_of(fields), padding.PKCS1v15(), hashes.SHA256())
        return fields | {"signature": base64.b64encode(raw).decode()}

    def money(self, kind: str, amount: int = 1234, **changes: str | None) -> dict[str, str]:
        """The fields of a trade that moves money."""
        facts: dict[str, str | None] = {
            "txnAmt": str(amount),
            "currencyCode": "156",
            "backUrl": self.back_url,
            **changes,
        }
        return self.fields(kind, **facts)

    async def raw(self, door: str, fields: dict[str, str]) -> str:
        url = self.account["gateway_url"] + door
        async with self.http.post(url, data=fields) as response:
            assert response.status == 200
            return await response.text()

    async def back(self, fields: dict[str, str], door: str = "backTransReq.do") -> dict[str, str]:
        """The fields of a rightly signed answer."""
        answer = read_raw(await self.raw(door, fields))
        assert self.is_signed(answer), answer
        return answer

    async def query(self, order: str = ORDER, time: str | None = None) -> dict[str, str]:
        changes = {"orderId": order} | ({"txnTime": time} if time else {})
        return await self.back(self.fields("00.00.000000", **changes), "queryTrans.do")

    async def qr(self, order: str = ORDER, amount: int = 1234, **changes: str | None) -> str:
        answer = await self.back(self.money("01.07.000000", amount, orderId=order, **changes))
        assert answer["respCode"] == "00", answer
        return answer["qrCode"]

    async def page(self, fields: dict[str, str]) -> tuple[int, str]:
        """Status and, after a redirect, the code on the payer's page."""
        url = self.account["gateway_url"] + "frontTransReq.do"
        async with self.http.post(url, data=fields, allow_redirects=False) as response:
            where = response.headers.get("Location", "")
            return response.status, parse_qs(urlsplit(where).query).get("code", [""])[0]

    def is_signed(self, fields: dict[str, str]) -> bool:
        """Signed by a certificate that the account's middle one issued."""
        if "signPubKeyCert" not in fields:
            return False
        leaf = x509.load_pem_x509_certificate(fields["signPubKeyCert"].encode())
        middle = x509.load_pem_x509_certificate(self.account["middle_certificate"].encode())
        root = x509.load_pem_x509_certificate(self.account["root_certificate"].encode())
        leaf.verify_directly_issued_by(middle)
        middle.verify_directly_issued_by(root)
        key = leaf.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        try:
            raw = base64.b64decode(fields["signature"])
            key.verify(raw, text_of(fields), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def read_notice(self, body: bytes) -> dict[str, str]:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        assert self.is_signed(fields)
        return fields


def read_raw(text: str) -> dict[str, str]:
    """Fields of an answer; no value of this simulator holds an ampersand."""
    return dict(pair.split("=", 1) for pair in text.split("&"))


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, merchant_key: rsa.RSAPrivateKey) -> Path:
    """A data folder in which all keys are made already: making them takes its time."""
    folder = tmp_path_factory.mktemp("unionpay")

    async def make() -> None:
        sandbox = Sandbox(data=folder)
        await sandbox.start()
        async with aiohttp.ClientSession() as http:
            wanted = {"channel": "unionpay", "merchant_public_key": pem_of(merchant_key)}
            async with http.post(f"{sandbox.url}/accounts", json=wanted) as response:
                assert response.status == 200
        await sandbox.stop()

    asyncio.run(make())
    return folder


@pytest.fixture
def data(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seeded, tmp_path / "data"))


@pytest.fixture
def enrol(
    http: aiohttp.ClientSession, clock: StandingClock
) -> Callable[[str, rsa.RSAPrivateKey], Awaitable[Merchant]]:
    """Open an account for a key at the sandbox of a URL."""

    async def enrol(url: str, key: rsa.RSAPrivateKey) -> Merchant:
        wanted = {"channel": "unionpay", "merchant_public_key": pem_of(key)}
        async with http.post(f"{url}/accounts", json=wanted) as response:
            assert response.status == 200, await response.text()
            return Merchant(key, await response.json(), http, clock)

    return enrol


@pytest.fixture
async def merchant(
    sandbox: Sandbox, merchant_key: rsa.RSAPrivateKey, enrol: Any, receiver: Receiver
) -> AsyncIterator[Merchant]:
    found: Merchant = await enrol(sandbox.url, merchant_key)
    found.back_url = receiver.url
    yield found


@pytest.fixture
def arm(control: Any) -> Callable[..., Awaitable[None]]:
    """Arm a fault at UnionPay."""

    async def arm(operation: str, fault: str, **members: Any) -> None:
        wanted = {"channel": "unionpay", "operation": operation, "fault": fault, "times": 1}
        status, answer = await control("POST", "/faults", wanted | members)
        assert status == 200, answer

    return arm


@pytest.fixture
def book(control: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The outside truth."""

    async def book() -> dict[str, Any]:
        status, shown = await control("GET", "/book/unionpay")
        assert status == 200
        return dict(shown)

    return book
