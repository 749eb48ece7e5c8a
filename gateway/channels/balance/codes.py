"""What a wallet service's refusals mean: the only ones that Tillgate believes.

Law: a refusal is listed here or it is no refusal. An entry belongs here only if it proves that
*this* request had no effect. Left out on purpose: `number_conflict` (something of this number
exists) and `busy` (the outcome is not known). Query, close, reverse and void have no refusals.
"""

from collections.abc import Mapping

from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import refused

NOT_FOUND = "not_found"

DEBIT: Mapping[str, str] = {
    "funds_short": "payer_funds_short",
    "wallet_unknown": "channel_refused",
    "wallet_frozen": "payer_declined",
    "wallet_closed": "payer_declined",
    "currency_mismatch": "channel_refused",
    "amount_limit": "amount_limit",
}
CREDIT: Mapping[str, str] = {
    "credit_exceeds": "refund_amount_refused",
    "wallet_closed": "refund_not_allowed",
}
CAPTURE: Mapping[str, str] = {
    "capture_exceeds": "channel_refused",
    "hold_over": "channel_refused",
}


def refusal(table: Mapping[str, str], code: str) -> Refused | Unknown:
    """The listed refusal for a code; `Unknown` for everything else."""
    meaning = table.get(code)
    if meaning is None:
        return Unknown(reason="the wallet's code is not a listed one", channel_code=code)
    return refused(meaning, code)
