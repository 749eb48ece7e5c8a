"""Events shown and sent again: in order, complete, and the same each time."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway.center import replay as replaying
from gateway.domain.endpoint import EndpointUpdate
from gateway.domain.errors import TillgateError
from tests.conftest import Installation
from tests.webhook_world import WebhookWorld, open_webhook_world, working

BY = {"actor": "test", "request_id": "req_1"}
LATER = timedelta(days=1)


@pytest.fixture
async def world(installation: Installation) -> AsyncIterator[WebhookWorld]:
    async with open_webhook_world(installation) as opened:
        yield opened


async def test_pages_in_rising_sequence(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    await world.pay_many(merchant, 7)
    seen: list[int] = []
    after = 0
    while page := await world.replay.page(merchant, after=after, types=None, limit=3):
        events = [json.loads(body) for _, body in page]
        assert [event["sequence"] for event in events] == [number for number, _ in page]
        seen += [number for number, _ in page]
        after = seen[-1]
    assert seen == list(range(1, 8))


async def test_types_narrow_the_page(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    await world.pay(merchant)
    await world.endpoint(merchant, "http://127.0.0.1:1/")
    for types, sequences in (
        (["payment.created"], [1]),
        (["webhook_endpoint.*"], [2]),
        (["payment.*", "webhook_endpoint.created"], [1, 2]),
        (["*"], [1, 2]),
        (["payout.paid"], []),
    ):
        page = await world.replay.page(merchant, after=0, types=types, limit=10)
        assert [number for number, _ in page] == sequences, types
    with pytest.raises(TillgateError, match="no such type"):
        await world.replay.page(merchant, after=0, types=["payment.suceeded"], limit=10)


async def test_an_event_is_its_merchants_own(world: WebhookWorld) -> None:
    owner, stranger = await world.merchant(9), await world.merchant(9)
    await world.pay(owner)
    ((_, body),) = await world.replay.page(owner, after=0, types=None, limit=1)
    event_id = json.loads(body)["id"]
    assert await world.replay.get(owner, event_id) == body
    await world.pay(stranger)
    for merchant in (stranger, owner):
        wrong = event_id if merchant is stranger else world.ids.make("evt", owner)
        with pytest.raises(TillgateError) as caught:
            await world.replay.get(merchant, wrong)
        assert caught.value.code == "not_found"


async def test_an_event_sent_again_is_the_same(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    endpoint, own = await world.receiver(), await world.receiver()
    await world.endpoint(merchant, endpoint.url, ["payment.*"])
    await world.pay(merchant, notify_url=own.url)
    async with working(world) as worker:
        first = (await endpoint.until(1))[0]
        await world.settled(2)
        # To all that receive such events today: the endpoint and the payment's own URL.
        assert await world.replay.resend(merchant, first.event_id, endpoint_id=None) == 2
        worker.wake()
        again = (await endpoint.until(2))[1]
        await own.until(2)
        await world.settled(4)
    assert (again.event_id, again.body) == (first.event_id, first.body)
    assert len({(each.event_id, each.body) for each in own.came}) == 1


async def test_what_still_waits_is_not_sent_twice(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    shown = await world.endpoint(merchant, "http://127.0.0.1:1/")
    await world.pay(merchant)
    ((_, body),) = await world.replay.page(merchant, after=1, types=None, limit=1)
    event_id, endpoint_id = json.loads(body)["id"], shown.holder.place.key
    assert await world.replay.resend(merchant, event_id, endpoint_id=endpoint_id) == 1
    assert await world.replay.resend(merchant, event_id, endpoint_id=endpoint_id) == 0


async def test_a_span_of_time_again_in_steps(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "RESEND_STEP", 4)
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.pay_many(merchant, 3)
    world.clock.advance(hours=1)
    begun = world.clock.business()
    wanted = {payment.id for payment in await world.pay_many(merchant, 10)}
    world.clock.advance(hours=1)
    ended = world.clock.business()
    await world.pay_many(merchant, 3)
    # Made afterwards, it has missed all of it.
    shown = await world.endpoint(merchant, receiver.url, ["payment.*"])
    made = await world.replay.resend_range(
        merchant,
        shown.holder.place.key,
        created_from=begun,
        created_to=ended,
        types=["payment.created", "refund.created"],
    )
    assert made == 10
    async with working(world):
        await receiver.until(10)
        await world.settled(10)
    assert {each.event["object_id"] for each in receiver.came} == wanted


async def test_what_cannot_be_sent_again(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = await world.merchant()
    shown = await world.endpoint(merchant, "http://127.0.0.1:1/", ["payment.*"])
    endpoint_id = shown.holder.place.key
    await world.pay_many(merchant, 3)
    now = world.clock.business()

    async def code(**span: object) -> str:
        values = {"created_from": now - LATER, "created_to": now + LATER, "types": None} | span
        with pytest.raises(TillgateError) as caught:
            await world.replay.resend_range(merchant, endpoint_id, **values)  # type: ignore[arg-type]
        return caught.value.code

    assert await code(created_to=now - LATER) == "invalid_field"
    assert await code(types=["nothing.known"]) == "invalid_field"
    with monkeypatch.context() as patched:
        patched.setattr(replaying, "RESEND_EVENTS_MAX", 2)
        assert await code() == "limit_exceeded"
    await world.notify.update(merchant, endpoint_id, EndpointUpdate(status="disabled"), **BY)
    assert await code() == "invalid_state"
