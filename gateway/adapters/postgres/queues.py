"""Queues: for how long the oldest due row of each kind of background work has waited.

Law: reads for the metrics only, of the buckets that the asker has leased, so that what is reported
by all of them together is counted once. Ages are business time, because due times are.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.statements import load
from gateway.domain.lease import Lease

SQL = load(__file__)
NAMES = tuple(SQL)


class PostgresQueues:
    """The queues of one shard: `attempts`, `refunds`, `deliveries`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def oldest_s(self, queue: str, leases: Sequence[Lease], now: datetime) -> float:
        """Seconds since the oldest row of a queue became due; 0 if none is due or none leased."""
        if not leases:
            return 0.0
        due_at: datetime | None = await self._pool.fetchval(
            *bind(
                SQL[queue],
                now=now,
                bucket_froms=[lease.bucket_from for lease in leases],
                bucket_tos=[lease.bucket_to for lease in leases],
            )
        )
        return 0.0 if due_at is None else (now - due_at).total_seconds()
