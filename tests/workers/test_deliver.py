"""Delivery: tried until it is received, by the schedule, each receiver on its own."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import standardwebhooks
from aiohttp import web

from gateway.adapters.http.client import WEBHOOK_TOTAL_S, WebhookHttp
from gateway.adapters.postgres.deliveries import WorkerDeliveries
from gateway.domain.delivery import Delivery
from gateway.domain.endpoint import ROTATION_REPEAT_S, WebhookEndpoint
from gateway.domain.lease import Lease
from gateway.domain.webhook import RETRY_DELAYS_S
from gateway.workers import deliver, lanes
from gateway.workers.webhooks import Webhooks
from tests.webhook_world import (
    DEADLINE_S,
    LOOPBACK,
    Came,
    Receiver,
    WebhookWorld,
    verify,
    working,
)


async def tries(world: WebhookWorld, count: int) -> None:
    await world.eventually("select true from deliveries where tries >= $1", count)


async def test_the_schedule_with_the_same_id_and_body_each_time(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url)
    receiver.answer = lambda came: 500
    await world.pay(merchant)
    async with working(world) as worker:
        await receiver.until(1)
        for number, delay_s in enumerate(RETRY_DELAYS_S[1:], start=2):
            await tries(world, number - 1)
            (due,) = await world.sql(
                "select due_at - $1 as left from deliveries", world.clock.business()
            )
            assert due["left"].total_seconds() == pytest.approx(delay_s, abs=5)
            world.clock.advance(seconds=due["left"].total_seconds() - 2)
            worker.wake()
            assert len(receiver.came) == number - 1
            world.clock.advance(seconds=3)
            worker.wake()
            await receiver.until(number)
        await world.eventually("select status = 'failed' and due_at is null from deliveries")
    assert len(receiver.came) == len(RETRY_DELAYS_S) == 10
    assert len({(came.event_id, came.body) for came in receiver.came}) == 1
    assert all(verify(shown.secret or "", came) for came in receiver.came[:1])
    (row,) = await world.sql("select tries, last_status, finished_at from deliveries")
    assert (row["tries"], row["last_status"]) == (10, 500) and row["finished_at"]


async def test_a_receiver_that_recovers_gets_what_it_missed(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    statuses = iter([500, 302, 404])
    receiver.answer = lambda came: next(statuses, 204)
    await world.pay(merchant)
    async with working(world) as worker:
        for number in (1, 2, 3):
            await tries(world, number)
            world.clock.advance(hours=1)
            worker.wake()
        await world.settled(1)
    assert len(set(receiver.ids())) == 1 and len(receiver.came) == 4


async def test_retry_after_is_honoured(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    receiver.answer = lambda came: web.Response(status=503, headers={"Retry-After": "7200"})
    await world.pay(merchant)
    async with working(world):
        await tries(world, 1)
    (row,) = await world.sql("select due_at - $1 as left from deliveries", world.clock.business())
    assert row["left"].total_seconds() == pytest.approx(7200, abs=30)


async def test_410_disables_and_tells_and_nothing_more_is_sent(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    gone, watcher = await world.receiver(), await world.receiver()
    shown = await world.endpoint(merchant, gone.url)
    await world.endpoint(merchant, watcher.url, ["webhook_endpoint.updated"])
    gone.answer = lambda came: 410
    await world.pay(merchant)
    async with working(world) as worker:
        await world.eventually("select status = 'failed' from deliveries where tries = 1")
        (told,) = await watcher.until(1)
        assert told.event["data"]["id"] == shown.holder.place.key
        assert told.event["data"]["status"] == "disabled"
        before = len(gone.came)
        await world.pay(merchant)
        worker.hint([merchant])
        await world.eventually(
            "select true from cursors c join heads h using (merchant_id) where c.seq = h.seq"
            " and h.seq >= 5"
        )
        assert len(gone.came) == before


async def test_five_days_of_failures_disable(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url, ["payment.*"])
    receiver.answer = lambda came: 500
    await world.pay(merchant)
    endpoint_id = shown.holder.place.key
    async with working(world) as worker:
        for number in (1, 2, 3):
            await tries(world, number)
            if number < 3:
                world.clock.advance(hours=1)
                worker.wake()
        await world.eventually("select failing_since is not null from webhook_endpoints")
        world.clock.advance(days=4)
        worker.wake()
        await tries(world, 4)
        endpoint = await world.deliveries.endpoint(merchant, endpoint_id)
        assert endpoint is not None and endpoint.status == "enabled"
        world.clock.advance(days=1)
        worker.wake()
        await world.eventually("select status = 'disabled' from webhook_endpoints")
    events = await world.events.page(merchant, after=0, types=None, limit=10)
    assert [event.type for event in events][-1] == "webhook_endpoint.updated"


async def test_success_ends_failing(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url, ["payment.*"])
    receiver.answer = lambda came: 500 if len(receiver.came) <= 3 else 200
    await world.pay(merchant)
    async with working(world) as worker:
        for number in (1, 2, 3):
            await tries(world, number)
            if number == 3:
                await world.eventually("select failing_since is not null from webhook_endpoints")
            world.clock.advance(hours=1)
            worker.wake()
        await world.eventually("select failing_since is null from webhook_endpoints")


async def test_a_disabled_endpoint_gets_nothing_of_what_waited(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url)
    receiver.answer = lambda came: 500
    await world.pay(merchant)
    async with working(world) as worker:
        await tries(world, 1)
        endpoint = shown.holder
        assert isinstance(endpoint, WebhookEndpoint)
        await world.notify.delete(merchant, endpoint.id, actor="test", request_id="req_1")
        world.clock.advance(minutes=1)
        worker.wake()
        await world.eventually("select last_error = 'endpoint_disabled' from deliveries")
    assert len(receiver.came) == 1


# --- one bad receiver slows no other -----------------------------------------------------------


async def never(came: Came) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def drip(came: Came) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(came.request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.05)


async def huge(came: Came) -> web.StreamResponse:
    response = web.StreamResponse(status=200)
    await response.prepare(came.request)
    while True:
        await response.write(b"x" * 65536)


def redirect(came: Came) -> web.Response:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})


@pytest.mark.parametrize("answer", [never, drip, redirect, lambda came: 500])
async def test_a_bad_receiver_slows_no_other(
    world: WebhookWorld, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = await world.merchant()
    bad, good = await world.receiver(), await world.receiver()
    await world.endpoint(merchant, bad.url)
    await world.endpoint(merchant, good.url)
    bad.answer = answer
    # The bad one holds what it has for the whole test: 15 s are longer than its deadline.
    await world.pay_many(merchant, 300)
    async with working(world):
        await good.until(300)
        await world.settled(300)
        bad_tries = await world.sql(
            "select count(*) filter (where tries > 0) as tried,"
            " count(*) filter (where status = 'delivered') as delivered"
            " from deliveries where url = $1",
            bad.url,
        )
        assert bad_tries[0]["delivered"] == 0
        # What cannot be received waits in the database, not in memory and not on the wire.
        assert len(bad.came) <= lanes.IN_FLIGHT_MAX + lanes.BREAKER_DELIVERIES
        bad.answer = lambda came: 200
        await _cut(world, bad)


async def _cut(world: WebhookWorld, receiver: Receiver) -> None:
    for came in receiver.came:
        if came.request.transport is not None:
            came.request.transport.abort()


async def test_an_endless_answer_with_200_counts_as_received(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    receiver.answer = huge
    await world.pay(merchant)
    async with working(world):
        await world.settled(1)


async def test_a_dead_receiver_gets_everything_when_it_lives_again(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "OPEN_S_MAX", 0.2)
    monkeypatch.setattr(lanes, "OPEN_S_MIN", 0.1)
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url, ["payment.*"])
    receiver.answer = lambda came: 503
    await world.pay_many(merchant, 100)
    async with working(world) as worker:
        await receiver.until(lanes.BREAKER_DELIVERIES)
        await world.eventually("select failing_since is not null from webhook_endpoints")
        receiver.answer = lambda came: 200
        # Those that were tried wait for their time, the others for the breaker only.
        for _ in range(3):
            world.clock.advance(hours=3)
            worker.wake()
        await world.settled(100)
    assert len(set(receiver.ids())) == 100


async def test_more_than_fits_in_memory_is_fetched_again(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUEUE_FIRST", "QUEUE_MIN", "QUEUE_MAX"):
        monkeypatch.setattr(lanes, name, 4)
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url)
    await world.pay_many(merchant, 60)
    async with working(world):
        came = await receiver.until(60)
        await world.settled(60)
    assert len(set(receiver.ids())) == len(came) == 60
    assert all(verify(shown.secret or "", each) for each in came)


# --- crashes and ends --------------------------------------------------------------------------


class LossyStore(WorkerDeliveries):
    """Loses its results, as a process does that dies between sending and marking."""

    async def settle(
        self, leases: Sequence[Lease], results: Sequence[tuple[Delivery, Delivery]]
    ) -> int:
        return len(results)


async def test_a_crash_after_sending_repeats_the_same_id_and_body(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    await world.pay_many(merchant, 3)
    worker = world.worker()
    for deliverer in worker._deliverers:
        deliverer._settler._store = LossyStore(world.shards.all[0].pool)
    await worker.start()
    await receiver.until(3)
    await worker.drain()
    assert (await world.sql("select count(*) from deliveries where status = 'pending'"))[0][0] == 3
    await world.sql("update deliveries set claimed_until = clock_timestamp()")
    async with working(world):
        came = await receiver.until(6)
        await world.settled(3)
    assert sorted((each.event_id, each.body) for each in came[:3]) == sorted(
        (each.event_id, each.body) for each in came[3:]
    )


async def test_draining_ends_what_is_in_flight_and_gives_back_the_rest(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "IN_FLIGHT_MAX", 2)
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    release = asyncio.Event()

    async def wait(came: Came) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    receiver.answer = wait
    await world.pay_many(merchant, 6)
    worker = world.worker()
    await worker.start()
    await receiver.until(2)
    drained = asyncio.ensure_future(worker.drain())
    await world.eventually("select count(*) = 4 from deliveries where claimed_until is null")
    assert not drained.done()
    release.set()
    await drained
    assert len(receiver.came) == 2 and worker.deliveries_in_hand == 0
    rows = await world.sql("select status, count(*) from deliveries group by 1 order by 1")
    assert [tuple(row) for row in rows] == [("delivered", 2), ("pending", 4)]
    async with working(world):
        await world.settled(6)
    assert len(set(receiver.ids())) == len(receiver.came) == 6


async def test_a_lost_lease_ends_sending(world: WebhookWorld) -> None:
    """A process sleeps through the end of its lease, wakes up, and finds another holder."""
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    receiver.answer = lambda came: 500
    await world.pay(merchant)
    async with working(world) as worker:
        await tries(world, 1)
        await world.sql(
            "update leases set holder = gen_random_uuid(), fence = fence + 1,"
            " until = clock_timestamp() + interval '1 hour' where work not like '%seat'"
        )
        world.clock.advance(minutes=10)
        worker.wake()
        await world.eventually("select claimed_until is null from deliveries")
        (tenure,) = worker._tenures
        await tenure.round()
        assert tenure.working() == []
        worker.wake()
        worker.hint([merchant])
    assert len(receiver.came) == 1


async def test_what_is_queued_when_the_lease_ends_is_not_sent(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "IN_FLIGHT_MAX", 1)
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    release = asyncio.Event()

    async def wait(came: Came) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    receiver.answer = wait
    await world.pay_many(merchant, 3)
    async with working(world) as worker:
        await receiver.until(1)
        (deliverer,) = worker._deliverers
        (lane,) = deliverer._lanes.values()
        assert len(lane.queue) == 2
        # The process slept: by its own clock the lease may have lapsed.
        worker._tenures[0]._good_until = 0.0
        release.set()
        async with asyncio.timeout(DEADLINE_S):
            while deliverer._tasks:
                await asyncio.wait(set(deliverer._tasks))
        assert not lane.load
        assert len(receiver.came) == 1
    assert len(await world.sql("select 1 from deliveries where status = 'pending'")) == 3


# --- signatures --------------------------------------------------------------------------------


async def test_rotation_during_retries(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url, ["payment.*"])
    receiver.answer = lambda came: 500
    await world.pay(merchant)
    async with working(world) as worker:
        await tries(world, 1)
        rotated = await world.notify.rotate_secret(
            merchant,
            shown.holder.place.key,
            overlap_s=3600,
            version=None,
            actor="test",
            request_id="req_1",
        )
        old, new = shown.secret or "", rotated.secret or ""
        assert old != new
        await _fresh_holder(worker)
        world.clock.advance(minutes=10)
        worker.wake()
        second = (await receiver.until(2))[1]
        await tries(world, 2)
        await _fresh_holder(worker)
        world.clock.advance(hours=2)
        worker.wake()
        third = (await receiver.until(3))[2]
    assert verify(old, receiver.came[0])
    assert verify(old, second) and verify(new, second)
    assert verify(new, third)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verify(old, third)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verify(new, receiver.came[0])
    assert second.headers["webhook-signature"].count("v1a,") == 1
    assert ROTATION_REPEAT_S < 3600


async def _fresh_holder(worker: Webhooks) -> None:
    """Let no lane remember its endpoint, as a second later none would."""
    for deliverer in worker._deliverers:
        for lane in deliverer._lanes.values():
            lane.holder = None


async def test_without_a_network_it_waits_and_says_why(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    await world.endpoint(merchant, "http://127.0.0.1:1/hook")
    await world.pay(merchant)
    async with WebhookHttp() as strict, working(world, http=strict):
        await world.eventually("select last_error = 'blocked_address' from deliveries")
    world.clock.advance(seconds=6)
    async with WebhookHttp(allow=LOOPBACK) as loose, working(world, http=loose):
        await world.eventually("select last_error = 'refused' from deliveries")


async def test_observers_hear_of_every_try(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    await world.pay(merchant)
    heard: list[tuple[str, float, float]] = []
    async with working(world, observe=lambda *each: heard.append(each)):
        await world.settled(1)
    ((judgement, seconds, lag_s),) = heard
    assert judgement == "delivered" and seconds >= 0 and lag_s >= 0


async def test_a_body_that_cannot_be_composed_costs_no_other(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    await world.endpoint(merchant, receiver.url)
    ill = await world.pay_by(merchant, {"id": "c-1", "name": "Li"})
    well = await world.pay_by(merchant, {"id": "c-2", "name": "Wu"})
    await world.sql(
        "update payer_keys set sealed = '\\x00' where payer ="
        " (select substr(personal, 1, 16) from journal where seq = 2 and personal is not null)"
    )
    world.persons._kept.clear()
    async with working(world):
        (came,) = await receiver.until(1)
        await world.settled(1)
    assert came.event["object_id"] == well.id != ill.id
    assert len(await world.sql("select 1 from deliveries where status = 'pending'")) == 1


def test_a_claim_outlives_a_delivery() -> None:
    """Between the last moment of sending and the end of the claim lies a whole delivery."""
    assert WEBHOOK_TOTAL_S < deliver.SEND_S_MAX < deliver.CLAIM_S
