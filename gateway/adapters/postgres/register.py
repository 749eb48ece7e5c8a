"""The register: how merchants, keys and channel accounts get into the directory.

Law: every write is one change of the directory (`directory_change.py`) with its journal row. A
create is judged against the row of the same `ref` first: the same content is answered with the
object as it is now, other content is refused. A merchant's head is made in its shard before its row
in the directory, so a merchant that can be found can be written for.
"""

import logging
from collections.abc import Sequence
from typing import Any

import asyncpg

from gateway.adapters.postgres.batch import GuardLost
from gateway.adapters.postgres.commit import shard_unavailable
from gateway.adapters.postgres.directory import PostgresDirectory
from gateway.adapters.postgres.directory_change import NOT_LET_IN, DirectoryChanges
from gateway.adapters.postgres.directory_rows import (
    MerchantRow,
    account_of,
    key_of,
    merchant_of,
    sealed_credentials,
    sealed_material,
)
from gateway.adapters.postgres.shards import Shards
from gateway.adapters.postgres.statements import load
from gateway.center.ports import Vault
from gateway.domain import ids
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.events import Line
from gateway.domain.idempotency import Numbered, check_repeat
from gateway.domain.merchant import ChannelAccount, Key, Merchant
from gateway.domain.registration import (
    Act,
    account_line,
    check_account_room,
    check_key_room,
    key_line,
    merchant_line,
    public_digest,
    revoked,
    with_status,
)

SQL = load(__file__.replace("register", "directory"))

KEYS_LISTED_MAX = 100

log = logging.getLogger("tillgate.directory")


class PostgresRegister:
    """The Register port over the first database."""

    def __init__(self, directory: PostgresDirectory, *, shards: Shards, vault: Vault) -> None:
        self._directory = directory
        self._shards = shards
        self._vault = vault
        self._changes = DirectoryChanges(directory.pool, directory.house_id, tell=directory.tell)

    async def close(self) -> None:
        """Wait for the changes under way."""
        await self._changes.close()

    # --- merchants -----------------------------------------------------------------------------

    async def add_merchant(
        self, merchant: Merchant, numbered: Numbered, act: Act
    ) -> tuple[Merchant, bool]:
        """A new merchant, or the one that this number made before; and whether it is new.

        Raises `merchant_ref_conflict`.
        """
        if not await self._directory.fetch("merchant_of_ref", merchant.ref):
            await self._make_head(merchant.id)
        data_key = self._vault.new_data_key(merchant.id)

        async def work(
            connection: asyncpg.Connection, version: int
        ) -> tuple[tuple[Merchant, bool], Sequence[Line]]:
            made = await connection.fetchrow(SQL["merchant_of_ref"].text, merchant.ref)
            if made is not None:
                self._check_repeat("merchant", numbered, made)
                record = await connection.fetchrow(SQL["find_merchant"].text, made["id"])
                return (merchant_of(record).merchant, False), ()
            await insert_merchant(
                connection, merchant, data_key, numbered, directory_version=version
            )
            return (merchant, True), (merchant_line(merchant, "created"),)

        result = await self._changes.run(act, work)
        await self._take_over()
        return result

    async def _make_head(self, merchant_id: str) -> None:
        try:
            pool = self._shards.of(merchant_id).pool
            await pool.execute(
                SQL["make_head"].text, ids.to_hex(merchant_id), ids.bucket_of(merchant_id)
            )
        except NOT_LET_IN as error:
            raise shard_unavailable() from error

    async def set_merchant_status(
        self, merchant_id: str, status: str, *, version: int | None, act: Act
    ) -> Merchant:
        """Suspend a merchant or make it active; nothing happens if it is so already.

        `version` is the one that the caller has seen, if it matters to it. Raises `not_found`,
        `stale_version`, `invalid_state`.
        """

        async def work(
            connection: asyncpg.Connection, directory_version: int
        ) -> tuple[Merchant, Sequence[Line]]:
            before = await self._merchant(connection, merchant_id)
            after = with_status(before.merchant, status)
            if after is before.merchant:
                return after, ()
            if version is not None and version != before.merchant.version:
                raise TillgateError(
                    "stale_version",
                    f"The merchant is at version {before.merchant.version} now.",
                    param="/version",
                )
            await _guarded(
                connection,
                "set_merchant_status",
                after.status,
                after.version,
                directory_version,
                ids.to_hex(after.id),
            )
            return after, (merchant_line(after, "updated"),)

        result = await self._changes.run(act, work)
        await self._take_over()
        return result

    # --- keys ----------------------------------------------------------------------------------

    async def add_key(self, key: Key, numbered: Numbered, act: Act) -> tuple[Key, bool]:
        """A new key, or the one that this number made before; and whether it is new.

        Raises `not_found`, `key_ref_conflict`, `too_many_keys`, `key_exists`.
        """

        async def work(
            connection: asyncpg.Connection, version: int
        ) -> tuple[tuple[Key, bool], Sequence[Line]]:
            row = await self._merchant(connection, key.merchant_id)
            merchant_id = ids.to_hex(key.merchant_id)
            made = await connection.fetchrow(SQL["key_of_ref"].text, merchant_id, key.ref)
            if made is not None:
                self._check_repeat("key", numbered, made)
                record = await connection.fetchrow(SQL["find_key"].text, made["id"])
                return (key_of(self._vault, record), False), ()
            active = await connection.fetchval(
                SQL["count_active_keys"].text, merchant_id, key.algorithm
            )
            check_key_room(key, active)
            digest = public_digest(key)
            if digest is not None and await connection.fetchval(SQL["key_of_digest"].text, digest):
                raise TillgateError(
                    "key_exists", "This public key is registered already.", param="/public_key"
                )
            await connection.execute(
                SQL["add_key"].text,
                ids.to_hex(key.id),
                merchant_id,
                key.ref,
                numbered.fingerprint,
                numbered.fingerprint_key,
                key.algorithm,
                sealed_material(self._vault, row.data_key, key),
                digest,
                sorted(key.scopes),
                [str(network) for network in key.ip_allow],
                key.status,
                key.expires_at,
                key.created_at,
                key.version,
                version,
            )
            return (key, True), (key_line(key, "created"),)

        result = await self._changes.run(act, work)
        await self._take_over()
        return result

    async def revoke_key(self, key_id: str, act: Act) -> Key:
        """Take a key's power, for good; nothing happens if it is so already. Raises `not_found`."""

        async def work(connection: asyncpg.Connection, version: int) -> tuple[Key, Sequence[Line]]:
            record = await connection.fetchrow(SQL["find_key"].text, ids.to_hex(key_id))
            if record["key_id"] is None:
                raise not_found()
            before = key_of(self._vault, record)
            after = revoked(before)
            if after is before:
                return after, ()
            await _guarded(
                connection,
                "set_key_status",
                after.status,
                after.version,
                version,
                ids.to_hex(after.id),
            )
            return after, (key_line(after, "revoked"),)

        result = await self._changes.run(act, work)
        await self._take_over()
        return result

    # --- channel accounts ----------------------------------------------------------------------

    async def add_account(
        self, account: ChannelAccount, numbered: Numbered, act: Act
    ) -> tuple[ChannelAccount, bool]:
        """A new channel account, or the one that this number made before; and whether it is new.

        Raises `not_found`, `account_ref_conflict`, `limit_exceeded`.
        """

        async def work(
            connection: asyncpg.Connection, version: int
        ) -> tuple[tuple[ChannelAccount, bool], Sequence[Line]]:
            row = await self._merchant(connection, account.merchant_id)
            merchant_id = ids.to_hex(account.merchant_id)
            made = await connection.fetchrow(SQL["account_of_ref"].text, merchant_id, account.ref)
            if made is not None:
                self._check_repeat("channel_account", numbered, made)
                record = await connection.fetchrow(SQL["find_account"].text, made["id"])
                return (account_of(self._vault, record), False), ()
            records = await connection.fetch(SQL["list_accounts"].text, merchant_id)
            check_account_room(len(records))
            await connection.execute(
                SQL["add_account"].text,
                ids.to_hex(account.id),
                merchant_id,
                account.ref,
                numbered.fingerprint,
                numbered.fingerprint_key,
                account.channel,
                list(account.methods),
                sealed_credentials(self._vault, row.data_key, account),
                account.weight,
                account.priority,
                account.status,
                account.created_at,
                account.version,
                version,
            )
            return (account, True), (account_line(account, "created"),)

        result = await self._changes.run(act, work)
        await self._take_over()
        return result

    # --- reading, for administration -----------------------------------------------------------

    async def house(self) -> Merchant:
        """The merchant that owns the installation."""
        found = await self._directory.find_merchant(self._directory.house_id)
        if found is None:
            raise shard_unavailable()
        return found

    async def sandbox(self) -> Merchant | None:
        """The merchant that a sandbox made for itself, if there is one."""
        records = await self._directory.fetch("sandbox")
        if not records:
            return None
        return await self._directory.find_merchant(ids.from_uuid("mch", records[0]["merchant_id"]))

    async def merchant(self, merchant_id: str) -> Merchant | None:
        """A merchant as the directory has it now."""
        record = (await self._directory.fetch("find_merchant", ids.to_hex(merchant_id)))[0]
        return None if record["merchant_id"] is None else merchant_of(record).merchant

    async def merchant_of_ref(self, ref: str) -> Merchant | None:
        """The merchant that was made under a number, as the directory has it now."""
        records = await self._directory.fetch("merchant_of_ref", ref)
        return await self.merchant(ids.from_uuid("mch", records[0]["id"])) if records else None

    async def merchants(self, *, before: str | None, limit: int) -> list[Merchant]:
        """A page of merchants, newest first, older than the id `before`."""
        start = None if before is None else ids.to_hex(before)
        records = await self._directory.fetch("list_merchants", start, limit)
        return [merchant_of(record).merchant for record in records]

    async def key(self, key_id: str) -> Key | None:
        """A key as the directory has it now."""
        record = (await self._directory.fetch("find_key", ids.to_hex(key_id)))[0]
        return None if record["key_id"] is None else key_of(self._vault, record)

    async def has_key(self, merchant_id: str, ref: str) -> bool:
        """Whether the merchant has a key that was made under a number."""
        return bool(await self._directory.fetch("key_of_ref", ids.to_hex(merchant_id), ref))

    async def keys_of(
        self, merchant_id: str, *, before: str | None = None, limit: int = KEYS_LISTED_MAX
    ) -> list[Key]:
        """A page of the keys of a merchant, newest first, older than the id `before`."""
        start = None if before is None else ids.to_hex(before)
        records = await self._directory.fetch("list_keys", ids.to_hex(merchant_id), start, limit)
        return [key_of(self._vault, record) for record in records]

    async def account(self, account_id: str) -> ChannelAccount | None:
        """A channel account as the directory has it now."""
        record = (await self._directory.fetch("find_account", ids.to_hex(account_id)))[0]
        found = record["channel_account_id"] is not None
        return account_of(self._vault, record) if found else None

    async def accounts_of(self, merchant_id: str) -> list[ChannelAccount]:
        """All channel accounts of a merchant, newest first."""
        records = await self._directory.fetch("list_accounts", ids.to_hex(merchant_id))
        return [account_of(self._vault, record) for record in records]

    # --- parts ---------------------------------------------------------------------------------

    async def _take_over(self) -> None:
        """See our own change at once; if that fails, the next round brings it."""
        try:
            await self._directory.refresh()
        except TillgateError:
            log.warning("a change of the directory was written, but could not be read back")

    async def _merchant(self, connection: asyncpg.Connection, merchant_id: str) -> MerchantRow:
        record = await connection.fetchrow(SQL["find_merchant"].text, ids.to_hex(merchant_id))
        if record["merchant_id"] is None:
            raise not_found()
        return merchant_of(record)

    def _check_repeat(self, kind: str, numbered: Numbered, made: Any) -> None:
        check_repeat(
            kind,
            numbered,
            self._directory.fingerprints,
            stored=made["fingerprint"],
            key_number=made["fingerprint_key"],
        )


async def _guarded(connection: asyncpg.Connection, name: str, *arguments: object) -> None:
    if await connection.fetchval(SQL[name].text, *arguments) is None:
        raise GuardLost(f"{name}: somebody wrote without the lock of the directory")


async def insert_merchant(
    connection: asyncpg.Connection,
    merchant: Merchant,
    data_key: bytes,
    numbered: Numbered,
    *,
    directory_version: int,
) -> None:
    """Write the directory row of a merchant inside a change."""
    await connection.execute(
        SQL["add_merchant"].text,
        ids.to_hex(merchant.id),
        merchant.ref,
        numbered.fingerprint,
        numbered.fingerprint_key,
        merchant.name,
        merchant.status,
        merchant.house,
        merchant.sandbox,
        merchant.timezone,
        data_key,
        merchant.created_at,
        merchant.version,
        directory_version,
    )
