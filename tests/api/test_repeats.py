"""Repeats: a number is used once and for ever, and asking again is always safe."""

import asyncio
import json

from tests.api.conftest import Api, Caller, until


def same_content(body: dict) -> list[bytes]:
    """Other bytes of the same JSON value: order, white space, escapes, nulls."""
    backwards = dict(reversed(body.items()))
    return [
        json.dumps(backwards).encode(),
        json.dumps(body, indent=4).encode(),
        json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(),
        json.dumps(body | {"return_url": None, "customer": None}).encode(),
        json.dumps(body | {"customer": {"name": None}} if "customer" in body else body).encode(),
    ]


async def test_the_same_content_is_answered_with_the_object(api: Api, merchant: Caller) -> None:
    body = api.order(subject="茶 & tea", metadata={"a": "1", "b": "2"})
    made = await merchant.post("/v1/payments", body)
    assert made.status == 201 and "Idempotent-Replayed" not in made.headers
    async with api.no_effect():
        for raw in same_content(body):
            again = await merchant.send("POST", "/v1/payments", raw)
            assert (again.status, again.body) == (200, made.body)
            assert again.headers["Idempotent-Replayed"] == "true"
            assert "Location" not in again.headers


async def test_other_content_is_refused_without_naming_the_difference(
    api: Api, merchant: Caller
) -> None:
    body = api.order(metadata={"a": "1"}, expires_in=7200)
    assert (await merchant.post("/v1/payments", body)).status == 201
    without_expiry = {k: v for k, v in body.items() if k != "expires_in"}
    texts = set()
    async with api.no_effect():
        for other in (
            body | {"amount": 101},
            body | {"currency": "USD"},
            body | {"subject": "Tea"},
            body | {"subject": "tea "},
            body | {"metadata": {"a": "2"}},
            body | {"metadata": {}},
            body | {"method": "alipay_qr"},
            body | {"customer": {"id": "c"}},
            body | {"capture_method": "automatic"},
            without_expiry,
        ):
            answer = await merchant.post("/v1/payments", other)
            assert (answer.status, answer.body["code"]) == (409, "order_no_conflict"), other
            texts.add((answer.body["detail"], answer.body["param"], answer.body["title"]))
    assert len(texts) == 1
    assert not any(word in str(texts) for word in ("amount", "101", "subject"))


async def test_a_refund_number_is_used_once(api: Api, merchant: Caller) -> None:
    paid, other = await api.paid(), await api.paid()
    body = {"payment_id": paid["id"], "merchant_refund_no": api.number(), "amount": 40}
    made = await merchant.post("/v1/refunds", body)
    assert made.status == 201
    async with api.no_effect():
        again = await merchant.post("/v1/refunds", dict(reversed(body.items())) | {"reason": None})
        assert (again.status, again.body) == (200, made.body)
        for change in ({"amount": 41}, {"reason": "x"}, {"payment_id": other["id"]}):
            answer = await merchant.post("/v1/refunds", body | change)
            assert (answer.status, answer.body["code"]) == (409, "refund_no_conflict")


async def test_a_repeat_shows_the_object_as_it_is_now(api: Api, merchant: Caller) -> None:
    body = api.order(method="alipay_qr")
    made = (await merchant.post("/v1/payments", body)).body
    assert made["status"] == "requires_action"
    await api.world.scan(made["next_action"]["qr_code"])
    paid = await api.world.until(made["id"], "succeeded")
    again = await merchant.post("/v1/payments", body)
    assert (again.status, again.body) == (200, paid)


async def test_a_number_is_never_free_again(api: Api, merchant: Caller) -> None:
    body = api.order()
    made = (await merchant.post("/v1/payments", body)).body
    canceled = await merchant.post(f"/v1/payments/{made['id']}/cancel")
    assert canceled.body["status"] == "canceled"
    again = await merchant.post("/v1/payments", body)
    assert (again.status, again.body) == (200, canceled.body)
    other = await merchant.post("/v1/payments", body | {"amount": 1})
    assert (other.status, other.body["code"]) == (409, "order_no_conflict")


async def test_a_refused_request_uses_no_number(api: Api, merchant: Caller) -> None:
    body = api.order(method="card")
    assert (await merchant.post("/v1/payments", body)).status == 422
    assert (await merchant.post("/v1/payments", body | {"method": "alipay_qr"})).status == 201
    paid = await api.paid()
    refund = {"payment_id": paid["id"], "merchant_refund_no": api.number(), "amount": 101}
    much = await merchant.post("/v1/refunds", refund)
    assert (much.status, much.body["code"]) == (422, "refund_exceeds_captured")
    assert (await merchant.post("/v1/refunds", refund | {"amount": 100})).status == 201


async def test_numbers_are_each_merchants_own(api: Api, merchant: Caller) -> None:
    other = await api.new_merchant()
    body = api.order()
    mine = await merchant.post("/v1/payments", body)
    theirs = await other.post("/v1/payments", body)
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.body["id"] != theirs.body["id"]


async def test_payments_and_refunds_count_their_numbers_apart(api: Api, merchant: Caller) -> None:
    paid = await api.paid()
    number = paid["merchant_order_no"]
    body = {"payment_id": paid["id"], "merchant_refund_no": number, "amount": 1}
    assert (await merchant.post("/v1/refunds", body)).status == 201


async def test_a_repeat_is_answered_when_its_method_is_gone(api: Api) -> None:
    owner = await api.new_merchant()
    account = await api.world.new_account(owner.mch)
    body = api.order(method="alipay_qr")
    made = await owner.post("/v1/payments", body)
    assert made.body["status"] == "requires_action"
    await api.world.sql(
        "with counted as (update directory_state set version = version + 1 returning version) "
        "update channel_accounts a set status = 'disabled', version = a.version + 1, "
        "directory_version = counted.version from counted, payments p "
        "where p.merchant_order_no = $1 and a.channel_account_id = p.channel_account_id",
        body["merchant_order_no"],
    )
    directory = api.world.core.directory

    async def is_gone() -> bool:
        return (await directory.find_account(account)).status == "disabled"

    await until(is_gone, seconds=10)
    new = await owner.post("/v1/payments", api.order(method="alipay_qr"))
    assert (new.status, new.body["code"]) == (422, "unsupported_method")
    again = await owner.post("/v1/payments", body)
    assert (again.status, again.body["id"]) == (200, made.body["id"])
    other = await owner.post("/v1/payments", body | {"amount": 7})
    assert (other.status, other.body["code"]) == (409, "order_no_conflict")


async def test_a_hundred_at_once_make_one(api: Api, merchant: Caller) -> None:
    body = api.order()
    answers = await asyncio.gather(
        *(merchant.send("POST", "/v1/payments", raw) for raw in same_content(body) * 20)
    )
    assert sorted(answer.status for answer in answers) == [200] * 99 + [201]
    assert len({answer.body["id"] for answer in answers}) == 1


async def test_a_hundred_with_other_content_at_once(api: Api, merchant: Caller) -> None:
    body = api.order()
    answers = await asyncio.gather(
        *(merchant.post("/v1/payments", body | {"amount": n + 1}) for n in range(100))
    )
    statuses = [answer.status for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (1, 99)
