"""Streams: committed events in Redis, one stream per topic, for consumers beside the webhooks.

Law: Redis is a copy and never asked for an answer. What is appended is in the journal already, so
whoever appends may do it again; an entry that comes twice has the same `id` and the same bytes,
and consumers tell doubles by it. A payer's data is never among them: the key that erases it does
not reach into Redis.

An event of the type `payment.succeeded` is an entry of `tillgate.events.payment` with the fields
`id`, `merchant_id`, `sequence`, `type` and `body`, the JSON of the event as webhooks carry it, with
`customer` null. Of one merchant the entries of a stream come in the order of `sequence`, once
doubles are left out. A stream is cut at about `STREAM_ENTRIES_MAX`; how to have older events
published again is told in `adapters/postgres/publications.py`. The server must not evict
(`maxmemory-policy noeviction`): a full one refuses, and events wait in the journal.
"""

import asyncio
from collections.abc import Iterator, Sequence

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.typing import EncodableT, FieldT

from gateway.domain import delivery
from gateway.domain.errors import StreamUnavailable
from gateway.domain.events import Event

STREAM_PREFIX = "tillgate.events."
STREAM_ENTRIES_MAX = 200_000
CONNECT_S_MAX = 0.5
APPEND_S_MAX = 1.0  # one transaction, connecting included; no request ever waits for it
TRANSACTION_BYTES_MAX = 256 * 1024  # of bodies; a larger single event goes alone
CONNECTIONS_MAX = 8
REASON_CHARS_MAX = 200

Entry = dict[FieldT, EncodableT]


def stream_of(event: Event) -> str:
    """The name of the stream that an event belongs to."""
    return STREAM_PREFIX + event.type.partition(".")[0]


class RedisStreams:
    """Appends events to the streams of one server.

    `url` is `redis://`, `rediss://` or `unix://`; ValueError for anything else. `entries_max` is
    how many entries a stream keeps, roughly (whole nodes of its tree are dropped).
    """

    def __init__(self, url: str, *, entries_max: int = STREAM_ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        # Tried once: whoever calls knows better when to come back. RESP2 is spoken by all servers.
        self._redis: Redis = Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_S_MAX,
            socket_timeout=APPEND_S_MAX,
            retry=Retry(NoBackoff(), 0),
            max_connections=CONNECTIONS_MAX,
            protocol=2,
        )

    async def append(self, events: Sequence[Event]) -> None:
        """Append events in their order. Raises `StreamUnavailable`.

        Each transaction is appended whole or not at all, and none after one that failed: so no
        event comes before an earlier one of its merchant.
        """
        for entries in _transactions(events):
            try:
                async with asyncio.timeout(APPEND_S_MAX):
                    await self._append(entries)
            except (RedisError, OSError, TimeoutError) as error:
                raise StreamUnavailable(_reason(error)) from None

    async def _append(self, entries: Sequence[tuple[str, Entry]]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for name, entry in entries:
                pipeline.xadd(name, entry, maxlen=self._entries_max, approximate=True)
            await pipeline.execute()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _transactions(events: Sequence[Event]) -> Iterator[list[tuple[str, Entry]]]:
    """Events as entries, in portions that a slow server can take within their time."""
    portion: list[tuple[str, Entry]] = []
    size = 0
    for event in events:
        body = delivery.body(event, None)
        if portion and size + len(body) > TRANSACTION_BYTES_MAX:
            yield portion
            portion, size = [], 0
        entry: Entry = {
            "id": event.id,
            "merchant_id": event.merchant_id,
            "sequence": event.sequence,
            "type": event.type,
            "body": body,
        }
        portion.append((stream_of(event), entry))
        size += len(body)
    if portion:
        yield portion


def _reason(error: Exception) -> str:
    """What went wrong, without the command that the library puts before it: it holds the event."""
    text = str(error).rpartition("caused error: ")[2].strip("()',\"")[:REASON_CHARS_MAX]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
