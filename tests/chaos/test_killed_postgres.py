"""Postgres killed and started again under traffic: nothing that was acknowledged is lost."""

import asyncio
import time
from pathlib import Path

import aiohttp

from gateway.adapters.postgres.migrate import migrate
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.embedded import EmbeddedPostgres
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.vault import Vault
from tests.conftest import KEK, Installation
from tests.oracle import Answered, check
from tests.world import World, open_world

CLIENTS = 12
KILLS = 2


class Durable:
    """An installation on a cluster of its own that really syncs."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.dsns = [postgres.dsn("tillgate")]
        self.vault = Vault({1: KEK})


async def shop(world: World, client: int, stop: asyncio.Event, told: list[Answered]) -> None:
    """Create, repeat what was not answered, and pay some."""
    turn = 0
    while not stop.is_set():
        turn += 1
        number = f"C{client}-{turn}"
        body = {"merchant_order_no": number, "amount": turn, "currency": "CNY", "subject": "t"}
        while True:
            began = time.monotonic()
            try:
                answer = await world.merchant.post("/v1/payments", body)
            except (aiohttp.ClientError, TimeoutError):
                told.append(
                    Answered("payment", number, turn, None, began=began, ended=time.monotonic())
                )
                continue
            told.append(
                Answered(
                    "payment",
                    number,
                    turn,
                    answer.status,
                    answer.body if answer.status < 300 else None,
                    began=began,
                    ended=time.monotonic(),
                )
            )
            if answer.status < 300:
                break
            assert answer.status == 503 and answer.body["retryable"], answer
            assert "Retry-After" in answer.headers
            await asyncio.sleep(0.05)


async def more(told: list[Answered], count: int) -> None:
    """Wait until `count` further requests were answered."""
    until = len(told) + count
    async with asyncio.timeout(60):
        while len(told) < until:  # noqa: ASYNC110 (many tasks append)
            await asyncio.sleep(0.02)


async def test_every_acknowledged_payment_is_there(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg", databases=["tillgate"])
    await postgres.start()
    try:
        await migrate(
            [postgres.dsn("tillgate")],
            vault=Vault({1: KEK}),
            mode="sandbox",
            clock=SystemClock(),
            ids=RandomIds(),
            report=lambda line: None,
        )
        installation: Installation = Durable(postgres)  # type: ignore[assignment]
        told: list[Answered] = []
        async with open_world(installation, tmp_path / "world") as world:
            paid = await world.paid("paid-before")
            told.append(Answered("payment", "paid-before", 100, 201, paid))
            stop = asyncio.Event()
            shoppers = [asyncio.ensure_future(shop(world, n, stop, told)) for n in range(CLIENTS)]
            for _ in range(KILLS):
                await more(told, 200)
                postgres.kill()
                await asyncio.sleep(0.3)
                await postgres.start()
            await more(told, 200)
            stop.set()
            await asyncio.gather(*shoppers)
            assert (await world.payment(paid["id"]))["status"] == "succeeded"
            refused = [each for each in told if each.status == 503]
            assert refused, "the kill was never felt"
            await check(installation.dsns, simulator_book=await world.book(), acknowledged=told)
    finally:
        await postgres.stop()
