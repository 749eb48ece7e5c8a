"""Meanings: the few things that a channel's refusal can mean to a merchant.

Law: a closed set. `Refused.code`, hence `error.code` of a payment or refund, is one of these, in
every channel; each channel keeps one table from its own codes to them, and what is not in that
table is no refusal but `Unknown`.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from gateway.channels.codec import Refused

Fault = Literal["merchant", "payer", "account", "channel"]


class Meaning(NamedTuple):
    """What a refusal tells the merchant; `fault` is who can do something about it.

    `retryable`: the same request can succeed later without being changed.
    """

    message: str
    fault: Fault
    retryable: bool = False


MEANINGS: Mapping[str, Meaning] = {
    "channel_refused": Meaning("The channel refused the order as it stands.", "merchant"),
    "text_refused": Meaning("The channel refused a word in the order's text.", "merchant"),
    "amount_limit": Meaning("The amount is over a limit of the channel.", "merchant"),
    "payer_declined": Meaning("The channel does not let this payer pay.", "payer"),
    "channel_misconfigured": Meaning(
        "The channel account is not set up for this operation.", "account"
    ),
    "account_suspended": Meaning("The channel has suspended the account.", "account"),
    "refund_not_allowed": Meaning("The channel does not refund this trade.", "merchant"),
    "refund_amount_refused": Meaning("The channel refused the amount of the refund.", "merchant"),
    "channel_balance_short": Meaning(
        "The channel account has too little money for this.", "account", retryable=True
    ),
    "payer_funds_short": Meaning("The payer has too little money.", "payer", retryable=True),
    "code_unusable": Meaning(
        "The payer's code is wrong, used or out of date; ask for a new one.",
        "payer",
        retryable=True,
    ),
    "card_declined": Meaning("The issuer declined the card.", "payer"),
    "authentication_failed": Meaning("The payer could not be authenticated.", "payer"),
    "sms_code_wrong": Meaning("The code by SMS is wrong.", "payer", retryable=True),
    "payee_refused": Meaning("The channel cannot pay this payee.", "merchant"),
    "channel_busy": Meaning(
        "The channel refused to take the order now; nothing happened.", "channel", retryable=True
    ),
}


def refused(code: str, channel_code: str) -> Refused:
    """The refusal that a listed code of a channel means. Raises KeyError for no meaning of ours."""
    meaning = MEANINGS[code]
    return Refused(
        code=code,
        message=meaning.message,
        channel_code=channel_code,
        retryable=meaning.retryable,
    )
