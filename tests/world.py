"""A whole world in one process: real database, real gateway, real simulator, real HTTP between.

What the parts say to each other passes sockets; nothing is replaced. Workers run only when a test
starts them, so that a test can also look at what happens without them.
"""

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.app import Core, Gateway, Worker, open_core
from gateway.center.onboard import AccountWanted, KeyWanted, MerchantWanted
from gateway.config import Settings
from gateway.domain.access import HOUSE_SCOPES, MERCHANT_SCOPES
from gateway.sandbox.server import Sandbox
from gateway.telemetry.metrics import Metrics
from tests.client import Client
from tests.conftest import KEK, Installation

SCOPES = sorted(MERCHANT_SCOPES)
_rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_PEM = _rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = (
    _rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)


class World:
    """The running parts, and the hands of a test."""

    def __init__(
        self,
        installation: Installation,
        core: Core,
        gateway: Gateway,
        sandbox: Sandbox,
        session: aiohttp.ClientSession,
        base: str,
    ) -> None:
        self.installation = installation
        self.core = core
        self.gateway = gateway
        self.sandbox = sandbox
        self.session = session
        self.base = base
        self.merchant: Client
        self.account_id = ""

    async def new_merchant(self, name: str = "Shop", *, scopes: list[str] = SCOPES) -> Client:
        """A merchant with a key."""
        onboard, prints = self.core.onboard, self.core.directory.fingerprints
        body = {"name": name}
        numbered = prints.numbered("create_merchant", "/m", body, self.core.ids.request_id())
        merchant, _ = await onboard.create_merchant(
            MerchantWanted(name=name), numbered, actor="test", request_id=None
        )
        return await self.new_key(merchant.id, scopes)

    async def new_key(self, merchant_id: str, scopes: list[str]) -> Client:
        prints = self.core.directory.fingerprints
        numbered = prints.numbered("create_key", "/k", {}, self.core.ids.request_id())
        key, _ = await self.core.onboard.create_key(
            merchant_id,
            KeyWanted(algorithm="hmac-sha256", scopes=scopes),
            numbered,
            actor="test",
            request_id=None,
        )
        return Client(self.session, self.base, mch=merchant_id, key=key.id, secret=key.secret)

    async def admin(self) -> Client:
        """A key of the house with all administration scopes."""
        return await self.new_key(self.core.directory.house_id, sorted(HOUSE_SCOPES))

    async def new_account(self, merchant_id: str) -> str:
        """A registration of the merchant at the Alipay simulator."""
        async with self.session.post(
            self.sandbox.url + "/accounts",
            json={"channel": "alipay", "merchant_public_key": PUBLIC_PEM},
        ) as response:
            opened = await response.json()
        prints = self.core.directory.fingerprints
        numbered = prints.numbered("create_account", "/a", {}, self.core.ids.request_id())
        account, _ = await self.core.onboard.create_account(
            merchant_id,
            AccountWanted(
                channel="alipay",
                methods=["alipay_qr"],
                credentials={
                    "app_id": opened["app_id"],
                    "seller_id": opened["seller_id"],
                    "alipay_public_key": opened["alipay_public_key"],
                    "merchant_private_key": PRIVATE_PEM,
                },
            ),
            numbered,
            actor="test",
            request_id=None,
        )
        return account.id

    # --- the outside world -------------------------------------------------------------------

    async def scan(self, code: str, behaviour: str = "pay", amount: int | None = None) -> Any:
        """The payer scans a code."""
        body: dict[str, Any] = {"code": code, "behaviour": behaviour}
        if amount is not None:
            body["amount"] = amount
        async with self.session.post(self.sandbox.url + "/payer/pay", json=body) as response:
            return response.status, await response.json()

    async def fault(self, operation: str, fault: str, times: int = 1, **more: Any) -> None:
        """Arm a fault at the Alipay simulator."""
        body = {"channel": "alipay", "operation": operation, "fault": fault, "times": times} | more
        async with self.session.post(self.sandbox.url + "/faults", json=body) as response:
            assert response.status == 200, await response.text()

    async def book(self) -> Any:
        """The simulator's own book."""
        async with self.session.get(self.sandbox.url + "/book/alipay") as response:
            return await response.json()

    # --- shorthand ---------------------------------------------------------------------------

    async def pay_by_qr(self, number: str, amount: int = 100, **more: Any) -> Any:
        """A payment that waits for its payer."""
        answer = await self.merchant.post(
            "/v1/payments",
            {
                "merchant_order_no": number,
                "amount": amount,
                "currency": "CNY",
                "subject": "tea",
                "method": "alipay_qr",
                **more,
            },
        )
        assert answer.status == 201, answer
        return answer.body

    async def payment(self, payment_id: str) -> Any:
        return (await self.merchant.get(f"/v1/payments/{payment_id}")).body

    async def until(self, payment_id: str, status: str, seconds: float = 15) -> Any:
        """The payment once it has a status."""
        async with asyncio.timeout(seconds):
            while True:
                payment = await self.payment(payment_id)
                if payment["status"] == status:
                    return payment
                await asyncio.sleep(0.05)

    async def paid(self, number: str, amount: int = 100, **more: Any) -> Any:
        """A payment that was paid and told."""
        payment = await self.pay_by_qr(number, amount, **more)
        status, _ = await self.scan(payment["next_action"]["qr_code"])
        assert status == 200
        return await self.until(payment["id"], "succeeded")

    async def sql(self, text: str, *values: Any, shard: int = 0) -> list[Any]:
        connection = await asyncpg.connect(self.installation.dsns[shard])
        try:
            return await connection.fetch(text, *values)
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """The background workers, running."""
        worker = Worker(self.core)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()


@contextlib.asynccontextmanager
async def open_world(installation: Installation, folder: Path, **more: Any) -> AsyncIterator[World]:
    """Start every part, with one merchant that has a key and an account at the simulator.

    `more` are settings.
    """
    folder.mkdir(exist_ok=True)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    sandbox = Sandbox(data=folder / "sandbox")
    await sandbox.start()
    kek_file = folder / "kek"
    kek_file.touch(mode=0o600)
    kek_file.write_text(_base64(KEK))
    settings = Settings(
        data=folder,
        database_urls=tuple(installation.dsns),
        sandbox_url=sandbox.url,
        public_url=base,
        kek_file=kek_file,
        **more,
    )
    async with (
        aiohttp.ClientSession() as session,
        open_core(settings, Metrics(None, role="gateway")) as core,
    ):
        gateway = Gateway(core)
        await gateway.start(sock=listener)
        world = World(installation, core, gateway, sandbox, session, base)
        world.merchant = await world.new_merchant()
        world.account_id = await world.new_account(world.merchant.mch)
        try:
            yield world
        finally:
            await gateway.drain(5)
            await sandbox.stop()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
