"""A filled table is one that the gateway could have left behind: its books hold."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from benchmarks.fill import Filling
from benchmarks.house import House, Merchant
from benchmarks.load import RunVoid
from benchmarks.requests import Signer
from gateway.adapters.postgres.verify import verify
from tests.conftest import Installation
from tests.world import open_world

NUMBER = "the-model"


class FilledHouse(House):
    """The parts of a house that filling needs."""

    def __init__(self, installation: Installation, merchants: list[Merchant]) -> None:
        self.dsns = tuple(installation.dsns)
        self.merchants = merchants


@pytest.fixture
async def filling(installation: Installation, tmp_path: Path) -> Filling:
    """Two merchants and one real payment of the first."""
    async with open_world(installation, tmp_path) as world:
        other = await world.new_merchant()
        order = {"merchant_order_no": NUMBER, "amount": 100, "currency": "CNY", "subject": "tea"}
        answer = await world.merchant.post("/v1/payments", order)
        assert answer.status == 201
        merchants = [
            Merchant(Signer(each.mch, each.key, each.secret), None)  # type: ignore[arg-type]
            for each in (world.merchant, other)
        ]
    return Filling(FilledHouse(installation, merchants), core=0)


async def counts(filling: Filling) -> tuple[int, int]:
    connection = await asyncpg.connect(filling.house.dsns[0])
    try:
        payments = await connection.fetchval("select count(*) from payments")
        lines = await connection.fetchval("select count(*) from journal where type like 'pay%'")
        return payments, lines
    finally:
        await connection.close()


async def test_filled_payments_stand_in_the_books(filling: Filling) -> None:
    await filling.learn(NUMBER)
    await filling.grow(500)
    await filling.grow(5_000)
    assert await counts(filling) == (5_001, 5_001)
    report = await verify(filling.house.dsns)
    assert (report.holds, report.payments) == (True, 5_001), report.faults[:3]


async def test_a_table_is_emptied_and_filled_again(filling: Filling) -> None:
    await filling.learn(NUMBER)
    await filling.grow(300)
    await filling.clear()
    assert await counts(filling) == (0, 0)
    await filling.grow(200)
    assert await counts(filling) == (200, 200)
    report = await verify(filling.house.dsns)
    assert report.holds, report.faults[:3]


async def test_there_is_no_filling_without_a_model(filling: Filling) -> None:
    with pytest.raises(RunVoid):
        await asyncio.wait_for(filling.learn("nobody"), 10)
