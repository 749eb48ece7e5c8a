"""Persons: sealed under a key for each payer, gone when that key is gone."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.adapters.postgres import persons as module
from gateway.adapters.postgres.persons import PostgresPersons
from gateway.domain import ids
from gateway.domain.change import Change, Writes
from gateway.domain.errors import SecretUnreadable
from gateway.domain.merchant import Merchant
from gateway.domain.person import PayerKey, payer_of
from tests.adapters.postgres.parties import Instance, clock, instance_of

FIELDS = {"name": "李雷", "email": "canary@example.org"}


class World:
    """A merchant with persons, and a clock for how long keys are kept."""

    def __init__(self, instance: Instance, merchant: Merchant) -> None:
        self.instance = instance
        self.merchant = merchant
        self.seconds = 0.0
        self.persons = PostgresPersons(instance.shards, instance.secrets, time=lambda: self.seconds)

    async def store(self, customer: str, fields: dict[str, str] = FIELDS) -> bytes:
        """Seal the fields of a new customer and store its key as a payment does."""
        payer = payer_of(customer, "")
        sealed_key = self.persons.new_key(self.merchant.id, payer)
        key = PayerKey(
            merchant_id=self.merchant.id,
            payer=payer,
            sealed=sealed_key,
            created_at=clock.business(),
        )
        await self.instance.shards.submit(
            Change(
                merchant_id=self.merchant.id,
                actor="test",
                at=clock.business(),
                request_id=None,
                decide=lambda rows: Writes(rows=(key,)),
                needs=(key.place,),
            )
        )
        return self.persons.seal(self.merchant.id, payer, sealed_key, fields)


@pytest.fixture
async def world(installation) -> AsyncIterator[World]:
    async with instance_of(installation.dsns, installation.vault, follows=False) as instance:
        yield World(instance, await instance.add_merchant())


@pytest.fixture
async def look(installation) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(installation.dsns[0])
    yield connection
    await connection.close()


async def test_fields_come_back(world: World) -> None:
    first, second = await world.store("c1"), await world.store("c2", {"id": "c2"})
    opened = await world.persons.open(world.merchant.id, [first, second, first])
    assert opened == {first: FIELDS, second: {"id": "c2"}}
    assert b"canary" not in first
    assert await world.persons.open(world.merchant.id, []) == {}


async def test_an_erased_payer_reads_null_within_a_second(
    world: World, look: asyncpg.Connection
) -> None:
    kept, erased = await world.store("c1"), await world.store("c2")
    assert await world.persons.open(world.merchant.id, [kept, erased]) == {
        kept: FIELDS,
        erased: FIELDS,
    }
    await look.execute("delete from payer_keys where payer = $1", erased[:16])
    world.seconds += module.KEY_KEPT_S_MAX
    assert await world.persons.open(world.merchant.id, [kept, erased]) == {
        kept: FIELDS,
        erased: None,
    }


async def test_keys_are_read_once_a_second(world: World, look: asyncpg.Connection) -> None:
    sealed = await world.store("c1")
    await world.persons.open(world.merchant.id, [sealed])
    await look.execute("delete from payer_keys")
    world.seconds += module.KEY_KEPT_S_MAX / 2
    assert await world.persons.open(world.merchant.id, [sealed]) == {sealed: FIELDS}


async def test_what_was_swapped_or_changed_is_unreadable(
    world: World, look: asyncpg.Connection
) -> None:
    first, second = await world.store("c1"), await world.store("c2")
    swapped = first[:16] + second[16:]
    changed = first[:-1] + bytes([first[-1] ^ 1])
    for sealed in (swapped, changed):
        with pytest.raises(SecretUnreadable):
            await world.persons.open(world.merchant.id, [sealed])
    # Another payer's key in this payer's row.
    await look.execute(
        "update payer_keys set sealed = (select sealed from payer_keys where payer = $2)"
        " where payer = $1",
        first[:16],
        second[:16],
    )
    world.seconds += module.KEY_KEPT_S_MAX
    with pytest.raises(SecretUnreadable):
        await world.persons.open(world.merchant.id, [first])


async def test_another_merchant_opens_nothing(world: World) -> None:
    sealed = await world.store("c1")
    stranger = await world.instance.add_merchant("B", bucket=ids.bucket_of(world.merchant.id))
    assert await world.persons.open(stranger.id, [sealed]) == {sealed: None}


async def test_kept_keys_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_KEPT_MAX", 2)
    monkeypatch.setattr(module, "READ_KEYS_MAX", 2)
    sealed = [await world.store(f"c{number}") for number in range(5)]
    opened = await world.persons.open(world.merchant.id, sealed)
    assert all(opened[each] == FIELDS for each in sealed)
    assert len(world.persons._kept) <= 2
