"""Leases as rows: who does the background work of a range of buckets.

Law: time is the database's alone, so skewed clocks cannot make two holders. Every taking raises
the row's fence; a write of the work names its fence and locks the lease row in the same statement
(the part `held` of the works' own statements), and affects no row once the lease is lost. A lease
that lapsed is not renewed: it is taken anew, under a new fence. Rows are locked in their order.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.statements import load
from gateway.domain import ids
from gateway.domain.lease import Lease

SQL = load(__file__)

LEASE_TTL_S = 10.0
RANGES = 16
SEATS_MAX = 64
_SEAT = ".seat"


class PostgresLeases:
    """The leases of one shard, for one holder.

    `holder` is a UUID that no other process uses; `ttl_s` how long a lease lives unless renewed.
    """

    def __init__(self, pool: asyncpg.Pool, *, holder: str, ttl_s: float = LEASE_TTL_S) -> None:
        self._pool = pool
        self._holder = holder
        self.ttl_s = ttl_s

    async def prepare(self, work: str) -> None:
        """Make the rows of a work, its ranges and its seats, where they are missing."""
        step = ids.BUCKETS // RANGES
        rows = [(work, at, at + step - 1) for at in range(0, ids.BUCKETS, step)]
        rows += [(work + _SEAT, number, number) for number in range(SEATS_MAX)]
        works, firsts, lasts = (list(column) for column in zip(*rows, strict=True))
        await self._pool.execute(
            *bind(SQL["prepare"], works=works, bucket_froms=firsts, bucket_tos=lasts)
        )

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Prolong leases; answers those that are still held."""
        return _leases(
            await self._pool.fetch(
                *bind(SQL["renew"], **_named(leases), holder=self._holder, ttl_s=self.ttl_s)
            )
        )

    async def take(self, work: str, limit: int) -> list[Lease]:
        """Take up to `limit` free ranges of a work."""
        return _leases(
            await self._pool.fetch(
                *bind(SQL["take"], work=work, limit=limit, holder=self._holder, ttl_s=self.ttl_s)
            )
        )

    async def take_seat(self, work: str) -> Lease | None:
        """Take a seat, if one is free: those who sit share the ranges of the work."""
        taken = await self.take(work + _SEAT, 1)
        return taken[0] if taken else None

    async def seats_taken(self, work: str) -> int:
        """How many share the work now."""
        return await self._pool.fetchval(*bind(SQL["count_living"], work=work + _SEAT))

    async def release(self, leases: Sequence[Lease]) -> None:
        """Give leases back, so that others need not wait for them to lapse."""
        await self._pool.fetch(*bind(SQL["release"], **_named(leases), holder=self._holder))


def _named(leases: Sequence[Lease]) -> dict[str, Any]:
    return {
        "works": [each.work for each in leases],
        "bucket_froms": [each.bucket_from for each in leases],
        "fences": [each.fence for each in leases],
    }


def _leases(records: Sequence[Any]) -> list[Lease]:
    return [Lease(r["work"], r["bucket_from"], r["bucket_to"], r["fence"]) for r in records]
