"""The ways of the real channels through the real house: what `trial.py` shows, in real dialects."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.registry import built_in
from gateway.cli.administration import Administration
from gateway.cli.simulated_accounts import open_accounts
from tests.conftest import Installation
from tests.oracle import check
from tests.world import World, open_world

BUILT_IN = frozenset(method for codec in built_in() for method in codec.methods)
OPTIONS = {
    "alipay_barcode": {"auth_code": "281234567890121111"},
    "wechat_codepay": {"auth_code": "131234567890121111"},
}
SMS_CODE = "111111"
PASSWORD_FEN = 100_000  # from here on WeChat asks for a password
WAITING = {
    "alipay_barcode": {"auth_code": "281234567890120003"},
    "wechat_codepay": {"auth_code": "131234567890120003"},
}


def offered(*methods: str) -> list[str]:
    return [method for method in methods if method in BUILT_IN]


@pytest.fixture
async def world(installation: Installation, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose merchant has an account at every simulator."""
    async with open_world(installation, tmp_path) as opened:
        administration = Administration(opened.core, actor="test")
        merchant = await administration.create_merchant("All", ref="sandbox", sandbox=True)
        opened.merchant = await opened.new_key(merchant.id, ["payments.read", "payments.write"])
        await open_accounts(administration, merchant, sandbox_url=opened.sandbox.url)
        yield opened
        await opened.core.ongoing.drain(10)
    await check(installation.dsns)


async def pay(world: World, method: str, options: Any = None, **more: Any) -> Any:
    order = {
        "merchant_order_no": "A-1",
        "amount": 100,
        "currency": "CNY",
        "subject": "tea",
        "method": method,
    }
    if options:
        order["method_options"] = options
    answer = await world.merchant.post("/v1/payments", order | more)
    assert answer.status == 201, answer
    return answer.body


async def later(world: World, seconds: float) -> None:
    await world.sql(
        "update attempts set created_at = created_at - make_interval(secs => $1), due_at = now()",
        seconds,
    )


@pytest.mark.parametrize("method", offered(*OPTIONS))
async def test_a_code_at_the_till_pays(world: World, method: str) -> None:
    paid = await pay(world, method, OPTIONS[method])
    assert paid["status"] == "succeeded" and paid["amount_captured"] == 100
    rows = await world.sql("select method_options::text as options from attempts")
    assert OPTIONS[method]["auth_code"] not in rows[0]["options"]


@pytest.mark.parametrize("method", offered(*WAITING))
async def test_a_payer_who_does_not_confirm_is_taken_back(world: World, method: str) -> None:
    waiting = await pay(world, method, WAITING[method], amount=PASSWORD_FEN)
    assert waiting["next_action"] == {"type": "barcode_wait"}
    await later(world, 46)
    await world.core.chase.attempt(world.merchant.mch, waiting["attempt_id"], actor="test")
    ended = await world.payment(waiting["id"])
    assert ended["status"] == "failed" and ended["error"]["code"] == "channel_timeout"


@pytest.mark.parametrize("method", offered(*WAITING))
async def test_a_waiting_code_is_canceled_by_the_merchant(world: World, method: str) -> None:
    waiting = await pay(world, method, WAITING[method], amount=PASSWORD_FEN)
    canceled = await world.merchant.post(f"/v1/payments/{waiting['id']}/cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


@pytest.mark.parametrize("method", offered("alipay_preauth"))
async def test_a_hold_by_qr_code_is_given_and_let_go(world: World, method: str) -> None:
    waiting = await pay(world, method)
    assert waiting["next_action"]["type"] == "qr_code"
    status, _ = await world.scan(waiting["next_action"]["qr_code"])
    assert status == 200
    held = await world.until(waiting["id"], "requires_capture")
    assert held["amount_authorized"] == 100 and await world.sql("select 1 from entries") == []
    canceled = await world.merchant.post(f"/v1/payments/{waiting['id']}/cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


@pytest.mark.parametrize("method", offered("card"))
async def test_a_card_is_held_and_let_go(world: World, method: str) -> None:
    options = {"payment_method": "pm_card_visa"}
    held = await pay(world, method, options, capture_method="manual")
    assert held["status"] == "requires_capture" and held["amount_capturable"] == 100
    canceled = await world.merchant.post(f"/v1/payments/{held['id']}/cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


@pytest.mark.parametrize("method", offered("unionpay_quick"))
async def test_a_code_by_sms_is_tried_and_pays(world: World, method: str) -> None:
    waiting = await pay(world, method, {"phone": "13800138000"})
    assert waiting["next_action"] == {"type": "sms_code"}
    path = f"/v1/payments/{waiting['id']}/confirm"
    wrong = {"method": method, "method_options": {"sms_code": "000000"}}
    answer = await world.merchant.post(path, wrong)
    assert (answer.status, answer.body["code"]) == (422, "sms_code_wrong")
    right = {"method": method, "method_options": {"sms_code": SMS_CODE}}
    assert (await world.merchant.post(path, right)).status == 200
    async with world.worker():
        await world.until(waiting["id"], "succeeded", 20)


@pytest.mark.parametrize("method", offered("alipay_page", "alipay_wap", "alipay_app"))
async def test_what_the_payer_carries_is_handed_out_at_once(world: World, method: str) -> None:
    waiting = await pay(world, method)
    assert waiting["status"] == "requires_action"
    assert waiting["next_action"]["type"] in ("redirect", "form", "app_params")
    canceled = await world.merchant.post(f"/v1/payments/{waiting['id']}/cancel")
    assert canceled.body["status"] == "canceled"
