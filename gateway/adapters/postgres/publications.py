"""Publications: the journal as the publisher of the event stream reads it.

Law: a reader with a cursor of its own per merchant. Events are read behind the cursor over the
gapless sequence; the cursor moves by the statement that moves every reader's, only from where it
was read and only under a lease that is still held. Nothing of what is read is ever changed.

To have events published again (the stream was lost, or cut before a consumer had read), set the
cursor back: `rewind`, or by hand, for one merchant or, without the line that names it, for all:

    update cursors set seq = 41             -- event 42 is the first to be published again
    where reader = 'stream' and seq > 41
        and merchant_id = '...';

The publisher needs no stop for it. It finds the merchants within its next sweep, and a pass that
runs meanwhile does not move a cursor that is not where it was. The events come again with their
old ids and bytes, behind what the stream still holds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from gateway.adapters.postgres import deliveries, journal
from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.statements import Statement, load
from gateway.domain import ids
from gateway.domain.events import Event
from gateway.domain.lease import Lease

SQL = load(__file__)

READER = "stream"

Position = tuple[str, int, int]  # merchant, read so far, head
Span = tuple[str, int, int]  # merchant, after, until

# The relay writes deliveries in the statement that moves its cursor; this reader has none.
_NO_DELIVERIES: dict[str, Any] = {
    "now": datetime(1970, 1, 1, tzinfo=UTC),
    "claim_s": 0.0,
    "d_merchant_ids": [],
    "delivery_ids": [],
    "seqs": [],
    "endpoint_ids": [],
    "targets": [],
    "urls": [],
    "claimed": [],
}


class PostgresPublications:
    """The journal of one shard and the publisher's cursors in it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def _fetch(self, statement: Statement, **values: Any) -> list[Any]:
        return await self._pool.fetch(*bind(statement, **values))

    async def positions(self, merchant_ids: Sequence[str]) -> list[Position]:
        """Of the given merchants those with events that were not published."""
        statement = deliveries.SQL["positions"]
        hexed = [ids.to_hex(each) for each in merchant_ids]
        records = await self._fetch(statement, merchant_ids=hexed, reader=READER)
        return [_position(record) for record in records]

    async def behind(self, leases: Sequence[Lease], *, limit: int) -> list[Position]:
        """Merchants of the leased buckets with events that were not published."""
        records = await self._fetch(
            deliveries.SQL["behind"],
            bucket_froms=[lease.bucket_from for lease in leases],
            bucket_tos=[lease.bucket_to for lease in leases],
            reader=READER,
            limit=limit,
        )
        return [_position(record) for record in records]

    async def events(self, spans: Sequence[Span]) -> list[Event]:
        """The events of (merchant, after, until], each merchant's in their order."""
        records = await self._fetch(
            SQL["events"],
            merchant_ids=[ids.to_hex(span[0]) for span in spans],
            afters=[span[1] for span in spans],
            untils=[span[2] for span in spans],
        )
        return [journal.event_of(record) for record in records]

    async def advance(self, leases: Sequence[Lease], spans: Sequence[Span]) -> set[str]:
        """Move cursors over (merchant, after, until]; answers the merchants that moved.

        Those whose lease is lost or whose cursor is not at `after` any more do not.
        """
        spans = sorted(spans)
        records = await self._fetch(
            deliveries.SQL["advance"],
            work=leases[0].work if leases else "",
            lease_froms=[lease.bucket_from for lease in leases],
            lease_fences=[lease.fence for lease in leases],
            merchant_ids=[ids.to_hex(span[0]) for span in spans],
            buckets=[ids.bucket_of(span[0]) for span in spans],
            reads=[span[1] for span in spans],
            untils=[span[2] for span in spans],
            reader=READER,
            **_NO_DELIVERIES,
        )
        return {ids.from_uuid("mch", record["merchant_id"]) for record in records}

    async def rewind(self, sequence: int, *, merchant_id: str | None = None) -> int:
        """Publish again what follows a sequence, of one merchant or of all in this shard.

        `sequence` 0 is from the beginning. Cursors before it stay. Answers how many went back.
        """
        bucket = None if merchant_id is None else ids.bucket_of(merchant_id)
        records = await self._fetch(
            SQL["rewind"],
            sequence=sequence,
            reader=READER,
            bucket_from=0 if bucket is None else bucket,
            bucket_to=ids.BUCKETS - 1 if bucket is None else bucket,
            merchant_id=None if merchant_id is None else ids.to_hex(merchant_id),
        )
        return len(records)


def _position(record: Any) -> Position:
    return ids.from_uuid("mch", record["merchant_id"]), record["read"], record["seq"]
