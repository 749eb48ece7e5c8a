"""Asked: gathered reads on the primary, for readers who are called.

Law: what is asked while a read is under way is read by the next one, one statement for all. Who
asked is called once: with what was found, or with None, and then the careful reader has to look (a
merchant that is being moved, no such row, trouble with the database).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import asyncpg

from gateway.adapters.postgres.shards import Shard

ASKED_MAX = 256
TROUBLE = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that died in the middle of an operation
    OSError,
)

log = logging.getLogger("tillgate.reads")

Told = Callable[[Any], None]


class Asked:
    """One read of one shard. `text` takes a list of ids (hexadecimal digits, with commas) for each
    part of a key, and answers records that begin with the place of a key among them; `value` makes
    of a record what is told."""

    def __init__(self, shard: Shard, text: str, value: Callable[[Any], Any]) -> None:
        self._shard = shard
        self._text = text
        self._value = value
        self._waiting: list[tuple[tuple[str, ...], Told]] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self, key: tuple[str, ...], told: Told) -> None:
        """Have `told` called with what is found by a key, or with None."""
        self._waiting.append((key, told))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:ASKED_MAX], self._waiting[ASKED_MAX:]
                try:
                    found = await self._read([key for key, _ in taken])
                except TROUBLE:
                    found = {}  # the careful reader meets the same trouble, and says so
                for place, (_, told) in enumerate(taken, 1):
                    try:
                        told(found.get(place))
                    except Exception:
                        log.exception("whoever asked could not be told")
        finally:
            self._task = None

    async def _read(self, keys: list[tuple[str, ...]]) -> dict[int, Any]:
        parts = [",".join(part) for part in zip(*keys, strict=True)]
        value = self._value
        return {
            record[0]: value(record) for record in await self._shard.pool.fetch(self._text, *parts)
        }
