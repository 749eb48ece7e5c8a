"""The directory in memory: what it holds is true, and what changes elsewhere arrives."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.adapters.postgres import allowance, directory_memory
from gateway.adapters.postgres import directory as module
from gateway.adapters.postgres.allowance import Allowance
from gateway.adapters.postgres.directory_memory import DirectoryMemory
from gateway.adapters.postgres.directory_versions import OwnVersions
from gateway.adapters.system.vault import Vault
from gateway.domain import ids
from gateway.domain.errors import SecretUnreadable, TillgateError
from tests.adapters.postgres.parties import Instance, instance_of, make, until


@pytest.fixture
async def one(installation) -> AsyncIterator[Instance]:
    """An instance that takes changes over only when told to."""
    async with instance_of(installation.dsns, installation.vault, follows=False) as made:
        yield made


@pytest.fixture
async def other(installation) -> AsyncIterator[Instance]:
    """A second instance of the same installation."""
    async with instance_of(installation.dsns, installation.vault, follows=False) as made:
        yield made


class Counted:
    """Counts the directory's questions by statement."""

    def __init__(self, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        real = instance.directory.fetch

        async def fetch(name: str, *arguments: object) -> list:
            self.names.append(name)
            return await real(name, *arguments)

        monkeypatch.setattr(instance.directory, "fetch", fetch)


async def test_it_knows_the_house_and_the_keys_of_the_installation(one: Instance) -> None:
    directory = one.directory
    house = directory.merchant(directory.house_id)
    assert house is not None
    assert house.house
    assert directory.mode == "sandbox"
    for keys in (directory.cursor_keys, directory.checkout_keys):
        assert [len(key) for key in keys.values()] == [32]
    assert directory.cursor_keys != directory.checkout_keys


async def test_what_is_not_held_is_looked_up_once(
    one: Instance, other: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    account = await one.add_account(merchant.id)
    directory = other.directory
    asked = Counted(other, monkeypatch)
    assert directory.key(key.id) is None
    found = await asyncio.gather(*(directory.find_key(key.id) for _ in range(50)))
    assert found == [key] * 50
    assert asked.names == ["find_key"]
    assert directory.key(key.id) == key

    assert await directory.find_merchant(merchant.id) == merchant
    assert await directory.find_accounts_of(merchant.id) == (account,)
    assert await directory.find_account(account.id) == account
    asked.names.clear()
    assert await directory.find_key(key.id) == key
    assert await directory.find_merchant(merchant.id) == merchant
    assert await directory.find_accounts_of(merchant.id) == (account,)
    assert await directory.find_account(account.id) == account
    assert asked.names == []


async def test_a_callbacks_account_brings_its_merchant(one: Instance, other: Instance) -> None:
    merchant = await one.add_merchant()
    account = await one.add_account(merchant.id)
    assert await other.directory.find_account(account.id) == account
    assert other.directory.merchant(merchant.id) == merchant
    assert other.directory.data_key(merchant.id) == one.directory.data_key(merchant.id)


async def test_a_revocation_arrives_by_itself(installation, one: Instance) -> None:
    async with instance_of(installation.dsns, installation.vault) as follower:
        merchant = await one.add_merchant()
        key = await one.add_key(merchant.id)
        assert (await follower.directory.find_key(key.id)).status == "active"
        await one.register.revoke_key(key.id, one.act)

        async def is_revoked() -> bool:
            return follower.directory.key(key.id).status == "revoked"

        async def is_suspended() -> bool:
            return follower.directory.merchant(merchant.id).status == "suspended"

        async def has_account() -> bool:
            return later in await follower.directory.find_accounts_of(merchant.id)

        await until(is_revoked)
        await one.register.set_merchant_status(merchant.id, "suspended", version=None, act=one.act)
        await until(is_suspended)
        assert await follower.directory.find_accounts_of(merchant.id) == ()
        later = await one.add_account(merchant.id)
        await until(has_account)


async def test_new_accounts_are_in_the_merchants_list(one: Instance, other: Instance) -> None:
    merchant = await one.add_merchant()
    assert await other.directory.find_accounts_of(merchant.id) == ()
    account = await one.add_account(merchant.id)
    assert await other.directory.find_accounts_of(merchant.id) == ()
    await other.directory.refresh()
    assert await other.directory.find_accounts_of(merchant.id) == (account,)


async def test_a_look_up_that_was_overtaken_is_made_again(
    one: Instance, other: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read, then revoked and followed elsewhere, then stored: the revocation must not be lost."""
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    directory = other.directory
    await directory.refresh()
    directory._memory.forget_key(key.id)
    real = directory.fetch
    overtaken = []

    async def slow(name: str, *arguments: object) -> list:
        records = await real(name, *arguments)
        if name == "find_key" and not overtaken:
            overtaken.append(records[0]["status"])
            await one.register.revoke_key(key.id, one.act)
            monkeypatch.setattr(directory, "fetch", real)
            await directory.refresh()
            directory._memory.forget_key(key.id)
        return records

    monkeypatch.setattr(directory, "fetch", slow)
    found = await directory.find_key(key.id)
    assert overtaken == ["active"]
    assert found.status == "revoked"
    assert directory.key(key.id).status == "revoked"


async def test_what_does_not_exist_is_believed_for_a_round(
    one: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Counted(one, monkeypatch)
    stranger = make.in_bucket("key", 7)
    for _ in range(5):
        assert await one.directory.find_key(stranger) is None
    assert asked.names == ["find_key"]
    await one.directory.refresh()
    asked.names.clear()
    assert await one.directory.find_key(stranger) is None
    assert asked.names == ["find_key"]


async def test_a_key_that_was_unknown_is_known_after_a_round(
    one: Instance, other: Instance
) -> None:
    merchant = await one.add_merchant()
    key = one.key(merchant.id)
    assert await other.directory.find_key(key.id) is None
    await one.register.add_key(key, one.numbered("K"), one.act)
    await other.directory.refresh()
    assert await other.directory.find_key(key.id) == key


async def test_strangers_are_looked_up_twenty_times_a_second(
    one: Instance, other: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    seconds = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(allowance, "monotonic", lambda: seconds[0])
    other.directory._confirmed_at = seconds[0]
    other.directory._strangers = Allowance(module.LOOKUPS_PER_S_MAX)
    other.directory._callers = Allowance(module.LOOKUPS_PER_S_MAX)
    asked = Counted(other, monkeypatch)
    for _ in range(100):
        assert await other.directory.find_key(make.in_bucket("key", 7)) is None
    assert len(asked.names) == module.LOOKUPS_PER_S_MAX
    assert await other.directory.find_key(key.id) is None  # this second is used up
    seconds[0] += 0.5
    assert await other.directory.find_key(key.id) == key
    for _ in range(100):
        assert await other.directory.find_key(make.in_bucket("key", 7)) is None
    assert len(asked.names) == module.LOOKUPS_PER_S_MAX * 1.5
    # Whom it knows it knows for nothing, and channels have an allowance of their own.
    assert await other.directory.find_key(key.id) == key
    account = await one.add_account(merchant.id)
    assert await other.directory.find_account(account.id) == account
    for _ in range(module.LOOKUPS_PER_S_MAX - 1):
        assert await other.directory.find_account(make.in_bucket("cac", 7)) is None
    # A channel must hear "later" then, never that there is no such account.
    with pytest.raises(TillgateError) as refused:
        await other.directory.find_account(make.in_bucket("cac", 7))
    assert refused.value.code == "overloaded"


async def test_while_it_is_away_its_readers_go_on_and_say_so(
    installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: seconds[0])
    async with instance_of(installation.dsns, installation.vault, follows=False) as instance:
        directory = instance.directory
        merchant = await instance.add_merchant()
        key = await instance.add_key(merchant.id)
        assert directory.away_for_s == 0
        await let_in(installation, False)
        with pytest.raises(TillgateError, match="directory"):
            await directory.refresh()
        seconds[0] += 60
        assert directory.away_for_s == 60
        assert directory.key(key.id) == key
        assert directory.merchant(merchant.id) == merchant
        # Nobody can say whether a stranger's key exists: that is no 401.
        with pytest.raises(TillgateError) as caught:
            await directory.find_key(make.in_bucket("key", 7))
        assert caught.value.code == "shard_unavailable"

        seconds[0] += module.DIRECTORY_STALE_MAX_S
        for look in (lambda: directory.key(key.id), lambda: directory.merchant(merchant.id)):
            with pytest.raises(TillgateError) as caught:
                look()
            assert caught.value.code == "shard_unavailable"

        await let_in(installation, True)
        await directory.refresh()
        assert directory.away_for_s == 0
        assert directory.key(key.id) == key


# What one instance tells another


@pytest.fixture
async def pair(installation) -> AsyncIterator[tuple[Instance, Instance]]:
    """Two instances that hear of each other's changes and do not ask by themselves."""
    told, dsns, vault = OwnVersions(), installation.dsns, installation.vault
    async with (
        instance_of(dsns, vault, follows=False, versions=told) as here,
        instance_of(dsns, vault, follows=False, versions=told) as there,
    ):
        yield here, there


async def test_what_was_told_is_taken_over_before_memory_answers(
    pair: tuple[Instance, Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    merchant = await here.add_merchant()
    key, other_key = await here.add_key(merchant.id), await here.add_key(merchant.id, "K2")
    assert await there.directory.find_key(key.id) == key
    asked = Counted(there, monkeypatch)
    assert there.directory.key(key.id) == key
    await here.register.revoke_key(key.id, here.act)
    # Whoever changed it has it already; nobody answers from what was before.
    revoked = here.directory.key(key.id)
    assert revoked is not None and revoked.status == "revoked"
    assert there.directory.key(key.id) is None
    assert there.directory.key(other_key.id) is None
    found = await asyncio.gather(*(there.directory.find_key(key.id) for _ in range(20)))
    assert found == [revoked] * 20
    assert asked.names.count("state") == 1 and "find_key" not in asked.names
    assert there.directory.key(key.id) == revoked
    # What hangs on a merchant is as new.
    account = await here.add_account(merchant.id)
    assert await there.directory.find_accounts_of(merchant.id) == (account,)
    assert await there.directory.find_account(account.id) == account


async def test_an_absent_one_is_found_once_its_making_was_told(
    pair: tuple[Instance, Instance],
) -> None:
    here, there = pair
    merchant = await here.add_merchant()
    key = here.key(merchant.id)
    assert await there.directory.find_key(key.id) is None
    await here.register.add_key(key, here.numbered("K"), here.act)
    assert await there.directory.find_key(key.id) == key


async def test_a_version_that_is_not_there_costs_one_question(
    pair: tuple[Instance, Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    merchant = await here.add_merchant()
    key = await here.add_key(merchant.id)
    assert await there.directory.find_key(key.id) == key
    asked = Counted(there, monkeypatch)
    there.directory.tell(10_000)
    assert there.directory.key(key.id) is None
    assert await there.directory.find_key(key.id) == key
    assert asked.names == ["state"]
    assert there.directory.key(key.id) == key
    assert await there.directory.find_key(key.id) == key
    assert asked.names == ["state"]


async def test_a_repeat_that_changes_nothing_tells_nothing(
    pair: tuple[Instance, Instance],
) -> None:
    here, there = pair
    merchant = await here.add_merchant()
    key = await here.add_key(merchant.id)
    assert await there.directory.find_key(key.id) == key
    told: list[int] = []
    here.directory.news = told.append
    same, is_new = await here.register.add_key(key, here.numbered("K"), here.act)
    assert (same, is_new, told) == (key, False, [])
    await here.register.revoke_key(key.id, here.act)
    assert told == [here.directory.version]


async def test_what_was_told_while_the_directory_is_away_stops_nobody(
    installation, pair: tuple[Instance, Instance]
) -> None:
    here, there = pair
    merchant = await here.add_merchant()
    key = await here.add_key(merchant.id)
    assert await there.directory.find_key(key.id) == key
    await let_in(installation, False)
    there.directory.tell(there.directory.version + 1)
    assert await there.directory.find_key(key.id) == key
    assert there.directory.key(key.id) == key
    await let_in(installation, True)
    await here.register.revoke_key(key.id, here.act)
    await there.directory.refresh()
    found = there.directory.key(key.id)
    assert found is not None and found.status == "revoked"


async def test_it_asks_often_enough_by_itself(installation) -> None:
    """Two that hear nothing of each other: the follower brings it."""
    async with (
        instance_of(installation.dsns, installation.vault) as here,
        instance_of(installation.dsns, installation.vault) as there,
    ):
        merchant = await here.add_merchant()
        key = await here.add_key(merchant.id)
        assert await there.directory.find_key(key.id) == key
        await here.register.revoke_key(key.id, here.act)

        async def is_revoked() -> bool:
            found = there.directory.key(key.id)
            return found is not None and found.status == "revoked"

        await until(is_revoked)


async def let_in(installation, is_open: bool) -> None:
    """Open the first database to connections, or end and refuse them."""
    name = installation.names[0]
    admin = await installation.cluster.admin()
    try:
        await admin.execute(f"alter database {name} allow_connections {is_open}")
        if not is_open:
            await admin.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1",
                name,
            )
    finally:
        await admin.close()


async def test_it_takes_over_a_new_shard_map(two_shards) -> None:
    async with instance_of(two_shards.dsns, two_shards.vault, follows=False) as instance:
        low, high = (make.in_bucket("mch", bucket) for bucket in (0, ids.BUCKETS - 1))
        assert instance.shards.of(low).number == 0
        assert instance.shards.of(high).number == 1
        owner = await asyncpg.connect(two_shards.dsns[0])
        try:
            await owner.execute("update shard_map set shard = 1 - shard")
            await owner.execute("update directory_state set version = version + 1")
        finally:
            await owner.close()
        assert instance.shards.of(high).number == 1
        await instance.directory.refresh()
        assert instance.shards.of(low).number == 1
        assert instance.shards.of(high).number == 0


async def test_another_vault_opens_nothing(installation) -> None:
    with pytest.raises(SecretUnreadable):
        async with instance_of(installation.dsns, Vault({1: b"x" * 32})):
            pass


async def test_a_key_with_anothers_material_is_no_key(
    installation, one: Instance, other: Instance
) -> None:
    merchant = await one.add_merchant()
    mine, theirs = await one.add_key(merchant.id, "K1"), await one.add_key(merchant.id, "K2")
    assert await other.directory.find_key(mine.id) == mine
    owner = await asyncpg.connect(installation.dsns[0])
    try:
        await owner.execute(
            "update keys set material = (select material from keys where key_id = $2),"
            " directory_version = 1000 where key_id = $1",
            ids.to_hex(mine.id),
            ids.to_hex(theirs.id),
        )
        await owner.execute("update directory_state set version = 1000")
    finally:
        await owner.close()
    await other.directory.refresh()
    assert other.directory.key(mine.id) is None
    assert await other.directory.find_key(mine.id) is None
    assert await other.directory.find_key(theirs.id) == theirs


async def test_more_changes_than_a_round_reads_make_it_forget(
    one: Instance, other: Instance
) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    assert await other.directory.find_key(key.id) == key
    await one.register.revoke_key(key.id, one.act)
    for number in range(5):
        await one.add_account(merchant.id, f"C{number}")
        await one.add_key((await one.add_merchant(f"M{number}")).id)
    await other.directory.refresh(limit=3)
    assert other.directory.version == one.directory.version
    assert (await other.directory.find_key(key.id)).status == "revoked"
    assert len(await other.directory.find_accounts_of(merchant.id)) == 5


async def test_data_keys_of_strangers_are_not_to_be_had(one: Instance) -> None:
    with pytest.raises(TillgateError) as caught:
        one.directory.data_key(make.in_bucket("mch", 7))
    assert caught.value.code == "shard_unavailable"


async def test_a_look_up_that_is_given_up_disturbs_nobody(one: Instance, other: Instance) -> None:
    merchant = await one.add_merchant()
    key = await one.add_key(merchant.id)
    impatient = asyncio.ensure_future(other.directory.find_key(key.id))
    await asyncio.sleep(0)
    patient = asyncio.ensure_future(other.directory.find_key(key.id))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == key


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_memory, "ABSENT_HELD_MAX", 3)
    memory = DirectoryMemory()
    for number in range(10):
        memory.keep_absent(str(number))
    assert len(memory.absent) == 3
    held: dict[str, int] = {}
    for number in range(10):
        directory_memory._put(held, str(number), number, 4)
    assert list(held) == ["6", "7", "8", "9"]
