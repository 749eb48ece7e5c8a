"""The relay: every committed event becomes one delivery per receiver, whatever happens."""

import asyncio
from typing import Any

import asyncpg
import pytest

from gateway.adapters.postgres.deliveries import WorkerDeliveries
from gateway.adapters.postgres.leases import PostgresLeases
from gateway.domain import ids
from gateway.domain.change import Change, Writes
from gateway.domain.delivery import Delivery, endpoint_target
from gateway.domain.refund import Refund
from gateway.domain.refund import line as refund_line
from gateway.workers import relay as relaying
from tests.conftest import Installation
from tests.webhook_world import WebhookWorld, open_webhook_world, verify, working

HOLDERS = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")


async def test_every_event_reaches_a_healthy_endpoint(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url)
    made = await world.pay_many(merchant, 25)
    async with working(world):
        came = await receiver.until(25)
        await world.settled(25)
    events = [verify(shown.secret or "", each) for each in came]
    assert {event["object_id"] for event in events} == {payment.id for payment in made}
    # 1 is the endpoint's own creation, of which it never hears.
    assert sorted(event["sequence"] for event in events) == list(range(2, 27))
    assert len(set(receiver.ids())) == 25
    assert all(each.event["id"] == each.event_id for each in came)


async def test_events_of_many_merchants_in_more_than_one_pass(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "PASS_MERCHANTS_MAX", 2)
    monkeypatch.setattr(relaying, "PASS_EVENTS_MAX", 3)
    receiver = await world.receiver()
    merchants = [await world.merchant(bucket) for bucket in (0, 255, 256, 4095)]
    made = []
    for merchant in merchants:
        await world.endpoint(merchant, f"{receiver.url}/{merchant}")
        made += await world.pay_many(merchant, 7)
    async with working(world):
        came = await receiver.until(28)
        await world.settled(28)
    assert {each.event["object_id"] for each in came} == {payment.id for payment in made}


async def test_an_endpoint_gets_what_it_asked_for_and_nothing_from_before(
    world: WebhookWorld,
) -> None:
    merchant = await world.merchant()
    wide, narrow = await world.receiver(), await world.receiver()
    await world.pay(merchant)
    await world.endpoint(merchant, wide.url, ["payment.*"])
    await world.endpoint(merchant, narrow.url, ["refund.succeeded", "webhook_endpoint.created"])
    payment = await world.pay(merchant)
    third = await world.receiver()
    await world.endpoint(merchant, third.url, ["*"])
    async with working(world):
        assert [each.event["object_id"] for each in await wide.until(1)] == [payment.id]
        # Of endpoints that came after it, narrow hears; of itself it does not.
        told = await narrow.until(1)
        await world.eventually("select true from cursors where seq = 5")
        await world.settled(2)
    assert [each.event["data"]["url"] for each in told] == [third.url]
    assert len(wide.came) == 1 and third.came == []


async def test_a_payments_own_url_gets_its_events_and_those_of_its_refunds(
    world: WebhookWorld,
) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    payment = await world.pay(merchant, notify_url=receiver.url)
    await world.pay(merchant)
    await _tell_refund(world, payment)
    async with working(world):
        came = await receiver.until(2)
        await world.settled(2)
    secret = (await world.notify.notify_secret(merchant)).secret or ""
    assert sorted(verify(secret, each)["type"] for each in came) == [
        "payment.created",
        "refund.created",
    ]


async def _tell_refund(world: WebhookWorld, payment: Any) -> None:
    now = world.clock.business()
    refund = Refund(
        merchant_id=payment.merchant_id,
        id=world.ids.make("rfd", payment.merchant_id),
        payment_id=payment.id,
        attempt_id=world.ids.make("att", payment.merchant_id),
        merchant_refund_no="r-1",
        fingerprint=bytes(32),
        fingerprint_key=1,
        channel="alipay",
        channel_account_id=world.ids.make("cac", payment.merchant_id),
        amount=1,
        currency="CNY",
        status="processing",
        created_at=now,
        sent_at=now,
        due_at=None,
    )

    def decide(rows: Any) -> Writes:
        present = rows.get(payment.place)
        touched = type(present)(
            **{f: getattr(present, f) for f in present.__struct_fields__}
            | {"version": present.version + 1}
        )
        return Writes(rows=(touched, refund), lines=(refund_line(refund, "created"),))

    await world.shards.submit(
        Change(
            merchant_id=payment.merchant_id,
            actor="test",
            at=now,
            request_id=None,
            decide=decide,
            needs=(payment.place,),
        )
    )


async def test_the_payer_is_told_until_erased(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url, ["payment.created"])
    payment = await world.pay_by(merchant, {"id": "c-1", "name": "Li"})
    async with working(world) as worker:
        (first,) = await receiver.until(1)
        await world.settled(1)
        assert first.event["data"]["customer"] == {"id": "c-1", "name": "Li"}
        shown_now = await world.replay.get(merchant, first.event_id)
        assert shown_now == first.body

        owner = await asyncpg.connect(world.installation.dsns[0])
        await owner.execute("delete from payer_keys")
        await owner.close()
        world.persons._kept.clear()
        await world.replay.resend(merchant, first.event_id, endpoint_id=shown.holder.place.key)
        worker.wake()
        second = (await receiver.until(2))[1]
    assert second.event_id == first.event_id and second.event["object_id"] == payment.id
    assert second.event["data"] == first.event["data"] | {"customer": None}


async def test_a_transaction_that_commits_late_is_not_passed(world: WebhookWorld) -> None:
    slow, quick = await world.merchant(1), await world.merchant(2)
    receiver = await world.receiver()
    await world.endpoint(slow, receiver.url + "/slow")
    await world.endpoint(quick, receiver.url + "/quick")
    holder = await asyncpg.connect(world.installation.dsns[0])
    held = holder.transaction()
    async with working(world) as worker:
        await held.start()
        # The first of two writers takes the next sequence and is in no hurry to commit.
        await holder.execute(
            "update heads set seq = seq + 1 where merchant_id = $1", ids.to_hex(slow)
        )
        await holder.execute(
            "insert into journal (merchant_id, seq, at, type, object_id, object_version, actor,"
            " data) select merchant_id, seq, now(), 'payment.created', gen_random_uuid(), 1,"
            " 'late', '{}' from heads where merchant_id = $1",
            ids.to_hex(slow),
        )
        second = asyncio.ensure_future(world.pay(slow))
        await world.pay(quick)
        worker.hint([slow, quick])
        assert (await receiver.until(1))[0].request.path == "/hook/quick"
        await held.commit()
        await second
        worker.hint([slow])
        came = await receiver.until(3)
    await holder.close()
    late = sorted(each.event["sequence"] for each in came if each.request.path == "/hook/slow")
    assert late == [2, 3]


async def test_two_workers_share_the_ranges_and_send_everything_once(
    world: WebhookWorld,
) -> None:
    merchants = [await world.merchant(bucket) for bucket in range(0, 4096, 256)]
    receiver = await world.receiver()
    for merchant in merchants:
        await world.endpoint(merchant, f"{receiver.url}/{merchant}")
    async with working(world) as first, working(world) as second:
        await world.eventually(
            "select count(distinct holder) = 2 and count(*) = 16 from leases"
            " where work = 'relay' and until > clock_timestamp()"
        )
        for merchant in merchants:
            await world.pay_many(merchant, 3)
        for worker in (first, second):
            worker.hint(merchants)
        await receiver.until(48)
        await world.settled(48)
        assert first.events_relayed and second.events_relayed
    assert len(receiver.came) == len(set(receiver.ids())) == 48
    free = await world.sql("select count(*) from leases where until > clock_timestamp()")
    assert free[0][0] == 0


async def test_who_lost_the_lease_writes_nothing(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    payment = await world.pay(merchant)
    store = WorkerDeliveries(world.shards.all[0].pool)
    zombie, living = (PostgresLeases(world.shards.all[0].pool, holder=each) for each in HOLDERS)
    await zombie.prepare("relay")
    stale = await zombie.take("relay", 16)
    await zombie.release(stale)
    fresh = await living.take("relay", 16)
    now = world.clock.business()
    delivery = Delivery(
        merchant_id=merchant,
        id=world.ids.make("dlv", merchant),
        sequence=1,
        endpoint_id=None,
        target="t",
        url="http://127.0.0.1:1/",
        due_at=now,
        created_at=now,
    )
    span = (merchant, 0, 1)

    async def advance(leases: Any) -> set[str]:
        return await store.advance(leases, [span], [delivery], claimed=[False], claim_s=45, now=now)

    assert await advance(stale) == set()
    assert await world.sql("select 1 from deliveries union all select 1 from cursors") == []
    assert await advance(fresh) == {merchant}
    # Again from where it was read: the cursor is not there any more.
    assert await advance(fresh) == set()
    assert len(await world.sql("select 1 from deliveries")) == 1

    rooms = {(merchant, "t"): 5}
    assert await store.claim(stale, rooms, now=now, claim_s=45) == []
    ((claimed, event),) = await store.claim(fresh, rooms, now=now, claim_s=45)
    assert event.object_id == payment.id
    assert await store.claim(fresh, rooms, now=now, claim_s=45) == []
    assert await store.settle(stale, [(claimed, claimed)]) == 0
    assert await store.settle(fresh, [(claimed, claimed)]) == 1


async def test_a_lapsed_lease_counts_as_lost(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    await world.pay(merchant)
    store = WorkerDeliveries(world.shards.all[0].pool)
    leases = PostgresLeases(world.shards.all[0].pool, holder=HOLDERS[0])
    await leases.prepare("relay")
    held = await leases.take("relay", 16)
    await world.sql("update leases set until = clock_timestamp() - interval '1 ms'")
    now = world.clock.business()
    assert (
        await store.advance(held, [(merchant, 0, 1)], [], claimed=[], claim_s=45, now=now) == set()
    )


async def test_what_was_claimed_but_never_sent_is_sent_by_the_next(world: WebhookWorld) -> None:
    """The process dies between the commit of the claim and the sending."""
    merchant = await world.merchant()
    receiver = await world.receiver()
    shown = await world.endpoint(merchant, receiver.url)
    await world.pay(merchant)
    store = WorkerDeliveries(world.shards.all[0].pool)
    leases = PostgresLeases(world.shards.all[0].pool, holder=HOLDERS[0])
    await leases.prepare("relay")
    held = await leases.take("relay", 16)
    now = world.clock.business()
    endpoint_id = shown.holder.place.key
    delivery = Delivery(
        merchant_id=merchant,
        id=world.ids.make("dlv", merchant),
        sequence=2,
        endpoint_id=endpoint_id,
        target=endpoint_target(endpoint_id),
        url=receiver.url,
        due_at=now,
        created_at=now,
    )
    span = (merchant, 0, 2)
    await store.advance(held, [span], [delivery], claimed=[True], claim_s=3600, now=now)
    await world.sql("update leases set until = '-infinity'")
    async with working(world) as worker:
        await world.eventually(
            "select true from leases where work = 'relay' and until > clock_timestamp()"
        )
        worker.wake()
        assert receiver.came == []
        await world.sql("update deliveries set claimed_until = clock_timestamp()")
        worker.wake()
        await receiver.until(1)
        await world.settled(1)


@pytest.mark.parametrize(
    ("filters", "sequences"),
    [
        (None, []),
        (["*"], [1, 2, 3]),
        (["payment.*"], [1, 2, 3]),
        (["payment.created"], [1, 2, 3]),
        (["refund.*"], [1]),
        (["refund.*", "payment.created"], [1, 2, 3]),
        (["refund.created", "payment.succeeded"], [1]),
    ],
)
async def test_only_what_a_filter_names_is_read(
    world: WebhookWorld, filters: list[str] | None, sequences: list[int]
) -> None:
    merchant, other = await world.merchant(), await world.merchant()
    if filters is None:
        await world.pay(merchant)
    else:
        await world.endpoint(merchant, "http://127.0.0.1:1/", filters)
    await world.pay_many(merchant, 3)
    store = WorkerDeliveries(world.shards.all[0].pool)
    (ahead,) = await store.read_ahead([merchant, other], each=3)
    assert (ahead.merchant_id, ahead.read, ahead.until, ahead.head) == (merchant, 0, 3, 4)
    # The beginning of an endpoint (1) is read for whoever has one.
    assert [event.sequence for event, _ in ahead.wanted] == sequences
    assert all(url is None for _, url in ahead.wanted)


async def test_a_merchant_that_cannot_be_relayed_holds_up_no_other(world: WebhookWorld) -> None:
    ill, well = await world.merchant(1), await world.merchant(2)
    receiver = await world.receiver()
    await world.endpoint(ill, receiver.url + "/ill")
    await world.endpoint(well, receiver.url + "/well")
    owner = await asyncpg.connect(world.installation.dsns[0])
    await owner.execute(
        "insert into journal (merchant_id, seq, at, type, object_id, object_version, actor, data)"
        " values ($1, 2, now(), 'unheard.of', gen_random_uuid(), 1, 'test', '{}')",
        ids.to_hex(ill),
    )
    await owner.execute("update heads set seq = 2 where merchant_id = $1", ids.to_hex(ill))
    await owner.close()
    await world.pay(well)
    async with working(world):
        (came,) = await receiver.until(1)
    assert came.request.path == "/hook/well"
    cursors = await world.sql("select merchant_id, seq from cursors")
    assert {ids.from_uuid("mch", c["merchant_id"]): c["seq"] for c in cursors}.get(ill) is None


async def test_each_shard_relays_its_own(two_shards: Installation) -> None:
    async with open_webhook_world(two_shards) as world:
        receiver = await world.receiver()
        merchants = [await world.merchant(bucket) for bucket in (10, 4000)]
        assert {world.shards.of(each).number for each in merchants} == {0, 1}
        for merchant in merchants:
            await world.endpoint(merchant, f"{receiver.url}/{merchant}")
            await world.pay_many(merchant, 5)
        async with working(world):
            await receiver.until(10)
    assert len(set(receiver.ids())) == 10
