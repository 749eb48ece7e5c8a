"""Payments that were copied to wait are as good as the one that the system wrote: they are paid."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks import notifiers, waiting
from benchmarks.callback import COUNT
from benchmarks.house import APP_ID, CHANNEL, METHOD, SELLER_ID, House, Merchant
from benchmarks.orders import bounds
from benchmarks.processes import Cores
from benchmarks.replay import replay
from benchmarks.requests import Signer
from benchmarks.waiting import Waiting
from fastpath.shorthand import lengthen
from gateway.adapters.postgres.verify import verify
from gateway.center.onboard import AccountWanted
from gateway.sandbox import keys
from tests.conftest import Installation
from tests.world import PRIVATE_PEM, World, open_world

COUNT_MADE = 12
PREFIX = "waits-"
ONE_CORE = Cores(0, 0)


class WaitingHouse(House):
    """The parts of a house that waiting payments and their notifications need."""

    def __init__(self, world: World) -> None:
        self.core = world.core
        self.dsns = tuple(world.installation.dsns)
        self.channel_key = keys.load_private(keys.new_private_pem())
        self.merchants: list[Merchant] = []

    async def admit(self, world: World, number: int) -> None:
        """Another merchant with an account at the channel."""
        client = await world.new_merchant()
        account, _ = await self.core.onboard.create_account(
            client.mch,
            AccountWanted(
                channel=CHANNEL,
                methods=[METHOD],
                credentials={
                    "app_id": APP_ID,
                    "seller_id": SELLER_ID,
                    "alipay_public_key": keys.public_pem(self.channel_key.public_key()),
                    "merchant_private_key": PRIVATE_PEM,
                },
            ),
            self.core.directory.fingerprints.numbered("create_account", "/a", {}, f"n{number}"),
            actor="test",
            request_id=None,
        )
        signer = Signer(client.mch, client.key, client.secret)
        self.merchants = [*self.merchants, Merchant(signer, account)]


@pytest.fixture
async def world(installation: Installation, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(installation, tmp_path) as opened:
        yield opened


@pytest.fixture
async def house(world: World) -> WaitingHouse:
    """Two merchants who have sold nothing yet."""
    found = WaitingHouse(world)
    await found.admit(world, 1)
    await found.admit(world, 2)
    return found


async def made(house: WaitingHouse) -> list[Waiting]:
    return await waiting.write(house, house.merchants, PREFIX, COUNT_MADE, core=0)


async def test_copies_differ_from_their_model_in_nothing_but_who_they_are(
    world: World, house: WaitingHouse
) -> None:
    attempts = await made(house)
    assert len({each.order_no for each in attempts}) == COUNT_MADE
    same = "currency, subject, status, method, attempts, version, created_at, expires_at"
    rows = await world.sql(f"select distinct {same} from payments")
    assert [row["status"] for row in rows] == ["requires_action"]
    same = "number, status, currency, created_at, expires_at, due_at, handed_out, sends, version"
    assert len(await world.sql(f"select distinct {same} from attempts")) == 1
    rows = await world.sql(
        "select p.merchant_order_no as number, p.amount, a.amount as attempted,"
        " j.data, p.next_action->>'qr_code' as code, a.attempt_id"
        " from payments p join attempts a using (merchant_id, payment_id, attempt_id)"
        " join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence"
        " where p.merchant_order_no <> $1 order by 1",
        PREFIX + "model",
    )
    assert [row["number"] for row in rows] == [f"{PREFIX}{n:08d}" for n in range(COUNT_MADE)]
    for row, attempt in zip(rows, attempts, strict=True):
        view = json.loads(lengthen(row["data"]))
        assert row["amount"] == row["attempted"] == view["amount"] == attempt.amount
        assert view["channel_account_id"] == attempt.account_id
        assert row["code"] == f"https://qr.example/{attempt.order_no}"
        assert row["code"] == view["next_action"]["qr_code"]
    report = await verify(house.dsns)
    assert (report.holds, report.payments) == (True, COUNT_MADE + 1), report.faults[:3]


async def test_each_can_be_paid_by_its_notification(
    world: World, house: WaitingHouse, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    await notifiers.write(file, await made(house), house, cores=ONE_CORE)
    port = int(world.base.rpartition(":")[2])
    done = await asyncio.to_thread(replay, file, port=port, connections=3, seconds=30, loop=False)
    assert (done["requests"], done["wrong"]) == (COUNT_MADE, 0)
    counted = await world.sql(COUNT, *bounds(PREFIX))
    assert set(counted[0]) == {COUNT_MADE}
    report = await verify(house.dsns)
    assert report.holds, report.faults[:3]


async def test_a_second_round_goes_on_where_the_first_ended(
    world: World, house: WaitingHouse
) -> None:
    await made(house)
    await waiting.write(house, house.merchants[1:], "again-", 3, core=0)
    report = await verify(house.dsns)
    assert (report.holds, report.payments) == (True, COUNT_MADE + 1 + 4), report.faults[:3]
