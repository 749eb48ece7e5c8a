"""Awaited payments, on the primary, for readers who are called.

Law: an awaited payment is one whose payer holds the code of its present attempt at the registration
that is asked for, told by its newest event as it is now. Everything else is None.
"""

from typing import Any

from fastpath.shorthand import lengthen
from gateway.adapters.postgres import payments
from gateway.adapters.postgres.asked import Asked, Told
from gateway.adapters.postgres.shards import Shards
from gateway.domain import ids
from gateway.domain.paid import AwaitedPayment

READ_AWAITED = payments.SQL["read_awaited"].text


class PostgresAwaited:
    """The awaited payments of all shards."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._awaited = {shard.number: Asked(shard, READ_AWAITED, _value) for shard in shards.all}

    def ask(self, merchant_id: str, account_id: str, attempt_hex: str, told: Told) -> None:
        """Have `told` called with the payment that awaits the money of an attempt (32 digits) at a
        registration, or with None."""
        awaited = self._awaited[self._shards.of(merchant_id).number]
        awaited.ask((ids.to_hex(merchant_id), ids.to_hex(account_id), attempt_hex), told)


def _value(record: Any) -> AwaitedPayment:
    _, *columns, stored = record
    return AwaitedPayment._make((*columns, lengthen(stored)))
