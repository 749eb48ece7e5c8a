"""Lists from a cache: one's own writes are always there, the rest is a second old at most."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pytest

from gateway.adapters.local.cache import LocalCache
from gateway.app import open_core
from gateway.telemetry.metrics import Metrics
from tests.conftest import Installation
from tests.redis_server import RedisServer, running_server
from tests.world import World, open_world

LISTS = (
    "/v1/payments",
    "/v1/refunds",
    "/v1/events",
    "/v1/webhook_endpoints",
    "/v1/balance/transactions?account=available&currency=CNY",
)
NO_CACHE = {"Cache-Control": "no-cache"}
DEADLINE_S = 20.0


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_server() as started:
        yield started


@pytest.fixture
async def shared(
    installation: Installation, tmp_path: Path, server: RedisServer
) -> AsyncIterator[World]:
    """A world that shares a Redis."""
    async with open_world(installation, tmp_path, redis_url=server.url) as opened:
        yield opened
        await opened.core.ongoing.drain(10)


def order(number: str, **more: Any) -> dict[str, Any]:
    body = {"merchant_order_no": number, "amount": 100, "currency": "CNY", "subject": "tea"}
    return body | more


def cache_of(world: World) -> LocalCache:
    assert isinstance(world.core.cache, LocalCache)
    return world.core.cache


def stop_time(world: World) -> None:
    """From now on nothing in the cache grows old; only writes end what it holds."""
    now = monotonic_ns()
    cache_of(world)._clock_ns = lambda: now


async def put(world: World) -> None:
    """Until everything that goes to Redis is there."""
    shared: Any = cache_of(world)._shared
    while shared._puts:
        await asyncio.wait(shared._puts)


async def numbers(world: World, **more: Any) -> list[str]:
    answer = await world.merchant.send("GET", "/v1/payments?limit=100", **more)
    assert answer.status == 200
    return [each["merchant_order_no"] for each in answer.body["data"]]


async def test_who_writes_sees_it_in_the_next_list(world: World) -> None:
    made: list[str] = []
    for step in range(20):
        # Quick and careful ones in turn; each list but the first is in the cache before the write.
        more = {"metadata": {"a": "b"}} if step % 2 else {"method": "alipay_qr"}
        assert await numbers(world) == made
        assert await numbers(world) == made
        answer = await world.merchant.post("/v1/payments", order(f"A-{step}", **more))
        assert answer.status == 201
        made.insert(0, f"A-{step}")
        assert await numbers(world) == made
    payment = answer.body["id"]
    assert (await world.merchant.post(f"/v1/payments/{payment}/cancel", {})).status == 200
    found = await world.merchant.get("/v1/payments?limit=1")
    assert found.body["data"][0] == await world.payment(payment)


async def test_writers_and_listers_race(world: World) -> None:
    answered: set[str] = set()

    async def write(name: str) -> None:
        for step in range(10):
            number = f"{name}-{step}"
            assert (await world.merchant.post("/v1/payments", order(number))).status == 201
            answered.add(number)
            assert number in await numbers(world)

    async def lurk() -> None:
        while len(answered) < 40:
            before = set(answered)
            assert before <= set(await numbers(world))

    await asyncio.gather(*(write(name) for name in "abcd"), lurk(), lurk())


@pytest.mark.tampers
async def test_no_cache_goes_past(world: World) -> None:
    await world.merchant.post("/v1/payments", order("A-1"))
    stop_time(world)
    first = await world.merchant.get("/v1/payments")
    await world.sql("update payments set subject = 'coffee'")
    assert (await world.merchant.get("/v1/payments")).body == first.body
    for said in ("no-cache", "max-age=0", "no-store", "max-stale=5, NO-CACHE"):
        past = await world.merchant.send("GET", "/v1/payments", headers={"Cache-Control": said})
        assert past.body["data"][0]["subject"] == "coffee"
    # One object is never answered from a cache.
    by_number = await world.merchant.get("/v1/payments?merchant_order_no=A-1")
    assert by_number.body["subject"] == "coffee"


@pytest.mark.tampers
async def test_a_kept_page_is_its_askers_alone(world: World) -> None:
    await world.merchant.post("/v1/payments", order("A-1"))
    narrow = await world.new_key(world.merchant.mch, ["payments.read"])
    other = await world.new_merchant("Other")
    stop_time(world)
    assert (await narrow.get("/v1/payments")).body["data"][0]["subject"] == "tea"
    await world.sql("update payments set subject = 'coffee'")
    assert (await narrow.get("/v1/payments")).body["data"][0]["subject"] == "tea"
    assert (await world.merchant.get("/v1/payments")).body["data"][0]["subject"] == "coffee"
    assert (await narrow.get("/v1/payments?limit=20")).body["data"][0]["subject"] == "coffee"
    assert (await other.get("/v1/payments")).body["data"] == []
    assert (await narrow.get("/v1/webhook_endpoints")).status == 403
    assert (await narrow.get("/v1/payments?limit=0")).status == 400


async def test_every_list_is_kept_and_stays_byte_equal(world: World) -> None:
    paid = await world.paid("A-1")
    refund = {"payment_id": paid["id"], "merchant_refund_no": "R", "amount": 1}
    assert (await world.merchant.post("/v1/refunds", refund)).status == 201
    url = {"url": "http://127.0.0.1:9/hook", "events": ["*"]}
    made = await world.merchant.post("/v1/webhook_endpoints", url)
    await world.core.ongoing.drain(10)
    stop_time(world)
    for target in (*LISTS, f"/v1/webhook_endpoints/{made.body['id']}/deliveries"):
        held = len(cache_of(world))
        bodies = []
        for headers in (NO_CACHE, {}, {}, NO_CACHE):
            signed = world.merchant.authorization("GET", target, b"")
            async with world.session.get(
                world.base + target, headers={"Authorization": signed} | headers
            ) as response:
                assert response.status == 200, await response.text()
                bodies.append(await response.read())
        assert len(set(bodies)) == 1
        assert len(cache_of(world)) == held + 1


async def test_what_is_sent_again_is_in_the_next_list_of_deliveries(world: World) -> None:
    url = {"url": "http://127.0.0.1:9/hook", "events": ["*"]}
    made = (await world.merchant.post("/v1/webhook_endpoints", url)).body
    await world.merchant.post("/v1/payments", order("A-1"))
    deliveries = f"/v1/webhook_endpoints/{made['id']}/deliveries"
    assert (await world.merchant.get(deliveries)).body["data"] == []
    event = (await world.merchant.get("/v1/events?types=payment.created")).body["data"][0]
    sent = await world.merchant.post(
        f"/v1/events/{event['id']}/resend", {"endpoint_id": made["id"]}
    )
    assert sent.status == 202
    assert len((await world.merchant.get(deliveries)).body["data"]) == 1


async def test_redis_holds_pages_but_no_payer(shared: World, server: RedisServer) -> None:
    await shared.merchant.post("/v1/payments", order("A-1"))
    for number in range(200):
        # Until one was found before its second was over.
        await shared.merchant.get(f"/v1/payments?limit={number % 100 + 1}")
        await put(shared)
        names = await server.redis.keys("tillgate.cache.*")
        if names:
            break
    assert names
    assert not any(shared.merchant.mch.encode() in name for name in names)
    await server.redis.flushall()
    customer = {"name": "canary Li Lei", "email": "canary@example.com"}
    made = await shared.merchant.post("/v1/payments", order("A-2", customer=customer))
    assert made.body["customer"] == customer
    for target in ("/v1/payments", "/v1/events?limit=100"):
        listed = await shared.merchant.get(target)
        assert "canary Li Lei" in str(listed.body)
        await put(shared)
        assert await server.redis.keys("tillgate.cache.*") == []


async def test_a_redis_that_dies_fails_no_request(shared: World, server: RedisServer) -> None:
    made: list[str] = []
    for step in range(12):
        if step == 4:
            await server.kill()
        if step == 8:
            await server.start()
        assert (await shared.merchant.post("/v1/payments", order(f"A-{step}"))).status == 201
        made.insert(0, f"A-{step}")
        assert await numbers(shared) == made
        assert await numbers(shared, headers=NO_CACHE) == made
    admin = await shared.admin()
    await server.kill()
    assert (await admin.post(f"/admin/v1/keys/{shared.merchant.key}/revoke", {})).status == 200
    assert (await shared.merchant.get("/v1/payments")).status == 401


async def test_another_instance_hears_of_a_revocation(shared: World) -> None:
    core = shared.core
    core.directory.stop_following()
    assert (await shared.merchant.get("/v1/payments")).status == 200
    async with open_core(core.settings, Metrics(None, role="gateway")) as other:
        await other.onboard.revoke_key(shared.merchant.key, actor="test", request_id=None)
        async with asyncio.timeout(DEADLINE_S):
            status = 200
            while status != 401:
                status = (await shared.merchant.get("/v1/payments")).status
