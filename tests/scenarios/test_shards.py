"""Several shards: every merchant's everything lies in one, and one that is down takes no other."""

from pathlib import Path

from gateway.domain import ids
from tests.client import Client
from tests.conftest import Installation
from tests.oracle import check
from tests.world import World, open_world


async def merchant_of(world: World, shard: int) -> tuple[Client, str]:
    """A merchant whose bucket lies in a shard, with an account at the simulator."""
    while True:
        client = await world.new_merchant()
        if world.core.shards.of(client.mch).number == shard:
            return client, await world.new_account(client.mch)


async def test_each_merchant_lives_in_its_shard(two_shards: Installation, tmp_path: Path) -> None:
    async with open_world(two_shards, tmp_path) as world:
        for shard in (0, 1):
            world.merchant, world.account_id = await merchant_of(world, shard)
            paid = await world.paid(f"S-{shard}", 100 + shard)
            refund = await world.merchant.post(
                "/v1/refunds",
                {"payment_id": paid["id"], "merchant_refund_no": "R", "amount": 1},
            )
            assert refund.body["status"] == "succeeded"
            assert ids.bucket_of(paid["id"]) == ids.bucket_of(world.merchant.mch)
            for number in (0, 1):
                found = await world.sql(
                    "select 1 from payments where payment_id = $1",
                    ids.to_hex(paid["id"]),
                    shard=number,
                )
                assert bool(found) is (number == shard)
        await world.core.ongoing.drain(5)
        await check(two_shards.dsns, simulator_book=await world.book())


async def test_a_shard_that_is_down_takes_no_other_with_it(
    two_shards: Installation, tmp_path: Path
) -> None:
    async with open_world(two_shards, tmp_path) as world:
        here, _ = await merchant_of(world, 0)
        there, _ = await merchant_of(world, 1)
        body = {"merchant_order_no": "A-1", "amount": 1, "currency": "CNY", "subject": "t"}
        known = (await there.post("/v1/payments", body)).body
        admin = await two_shards.cluster.admin()
        name = two_shards.names[1]
        await admin.execute(f"alter database {name} allow_connections false")
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )
        for number in range(5):
            fine = await here.post("/v1/payments", body | {"merchant_order_no": f"B-{number}"})
            assert fine.status == 201
            down = await there.post("/v1/payments", body | {"merchant_order_no": f"B-{number}"})
            assert (down.status, down.body["code"]) == (503, "shard_unavailable")
            assert down.headers["Retry-After"]
        read = await there.get(f"/v1/payments/{known['id']}")
        assert (read.status, read.body["code"]) == (503, "shard_unavailable")
        await admin.execute(f"alter database {name} allow_connections true")
        await admin.close()
        again = await there.post("/v1/payments", body)
        assert again.status == 200 and again.body["id"] == known["id"]
        made = await there.post("/v1/payments", body | {"merchant_order_no": "B-0"})
        assert made.status == 201
