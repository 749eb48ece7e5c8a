"""Stored value: paid at once, refused at once, never twice, reversed where nobody knows."""

from typing import Any

import pytest

from tests.scenarios.test_bank_transfer import registered
from tests.world import PUBLIC_PEM, World


class Purse:
    """A merchant at the pretend wallet service, and a payer's wallet."""

    def __init__(self, world: World, wallet_id: str) -> None:
        self.world = world
        self.wallet_id = wallet_id

    async def pay(self, number: str, amount: int = 400, **more: Any) -> Any:
        body = {
            "merchant_order_no": number,
            "amount": amount,
            "currency": "CNY",
            "subject": "tea",
            "method": "balance",
            "method_options": {"wallet_id": self.wallet_id},
            **more,
        }
        answer = await self.world.merchant.post("/v1/payments", body)
        assert answer.status == 201, answer
        return answer.body

    async def fault(self, operation: str, fault: str, times: int = 1) -> None:
        body = {"channel": "balance", "operation": operation, "fault": fault, "times": times}
        url = self.world.sandbox.url + "/faults"
        async with self.world.session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def money(self) -> tuple[int, int]:
        url = f"{self.world.sandbox.url}/balance/wallets/{self.wallet_id}"
        async with self.world.session.get(url) as answer:
            wallet = await answer.json()
            return wallet["available"], wallet["held"]


@pytest.fixture
async def purse(world: World) -> Purse:
    url = world.sandbox.url
    wanted = {"channel": "balance", "merchant_public_key": PUBLIC_PEM}
    async with world.session.post(url + "/accounts", json=wanted) as answer:
        opened = await answer.json()
    credentials = {name: opened[name] for name in ("client_id", "service_key")}
    await registered(world, "balance", credentials)
    async with world.session.post(url + "/balance/wallets", json={"balance": 1_000}) as answer:
        wallet = await answer.json()
    return Purse(world, wallet["wallet_id"])


async def test_a_wallet_pays_at_once_and_is_given_back(purse: Purse) -> None:
    paid = await purse.pay("W-1")
    assert paid["status"] == "succeeded" and paid["channel_order_no"].startswith("wtx")
    assert await purse.money() == (600, 0)
    asked = {"payment_id": paid["id"], "merchant_refund_no": "R-1", "amount": 150}
    refund = (await purse.world.merchant.post("/v1/refunds", asked)).body
    assert refund["status"] == "succeeded"
    assert await purse.money() == (750, 0)


async def test_a_short_wallet_is_refused_without_effect(purse: Purse) -> None:
    short = await purse.pay("W-1", 1_001)
    assert short["status"] == "failed"
    assert short["error"]["code"] == "payer_funds_short"
    assert short["error"]["channel_code"] == "funds_short"
    assert await purse.money() == (1_000, 0)


async def test_a_debit_whose_answer_is_lost_is_found_by_asking(purse: Purse) -> None:
    await purse.fault("debit", "drop_after_effect")
    unknown = await purse.pay("W-1")
    assert unknown["status"] == "processing" and unknown["error"] is None
    path = f"/v1/payments/{unknown['id']}?refresh=channel"
    asked = await purse.world.merchant.get(path)
    assert asked.body["status"] == "succeeded"
    assert await purse.money() == (600, 0)


@pytest.mark.parametrize("fault", ["bad_signature", "wrong_amount", "error"])
async def test_an_answer_that_proves_nothing_pays_nothing(purse: Purse, fault: str) -> None:
    await purse.fault("debit", fault)
    answered = await purse.pay("W-1")
    assert answered["status"] == "processing"
    path = f"/v1/payments/{answered['id']}?refresh=channel"
    asked = (await purse.world.merchant.get(path)).body
    assert asked["status"] == ("processing" if fault == "error" else "succeeded")
    assert await purse.world.sql("select 1 from unexpected_funds") == []


async def test_a_hold_waits_for_its_capture_and_is_let_go(purse: Purse) -> None:
    held = await purse.pay("W-1", capture_method="manual")
    assert held["status"] == "requires_capture" and held["amount_capturable"] == 400
    assert await purse.money() == (600, 400)
    canceled = await purse.world.merchant.post(f"/v1/payments/{held['id']}/cancel")
    assert canceled.body["status"] == "canceled"
    assert await purse.money() == (1_000, 0)


async def test_an_order_without_a_wallet_is_refused_before_any_effect(purse: Purse) -> None:
    body = {
        "merchant_order_no": "W-1",
        "amount": 1,
        "currency": "CNY",
        "subject": "tea",
        "method": "balance",
    }
    answer = await purse.world.merchant.post("/v1/payments", body)
    assert (answer.status, answer.body["code"]) == (400, "missing_field")
    assert await purse.world.sql("select 1 from payments") == []
