"""Events read from the journal, for the merchant that they belong to.

Law: reading only, by merchant and sequence. The sequence is allotted under the merchant's head, so
nothing is ever inserted below what was shown and `after` can lose nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from gateway.adapters.postgres import journal
from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.commit import shard_unavailable
from gateway.adapters.postgres.shards import Shards
from gateway.domain import ids
from gateway.domain.events import Event

# Times of a merchant's rows rise with its sequence but for what a commit may take.
DISORDER = timedelta(minutes=2)

UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    OSError,
)


class PostgresEvents:
    """The port `center.webhook_ports.Events` over all shards."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def _fetch(self, merchant_id: str, name: str, **values: Any) -> list[Any]:
        statement = journal.SQL[name]
        pool = self._shards.of(merchant_id).pool
        try:
            return await pool.fetch(*bind(statement, merchant_id=ids.to_hex(merchant_id), **values))
        except UNREACHABLE:
            raise shard_unavailable() from None

    async def head(self, merchant_id: str) -> int:
        """How far the merchant's sequence has come; 0 for one without a head."""
        records = await self._fetch(merchant_id, "head")
        return records[0]["seq"] if records else 0

    async def event(self, merchant_id: str, sequence: int) -> Event | None:
        """One event of the merchant."""
        records = await self._fetch(merchant_id, "at_sequence", sequence=sequence)
        return journal.event_of(records[0]) if records else None

    async def page(
        self, merchant_id: str, *, after: int, types: Sequence[str] | None, limit: int
    ) -> list[Event]:
        """Events behind a sequence, oldest first; of the given types, or all."""
        records = await self._fetch(
            merchant_id,
            "page",
            after=after,
            types=None if types is None else list(types),
            limit=limit,
        )
        return [journal.event_of(record) for record in records]

    async def range_of(
        self, merchant_id: str, *, created_from: datetime, created_to: datetime
    ) -> tuple[int, int]:
        """Sequences (first exclusive, last inclusive) that hold all events of a span of time."""
        head = await self.head(merchant_id)
        first = await self._count_before(merchant_id, created_from - DISORDER, head)
        last = await self._count_before(merchant_id, created_to + DISORDER, head)
        return first, max(first, last)

    async def _count_before(self, merchant_id: str, moment: datetime, head: int) -> int:
        """The last sequence before a moment, by halving: journals have no index over time."""
        low, high = 0, head
        while low < high:
            middle = (low + high + 1) // 2
            records = await self._fetch(merchant_id, "time_at", sequence=middle)
            if not records or records[0]["at"] < moment:
                low = middle  # exported and deleted rows are the oldest ones
            else:
                high = middle - 1
        return low

    async def sequences(
        self,
        merchant_id: str,
        *,
        after: int,
        until: int,
        created_from: datetime,
        created_to: datetime,
        types: Sequence[str] | None,
        limit: int,
    ) -> list[int]:
        """The sequences of events of some types (or all) within a range and a span of time."""
        records = await self._fetch(
            merchant_id,
            "sequences_between",
            after=after,
            until=until,
            created_from=created_from,
            created_to=created_to,
            types=None if types is None else list(types),
            limit=limit,
        )
        return [record["seq"] for record in records]
