"""Views: payments as their newest event tells them, on the primary, for readers who are called.

Law: a view is the text of the journal row that the payment points to, and only while that row tells
the payment as it is now: same object, same version, nobody's personal fields. Everything else (a
merchant being moved, no such payment, an older row) is None, and the reader asks for the payment
itself.
"""

from typing import Any

from fastpath.shorthand import lengthen
from gateway.adapters.postgres import payments
from gateway.adapters.postgres.asked import Asked, Told
from gateway.adapters.postgres.shards import Shards
from gateway.domain import ids

READ_VIEWS = payments.SQL["read_views"].text


class PostgresViews:
    """The views of all shards."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._views = {shard.number: Asked(shard, READ_VIEWS, _value) for shard in shards.all}

    def ask(self, merchant_id: str, payment_hex: str, told: Told) -> None:
        """Have `told` called with the view of a payment (32 digits), or with None."""
        views = self._views[self._shards.of(merchant_id).number]
        views.ask((ids.to_hex(merchant_id), payment_hex), told)


def _value(record: Any) -> str:
    _, stored = record
    return lengthen(stored)
