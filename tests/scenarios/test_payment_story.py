"""One payment, from a signed request to a balanced book."""

import asyncio

import pytest

from tests.world import World


async def test_a_signed_request_becomes_a_paid_and_booked_payment(world: World) -> None:
    payment = await world.pay_by_qr("A-1", 1234)
    assert payment["status"] == "requires_action" and payment["method"] == "alipay_qr"
    assert payment["next_action"]["type"] == "qr_code"
    assert payment["channel_order_no"] is None and payment["cashier_url"] is None
    status, played = await world.scan(payment["next_action"]["qr_code"])
    assert (status, played["result"]) == (200, "paid")
    paid = await world.until(payment["id"], "succeeded")
    assert paid["amount_captured"] == 1234 and paid["amount_received"] == 1234
    assert paid["channel_order_no"] == played["channel_order_no"]
    assert paid["next_action"] == {"type": "none"} and paid["succeeded_at"]
    balance = (await world.merchant.get("/v1/balance")).body
    assert balance["balances"] == [{"currency": "CNY", "pending": 1234, "available": 0, "held": 0}]
    found = await world.merchant.get(f"/v1/payments?channel_order_no={played['channel_order_no']}")
    assert found.body == paid
    assert (await world.merchant.get("/v1/payments?merchant_order_no=A-1")).body == paid
    (order,) = (await world.book())["orders"]
    assert (order["amount"], order["status"]) == (1234, "paid")


async def test_the_timeline_tells_the_story(world: World) -> None:
    paid = await world.paid("A-1")
    await world.merchant.post(
        "/v1/refunds",
        {"payment_id": paid["id"], "merchant_refund_no": "R-1", "amount": 40, "reason": "half"},
    )
    steps = (await world.merchant.get(f"/v1/payments/{paid['id']}/timeline")).body["data"]
    kinds = [step["kind"] for step in steps]
    assert kinds[0] == "request" and {"attempt", "callback", "status", "entry"} <= set(kinds)
    assert [s["at"] for s in steps] == sorted(s["at"] for s in steps)
    types = [s["data"]["type"] for s in steps if s["event_id"]]
    assert types == [
        "payment.created",
        "payment.requires_action",
        "payment.succeeded",
        "refund.created",
        "refund.succeeded",
    ]
    booked = [s["data"]["reason"] for s in steps if s["kind"] == "entry"]
    assert booked == ["captured", "refund_reserved", "refund_paid"]


async def test_refunds_full_partial_and_never_too_much(world: World) -> None:
    paid = await world.paid("A-1", 100)

    async def refund(number: str, amount: int):
        return await world.merchant.post(
            "/v1/refunds",
            {"payment_id": paid["id"], "merchant_refund_no": number, "amount": amount},
        )

    first = await refund("R-1", 30)
    assert first.status == 201 and first.body["status"] == "succeeded"
    again = await refund("R-1", 30)
    assert again.status == 200 and again.headers["Idempotent-Replayed"] == "true"
    assert again.body["id"] == first.body["id"]
    other = await refund("R-1", 31)
    assert (other.status, other.body["code"]) == (409, "refund_no_conflict")
    much = await refund("R-2", 71)
    assert (much.status, much.body["code"]) == (422, "refund_exceeds_captured")
    rest = await refund("R-3", 70)
    assert rest.body["status"] == "succeeded"
    payment = await world.payment(paid["id"])
    assert payment["amount_refunded"] == 100 and payment["status"] == "succeeded"
    (order,) = (await world.book())["orders"]
    assert order["refunded"] == 100
    balance = (await world.merchant.get("/v1/balance")).body["balances"][0]
    assert (balance["pending"], balance["held"]) == (0, 0)


async def test_fifty_concurrent_refunds_never_exceed_the_capture(world: World) -> None:
    paid = await world.paid("A-1", 1000)
    answers = await asyncio.gather(
        *(
            world.merchant.post(
                "/v1/refunds",
                {"payment_id": paid["id"], "merchant_refund_no": f"R-{n}", "amount": 30},
            )
            for n in range(50)
        )
    )
    statuses = [answer.status for answer in answers]
    assert statuses.count(201) == 33 and statuses.count(422) == 17
    payment = await world.payment(paid["id"])
    assert payment["amount_refunded"] + payment["amount_refund_pending"] == 990
    (order,) = (await world.book())["orders"]
    assert order["refunded"] <= 990


async def test_two_hundred_concurrent_creates_make_one_payment(world: World) -> None:
    body = {"merchant_order_no": "A-1", "amount": 100, "currency": "CNY", "subject": "tea"}
    answers = await asyncio.gather(*(world.merchant.post("/v1/payments", body) for _ in range(200)))
    assert [answer.status for answer in answers].count(201) == 1
    assert {answer.status for answer in answers} == {200, 201}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert (await world.sql("select count(*) from payments"))[0][0] == 1


async def test_two_hundred_concurrent_creates_by_qr_ask_the_channel_once(world: World) -> None:
    body = {
        "merchant_order_no": "A-1",
        "amount": 100,
        "currency": "CNY",
        "subject": "tea",
        "method": "alipay_qr",
    }
    answers = await asyncio.gather(*(world.merchant.post("/v1/payments", body) for _ in range(200)))
    assert [answer.status for answer in answers].count(201) == 1
    assert len({answer.body["next_action"]["qr_code"] for answer in answers}) == 1
    assert (await world.sql("select count(*) from attempts"))[0][0] == 1


@pytest.mark.parametrize("first", [{}, {"method": "alipay_qr"}])
async def test_cancel(world: World, first: dict) -> None:
    body = {"merchant_order_no": "A-1", "amount": 100, "currency": "CNY", "subject": "tea"}
    payment = (await world.merchant.post("/v1/payments", body | first)).body
    answer = await world.merchant.post(f"/v1/payments/{payment['id']}/cancel")
    assert (answer.status, answer.body["status"]) == (200, "canceled")
    again = await world.merchant.post(f"/v1/payments/{payment['id']}/cancel", {"reason": "x"})
    assert (again.status, again.body["status"]) == (200, "canceled")
    if first:
        status, _ = await world.scan(payment["next_action"]["qr_code"])
        assert status in (404, 409)


async def test_a_paid_payment_cannot_be_canceled(world: World) -> None:
    paid = await world.paid("A-1")
    answer = await world.merchant.post(f"/v1/payments/{paid['id']}/cancel")
    assert (answer.status, answer.body["code"]) == (409, "invalid_state")
    assert answer.body["payment_status"] == "succeeded"


async def test_confirm_gives_a_payment_its_method(world: World) -> None:
    body = {"merchant_order_no": "A-1", "amount": 100, "currency": "CNY", "subject": "tea"}
    payment = (await world.merchant.post("/v1/payments", body)).body
    assert payment["status"] == "requires_payment_method"
    path = f"/v1/payments/{payment['id']}/confirm"
    confirmed = await world.merchant.post(path, {"method": "alipay_qr"})
    assert (confirmed.status, confirmed.body["status"]) == (200, "requires_action")
    again = await world.merchant.post(path, {"method": "alipay_qr"})
    assert again.body["attempt_id"] == confirmed.body["attempt_id"]
    stale = await world.merchant.post(path, {"method": "alipay_qr", "version": 1})
    assert (stale.status, stale.body["code"]) == (409, "stale_version")
    await world.scan(confirmed.body["next_action"]["qr_code"])
    await world.until(payment["id"], "succeeded")


async def test_lists_go_page_by_page_newest_first(world: World) -> None:
    made = [
        (
            await world.merchant.post(
                "/v1/payments",
                {"merchant_order_no": f"L-{n}", "amount": 1, "currency": "CNY", "subject": "t"},
            )
        ).body["id"]
        for n in range(5)
    ]
    first = (await world.merchant.get("/v1/payments?limit=2")).body
    assert first["has_more"] is True and len(first["data"]) == 2
    second = (await world.merchant.get(f"/v1/payments?limit=2&cursor={first['next_cursor']}")).body
    last = (await world.merchant.get(f"/v1/payments?limit=2&cursor={second['next_cursor']}")).body
    assert last["has_more"] is False and last["next_cursor"] is None
    seen = [each["id"] for page in (first, second, last) for each in page["data"]]
    assert seen == sorted(made, reverse=True)
    wrong = await world.merchant.get(f"/v1/payments?status=failed&cursor={first['next_cursor']}")
    assert (wrong.status, wrong.body["code"]) == (400, "invalid_cursor")


async def test_a_customer_is_sealed_and_given_back(world: World) -> None:
    body = {
        "merchant_order_no": "A-1",
        "amount": 100,
        "currency": "CNY",
        "subject": "tea",
        "customer": {"id": "c-7", "name": "王小明"},
    }
    made = (await world.merchant.post("/v1/payments", body)).body
    assert made["customer"] == {"id": "c-7", "name": "王小明"}
    assert (await world.payment(made["id"]))["customer"] == made["customer"]
    (row,) = await world.sql(
        "select p.customer, j.data from payments p join journal j on j.object_id = p.payment_id"
    )
    assert "王小明".encode() not in row["customer"] and "王小明" not in row["data"]
    await world.sql("delete from payer_keys")
    await asyncio.sleep(1.1)  # the law of persons: an opened key is kept a second at most
    assert (await world.payment(made["id"]))["customer"] is None
