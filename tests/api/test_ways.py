"""Every way of every channel is answered as the document says, in each state it comes to."""

from typing import Any

import pytest
import pytest_asyncio

from gateway.channels.registry import built_in
from gateway.cli.administration import Administration
from gateway.cli.simulated_accounts import open_accounts
from tests.api.conftest import Api, Caller

METHODS = sorted(method for codec in built_in() for method in codec.methods)
OPTIONS: dict[str, dict[str, str]] = {
    "alipay_barcode": {"auth_code": "281234567890120003"},
    "balance": {"wallet_id": "W-1"},
    "card": {"payment_method": "pm_card_visa"},
    "unionpay_quick": {"phone": "13800138000"},
    "wechat_codepay": {"auth_code": "131234567890120003"},
    "wechat_h5": {"payer_ip": "203.0.113.7"},
    "wechat_jsapi": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
}
PASSWORD_FEN = 100_000  # from here on WeChat's payers are asked for a password


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def owner(api: Api) -> Caller:
    """A merchant with an account at every simulator."""
    administration = Administration(api.world.core, actor="test")
    merchant = await administration.create_merchant("All", ref="sandbox", sandbox=True)
    await open_accounts(administration, merchant, sandbox_url=api.world.sandbox.url)
    return await api.new_key(merchant.id, ["payments.read", "payments.write", "reports.read"])


def order(api: Api, method: str, **more: Any) -> dict[str, Any]:
    wanted = api.order(method=method, amount=PASSWORD_FEN)
    if method in OPTIONS:
        wanted["method_options"] = OPTIONS[method]
    return wanted | more


@pytest.mark.parametrize("method", METHODS)
async def test_what_the_payer_has_to_do(api: Api, owner: Caller, method: str) -> None:
    made = await owner.post("/v1/payments", order(api, method))
    # A stored-value wallet that does not exist refuses; that is an answer, too.
    assert made.status == 201, made
    assert made.body["method"] == method
    found = await owner.get(f"/v1/payments/{made.body['id']}")
    assert found.body["next_action"] == made.body["next_action"]
    await owner.get(f"/v1/payments/{made.body['id']}/timeline")
    canceled = await owner.post(f"/v1/payments/{made.body['id']}/cancel")
    assert canceled.status in (200, 409)


async def test_money_that_is_held(api: Api, owner: Caller) -> None:
    made = await owner.post("/v1/payments", order(api, "alipay_preauth"))
    await api.world.scan(made.body["next_action"]["qr_code"])
    async with api.world.worker():
        while (held := await owner.get(f"/v1/payments/{made.body['id']}")).body["status"] != (
            "requires_capture"
        ):
            assert held.body["status"] == "requires_action"
    assert held.body["amount_capturable"] == PASSWORD_FEN
    events = (await owner.get("/v1/events?types=payment.authorized&limit=1")).body["data"]
    assert events[0]["data"]["status"] == "requires_capture"
    canceled = await owner.post(f"/v1/payments/{made.body['id']}/cancel")
    assert canceled.body["status"] == "canceled"
    qr = order(api, "alipay_qr", capture_method="manual")
    refused = await owner.post("/v1/payments", qr)
    assert (refused.status, refused.body["code"]) == (422, "unsupported_method")
    assert refused.body["param"] == "/capture_method"
