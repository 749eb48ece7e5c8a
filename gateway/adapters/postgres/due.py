"""What is due: attempts, refunds and payments that time alone moves on.

Law: reads for workers, by leased buckets and a due time with its own index; whoever acts on a row
decides again under the merchant's head.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.adapters.postgres import attempts, payments, refunds
from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.shards import Shard
from gateway.adapters.postgres.statements import Statement
from gateway.domain import ids
from gateway.domain.lease import Lease

Found = list[tuple[str, str]]  # merchant, object


class PostgresDue:
    """The due rows of one shard."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    async def attempts(self, leases: Sequence[Lease], now: datetime, limit: int) -> Found:
        """Attempts whose channel is to be asked."""
        return await self._find(attempts.SQL["due"], "att", leases, now, limit)

    async def refunds(self, leases: Sequence[Lease], now: datetime, limit: int) -> Found:
        """Refunds whose channel is to be asked."""
        return await self._find(refunds.SQL["due"], "rfd", leases, now, limit)

    async def payments(self, leases: Sequence[Lease], now: datetime, limit: int) -> Found:
        """Payments whose time is up."""
        return await self._find(payments.SQL["expired"], "pay", leases, now, limit)

    async def _find(
        self,
        statement: Statement,
        prefix: str,
        leases: Sequence[Lease],
        now: datetime,
        limit: int,
    ) -> Found:
        records = await self._shard.pool.fetch(
            *bind(
                statement,
                now=now,
                limit=limit,
                bucket_froms=[lease.bucket_from for lease in leases],
                bucket_tos=[lease.bucket_to for lease in leases],
            )
        )
        return [(ids.from_uuid("mch", row[0]), ids.from_uuid(prefix, row[1])) for row in records]
