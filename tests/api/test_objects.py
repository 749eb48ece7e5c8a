"""Every kind of answer is what the document says, and no operation is left out."""

from typing import Any

import jsonschema_rs

from gateway.sandbox.alipay.magic import ORDER_DECLINED_FEN
from tests.api.conftest import Api, Caller


async def test_a_payment_and_its_refund(api: Api, merchant: Caller) -> None:
    order = api.order(
        method="alipay_qr",
        return_url="https://shop.example/back",
        notify_url="http://127.0.0.1:9/notify",
        customer={"id": "c-1", "name": "王小明", "email": "a@b.example"},
        metadata={"shelf": "7"},
    )
    made = await merchant.post("/v1/payments", order)
    assert made.status == 201
    payment = made.body
    assert payment["customer"] == order["customer"] and payment["metadata"] == order["metadata"]
    assert made.headers["Location"] == f"/v1/payments/{payment['id']}"
    assert (await merchant.get(made.headers["Location"])).body == payment
    await api.world.scan(payment["next_action"]["qr_code"])
    await api.world.until(payment["id"], "succeeded")
    body = {"payment_id": payment["id"], "merchant_refund_no": api.number(), "amount": 30}
    refunded = await merchant.post("/v1/refunds", body | {"reason": "one cup too many"})
    assert refunded.status == 201 and refunded.body["status"] == "succeeded"
    assert (await merchant.get(refunded.headers["Location"])).body == refunded.body
    for target in (
        f"/v1/payments/{payment['id']}?refresh=channel",
        f"/v1/payments/{payment['id']}/timeline",
        f"/v1/payments?merchant_order_no={order['merchant_order_no']}",
        "/v1/payments?limit=2",
        f"/v1/refunds?merchant_refund_no={body['merchant_refund_no']}",
        f"/v1/refunds?payment_id={payment['id']}",
        "/v1/balance",
        "/v1/balance/transactions",
        "/v1/events?limit=100",
    ):
        answer = await merchant.get(target)
        assert answer.status == 200, (target, answer)
    event = (await merchant.get("/v1/events?limit=1")).body["data"][0]
    assert (await merchant.get(f"/v1/events/{event['id']}")).body == event
    resent = await merchant.post(f"/v1/events/{event['id']}/resend")
    assert resent.status == 202


async def test_confirm_and_cancel(api: Api, merchant: Caller) -> None:
    payment = (await merchant.post("/v1/payments", api.order())).body
    path = f"/v1/payments/{payment['id']}"
    confirmed = await merchant.post(path + "/confirm", {"method": "alipay_qr"})
    assert (confirmed.status, confirmed.body["status"]) == (200, "requires_action")
    canceled = await merchant.post(path + "/cancel", {"reason": "changed his mind"})
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


async def test_a_refused_payment_says_why(api: Api, merchant: Caller) -> None:
    order = api.order(method="alipay_qr", amount=ORDER_DECLINED_FEN)
    made = await merchant.post("/v1/payments", order)
    assert (made.status, made.body["status"]) == (201, "requires_payment_method")
    assert made.body["error"]["channel_code"]


async def test_a_webhook_endpoint_all_its_life(api: Api) -> None:
    owner = await api.new_merchant()
    path = "/v1/webhook_endpoints"
    body = {"url": "http://127.0.0.1:9/hook", "events": ["*"], "description": "till 7"}
    made = await owner.post(path, body)
    assert made.status == 201 and made.body["secret"].startswith("whsec_")
    assert made.headers["Cache-Control"] == "no-store"
    one = made.headers["Location"]
    assert one == f"{path}/{made.body['id']}"
    again = await owner.post(path, body)
    assert again.status == 200 and "secret" not in again.body
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await owner.post(path, body | {"description": "till 8"})
    assert (other.status, other.body["code"]) == (409, "endpoint_exists")
    assert "secret" not in (await owner.get(one)).body
    assert len((await owner.get(path)).body["data"]) == 1
    assert (await owner.post(one, {"status": "disabled", "version": 1})).status == 200
    stale = await owner.post(one, {"status": "enabled", "version": 1})
    assert (stale.status, stale.body["code"]) == (409, "stale_version")
    assert (await owner.post(one, {"status": "enabled"})).status == 200
    rotated = await owner.post(one + "/rotate_secret", {"overlap_s": 0})
    assert rotated.status == 200 and rotated.body["secret"] != made.body["secret"]
    await owner.post("/v1/payments", api.order())
    span = {"created_from": "2020-01-01T00:00:00Z", "created_to": "2100-01-01T00:00:00Z"}
    resent = await owner.post(one + "/resend", span)
    assert resent.status == 202 and resent.body["deliveries"] >= 1
    deliveries = (await owner.get(one + "/deliveries?limit=1")).body
    assert len(deliveries["data"]) == 1
    assert (await owner.send("DELETE", one)).status == 204
    assert (await owner.send("DELETE", one)).status == 204
    assert (await owner.get(one)).status == 404


async def test_the_notify_secret(api: Api) -> None:
    owner = await api.new_merchant()
    shown = await owner.get("/v1/notify_secret")
    assert shown.status == 200 and shown.headers["Cache-Control"] == "no-store"
    rotated = await owner.post("/v1/notify_secret/rotate")
    assert rotated.status == 200 and rotated.body["secret"] != shown.body["secret"]
    assert rotated.body["previous_valid_until"] is not None


async def test_merchants_keys_and_accounts(api: Api) -> None:
    admin = await api.admin()
    base = "/admin/v1/merchants"
    body = {"name": "Tea house", "merchant_ref": api.number()}
    made = await admin.post(base, body)
    assert made.status == 201
    one = made.headers["Location"]
    assert (await admin.post(base, body)).status == 200
    assert (await admin.get(one)).body == made.body
    assert (await admin.get(f"{base}?merchant_ref={body['merchant_ref']}")).body == made.body
    assert (await admin.get(base + "?limit=1")).body["has_more"] is True
    key = await admin.post(
        one + "/keys",
        {"algorithm": "hmac-sha256", "scopes": ["payments.read"], "ip_allow": ["127.0.0.0/8"]},
    )
    assert key.status == 201 and key.body["secret"]
    assert "secret" not in (await admin.get(key.headers["Location"])).body
    assert len((await admin.get(one + "/keys")).body["data"]) == 1
    revoked = await admin.post(key.headers["Location"] + "/revoke")
    assert (revoked.status, revoked.body["status"]) == (200, "revoked")
    account = await api.world.new_account(made.body["id"])
    assert (await admin.get(f"/admin/v1/channel_accounts/{account}")).status == 200
    assert len((await admin.get(one + "/channel_accounts")).body["data"]) == 1
    suspended = await admin.post(one + "/status", {"status": "suspended"})
    assert suspended.body["status"] == "suspended"


def test_the_judge_finds_a_member_that_nobody_announced(api: Api) -> None:
    route = api.contract.routes["get_balance"]
    body: dict[str, Any] = {"object": "balance", "balances": []}
    api.contract._judge_members(route, body)
    try:
        api.contract._judge_members(route, body | {"surprise": 1})
    except AssertionError:
        return
    raise AssertionError("an unknown member passed")


def test_the_document_is_sound(api: Api) -> None:
    document = api.contract.document
    assert document["openapi"].startswith("3.1")
    jsonschema_rs.meta.validate(
        {**document["components"]["schemas"]["Payment"], "components": document["components"]}
    )
    for route in api.contract.routes.values():
        operation = document["paths"][route.pattern][route.method.lower()]
        assert operation["operationId"] == route.name and operation["summary"]
        assert bool(operation["security"]) == (route.scope is not None)
