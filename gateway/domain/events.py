"""Events: what became true, as every reader of the journal sees it.

Law: an event is a journal row or it did not happen. A line is born complete: its `data` is the
object as it was at that version, already encoded, and is never encoded again.
"""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from msgspec import Struct

from fastpath.moment import rfc3339

TYPES = frozenset(
    {
        "payment.created",
        "payment.requires_action",
        "payment.processing",
        "payment.attempt_failed",
        "payment.closing",
        "payment.authorized",
        "payment.succeeded",
        "payment.failed",
        "payment.canceled",
        "payment.expired",
        "payment.partially_received",
        "payment.unexpected_funds",
        "unexpected_funds.detected",
        "refund.created",
        "refund.succeeded",
        "refund.failed",
        "webhook_endpoint.created",
        "webhook_endpoint.updated",
        "webhook_endpoint.deleted",
        "notify_secret.rotated",
        "merchant.created",
        "merchant.updated",
        "key.created",
        "key.revoked",
        "channel_account.created",
    }
)

OBJECT_PREFIXES = {
    "payment": "pay",
    "refund": "rfd",
    "unexpected_funds": "uxf",
    "webhook_endpoint": "whe",
    "notify_secret": "mch",
    "merchant": "mch",
    "key": "key",
    "channel_account": "cac",
}

encode = msgspec.json.Encoder().encode

# Requests of one second share its text, and so do their ends.
_SECONDS_REMEMBERED_MAX = 256
_MILLISECONDS = tuple(f"{number:03d}Z" for number in range(1000))


class Line(Struct, frozen=True):
    """One journal row to be: what happened to which object, and the object afterwards.

    `payment_id` ties the line to the timeline of a payment; `personal` is the payer's data,
    sealed under the payer's key, so that `data` can outlive it.
    """

    type: str
    object_id: str
    object_version: int
    data: bytes
    payment_id: str | None = None
    personal: bytes | None = None


class Event(Struct, frozen=True, kw_only=True):
    """A journal row as it was read: a line with its place in the merchant's sequence."""

    id: str
    merchant_id: str
    sequence: int
    type: str
    at: datetime
    object_id: str
    object_version: int
    actor: str
    request_id: str | None
    payment_id: str | None
    data: bytes
    personal: bytes | None


def rfc3339_of_ms(at_ms: int) -> str:
    """Unix milliseconds as `rfc3339` tells their moment."""
    second, millisecond = divmod(at_ms, 1000)
    return _second_text(second) + _MILLISECONDS[millisecond]


@lru_cache(_SECONDS_REMEMBERED_MAX)
def _second_text(second: int) -> str:
    """The text of a Unix second, up to and with the point."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """Like `rfc3339`, and None for None."""
    return None if moment is None else rfc3339(moment)
