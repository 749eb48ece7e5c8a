"""Queue ages: the oldest due row of what is leased, and no other."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import generate_latest

from gateway.adapters.postgres.connect import open_pool
from gateway.adapters.postgres.queues import NAMES, PostgresQueues
from gateway.domain import ids
from gateway.domain.lease import Lease
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observe import QueueAges
from tests.conftest import Installation
from tests.world import World, open_world

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALL = [Lease("chase", at, at + 255, 1) for at in range(0, ids.BUCKETS, 256)]


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(installation.dsns[0], size_max=2)
    yield opened
    opened.terminate()


async def fill(world: World) -> str:
    """One due row of every kind: attempt 30 s, refund 60 s, delivery 90 s ago."""
    payment = await world.paid("one", 100)
    back = {"payment_id": payment["id"], "merchant_refund_no": "r", "amount": 1}
    await world.merchant.post("/v1/refunds", back)
    for number in ("two", "three"):
        await world.pay_by_qr(number)
    at = [NOW - timedelta(seconds=s) for s in (30, 60, 90)]
    await world.sql("update attempts set due_at = $1", NOW + timedelta(hours=1))
    await world.sql(
        "update attempts set due_at = $1 where attempt_id = (select max(attempt_id::text)::uuid"
        " from attempts)",
        at[0],
    )
    await world.sql("update refunds set due_at = $1", at[1])
    await world.sql(
        "insert into deliveries (merchant_id, delivery_id, seq, target, url, status, tries,"
        " due_at, created_at) select merchant_id, gen_random_uuid(), 1, 't', 'u', 'pending', 0,"
        " $1, $1 from payments limit 1",
        at[2],
    )
    return world.merchant.mch


async def test_the_oldest_due_row(
    installation: Installation, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    async with open_world(installation, tmp_path) as world:
        merchant_id = await fill(world)
    queues = PostgresQueues(pool)
    ages = {name: await queues.oldest_s(name, ALL, NOW) for name in NAMES}
    assert ages == {"attempts": 30, "refunds": 60, "deliveries": 90}
    bucket = ids.bucket_of(merchant_id)
    others = [lease for lease in ALL if not lease.covers(bucket)]
    assert [await queues.oldest_s(name, others, NOW) for name in NAMES] == [0, 0, 0]
    assert [await queues.oldest_s(name, [], NOW) for name in NAMES] == [0, 0, 0]
    early = NOW - timedelta(hours=1)
    assert [await queues.oldest_s(name, ALL, early) for name in NAMES] == [0, 0, 0]
    await _report(queues)


async def _report(queues: PostgresQueues) -> None:
    metrics = Metrics(None, role="worker")
    held: list[Any] = list(ALL)
    ages = QueueAges(
        metrics,
        shard=0,
        queues=NAMES,
        leases=lambda: held,
        oldest_s=queues.oldest_s,
        now=lambda: NOW,
    )
    line = 'tillgate_oldest_due_seconds{{queue="deliveries",shard="0"}} {}'
    await ages.round()
    assert line.format("90.0") in generate_latest(metrics.registry).decode()
    held.clear()
    await ages.round()
    assert line.format("0.0") in generate_latest(metrics.registry).decode()
