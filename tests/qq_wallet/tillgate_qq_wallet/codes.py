"""What QQ Wallet's codes mean: the only refusals that are believed (unconfirmed).

Law: a code is listed only if it proves that this request had no effect. That an order exists, was
paid or closed is no refusal: it is queried. A query, a close and a refund query have none.
"""

from collections.abc import Mapping

from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import refused

ORDER_NOT_EXIST = "ORDERNOTEXIST"
REFUND_NOT_EXIST = "REFUNDNOTEXIST"

MEANINGS: Mapping[tuple[str, str], str] = {
    ("unified_order", "NOAUTH"): "channel_misconfigured",
    ("unified_order", "MCHID_NOT_EXIST"): "channel_misconfigured",
    ("unified_order", "TRADE_OVER_LIMIT"): "amount_limit",
    ("refund", "NOTENOUGH"): "channel_balance_short",
    ("refund", "REFUND_FEE_INVALID"): "refund_amount_refused",
}


def refusal(operation: str, code: str) -> Refused | Unknown:
    """The listed refusal, or `Unknown`."""
    meaning = MEANINGS.get((operation, code))
    if meaning is None:
        return Unknown("the channel's code is not a listed one", code or None)
    return refused(meaning, code)
