"""Deliveries as rows: what the workers relay, claim and settle, and what merchants look at.

Law: set-based statements only, none per event. Whatever a worker writes is written under its
leases (`held` in every statement): if they are lost, it affects no row. A cursor moves in the
statement that writes the deliveries of what it passes, and only from where it was read; so no
event is passed without its deliveries and none gets them twice.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from gateway.adapters.postgres import journal, notify_secrets, webhook_endpoints
from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.commit import shard_unavailable
from gateway.adapters.postgres.events import UNREACHABLE
from gateway.adapters.postgres.shards import Shards
from gateway.adapters.postgres.statements import load
from gateway.domain import ids
from gateway.domain.delivery import Ahead, Delivery, Sent
from gateway.domain.endpoint import NotifySecret, WebhookEndpoint
from gateway.domain.events import Event
from gateway.domain.lease import Lease

SQL = load(__file__)

READER = "relay"

Position = tuple[str, int, int]  # merchant, read so far, head
Target = tuple[str, str]  # merchant, target


class WorkerDeliveries:
    """What relay and delivery need of one shard."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def _fetch(self, statement: str, **values: Any) -> list[Any]:
        return await self._pool.fetch(*bind(SQL[statement], **values))

    # --- reading ahead ---------------------------------------------------------------------------

    async def behind(self, leases: Sequence[Lease], *, limit: int) -> list[Position]:
        """Merchants of the leased buckets that are behind."""
        records = await self._fetch(
            "behind",
            bucket_froms=[lease.bucket_from for lease in leases],
            bucket_tos=[lease.bucket_to for lease in leases],
            reader=READER,
            limit=limit,
        )
        return [_position(record) for record in records]

    async def endpoints(self, merchant_ids: Sequence[str]) -> list[WebhookEndpoint]:
        """The enabled endpoints of the given merchants."""
        statement = webhook_endpoints.SQL["read_enabled"]
        records = await self._pool.fetch(*bind(statement, merchant_ids=_hexed(merchant_ids)))
        return [webhook_endpoints.TABLE.decode(record) for record in records]

    async def endpoints_by_id(self, pairs: Sequence[tuple[str, str]]) -> list[WebhookEndpoint]:
        """Endpoints by merchant and id, as they are now; also disabled and deleted ones."""
        statement = webhook_endpoints.SQL["read_many"]
        records = await self._pool.fetch(
            *bind(
                statement,
                merchant_ids=_hexed([merchant for merchant, _ in pairs]),
                keys=_hexed([key for _, key in pairs]),
            )
        )
        return [webhook_endpoints.TABLE.decode(record) for record in records]

    async def notify_secrets(self, merchant_ids: Sequence[str]) -> list[NotifySecret]:
        """The notify secrets of the given merchants."""
        statement = notify_secrets.SQL["read_many"]
        records = await self._pool.fetch(*bind(statement, merchant_ids=_hexed(merchant_ids)))
        return [notify_secrets.TABLE.decode(record) for record in records]

    async def read_ahead(self, merchant_ids: Sequence[str], *, each: int) -> list[Ahead]:
        """Of the given merchants those that are behind, with what is wanted of the next `each`."""
        records = await self._fetch(
            "read_ahead", merchant_ids=_hexed(merchant_ids), reader=READER, each=each
        )
        found: dict[UUID, Ahead] = {}
        for record in records:
            merchant = record["merchant_id"]
            ahead = found.get(merchant)
            if ahead is None:
                read, head = record["read"], record["head"]
                ahead = found[merchant] = Ahead(
                    ids.from_uuid("mch", merchant), read, min(head, read + each), head, []
                )
            if record["seq"] is not None:
                ahead.wanted.append((journal.event_of(record), record["notify_url"]))
        return list(found.values())

    # --- writing under leases --------------------------------------------------------------------

    async def advance(
        self,
        leases: Sequence[Lease],
        spans: Sequence[tuple[str, int, int]],
        deliveries: Sequence[Delivery],
        *,
        claimed: Sequence[bool],
        claim_s: float,
        now: datetime,
    ) -> set[str]:
        """Move cursors over (merchant, after, until] and write the deliveries of what they pass.

        `claimed` says which deliveries are claimed for `claim_s` seconds by their insert. Answers
        the merchants that moved; of the others nothing was written.
        """
        spans = sorted(spans)
        records = await self._fetch(
            "advance",
            **_held(leases),
            merchant_ids=_hexed([span[0] for span in spans]),
            buckets=[ids.bucket_of(span[0]) for span in spans],
            reads=[span[1] for span in spans],
            untils=[span[2] for span in spans],
            reader=READER,
            now=now,
            claim_s=claim_s,
            d_merchant_ids=_hexed([each.merchant_id for each in deliveries]),
            delivery_ids=_hexed([each.id for each in deliveries]),
            seqs=[each.sequence for each in deliveries],
            endpoint_ids=[_hex_or_none(each.endpoint_id) for each in deliveries],
            targets=[each.target for each in deliveries],
            urls=[each.url for each in deliveries],
            claimed=list(claimed),
        )
        return {ids.from_uuid("mch", record["merchant_id"]) for record in records}

    async def waiting(self, leases: Sequence[Lease], *, now: datetime) -> list[Target]:
        """The targets of the leased buckets where something is due (or being tried)."""
        records = await self._fetch(
            "waiting",
            bucket_froms=[lease.bucket_from for lease in leases],
            bucket_tos=[lease.bucket_to for lease in leases],
            now=now,
        )
        return [
            (ids.from_uuid("mch", record["merchant_id"]), record["target"]) for record in records
        ]

    async def claim(
        self,
        leases: Sequence[Lease],
        rooms: Mapping[Target, int],
        *,
        now: datetime,
        claim_s: float,
    ) -> list[tuple[Delivery, Event]]:
        """Claim what is due at targets, at most as many as each has room for, oldest first.

        Committed when it answers: nobody else sends these for `claim_s` seconds.
        """
        records = await self._fetch(
            "claim",
            **_held(leases),
            merchant_ids=_hexed([merchant for merchant, _ in rooms]),
            buckets=[ids.bucket_of(merchant) for merchant, _ in rooms],
            targets=[target for _, target in rooms],
            rooms=list(rooms.values()),
            now=now,
            claim_s=claim_s,
        )
        return [(_delivery(record), journal.event_of(record)) for record in records]

    async def settle(
        self, leases: Sequence[Lease], results: Sequence[tuple[Delivery, Delivery]]
    ) -> int:
        """Write what tries made of deliveries, (before, after) each; answers how many it wrote."""
        results = sorted(results, key=lambda pair: pair[0].id)
        records = await self._fetch(
            "settle",
            **_held(leases),
            merchant_ids=_hexed([before.merchant_id for before, _ in results]),
            buckets=[ids.bucket_of(before.merchant_id) for before, _ in results],
            delivery_ids=_hexed([before.id for before, _ in results]),
            tries_before=[before.tries for before, _ in results],
            urls=[after.url for _, after in results],
            statuses=[after.status for _, after in results],
            tries=[after.tries for _, after in results],
            due_ats=[after.due_at for _, after in results],
            last_statuses=[after.last_status for _, after in results],
            last_errors=[after.last_error for _, after in results],
            finished_ats=[after.finished_at for _, after in results],
        )
        return len(records)

    async def release(self, leases: Sequence[Lease], deliveries: Sequence[Delivery]) -> None:
        """Give back claims of deliveries that were not tried."""
        await self._fetch(
            "release",
            **_held(leases),
            merchant_ids=_hexed([each.merchant_id for each in deliveries]),
            buckets=[ids.bucket_of(each.merchant_id) for each in deliveries],
            delivery_ids=_hexed([each.id for each in deliveries]),
            tries=[each.tries for each in deliveries],
        )


class PostgresDeliveries:
    """What the centre needs of endpoints, secrets and deliveries, over all shards."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def _fetch(self, merchant_id: str, statement: Any, **values: Any) -> list[Any]:
        pool = self._shards.of(merchant_id).pool
        try:
            return await pool.fetch(*bind(statement, merchant_id=ids.to_hex(merchant_id), **values))
        except UNREACHABLE:
            raise shard_unavailable() from None

    async def endpoint(self, merchant_id: str, endpoint_id: str) -> WebhookEndpoint | None:
        """One endpoint that was not deleted."""
        records = await self._fetch(
            merchant_id,
            webhook_endpoints.SQL["read_by_id"],
            webhook_endpoint_id=ids.to_hex(endpoint_id),
        )
        return webhook_endpoints.TABLE.decode(records[0]) if records else None

    async def endpoints(self, merchant_id: str) -> list[WebhookEndpoint]:
        """The endpoints of a merchant that were not deleted, newest first."""
        records = await self._fetch(merchant_id, webhook_endpoints.SQL["read_by_merchant"])
        return [webhook_endpoints.TABLE.decode(record) for record in records]

    async def notify_secret(self, merchant_id: str) -> NotifySecret | None:
        """The notify secret of a merchant."""
        records = await self._fetch(merchant_id, notify_secrets.SQL["read"])
        return notify_secrets.TABLE.decode(records[0]) if records else None

    async def sent_to(
        self,
        merchant_id: str,
        endpoint_id: str,
        *,
        before: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        limit: int,
    ) -> list[Sent]:
        """The deliveries of an endpoint, newest first, older than the delivery `before`."""
        records = await self._fetch(
            merchant_id,
            SQL["read_by_endpoint"],
            endpoint_id=ids.to_hex(endpoint_id),
            before=_hex_or_none(before),
            created_from=created_from,
            created_to=created_to,
            limit=limit,
        )
        return [_sent(record) for record in records]

    async def sent_of(
        self, merchant_id: str, sequences: Sequence[int], *, limit: int
    ) -> list[Sent]:
        """The deliveries of some events, oldest first."""
        records = await self._fetch(
            merchant_id, SQL["read_by_sequence"], seqs=list(sequences), limit=limit
        )
        return [_sent(record) for record in records]

    async def send_again(
        self,
        merchant_id: str,
        sequences: Mapping[int, str],
        *,
        endpoint_id: str | None,
        target: str,
        url: str,
        now: datetime,
    ) -> int:
        """New deliveries (sequence: delivery id) to one receiver; answers how many were made.

        An event that still waits for this receiver is not sent twice.
        """
        records = await self._fetch(
            merchant_id,
            SQL["send_again"],
            delivery_ids=_hexed(list(sequences.values())),
            seqs=list(sequences),
            endpoint_id=_hex_or_none(endpoint_id),
            target=target,
            url=url,
            now=now,
        )
        return len(records)


def _hexed(texts: Sequence[str]) -> list[str]:
    return [ids.to_hex(text) for text in texts]


def _hex_or_none(text: str | None) -> str | None:
    return None if text is None else ids.to_hex(text)


def _held(leases: Sequence[Lease]) -> dict[str, Any]:
    """The parameters of `held`; the leases are of one work."""
    return {
        "work": leases[0].work if leases else "",
        "lease_froms": [lease.bucket_from for lease in leases],
        "lease_fences": [lease.fence for lease in leases],
    }


def _position(record: Any) -> Position:
    return ids.from_uuid("mch", record["merchant_id"]), record["read"], record["seq"]


def _delivery(record: Any, finished_at: datetime | None = None) -> Delivery:
    endpoint_id = record["endpoint_id"]
    return Delivery(
        merchant_id=ids.from_uuid("mch", record["merchant_id"]),
        id=ids.from_uuid("dlv", record["delivery_id"]),
        sequence=record["seq"],
        endpoint_id=None if endpoint_id is None else ids.from_uuid("whe", endpoint_id),
        target=record["target"],
        url=record["url"],
        status=record["status"],
        tries=record["tries"],
        due_at=record["due_at"],
        last_status=record["last_status"],
        last_error=record["last_error"],
        created_at=record["created_at"],
        finished_at=finished_at,
    )


def _sent(record: Any) -> Sent:
    return Sent(_delivery(record, record["finished_at"]), record["type"], record["at"])
