"""Shards: which database holds a merchant, and the writer and readers of each.

Law: an id's bucket finds its shard in the map; nothing else does. The map is rows of the directory
(`shard_map`), kept in memory and replaced as a whole when its version moves.
"""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from gateway.adapters.postgres.commit import Committed, Committer, Observe
from gateway.adapters.postgres.connect import open_pool, open_writer
from gateway.adapters.postgres.gathering import Crowd
from gateway.adapters.postgres.quick_submitted import QuickFresh, QuickPaid
from gateway.domain import ids
from gateway.domain.change import Change, Writes


class Shard:
    """One database: its number, its pool for reads, its committer."""

    def __init__(self, number: int, dsn: str, pool: asyncpg.Pool, committer: Committer) -> None:
        self.number = number
        self.dsn = dsn
        self.pool = pool
        self.committer = committer


class Shards:
    """All shards of the installation, found by bucket. `shards[0]` also holds the directory."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.all = tuple(shards)
        self._by_bucket: list[Shard] = [shards[0]] * ids.BUCKETS
        self._by_merchant: dict[str, Shard] = {}

    def place(self, ranges: Sequence[tuple[int, int, int]]) -> None:
        """Take over a shard map: (first bucket, last bucket, shard) without gaps."""
        by_bucket = [self.all[0]] * ids.BUCKETS
        for first, last, number in ranges:
            by_bucket[first : last + 1] = [self.all[number]] * (last - first + 1)
        self._by_bucket = by_bucket
        self._by_merchant.clear()

    def of(self, merchant_id: str) -> Shard:
        """The shard of a merchant."""
        shard = self._by_merchant.get(merchant_id)
        if shard is None:
            shard = self._by_bucket[ids.bucket_of(merchant_id)]
            if len(self._by_merchant) > 100_000:
                self._by_merchant.clear()
            self._by_merchant[merchant_id] = shard
        return shard

    def submit(self, change: Change) -> Awaitable[Writes]:
        """Submit a Change to the merchant's shard."""
        return self.of(change.merchant_id).committer.submit(change)

    def submit_fresh(self, quick: QuickFresh) -> None:
        """Submit a fresh payment to the merchant's shard; its submitter is called in the end."""
        self.of(quick.fresh.merchant_id).committer.submit_fresh(quick)

    def submit_paid(self, quick: QuickPaid) -> None:
        """Submit a paid payment to the merchant's shard; its submitter is called in the end."""
        self.of(quick.paid.merchant_id).committer.submit_paid(quick)

    async def close(self) -> None:
        """Finish all commits, then end every connection."""
        for shard in self.all:
            await shard.committer.close()
            await shard.pool.close()


async def open_shards(
    dsns: Sequence[str],
    *,
    committed: Committed | None = None,
    observe: Callable[[int], Observe] | None = None,
) -> Shards:
    """Open every shard; `dsns[n]` is shard n. The caller then gives `place` the map."""
    opened = []
    crowd = Crowd()
    for number, dsn in enumerate(dsns):

        async def connect(dsn: str = dsn) -> asyncpg.Connection:
            return await open_writer(dsn)

        committer = Committer(
            connect,
            committed=committed,
            observe=None if observe is None else observe(number),
            crowd=crowd,
        )
        opened.append(Shard(number, dsn, await open_pool(dsn), committer))
    return Shards(opened)
