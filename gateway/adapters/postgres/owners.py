"""Owners: whose an object is that staff names by its id alone.

Law: reads only. An id carries its bucket, so only the merchants of that bucket are looked at.
"""

import asyncpg

from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.commit import shard_unavailable
from gateway.adapters.postgres.shards import Shards
from gateway.adapters.postgres.statements import Statement, load
from gateway.domain import ids

SQL = load(__file__)


class PostgresOwners:
    """Whose an object is, for staff of the house."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def of_payment(self, payment_id: str) -> str | None:
        """The merchant of a payment; None if there is no such payment."""
        return await self._find(SQL["owner_of_payment"], payment_id)

    async def of_refund(self, refund_id: str) -> str | None:
        """The merchant of a refund; None if there is no such refund."""
        return await self._find(SQL["owner_of_refund"], refund_id)

    async def _find(self, statement: Statement, key: str) -> str | None:
        text, *values = bind(statement, bucket=ids.bucket_of(key), key=ids.to_hex(key))
        # An object is in the shard of its bucket, as its merchant is.
        try:
            found = await self._shards.of(key).pool.fetchval(text, *values)
        except (
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.OperatorInterventionError,
            OSError,
        ):
            raise shard_unavailable() from None
        return None if found is None else ids.from_uuid("mch", found)
