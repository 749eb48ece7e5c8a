"""The door of the pretend Stripe: keys, idempotency, faults, and what outlives a restart."""

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import Sandbox

PAY = {
    "amount": "1234",
    "currency": "eur",
    "confirm": "true",
    "payment_method": "pm_card_visa",
}


def basic(key: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{key}:{password}".encode()).decode()


async def test_a_key_is_taken_in_both_forms(client: Any) -> None:
    key = client.account["secret_key"]
    for authorization in (f"Bearer {key}", basic(key), f"bearer {key}"):
        answer = await client.call("GET", "/payment_intents", authorization=authorization)
        assert answer.status == 200


async def test_no_other_key_is_taken(client: Any, book: Any) -> None:
    key = client.account["secret_key"]
    wrong = ["", "Bearer", "Bearer ", f"Bearer {key}x", f"Bearer {key[:-1]}", f"Token {key}"]
    wrong += [f"Basic {key}", basic(key, "x"), basic(key[:-1]), "Basic ////", "Bearer é" + key]
    for authorization in wrong:
        answer = await client.call("POST", "/payment_intents", PAY, authorization=authorization)
        assert (answer.status, answer.error["type"]) == (401, "invalid_request_error")
        assert key not in str(answer.body)
    assert (await book())["orders"] == []


async def test_an_account_is_found_again_by_its_merchant_key(
    sandbox: Any, open_client: Any
) -> None:
    key = (await open_client(sandbox.url)).account
    assert {"channel", "account_id", "secret_key", "webhook_secret", "gateway_url"} <= set(key)
    assert key["gateway_url"] == f"{sandbox.url}/card"
    assert (await open_client(sandbox.url)).account["secret_key"] != key["secret_key"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/card/v1/charges", 404),
        ("GET", "/card/v2/payment_intents", 404),
        ("DELETE", "/card/v1/payment_intents", 405),
        ("PUT", "/card/v1/refunds", 405),
    ],
)
async def test_there_are_no_other_doors(
    sandbox: Any, http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with http.request(method, sandbox.url + path) as response:
        assert response.status == status


async def test_a_request_must_have_the_right_shape(client: Any, http: Any, book: Any) -> None:
    url = client.account["gateway_url"] + "/v1/payment_intents"
    good = {"Authorization": f"Bearer {client.account['secret_key']}"}
    as_form = good | {"Content-Type": "application/x-www-form-urlencoded"}
    as_json = good | {"Content-Type": "application/json"}
    wrong: list[tuple[str, dict[str, str], bytes]] = [
        (url, as_json, json.dumps(PAY).encode()),
        (url + "?amount=1", as_form, b""),
        (url, as_form, "amount=é".encode()),
        (url, as_form | {"Stripe-Version": "latest"}, b"amount=1"),
        (url, as_form | {"Idempotency-Key": "k" * 256}, b"amount=1"),
        (url, as_form | {"Idempotency-Key": ""}, b"amount=1"),
    ]
    for target, headers, body in wrong:
        async with http.post(target, data=body, headers=headers) as response:
            assert response.status == 400, (target, headers)
    async with http.get(url, data=b"limit=1", headers=as_form) as response:
        assert response.status == 400
    assert (await book())["orders"] == []


async def test_every_answer_names_itself(client: Any) -> None:
    first = await client.pay(key="k1")
    assert first.headers["Request-Id"].startswith("req_")
    assert first.headers["Stripe-Version"] == "2026-10-28.endive"
    assert first.headers["Idempotency-Key"] == "k1"
    assert "Idempotent-Replayed" not in first.headers


# --- idempotency keys -----------------------------------------------------------------------------


async def orders(book: Any) -> int:
    return len((await book())["orders"])


async def test_the_first_answer_is_given_again(client: Any, book: Any) -> None:
    first = await client.pay(key="k1")
    again = await client.pay(key="k1")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await orders(book) == 1
    await client.call("POST", "/refunds", {"payment_intent": first.body["id"]})
    assert (await client.pay(key="k1")).body == first.body  # as it was, not as it is
    other = await client.pay(key="k2")
    assert other.body["id"] != first.body["id"] and await orders(book) == 2


async def test_a_declined_card_is_declined_again_without_being_asked(
    client: Any, listener: Any
) -> None:
    await client.listen(listener.url, "payment_intent.payment_failed")
    first = await client.pay("pm_card_chargeDeclined", key="k1")
    again = await client.pay("pm_card_chargeDeclined", key="k1")
    assert (first.status, first.body) == (again.status, again.body) == (402, first.body)
    await listener.raw()
    assert listener.got.empty()


@pytest.mark.parametrize(
    "changes", [{"amount": "1235"}, {"metadata[a]": "b"}, {"confirm": "false"}, {"currency": "usd"}]
)
async def test_a_key_goes_with_one_set_of_parameters(
    client: Any, book: Any, changes: dict[str, str]
) -> None:
    first = await client.pay(key="k1")
    other = await client.pay(key="k1", **changes)
    assert (other.status, other.error["type"]) == (400, "idempotency_error")
    path = f"/payment_intents/{first.body['id']}/cancel"
    elsewhere = await client.call("POST", path, key="k1")
    assert (elsewhere.status, elsewhere.error["type"]) == (400, "idempotency_error")
    assert await orders(book) == 1
    assert (await client.pay(key="k1")).body == first.body


async def test_the_order_of_parameters_does_not_matter(client: Any) -> None:
    raw = [f"{name}={value}" for name, value in PAY.items()]
    first = await client.call("POST", "/payment_intents", raw="&".join(raw), key="k1")
    again = await client.call("POST", "/payment_intents", raw="&".join(raw[::-1]), key="k1")
    assert first.body == again.body


async def test_what_was_not_carried_out_is_not_kept(client: Any, book: Any) -> None:
    for _ in range(2):
        assert (await client.pay(key="k1", amount="0")).error["code"] == "amount_too_small"
        assert (await client.pay("pm_unknown", key="k1")).error["code"] == "resource_missing"
        assert (await client.pay(key="k1", tip="1")).error["code"] == "parameter_unknown"
    done = await client.pay(key="k1")
    assert done.status == 200 and "Idempotent-Replayed" not in done.headers
    assert await orders(book) == 1


async def test_an_error_of_stripes_own_is_kept(client: Any, book: Any, arm: Any) -> None:
    await arm("create", "error")
    first = await client.pay(key="k1")
    again = await client.pay(key="k1")
    assert (first.status, first.body) == (again.status, again.body) == (500, first.body)
    assert again.headers["Stripe-Should-Retry"] == "false"
    assert await orders(book) == 0
    assert (await client.pay(key="k2")).status == 200


async def test_a_key_in_use_is_a_conflict(client: Any, book: Any, arm: Any, control: Any) -> None:
    await arm("create", "delay", delay_ms=600)
    first = asyncio.create_task(client.pay(key="k1"))
    while (await control("GET", "/faults"))[1]["faults"]:
        pass  # until the first request has begun
    second = await client.pay(key="k1")
    assert (second.status, second.error["code"]) == (409, "idempotency_key_in_use")
    assert second.headers["Stripe-Should-Retry"] == "true"
    done = await first
    assert done.status == 200
    assert (await client.pay(key="k1")).body == done.body
    assert await orders(book) == 1


async def test_many_at_once_under_one_key_pay_once(client: Any, book: Any) -> None:
    answers = await asyncio.gather(*(client.pay(key="k1") for _ in range(20)))
    assert {answer.status for answer in answers} <= {200, 409}
    assert len({a.body["id"] for a in answers if a.status == 200}) == 1
    assert await orders(book) == 1


async def test_keys_belong_to_accounts(
    client: Any, sandbox: Any, open_client: Any, book: Any
) -> None:
    stranger = await open_client(sandbox.url)
    mine, theirs = await client.pay(key="k1"), await stranger.pay(key="k1")
    assert mine.body["id"] != theirs.body["id"] and await orders(book) == 2


async def test_a_fence_takes_the_place_of_a_create_that_never_arrived(
    client: Any, book: Any
) -> None:
    fence = {"confirm": None, "payment_method": None, "metadata[closed]": "true"}
    closed = await client.pay(None, key="k1", **fence)
    assert (closed.status, closed.body["status"]) == (200, "requires_payment_method")
    late = await client.pay(key="k1")
    assert (late.status, late.error["type"]) == (400, "idempotency_error")
    assert {order["status"] for order in (await book())["orders"]} == {"open"}


# --- faults ---------------------------------------------------------------------------------------


async def test_timeout_has_no_effect_and_drop_has_one(client: Any, book: Any, arm: Any) -> None:
    client.http._timeout = aiohttp.ClientTimeout(total=1)
    await arm("create", "timeout")
    with pytest.raises(TimeoutError):
        await client.pay(key="k1")
    assert await orders(book) == 0
    await arm("create", "drop_after_effect")
    with pytest.raises(aiohttp.ClientError):
        await client.pay(key="k2")
    assert await orders(book) == 1
    replayed = await client.pay(key="k2")
    assert replayed.headers["Idempotent-Replayed"] == "true" and await orders(book) == 1


async def test_a_wrong_amount_is_wrong_once(client: Any, book: Any, arm: Any) -> None:
    await arm("create", "wrong_amount")
    wrong = await client.pay(key="k1")
    assert wrong.body["amount"] == wrong.body["amount_received"] == 1235
    right = await client.pay(key="k1")
    assert right.body == wrong.body | {"amount": 1234, "amount_received": 1234}
    assert (await book())["orders"][0]["amount"] == 1234


async def test_an_answer_has_no_signature_that_could_be_false(control: Any) -> None:
    wanted = {"channel": "card", "operation": "create", "fault": "bad_signature"}
    assert (await control("POST", "/faults", wanted))[0] == 400
    assert (await control("POST", "/faults", wanted | {"operation": "notify"}))[0] == 200


async def test_magic_amounts(client: Any, book: Any) -> None:
    assert (await client.pay(amount="4440001")).error["decline_code"] == "generic_decline"
    assert (await client.pay(amount="4440005")).error["decline_code"] == "insufficient_funds"
    with pytest.raises(aiohttp.ClientError):
        await client.pay(amount="4440002", key="k1")
    shown = (await book())["orders"][-1]
    assert (shown["amount"], shown["status"]) == (4_440_002, "paid")
    assert (await client.pay(amount="4440002", key="k1")).status == 200


# --- a restart ------------------------------------------------------------------------------------


async def test_a_restart_forgets_nothing(
    data: Any, clock: Any, open_client: Any, listener: Any
) -> None:
    sandbox = Sandbox(data=data, clock=clock)
    await sandbox.start()
    client = await open_client(sandbox.url)
    paid = await client.pay(key="k1")
    pending = (await client.pay("pm_card_pendingRefund")).body["id"]
    refund = (await client.call("POST", "/refunds", {"payment_intent": pending})).body
    held = (await client.pay(capture_method="manual")).body
    endpoint = await client.listen(listener.url, "refund.updated")
    await sandbox.stop()

    sandbox = Sandbox(data=data, clock=clock)
    await sandbox.start()
    try:
        client.account["gateway_url"] = f"{sandbox.url}/card"
        assert (await client.pay(key="k1")).body == paid.body
        clock.advance(days=7)
        await sandbox.run_due()
        event = await listener.event(endpoint["secret"])
        assert event["data"]["object"]["id"] == refund["id"]
        now = (await client.call("GET", f"/payment_intents/{held['id']}")).body
        assert now["status"] == "canceled"
    finally:
        await sandbox.stop()
