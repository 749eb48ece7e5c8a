"""What the clocks do: webhooks arrive, silence is asked about, time ends payments."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tests.world import World


class Receiver:
    """A merchant's webhook receiver that keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.changed = asyncio.Condition()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self.changed:
            self.got.append((dict(request.headers), body))
            self.changed.notify_all()
        return web.Response(status=204)

    async def heard(self, count: int, seconds: float = 10) -> list[tuple[dict[str, str], bytes]]:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: len(self.got) >= count)
        return self.got


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    application = web.Application()
    application.router.add_post("/hook", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"
    yield made
    await runner.cleanup()


async def test_every_event_reaches_the_endpoint_signed(world: World, receiver: Receiver) -> None:
    made = await world.merchant.post(
        "/v1/webhook_endpoints", {"url": receiver.url, "events": ["*"]}
    )
    assert made.status == 201
    async with world.worker():
        await world.paid("A-1")
        got = await receiver.heard(3)
    verifier = Webhook(made.body["secret"])
    told = [
        verifier.verify(body, {k.lower(): v for k, v in headers.items()}) for headers, body in got
    ]
    types = {event["type"] for event in told}
    assert {"payment.created", "payment.requires_action", "payment.succeeded"} <= types
    events = (await world.merchant.get("/v1/events?limit=100")).body["data"]
    by_id = {event["id"]: event for event in events}
    for event in told:
        assert by_id[event["id"]] == event
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))


async def test_notify_url_receives_the_events_of_its_payment(world, receiver: Receiver) -> None:
    secret = (await world.merchant.get("/v1/notify_secret")).body["secret"]
    async with world.worker():
        await world.paid("A-0")
        paid = await world.paid("A-1", notify_url=receiver.url)
        await world.merchant.post(
            "/v1/refunds",
            {"payment_id": paid["id"], "merchant_refund_no": "R", "amount": 1},
        )
        got = await receiver.heard(5)
    told = [
        Webhook(secret).verify(body, {k.lower(): v for k, v in headers.items()})
        for headers, body in got
    ]
    assert {event["type"] for event in told} == {
        "payment.created",
        "payment.requires_action",
        "payment.succeeded",
        "refund.created",
        "refund.succeeded",
    }
    assert all(
        paid["id"] in (event["object_id"], event["data"].get("payment_id")) for event in told
    )


async def test_silence_is_asked_about_until_it_is_known(world: World) -> None:
    await world.fault("precreate", "error", times=3)
    payment = await world.pay_by_qr("A-1")
    assert payment["status"] == "processing"
    async with world.worker():
        waiting = await world.until(payment["id"], "requires_action", 20)
        await world.fault("notify", "timeout", times=9)
        await world.scan(waiting["next_action"]["qr_code"])
        # the callback never comes; time alone asks again
        await world.sql("update attempts set due_at = now() where due_at is not null")
        await world.until(payment["id"], "succeeded", 20)


@pytest.mark.tampers
async def test_an_attempt_whose_gateway_died_before_asking_is_taken_up(world: World) -> None:
    payment = await world.pay_by_qr("A-1")
    await world.sql(
        "update attempts set status = 'submitted', handed_out = false, next_action = null, "
        "due_at = now()"
    )
    await world.sql("update payments set status = 'processing', next_action = null")
    async with world.worker():
        waiting = await world.until(payment["id"], "requires_action", 20)
    assert waiting["next_action"] == payment["next_action"]
    assert len((await world.book())["orders"]) == 1


async def test_a_refund_whose_gateway_died_before_asking_is_taken_up(world: World) -> None:
    paid = await world.paid("A-1")
    await world.fault("refund", "timeout")
    await world.fault("refund_query", "error", times=2)
    asked = asyncio.ensure_future(
        world.merchant.post(
            "/v1/refunds",
            {"payment_id": paid["id"], "merchant_refund_no": "R", "amount": 60},
        )
    )
    answer = await asked
    assert answer.status == 201 and answer.body["status"] == "processing"
    # nothing was executed: two answers of not found after a quiet minute, then the same number
    await world.core.ongoing.drain(10)
    await world.sql("update refunds set sent_at = sent_at - interval '2 minutes', due_at = now()")
    async with world.worker():
        async with asyncio.timeout(30):
            while True:
                found = await world.merchant.get(f"/v1/refunds/{answer.body['id']}")
                if found.body["status"] == "succeeded":
                    break
                await world.sql("update refunds set due_at = now() where due_at is not null")
                await asyncio.sleep(0.3)
    book = await world.book()
    assert [each["amount"] for each in book["refunds"]] == [60]


@pytest.mark.parametrize("method", [None, "alipay_qr"])
async def test_time_ends_a_payment_that_nobody_paid(world: World, method) -> None:
    body = {"merchant_order_no": "A-1", "amount": 100, "currency": "CNY", "subject": "tea"}
    if method:
        body["method"] = method
    payment = (await world.merchant.post("/v1/payments", body)).body
    await world.sql("update payments set expires_at = now()")
    async with world.worker():
        ended = await world.until(payment["id"], "expired", 20)
    assert ended["expired_at"] and ended["next_action"] == {"type": "none"}


async def test_two_workers_share_the_work_and_deliver_everything(world, receiver) -> None:
    await world.merchant.post(
        "/v1/webhook_endpoints", {"url": receiver.url, "events": ["payment.*"]}
    )
    async with world.worker(), world.worker():
        for number in range(20):
            await world.merchant.post(
                "/v1/payments",
                {
                    "merchant_order_no": f"A-{number}",
                    "amount": 1,
                    "currency": "CNY",
                    "subject": "t",
                },
            )
        got = await receiver.heard(20, 30)
    ids = {headers["webhook-id"] for headers, _ in got}
    assert len(ids) == 20


async def test_what_stays_silent_for_three_days_is_told_to_a_person(world, caplog) -> None:
    payment = await world.pay_by_qr("A-1")
    paid = await world.paid("A-2")
    await world.fault("refund", "error")
    await world.fault("refund_query", "error", times=9)
    refund = await world.merchant.post(
        "/v1/refunds", {"payment_id": paid["id"], "merchant_refund_no": "R", "amount": 1}
    )
    assert refund.body["status"] == "processing"
    await world.fault("query", "error", times=9)
    await world.sql(
        "update attempts set created_at = created_at - interval '4 days', "
        "expires_at = expires_at - interval '4 days'"
    )
    await world.sql("update refunds set created_at = created_at - interval '4 days'")
    await world.core.chase.attempt(world.merchant.mch, payment["attempt_id"], actor="test")
    await world.core.chase.refund(world.merchant.mch, refund.body["id"], actor="test")
    told = [record.getMessage() for record in caplog.records]
    assert "alarm: attempt_unresolved" in told and "alarm: refund_unresolved" in told
    rows = await world.sql("select due_at from attempts where payment_id is not null")
    assert None in [row["due_at"] for row in rows]
