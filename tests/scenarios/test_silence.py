"""Silence: a channel that does not answer, or answers after the effect, or lies."""

import asyncio

import pytest

from tests.world import World


async def test_a_precreate_dropped_after_its_effect_is_sent_again_under_its_number(world) -> None:
    await world.fault("precreate", "drop_after_effect")
    payment = await world.pay_by_qr("A-1")
    assert payment["status"] == "requires_action"
    await world.scan(payment["next_action"]["qr_code"])
    await world.until(payment["id"], "succeeded")
    orders = (await world.book())["orders"]
    assert [order["status"] for order in orders] == ["paid"] and len(orders) == 1


async def test_a_refund_dropped_after_its_effect_is_found_by_query(world: World) -> None:
    paid = await world.paid("A-1", 100)
    await world.fault("refund", "drop_after_effect")
    answer = await world.merchant.post(
        "/v1/refunds",
        {"payment_id": paid["id"], "merchant_refund_no": "R-1", "amount": 60},
    )
    assert answer.status == 201 and answer.body["status"] == "succeeded"
    (order,) = (await world.book())["orders"]
    assert order["refunded"] == 60 and len((await world.book())["refunds"]) == 1


async def test_a_channel_error_is_unknown_and_never_a_failure(world: World) -> None:
    await world.fault("precreate", "error", times=3)
    payment = await world.pay_by_qr("A-1")
    assert payment["status"] == "processing" and payment["error"] is None
    (attempt,) = await world.sql("select status, due_at from attempts")
    assert attempt["status"] == "unknown" and attempt["due_at"] is not None
    # Cancel cannot be known while nothing is known, but it begins; asked again it ends.
    answer = await world.merchant.post(f"/v1/payments/{payment['id']}/cancel")
    assert answer.status == 200 and answer.body["status"] in ("closing", "canceled")


async def test_an_attempt_in_the_air_is_sent_again_by_the_chase(world: World) -> None:
    await world.fault("precreate", "error", times=3)
    payment = await world.pay_by_qr("A-1")
    refreshed = await world.merchant.get(f"/v1/payments/{payment['id']}?refresh=channel")
    assert refreshed.body["status"] == "requires_action"
    await world.scan(refreshed.body["next_action"]["qr_code"])
    await world.until(payment["id"], "succeeded")


async def test_a_swallowed_callback_is_found_by_asking(world: World) -> None:
    await world.fault("notify", "timeout", times=9)
    payment = await world.pay_by_qr("A-1")
    await world.scan(payment["next_action"]["qr_code"])
    assert (await world.payment(payment["id"]))["status"] == "requires_action"
    asked = await world.merchant.get(f"/v1/payments/{payment['id']}?refresh=channel")
    assert asked.body["status"] == "succeeded"


@pytest.mark.parametrize("fault", ["drop_after_effect", "error"])
async def test_a_close_whose_answer_is_lost_is_asked_about(world: World, fault: str) -> None:
    payment = await world.pay_by_qr("A-1")
    await world.fault("close", fault)
    answer = await world.merchant.post(f"/v1/payments/{payment['id']}/cancel")
    assert answer.status == 200 and answer.body["status"] == "canceled"
    status, _ = await world.scan(payment["next_action"]["qr_code"])
    if fault == "drop_after_effect":
        assert status in (404, 409)


async def test_a_payment_made_while_closing_is_never_lost(world: World) -> None:
    for number in range(10):
        payment = await world.pay_by_qr(f"A-{number}")
        code = payment["next_action"]["qr_code"]
        cancel, (scanned, _) = await asyncio.gather(
            world.merchant.post(f"/v1/payments/{payment['id']}/cancel"), world.scan(code)
        )
        if scanned == 200:
            paid = await world.until(payment["id"], "succeeded")
            assert paid["amount_captured"] == 100
        else:
            assert cancel.body["status"] == "canceled"
    orders = (await world.book())["orders"]
    paid = [order for order in orders if order["status"] == "paid"]
    booked = await world.sql("select reason from entries")
    assert len(booked) == len(paid)


async def test_a_channel_that_cannot_be_reached_gives_the_payment_back(world: World) -> None:
    await world.sandbox.stop()
    payment = await world.pay_by_qr("A-1")
    assert payment["status"] == "requires_payment_method"
    assert payment["error"]["code"] == "channel_unavailable" and payment["error"]["retryable"]


async def test_a_resend_that_never_left_says_nothing_about_the_sends_before_it(world) -> None:
    await world.fault("precreate", "error", times=3)
    payment = await world.pay_by_qr("A-1")
    assert payment["status"] == "processing"
    await world.sandbox.stop()
    asked = await world.merchant.get(f"/v1/payments/{payment['id']}?refresh=channel")
    assert asked.body["status"] == "processing" and asked.body["error"] is None
    (attempt,) = await world.sql("select status, sends from attempts")
    assert (attempt["status"], attempt["sends"]) == ("unknown", 2)


async def test_confirm_numbers_its_attempt_by_the_row_and_not_by_what_it_read(world) -> None:
    order = {"merchant_order_no": "A-1", "amount": 100, "currency": "CNY", "subject": "tea"}
    made = (await world.merchant.post("/v1/payments", order)).body
    pay, orders, reader = world.core.pay, world.core.orders, world.core.reader
    stale = await reader.payment(world.merchant.mch, made["id"])
    await world.fault("precreate", "drop_after_effect")
    await world.merchant.post(f"/v1/payments/{made['id']}/confirm", {"method": "alipay_qr"})
    first = await reader.payment(world.merchant.mch, made["id"])
    await world.core.close.end_attempt(first, actor="test", request_id="req_x")
    account = await orders.account(world.merchant.mch, "alipay_qr")
    attempt = orders.attempt(
        world.merchant.mch,
        made["id"],
        account,
        number=stale.attempts + 1,
        method="alipay_qr",
        method_options={},
        amount=100,
        currency="CNY",
        expires_at=stale.expires_at,
    )
    change = pay._confirm_change(stale, attempt, actor="test", request_id="req_x")
    begun, mine = (await world.core.shards.submit(change)).result
    assert mine and begun.attempts == 2
    rows = await world.sql("select number from attempts order by number")
    assert [row["number"] for row in rows] == [1, 2]
