"""Views: payments as their newest event tells them, on the primary, for readers who are called.

Law: a view is the text of the journal row that the payment points to, and only while that row tells
the payment as it is now: same object, same version, nobody's personal fields. Everything else (a
merchant being moved, no such payment, an older row) is None, and the reader asks for the payment
itself. Reads are gathered as in `reads.py`.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from gateway.adapters.postgres import payments
from gateway.adapters.postgres.shards import Shard, Shards
from gateway.domain import ids

GATHER_MAX = 256
READ_VIEWS = payments.SQL["read_views"].text

Told = Callable[[str | None], None]


class ShardViews:
    """The views of one shard."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._waiting: list[tuple[str, str, Told]] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self, merchant_id: str, payment_hex: str, told: Told) -> None:
        """Have `told` called with the view of a payment (32 digits), or with None."""
        self._waiting.append((merchant_id, payment_hex, told))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:GATHER_MAX], self._waiting[GATHER_MAX:]
                try:
                    found = await self._read(taken)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    found = {}  # the careful reader meets the same trouble, and says so
                for place, (_, _, told) in enumerate(taken, 1):
                    told(found.get(place))
        finally:
            self._task = None

    async def _read(self, taken: list[tuple[str, str, Told]]) -> dict[int, str]:
        records = await self._shard.pool.fetch(
            READ_VIEWS,
            ",".join([ids.to_hex(merchant_id) for merchant_id, _, _ in taken]),
            ",".join([payment_hex for _, payment_hex, _ in taken]),
        )
        return {record[0]: record[1] for record in records}


class PostgresViews:
    """The views of all shards."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._views = {shard.number: ShardViews(shard) for shard in shards.all}

    def ask(self, merchant_id: str, payment_hex: str, told: Told) -> None:
        """See `ShardViews.ask`."""
        self._views[self._shards.of(merchant_id).number].ask(merchant_id, payment_hex, told)
