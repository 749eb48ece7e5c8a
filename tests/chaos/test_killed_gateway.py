"""A gateway worker killed at each step of a money operation; then the client's retry."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway.config import to_environment
from tests.client import Client
from tests.conftest import Installation
from tests.oracle import check
from tests.world import World, open_world

PROGRAM = Path(__file__).with_name("dying_gateway.py")
ROOT = Path(__file__).parents[2]


class Process:
    """A gateway in a process of its own, on the world's databases and simulator."""

    def __init__(self, world: World, step: str, number: int) -> None:
        self.world = world
        self.step = step
        self.number = number
        self.client: Client

    async def __aenter__(self) -> "Process":
        environment = os.environ | to_environment(self.world.core.settings)
        environment |= {"PYTHONPATH": str(ROOT), "TILLGATE_PORT": "0"}
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            self.step,
            str(self.number),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._child.stdout is not None
        port = int(await self._child.stdout.readline())
        merchant = self.world.merchant
        self.client = Client(
            self.world.session,
            f"http://127.0.0.1:{port}",
            mch=merchant.mch,
            key=merchant.key,
            secret=merchant.secret,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._child.returncode is None:
            self._child.kill()
        await self._child.wait()

    async def dies(self) -> None:
        async with asyncio.timeout(20):
            assert await self._child.wait() == -9


STEPS = [
    # create with a method: commit 1 is the attempt, commit 2 what the channel said
    ("before_commit", 1),
    ("after_commit", 1),
    ("after_send", 1),
    ("before_commit", 2),
    ("after_commit", 2),
]


@pytest.mark.parametrize(("step", "number"), STEPS)
async def test_create(installation: Installation, tmp_path: Path, step: str, number: int) -> None:
    body = {
        "merchant_order_no": "A-1",
        "amount": 100,
        "currency": "CNY",
        "subject": "tea",
        "method": "alipay_qr",
    }
    async with open_world(installation, tmp_path) as world:
        async with Process(world, step, number) as process:
            with pytest.raises(aiohttp.ClientError):
                await process.client.post("/v1/payments", body)
            await process.dies()
        async with world.worker():
            again = await world.merchant.post("/v1/payments", body)
            assert again.status == (201 if (step, number) == ("before_commit", 1) else 200)
            await world.sql("update attempts set due_at = now() where due_at is not null")
            waiting = await world.until(again.body["id"], "requires_action", 30)
            await world.scan(waiting["next_action"]["qr_code"])
            await world.until(again.body["id"], "succeeded", 30)
        book = await world.book()
        assert [order["status"] for order in book["orders"]] == ["paid"]
        assert len(await world.sql("select 1 from entries")) == 1
        await check(installation.dsns, simulator_book=book)


@pytest.mark.parametrize(("step", "number"), STEPS)
async def test_refund(installation: Installation, tmp_path: Path, step: str, number: int) -> None:
    async with open_world(installation, tmp_path) as world:
        paid = await world.paid("A-1", 100)
        body = {"payment_id": paid["id"], "merchant_refund_no": "R-1", "amount": 60}
        async with Process(world, step, number) as process:
            with pytest.raises(aiohttp.ClientError):
                await process.client.post("/v1/refunds", body)
            await process.dies()
        async with world.worker():
            await world.sql("update refunds set due_at = now()")
            again = await world.merchant.post("/v1/refunds", body)
            assert again.status == (201 if (step, number) == ("before_commit", 1) else 200)
            async with asyncio.timeout(60):
                while True:
                    refund = (await world.merchant.get(f"/v1/refunds/{again.body['id']}")).body
                    if refund["status"] == "succeeded":
                        break
                    # a minute of quiet passes at the hand of the test
                    await world.sql(
                        "update refunds set due_at = now(), "
                        "sent_at = sent_at - interval '1 minute' where status = 'processing'"
                    )
                    await asyncio.sleep(0.3)
        book = await world.book()
        assert [each["amount"] for each in book["refunds"]] == [60]
        assert (await world.payment(paid["id"]))["amount_refunded"] == 60
        await check(installation.dsns, simulator_book=book)


@pytest.mark.parametrize("step", ["before_commit", "after_commit"])
async def test_callback(installation: Installation, tmp_path: Path, step: str) -> None:
    """The channel repeats a callback that nobody answered."""
    async with open_world(installation, tmp_path) as world:
        async with Process(world, step, 1) as process:
            teller = world.core.teller
            addresses = teller._addresses
            teller._addresses = type(addresses)(process.client.base, addresses.gateways)
            payment = await world.pay_by_qr("A-1")
            await world.scan(payment["next_action"]["qr_code"])
            await process.dies()
            port = int(process.client.base.rpartition(":")[2])
        # The world's own gateway takes over the port; the channel calls again.
        await world.gateway.server.start("127.0.0.1", port)
        paid = await world.until(payment["id"], "succeeded", 40)
        assert paid["amount_captured"] == 100
        assert len(await world.sql("select 1 from entries")) == 1
        await check(installation.dsns, simulator_book=await world.book())
