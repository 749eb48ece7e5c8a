"""Failures: why an order ended without money, where no refusal of a channel says it.

Law: a closed set. `error.code` of a payment or refund is one of these or one of the meanings of a
channel's refusal (`gateway.channels.meanings`); both tables are in the documents.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Failure(NamedTuple):
    """What the merchant is told; `retryable`: another try can succeed without being changed."""

    message: str
    retryable: bool


FAILURES: Mapping[str, Failure] = {
    "channel_unavailable": Failure("The channel could not be reached.", True),
    "channel_silent": Failure("The channel never received the order.", True),
    "channel_timeout": Failure(
        "The payer did not pay in time; the order was cancelled at the channel.", True
    ),
    "closed_by_channel": Failure("The channel closed the order before it was paid.", True),
    "amount_mismatch": Failure(
        "The channel took another amount than the order's; it does not count as paid.", False
    ),
}


def failure(code: str) -> dict[str, object]:
    """The `error` member of an object. Raises KeyError for a code that is not listed."""
    listed = FAILURES[code]
    return {
        "code": code,
        "message": listed.message,
        "channel_code": None,
        "retryable": listed.retryable,
    }
