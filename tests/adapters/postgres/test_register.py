"""The register: each write is one transaction with its version and journal row, once per number."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.domain import ids
from gateway.domain.errors import TillgateError
from gateway.domain.merchant import Merchant
from tests.adapters.postgres.parties import Instance, clock, instance_of, make, until
from tests.postgres_proxy import PostgresProxy


@pytest.fixture
async def one(installation) -> AsyncIterator[Instance]:
    async with instance_of(installation.dsns, installation.vault, follows=False) as made:
        yield made


@pytest.fixture
async def look(installation) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(installation.dsns[0])
    yield connection
    await connection.close()


async def journal(look: asyncpg.Connection) -> list[tuple[int, str, str, int]]:
    """The house's journal: sequence, type, object, version."""
    records = await look.fetch("select seq, type, object_id, object_version from journal")
    return sorted((r["seq"], r["type"], r["object_id"].hex, r["object_version"]) for r in records)


async def check_sequence(look: asyncpg.Connection) -> None:
    """The house's journal has no gap and ends where the head says; versions were all used."""
    seqs = [seq for seq, *_ in await journal(look)]
    assert seqs == list(range(1, len(seqs) + 1))
    house = "select h.seq from heads h join merchants m using (merchant_id) where m.house"
    assert await look.fetchval(house) == len(seqs)
    assert await look.fetchval("select version from directory_state") == len(seqs) + 1


async def refused(work, code: str, param: str | None = None) -> None:
    with pytest.raises(TillgateError) as caught:
        await work
    assert (caught.value.code, caught.value.param) == (code, param)


async def test_a_merchant_has_head_row_and_journal_row(two_shards) -> None:
    async with instance_of(two_shards.dsns, two_shards.vault, follows=False) as instance:
        merchant = await instance.add_merchant(bucket=ids.BUCKETS - 1)
        assert instance.directory.merchant(merchant.id) == merchant
        heads = []
        for shard in instance.shards.all:
            heads.append(
                await shard.pool.fetch(
                    "select bucket, open, seq from heads where merchant_id = $1",
                    ids.to_hex(merchant.id),
                )
            )
        assert [list(map(tuple, found)) for found in heads] == [[], [(4095, True, 0)]]
        told = await instance.shards.all[0].pool.fetchrow(
            "select * from journal order by seq desc limit 1"
        )
        house = ids.to_hex(instance.directory.house_id)
        assert (told["merchant_id"].hex, told["object_id"].hex) == (house, ids.to_hex(merchant.id))
        assert (told["type"], told["actor"]) == ("merchant.created", "key_test")
        assert told["request_id"] == "req_test"
        assert json.loads(told["data"])["name"] == "Shop"


async def test_a_repeat_is_the_same_object_and_writes_no_line(
    one: Instance, look: asyncpg.Connection
) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    account = await one.add_account(merchant.id)
    before = await journal(look)
    xmin = await look.fetchval("select xmin::text from directory_state")
    heads = await look.fetchval("select count(*) from heads")

    assert await one.add_merchant() == merchant
    assert await one.add_key(merchant.id) == key
    assert await one.add_account(merchant.id) == account
    assert await journal(look) == before
    assert await look.fetchval("select count(*) from heads") == heads
    # A repeated answer has waited for replication: it wrote the locked row.
    assert await look.fetchval("select xmin::text from directory_state") != xmin
    await check_sequence(look)


async def test_a_repeat_shows_the_object_as_it_is_now(one: Instance) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    await one.register.set_merchant_status(merchant.id, "suspended", version=None, act=one.act)
    await one.register.revoke_key(key.id, one.act)
    assert (await one.add_merchant()).status == "suspended"
    assert (await one.add_key(merchant.id)).status == "revoked"


async def test_a_number_with_other_content_is_refused(
    one: Instance, look: asyncpg.Connection
) -> None:
    merchant = await one.add_merchant("A")
    await one.add_key(merchant.id, "K")
    account = await one.add_account(merchant.id, "C")
    other = one.numbered("A", b"other")
    await refused(
        one.register.add_merchant(merchant, other, one.act),
        "merchant_ref_conflict",
        "/merchant_ref",
    )
    key = one.key(merchant.id, "K")
    await refused(one.register.add_key(key, other, one.act), "key_ref_conflict", "/key_ref")
    await refused(
        one.register.add_account(account, other, one.act), "account_ref_conflict", "/account_ref"
    )
    await check_sequence(look)


async def test_numbers_of_keys_belong_to_their_merchant(one: Instance) -> None:
    first, second = await one.add_merchant("A"), await one.add_merchant("B")
    keys = [await one.add_key(merchant.id, "K") for merchant in (first, second)]
    assert [key.merchant_id for key in keys] == [first.id, second.id]


async def test_concurrent_creates_of_one_number_make_one(
    one: Instance, installation, look: asyncpg.Connection
) -> None:
    async with instance_of(installation.dsns, installation.vault) as other:
        made = await asyncio.gather(
            *(instance.add_merchant("A") for instance in (one, other) for _ in range(10))
        )
        assert len({merchant.id for merchant in made}) == 1
        merchant = made[0]
        wanted = [one.key(merchant.id, f"K{number}") for number in range(8)]
        results = await asyncio.gather(
            *(
                instance.register.add_key(key, instance.numbered(key.ref), instance.act)
                for key in wanted
                for instance in (one, other)
            ),
            return_exceptions=True,
        )
        added = {result[0].id for result in results if not isinstance(result, BaseException)}
        refusals = {result.code for result in results if isinstance(result, TillgateError)}
        assert len(added) == 2
        assert refusals == {"too_many_keys"}
        assert sum(result[1] for result in results if not isinstance(result, BaseException)) == 2
    await check_sequence(look)


async def test_two_active_keys_of_an_algorithm(one: Instance) -> None:
    merchant = await one.add_merchant()
    first = await one.add_key(merchant.id, "K1")
    await one.add_key(merchant.id, "K2")
    await refused(one.add_key(merchant.id, "K3"), "too_many_keys")
    await one.add_key(merchant.id, "E1", algorithm="ed25519", secret=b"e" * 32)
    await one.register.revoke_key(first.id, one.act)
    await one.add_key(merchant.id, "K3")
    assert [key.ref for key in await one.register.keys_of(merchant.id)] == ["K3", "E1", "K2", "K1"]
    assert await one.register.has_key(merchant.id, "K3")
    assert not await one.register.has_key(merchant.id, "K4")


async def test_a_public_key_is_registered_once_for_ever(one: Instance) -> None:
    first, second = await one.add_merchant("A"), await one.add_merchant("B")
    public = {"algorithm": "ed25519", "secret": b"e" * 32}
    key = await one.add_key(first.id, "K", **public)
    await refused(one.add_key(second.id, "K", **public), "key_exists", "/public_key")
    await refused(one.add_key(first.id, "K2", **public), "key_exists", "/public_key")
    await one.register.revoke_key(key.id, one.act)
    await refused(one.add_key(second.id, "K", **public), "key_exists", "/public_key")
    # The same bytes as a secret are no public key.
    await one.add_key(second.id, "H", secret=b"e" * 32)


async def test_keys_come_back_as_they_were(one: Instance) -> None:
    merchant = await one.add_merchant()
    wanted = one.key(
        merchant.id, "K", expires_at=clock.business() + timedelta(days=1), scopes=frozenset({"a"})
    )
    added = await one.register.add_key(wanted, one.numbered("K"), one.act)
    assert added == (wanted, True)
    assert await one.register.key(wanted.id) == wanted
    account = await one.add_account(merchant.id)
    assert await one.register.account(account.id) == account
    assert await one.register.accounts_of(merchant.id) == [account]


async def test_nothing_secret_is_stored_open(one: Instance, look: asyncpg.Connection) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id, secret=b"canary-canary-canary-canary-1234")
    await one.add_account(merchant.id)
    for table in ("merchants", "keys", "channel_accounts", "journal", "heads"):
        text = "".join(map(repr, await look.fetch(f"select * from {table}")))
        assert "canary" not in text
    assert "canary" not in repr(key)


async def test_status(one: Instance, look: asyncpg.Connection) -> None:
    merchant = await one.add_merchant()
    set_status = one.register.set_merchant_status
    after = await set_status(merchant.id, "suspended", version=1, act=one.act)
    assert (after.status, after.version) == ("suspended", 2)
    # The same again is no change, whatever version it was asked for.
    assert await set_status(merchant.id, "suspended", version=1, act=one.act) == after
    await refused(
        set_status(merchant.id, "active", version=1, act=one.act), "stale_version", "/version"
    )
    back = await set_status(merchant.id, "active", version=2, act=one.act)
    assert (back.status, back.version) == ("active", 3)
    house = one.directory.house_id
    await refused(set_status(house, "suspended", version=None, act=one.act), "invalid_state")
    types = [line[1] for line in await journal(look)]
    assert types == ["merchant.created"] * 2 + ["merchant.updated"] * 2
    await check_sequence(look)


async def test_revoking_twice_is_revoking_once(one: Instance, look: asyncpg.Connection) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    after = await one.register.revoke_key(key.id, one.act)
    assert (after.status, after.version) == ("revoked", 2)
    assert await one.register.revoke_key(key.id, one.act) == after
    assert one.directory.key(key.id) == after
    await check_sequence(look)


async def test_what_is_absent_is_not_found(one: Instance) -> None:
    stranger = make.in_bucket("mch", 7)
    for work in (
        one.register.set_merchant_status(stranger, "active", version=None, act=one.act),
        one.add_key(stranger),
        one.add_account(stranger),
        one.register.revoke_key(make.in_bucket("key", 7), one.act),
    ):
        await refused(work, "not_found")
    assert await one.register.merchant(stranger) is None
    assert await one.register.merchant_of_ref("A") is None
    assert await one.register.key(make.in_bucket("key", 7)) is None
    assert await one.register.account(make.in_bucket("cac", 7)) is None


async def test_pages_of_merchants(one: Instance) -> None:
    made = [await one.add_merchant(f"M{number}") for number in range(5)]
    house = await one.register.house()
    newest = [*sorted(made, key=lambda m: m.id, reverse=True)]
    first = await one.register.merchants(before=None, limit=3)
    second = await one.register.merchants(before=first[-1].id, limit=10)
    found = [*first, *second]
    assert [m.id for m in found if not m.house] == [m.id for m in newest]
    assert house in found
    assert len(first) == 3
    assert await one.register.merchant_of_ref("M2") == made[2]


async def test_one_merchant_is_the_sandboxs(one: Instance) -> None:
    assert await one.register.sandbox() is None
    merchant = await one.add_merchant("S", sandbox=True)
    assert await one.register.sandbox() == merchant
    with pytest.raises(asyncpg.UniqueViolationError):
        await one.add_merchant("S2", sandbox=True)


@pytest.mark.parametrize("when", ["before_commit_arrives", "after_commit_arrived"])
async def test_a_lost_commit_is_unknown_and_repeating_is_safe(
    installation, look: asyncpg.Connection, when: str
) -> None:
    async with (
        PostgresProxy(installation.dsns[0]) as proxy,
        instance_of(
            installation.dsns, installation.vault, follows=False, directory_dsn=proxy.dsn
        ) as instance,
    ):
        proxy.cut_at_commit(when)
        await refused(instance.add_merchant("A"), "outcome_unknown")
        assert proxy.cuts == 1
        merchant = await instance.add_merchant("A")
        assert await instance.add_merchant("A") == merchant
    assert await look.fetchval("select count(*) from merchants where not house") == 1
    await check_sequence(look)


async def is_held(look: asyncpg.Connection) -> bool:
    """Whether a change waits for its COMMIT."""
    held = "select count(*) from pg_stat_activity where state = 'idle in transaction'"
    return await look.fetchval(f"{held} and datname = current_database()") > 0


async def test_a_change_goes_on_when_its_caller_has_gone(
    installation, look: asyncpg.Connection
) -> None:
    async with (
        PostgresProxy(installation.dsns[0]) as proxy,
        instance_of(
            installation.dsns, installation.vault, follows=False, directory_dsn=proxy.dsn
        ) as instance,
    ):
        proxy.hold_at_commit()
        caller = asyncio.ensure_future(instance.add_merchant("A"))
        await until(lambda: is_held(look))
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        proxy.release()
        await instance.register.close()
        assert await look.fetchval("select count(*) from merchants where not house") == 1
    await check_sequence(look)


async def test_an_unforeseen_error_leaves_nothing(one: Instance, look: asyncpg.Connection) -> None:
    merchant = await one.add_merchant()
    before = await journal(look)
    broken = replace(one.key(merchant.id, "K"), algorithm="rot13")
    with pytest.raises(asyncpg.CheckViolationError):
        await one.register.add_key(broken, one.numbered("K"), one.act)
    assert await journal(look) == before
    await one.add_key(merchant.id, "K")
    await check_sequence(look)


async def test_a_closed_house_writes_nothing(one: Instance, look: asyncpg.Connection) -> None:
    await look.execute("update heads set open = false")
    stranger = Merchant(
        id=make.in_bucket("mch", 7), ref="A", name="Shop", created_at=clock.business()
    )
    await refused(
        one.register.add_merchant(stranger, one.numbered("A"), one.act), "shard_unavailable"
    )
    assert await look.fetchval("select count(*) from merchants where not house") == 0
