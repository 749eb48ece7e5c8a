"""Callbacks that took effect: the inbox that makes a second delivery harmless.

Law: one row per business effect (trade, state, refund), never per delivery.
"""

from datetime import datetime

from msgspec import Struct

from gateway.domain.change import Need


class CallbackSeen(Struct, frozen=True, kw_only=True):
    """A verified callback that was applied to an attempt."""

    merchant_id: str
    attempt_id: str
    dedupe_key: str
    channel: str
    received_at: datetime
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return seen_need(self.attempt_id, self.dedupe_key)


def seen_need(attempt_id: str, dedupe_key: str) -> Need:
    """The inbox row of one effect on one attempt."""
    return Need("callback", f"{attempt_id} {dedupe_key}")
