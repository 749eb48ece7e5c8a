"""WeChat Pay in a whole house: codes, callbacks, refunds, both kinds of keys, what is spoiled."""

from typing import Any

import pytest

from gateway.center.onboard import AccountWanted
from gateway.channels.wechat import WechatCodec
from tests.world import PRIVATE_PEM, PUBLIC_PEM, World

PUBLIC_KEY_NAMES = ("wechat_public_key", "wechat_public_key_id")


class Shop:
    """A merchant of the world with an account at the pretend WeChat Pay."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.world.session.post(self.world.sandbox.url + path, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def open(self, mode: str) -> None:
        told = await self.post(
            "/accounts", {"channel": "wechat", "merchant_public_key": PUBLIC_PEM}
        )
        names = WechatCodec.credential_names | WechatCodec.option_names
        credentials = {name: told[name] for name in names if name in told}
        credentials["merchant_private_key"] = PRIVATE_PEM
        if mode == "certificate":
            credentials = {k: v for k, v in credentials.items() if k not in PUBLIC_KEY_NAMES}
        core, merchant_id = self.world.core, self.world.merchant.mch
        numbered = core.directory.fingerprints.numbered(
            "create_account", "/a", {"channel": "wechat"}, core.ids.request_id()
        )
        wanted = AccountWanted(
            channel="wechat", methods=sorted(WechatCodec.methods), credentials=credentials
        )
        await core.onboard.create_account(
            merchant_id, wanted, numbered, actor="test", request_id=None
        )

    async def pay(self, number: str, method: str, amount: int = 1234, **options: str) -> Any:
        body = {
            "merchant_order_no": number,
            "amount": amount,
            "currency": "CNY",
            "subject": "一杯咖啡",
            "method": method,
            "method_options": options,
        }
        answer = await self.world.merchant.post("/v1/payments", body)
        assert answer.status == 201, answer
        return answer.body

    async def spoil(self, operation: str, fault: str) -> None:
        body = {"channel": "wechat", "operation": operation, "fault": fault, "times": 1}
        await self.post("/faults", body)

    async def refund(self, payment_id: str, number: str, amount: int) -> Any:
        body = {"payment_id": payment_id, "merchant_refund_no": number, "amount": amount}
        return (await self.world.merchant.post("/v1/refunds", body)).body


@pytest.fixture(params=["public_key", "certificate"])
async def shop(world: World, request: pytest.FixtureRequest) -> Shop:
    shop = Shop(world)
    await shop.open(request.param)
    return shop


async def test_a_code_is_shown_paid_told_and_given_back(shop: Shop) -> None:
    payment = await shop.pay("W-1", "wechat_native")
    assert payment["status"] == "requires_action"
    assert payment["next_action"]["qr_code"].startswith("weixin://")
    assert (await shop.world.scan(payment["next_action"]["qr_code"]))[0] == 200
    paid = await shop.world.until(payment["id"], "succeeded")
    assert (paid["amount_captured"], paid["payer_amount"]) == (1234, 1234)
    refund = await shop.refund(payment["id"], "R-1", 1000)
    assert refund["status"] == "succeeded"
    again = await shop.refund(payment["id"], "R-2", 235)
    assert again["code"] == "refund_exceeds_captured"


async def test_a_payers_code(shop: Shop) -> None:
    paid = await shop.pay("W-1", "wechat_codepay", auth_code="134567890123456789")
    assert paid["status"] == "succeeded"
    used = await shop.pay("W-2", "wechat_codepay", auth_code="134567890123456789")
    assert used["status"] == "failed" and used["error"]["code"] == "code_unusable"
    waits = await shop.pay("W-3", "wechat_codepay", 100_000, auth_code="104567890123456789")
    assert waits["next_action"] == {"type": "barcode_wait"}
    canceled = await shop.world.merchant.post(f"/v1/payments/{waits['id']}/cancel")
    assert canceled.body["status"] == "canceled"


async def test_the_payers_app_is_called(shop: Shop) -> None:
    jsapi = await shop.pay("W-1", "wechat_jsapi", openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")
    params = jsapi["next_action"]["params"]
    assert (await shop.world.scan(params["package"]))[0] == 200
    await shop.world.until(jsapi["id"], "succeeded")
    h5 = await shop.pay("W-2", "wechat_h5", payer_ip="203.0.113.7")
    assert h5["next_action"]["type"] == "redirect"
    canceled = await shop.world.merchant.post(f"/v1/payments/{h5['id']}/cancel")
    assert canceled.body["status"] == "canceled"
    assert (await shop.world.scan(h5["next_action"]["url"]))[0] == 409


@pytest.mark.parametrize("fault", ["bad_signature", "wrong_amount", "duplicate"])
async def test_a_spoiled_callback_books_nothing_wrong(shop: Shop, fault: str) -> None:
    payment = await shop.pay("W-1", "wechat_native")
    await shop.spoil("notify", fault)
    await shop.world.scan(payment["next_action"]["qr_code"])
    paid = await shop.world.until(payment["id"], "succeeded")
    assert paid["amount_captured"] == 1234
    assert await shop.world.sql("select 1 from unexpected_funds") == []


async def test_a_probe_is_refused_and_the_payment_told_again(shop: Shop) -> None:
    payment = await shop.pay("W-1", "wechat_native", 4_440_006)
    await shop.world.scan(payment["next_action"]["qr_code"])
    paid = await shop.world.until(payment["id"], "succeeded")
    assert paid["amount_captured"] == 4_440_006


async def test_an_answer_that_is_lost_is_found_by_asking(shop: Shop) -> None:
    await shop.pay("W-0", "wechat_codepay", 1, auth_code="124567890123456789")  # keys are known
    await shop.spoil("codepay", "drop_after_effect")
    unknown = await shop.pay("W-1", "wechat_codepay", auth_code="114567890123456789")
    assert unknown["status"] == "processing"
    path = f"/v1/payments/{unknown['id']}?refresh=channel"
    assert (await shop.world.merchant.get(path)).body["status"] == "succeeded"
