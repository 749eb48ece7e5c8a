"""Money by hand: staff takes it in and gives it back, each with a receipt, once."""

import pytest

from gateway.center.onboard import AccountWanted
from tests.world import World


class Till:
    """A merchant's till and the staff of the house."""

    def __init__(self, world: World, account_id: str, admin) -> None:
        self.world = world
        self.account_id = account_id
        self.admin = admin

    async def order(self, number: str, amount: int = 1_000):
        body = {
            "merchant_order_no": number,
            "amount": amount,
            "currency": "CNY",
            "subject": "tea",
            "method": "offline",
        }
        answer = await self.world.merchant.post("/v1/payments", body)
        assert answer.status == 201, answer
        return answer.body

    async def take(self, payment_id: str, receipt_no: str, amount: int):
        path = f"/admin/v1/payments/{payment_id}/offline_receipt"
        return await self.admin.post(path, {"receipt_no": receipt_no, "amount": amount})

    async def give(self, refund_id: str, receipt_no: str, amount: int):
        path = f"/admin/v1/refunds/{refund_id}/offline_receipt"
        return await self.admin.post(path, {"receipt_no": receipt_no, "amount": amount})

    async def balances(self) -> dict[str, int]:
        rows = await self.world.sql("select code, balance from accounts where balance <> 0")
        return {row["code"].split(":")[0]: row["balance"] for row in rows}


async def register(world: World, weight: int = 1) -> str:
    prints = world.core.directory.fingerprints
    numbered = prints.numbered("create_account", "/a", {}, world.core.ids.request_id())
    account, _ = await world.core.onboard.create_account(
        world.merchant.mch,
        AccountWanted(channel="offline", methods=["offline"], credentials={}, weight=weight),
        numbered,
        actor="test",
        request_id=None,
    )
    return account.id


@pytest.fixture
async def till(world: World) -> Till:
    return Till(world, await register(world), await world.admin())


async def test_a_receipt_pays_and_its_repeat_answers_the_same(till: Till) -> None:
    order = await till.order("T-1")
    assert order["status"] == "requires_action"
    assert order["next_action"] == {"type": "none"}
    wrong = await till.take(order["id"], "0001", 999)
    assert (wrong.status, wrong.body["code"]) == (422, "amount_mismatch")
    taken = await till.take(order["id"], "0001", 1_000)
    assert taken.status == 200 and taken.body["status"] == "succeeded"
    again = await till.take(order["id"], "0001", 1_000)
    assert again.status == 200 and again.headers["Idempotent-Replayed"] == "true"
    assert again.body == taken.body
    for amount in (1_001, 999):
        other = await till.take(order["id"], "0001", amount)
        assert (other.status, other.body["code"]) == (409, "receipt_conflict")
    second = await till.take(order["id"], "0002", 1_000)
    assert (second.status, second.body["code"]) == (409, "invalid_state")
    next_order = await till.order("T-2")
    used = await till.take(next_order["id"], "0001", 1_000)
    assert (used.status, used.body["code"]) == (409, "receipt_conflict")
    assert await till.balances() == {"cash_in_transit": 1_000, "pending": 1_000}
    events = (await till.world.merchant.get("/v1/events?types=payment.succeeded")).body["data"]
    assert events[0]["data"]["offline_receipt"] == {"receipt_no": "0001", "amount": 1_000}


async def test_two_registrations_count_their_receipts_apart(till: Till) -> None:
    first = await till.order("T-1")
    assert (await till.take(first["id"], "0001", 1_000)).status == 200
    await register(till.world, weight=9)
    second = await till.order("T-2")
    assert second["channel_account_id"] != first["channel_account_id"]
    assert (await till.take(second["id"], "0001", 1_000)).status == 200


async def test_a_refund_waits_for_its_receipt(till: Till) -> None:
    order = await till.order("T-1")
    await till.take(order["id"], "0001", 1_000)
    asked = {"payment_id": order["id"], "merchant_refund_no": "R-1", "amount": 400}
    refund = (await till.world.merchant.post("/v1/refunds", asked)).body
    assert refund["status"] == "processing"
    await till.world.core.chase.refund(till.world.merchant.mch, refund["id"], actor="test")
    wrong = await till.give(refund["id"], "G-1", 401)
    assert (wrong.status, wrong.body["code"]) == (422, "amount_mismatch")
    done = await till.give(refund["id"], "G-1", 400)
    assert done.status == 200 and done.body["status"] == "succeeded"
    assert (await till.give(refund["id"], "G-1", 400)).body == done.body
    other = await till.give(refund["id"], "0001", 400)
    assert (other.status, other.body["code"]) == (409, "receipt_conflict")
    over = await till.give(refund["id"], "G-2", 400)
    assert (over.status, over.body["code"]) == (409, "invalid_state")
    assert await till.balances() == {"cash_in_transit": 600, "pending": 600}


async def test_only_staff_and_only_what_waits_for_staff(till: Till) -> None:
    qr = await till.world.pay_by_qr("A-1")
    refused = await till.take(qr["id"], "0001", 100)
    assert (refused.status, refused.body["code"]) == (409, "invalid_state")
    order = await till.order("T-1")
    path = f"/admin/v1/payments/{order['id']}/offline_receipt"
    stranger = await till.world.merchant.post(path, {"receipt_no": "1", "amount": 1_000})
    assert stranger.status == 403
    unknown = "pay_" + order["id"][4:-4] + "0000"
    assert (await till.take(unknown, "0001", 1_000)).status == 404
    assert (await till.give("rfd_" + unknown[4:], "0001", 1_000)).status == 404
    paid = await till.world.paid("A-2")
    asked = {"payment_id": paid["id"], "merchant_refund_no": "R-1", "amount": 40}
    refund = (await till.world.merchant.post("/v1/refunds", asked)).body
    given = await till.give(refund["id"], "G-1", 40)
    assert (given.status, given.body["code"]) == (409, "invalid_state")


async def test_a_canceled_order_takes_no_receipt_any_more(till: Till) -> None:
    order = await till.order("T-1")
    canceled = await till.world.merchant.post(f"/v1/payments/{order['id']}/cancel")
    assert canceled.body["status"] == "canceled"
    late = await till.take(order["id"], "0001", 1_000)
    assert (late.status, late.body["code"]) == (409, "invalid_state")
    assert await till.balances() == {}


async def test_nobody_is_asked_and_nobody_is_alarmed(till: Till) -> None:
    order = await till.order("T-1")
    asked = await till.world.merchant.get(f"/v1/payments/{order['id']}?refresh=channel")
    assert asked.status == 200 and asked.body["status"] == "requires_action"
