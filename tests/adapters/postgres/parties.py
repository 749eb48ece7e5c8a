"""Merchants, keys and accounts for tests of the directory, and an instance that holds it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.adapters.postgres.directory import PostgresDirectory
from gateway.adapters.postgres.directory_opening import open_directory
from gateway.adapters.postgres.directory_versions import Versions
from gateway.adapters.postgres.register import PostgresRegister
from gateway.adapters.postgres.shards import Shards, open_shards
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.vault import MerchantSecrets, Vault
from gateway.domain import ids
from gateway.domain.idempotency import Numbered
from gateway.domain.merchant import ChannelAccount, Key, Merchant
from gateway.domain.registration import Act

DEADLINE_S = 20.0
POLL_S = 0.01

clock = SystemClock()
make = RandomIds()


class Instance:
    """One process's view: shards, directory, register, and short ways to fill them."""

    def __init__(self, shards: Shards, directory: PostgresDirectory, vault: Vault) -> None:
        self.shards = shards
        self.directory = directory
        self.vault = vault
        self.secrets = MerchantSecrets(vault, directory.data_key)
        self.register = PostgresRegister(directory, shards=shards, vault=vault)

    def numbered(self, ref: str, content: bytes = b"same") -> Numbered:
        fingerprints = self.directory.fingerprints
        return Numbered(ref, content, fingerprints.fingerprint(content), fingerprints.newest)

    @property
    def act(self) -> Act:
        return Act("key_test", clock.business(), "req_test")

    async def add_merchant(
        self, ref: str = "A", *, bucket: int | None = None, **fields
    ) -> Merchant:
        if bucket is None:
            bucket = int.from_bytes(os.urandom(2)) % ids.BUCKETS
        merchant = Merchant(
            id=make.in_bucket("mch", bucket),
            ref=ref,
            name="Shop",
            created_at=clock.business(),
            **fields,
        )
        return (await self.register.add_merchant(merchant, self.numbered(ref), self.act))[0]

    def key(self, merchant_id: str, ref: str = "K", **fields) -> Key:
        return Key(
            **{
                "id": make.make("key", merchant_id),
                "merchant_id": merchant_id,
                "ref": ref,
                "algorithm": "hmac-sha256",
                "secret": os.urandom(32),
                "scopes": frozenset({"payments.read", "payments.write"}),
                "created_at": clock.business(),
            }
            | fields
        )

    async def add_key(self, merchant_id: str, ref: str = "K", **fields) -> Key:
        key = self.key(merchant_id, ref, **fields)
        return (await self.register.add_key(key, self.numbered(ref), self.act))[0]

    async def add_account(self, merchant_id: str, ref: str = "C") -> ChannelAccount:
        account = ChannelAccount(
            id=make.make("cac", merchant_id),
            merchant_id=merchant_id,
            ref=ref,
            channel="alipay",
            methods=("alipay_qr",),
            credentials={"app_id": "1", "merchant_private_key": "canary"},
            created_at=clock.business(),
        )
        added = await self.register.add_account(account, self.numbered(ref), self.act)
        return added[0]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Await a condition, polling it; fails at a deadline."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(POLL_S)


@asynccontextmanager
async def instance_of(
    dsns: list[str],
    vault: Vault,
    *,
    follows: bool = True,
    directory_dsn: str | None = None,
    versions: Versions | None = None,
) -> AsyncIterator[Instance]:
    """A running instance over the databases; `follows=False` takes changes over by hand only.

    Instances with the same `versions` hear of each other's changes.
    """
    shards = await open_shards(dsns)
    try:
        directory = await open_directory(
            directory_dsn or dsns[0], shards=shards, vault=vault, versions=versions
        )
        if not follows:
            directory.stop_following()
        instance = Instance(shards, directory, vault)
        try:
            yield instance
        finally:
            await instance.register.close()
            await directory.close()
    finally:
        await shards.close()
