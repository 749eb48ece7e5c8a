"""An installation begins: its identity, keys, first shard map, lease rows, and the house.

Law: made once, taken as it is ever after. Everything here is idempotent, so that an interrupted
start is taken up by the next one. The keys are sealed by the vault: a start with another vault is
refused before anything could be sealed that nobody can open.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg

from gateway.adapters.postgres.directory_change import SQL as DIRECTORY_SQL
from gateway.adapters.postgres.directory_change import tell
from gateway.adapters.postgres.migration_steps import MigrationRefused, take_turn
from gateway.adapters.postgres.register import insert_merchant
from gateway.adapters.postgres.roles import READER_PREFIX, ReaderLogin, new_reader_password
from gateway.adapters.postgres.statements import load
from gateway.center.ports import Clock, NewIds, Vault
from gateway.domain import ids as domain_ids
from gateway.domain.errors import SecretUnreadable
from gateway.domain.idempotency import Numbered
from gateway.domain.merchant import HOUSE_NAME, Merchant
from gateway.domain.registration import UNNAMED, Act, merchant_line

SQL = load(__file__.replace("installation", "migrate"))

KEY_BYTES = 32
RANDOM_PURPOSES = ("fingerprint", "cursor", "checkout")
READER_PURPOSE = "reader_password"
LEASED_WORK = ("relay", "deliver", "chase", "expire", "tidy")
LEASE_BUCKETS = 256
ACTOR = "migrate"


class Installation(NamedTuple):
    """What an installation is known by."""

    id: UUID
    house_id: str
    directory_version: int
    reader: ReaderLogin


async def open_installation(
    connection: asyncpg.Connection,
    *,
    shards: int,
    vault: Vault,
    mode: str,
    clock: Clock,
    ids: NewIds,
) -> Installation:
    """Make the installation in the directory's database, or find it as it is.

    Raises `MigrationRefused` for another vault, another mode, or too few shards.
    """
    async with connection.transaction():
        await take_turn(connection)
        state = await connection.fetchrow(SQL["state"].text)
        if state is None:
            await connection.execute(SQL["make_state"].text, uuid4(), mode, clock.business())
            state = await connection.fetchrow(SQL["state"].text)
        if state["mode"] != mode:
            raise MigrationRefused(
                f"This installation is for the mode {state['mode']}, not {mode}; use databases of "
                "their own for each."
            )
        password = await _keep_keys(connection, vault, clock)
        await _keep_shard_map(connection, shards)
        await keep_shard(connection, state["installation_id"], 0)
        house_id = await _keep_house(connection, vault, clock, ids)
        version = (await connection.fetchrow(SQL["state"].text))["version"]
    user = READER_PREFIX + state["installation_id"].hex[:8]
    return Installation(state["installation_id"], house_id, version, ReaderLogin(user, password))


async def keep_shard(connection: asyncpg.Connection, installation_id: UUID, number: int) -> None:
    """Say whose shard this is and which, and make its lease rows.

    Raises `MigrationRefused` if it is another one.
    """
    await connection.execute(SQL["set_identity"].text, installation_id, number)
    found = await connection.fetchrow(SQL["identity"].text)
    if (found["installation_id"], found["shard"]) != (installation_id, number):
        raise MigrationRefused(
            f"The database for shard {number} is shard {found['shard']} already: name every "
            "database once, in the order in which they were first given."
        )
    starts = range(0, domain_ids.BUCKETS, LEASE_BUCKETS)
    rows = [(work, start) for work in LEASED_WORK for start in starts]
    await connection.execute(
        SQL["seed_leases"].text,
        [work for work, _ in rows],
        [start for _, start in rows],
        [start + LEASE_BUCKETS - 1 for _, start in rows],
    )


def first_map(shards: int) -> list[tuple[int, int, int]]:
    """All buckets, evenly: (first bucket, last bucket, shard)."""
    edges = [number * domain_ids.BUCKETS // shards for number in range(shards + 1)]
    return [(edges[n], edges[n + 1] - 1, n) for n in range(shards)]


async def _keep_keys(connection: asyncpg.Connection, vault: Vault, clock: Clock) -> str:
    """Make the keys that are missing, open those that are not; the reader's password."""
    password = ""
    present: set[str] = set()
    try:
        for record in await connection.fetch(SQL["installation_keys"].text):
            opened = vault.open_root(record["purpose"], record["number"], record["sealed"])
            present.add(record["purpose"])
            if record["purpose"] == READER_PURPOSE:
                password = opened.decode("ascii")
    except SecretUnreadable:
        raise MigrationRefused(
            "The key-encryption key is not the one that this installation was made with. Without "
            "it nothing that is sealed can be read: give the right one."
        ) from None
    made = {purpose: os.urandom(KEY_BYTES) for purpose in RANDOM_PURPOSES}
    if not password:
        password = new_reader_password()
        made[READER_PURPOSE] = password.encode("ascii")
    for purpose, key in made.items():
        if purpose not in present:
            await connection.execute(
                SQL["add_installation_key"].text,
                purpose,
                1,
                vault.seal_root(purpose, 1, key),
                clock.business(),
            )
    return password


async def _keep_shard_map(connection: asyncpg.Connection, shards: int) -> None:
    ranges: Sequence[tuple[int, int, int]] = [
        tuple(record) for record in await connection.fetch(SQL["shard_map"].text)
    ]
    if not ranges:
        ranges = first_map(shards)
        await connection.execute(
            SQL["add_shard_map"].text,
            [first for first, _, _ in ranges],
            [last for _, last, _ in ranges],
            [number for _, _, number in ranges],
        )
    needed = max(number for _, _, number in ranges) + 1
    if shards < needed:
        raise MigrationRefused(
            f"The installation has {needed} shards, {shards} databases were named: name all."
        )


async def _keep_house(
    connection: asyncpg.Connection, vault: Vault, clock: Clock, ids: NewIds
) -> str:
    """The house's id; made with its head and its first journal row if there is none."""
    found = await connection.fetchval(DIRECTORY_SQL["house"].text)
    if found is not None:
        return domain_ids.from_uuid("mch", found)
    ranges = await connection.fetch(SQL["shard_map"].text)
    bucket = next(each["bucket_from"] for each in ranges if each["shard"] == 0)
    house = Merchant(
        id=ids.in_bucket("mch", bucket),
        ref=f"{UNNAMED}house",
        name=HOUSE_NAME,
        house=True,
        created_at=clock.business(),
    )
    version = await connection.fetchval(DIRECTORY_SQL["lock"].text) + 1
    await connection.execute(DIRECTORY_SQL["make_head"].text, domain_ids.to_hex(house.id), bucket)
    await insert_merchant(
        connection,
        house,
        vault.new_data_key(house.id),
        Numbered(house.ref, b"", b"", 0),
        directory_version=version,
    )
    await connection.execute(DIRECTORY_SQL["count"].text, version)
    act = Act(ACTOR, house.created_at, None)
    await tell(connection, house.id, act, [merchant_line(house, "created")])
    return house.id
