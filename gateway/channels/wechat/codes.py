"""What WeChat's codes mean: the only refusals that Tillgate believes.

Law: a refusal is listed here, by HTTP status and code, or it is no refusal. An entry belongs here
only if the answer is signed and proves that *this* request had no effect. Left out on purpose, so
that they are `Unknown` and the order is queried:

- `SYSTEM_ERROR`, `BANK_ERROR`, `TRADE_ERROR` and every 5xx: the outcome is not known to WeChat;
- `INVALID_REQUEST`: it is also the answer to a number that is known with other content, to an
  order that was paid, and to a refund of what was refunded already;
- `OUT_TRADE_NO_USED`, `ORDERPAID`, `ORDER_CLOSED`, `ORDER_REVERSED`: the number has an order;
- for transfers everything but faults of form and signature: WeChat says itself that no status but
  200 tells what became of a transfer, and that a new number must wait for a query;
- query, close, reverse, refund query and bills have no refusals at all: that *they* were refused
  says nothing about the order.

Source: WeChat Pay API v3, common error codes and those of the interfaces named at each table.
"""

from collections.abc import Mapping, Set

from gateway.channels.codec import NotFound, Refused, Unknown
from gateway.channels.meanings import refused

USERPAYING = "USERPAYING"
ALREADY_CLOSED = frozenset({(400, "ORDER_CLOSED"), (403, "ORDER_CLOSED")})
# By what was asked for: the answers that there is none.
NO_REFUND = frozenset({(404, "RESOURCE_NOT_EXISTS")})
NO_ORDER = NO_REFUND | {(404, "ORDER_NOT_EXIST"), (404, "ORDERNOTEXIST")}
NO_TRANSFER = NO_REFUND | {(404, "NOT_FOUND")}
NO_BILL = frozenset({(400, "NO_STATEMENT_EXIST"), (404, "NO_STATEMENT_EXIST")})
BILL_EARLY = frozenset({(400, "STATEMENT_CREATING"), (404, "STATEMENT_CREATING")})

Key = tuple[int, str]
Refusals = Mapping[Key, str]

# Refused at the door: the request was not let in, or not understood.
_FORM: dict[Key, str] = {
    (400, "PARAM_ERROR"): "channel_refused",
    (401, "SIGN_ERROR"): "channel_misconfigured",
}
_DOOR: dict[Key, str] = _FORM | {
    (403, "NO_AUTH"): "channel_misconfigured",
    (429, "FREQUENCY_LIMITED"): "channel_busy",
    (429, "RATELIMIT_EXCEEDED"): "channel_busy",
}
_ORDER: dict[Key, str] = _DOOR | {
    (400, "APPID_MCHID_NOT_MATCH"): "channel_misconfigured",
    (400, "MCH_NOT_EXISTS"): "channel_misconfigured",
    (403, "RULE_LIMIT"): "amount_limit",
    (403, "ACCOUNT_ERROR"): "payer_declined",
}

# /v3/pay/transactions/{native,jsapi,h5,app}
PREPAY: Refusals = _ORDER | {
    (400, "OPENID_MISMATCH"): "channel_refused",
    (400, "INVALID_OPENID"): "channel_refused",
}

# /v3/pay/transactions/codepay
CODEPAY: Refusals = _ORDER | {
    (400, "AUTH_CODE_ERROR"): "code_unusable",
    (400, "AUTH_CODE_INVALID"): "code_unusable",
    (400, "AUTH_CODE_EXPIRED"): "code_unusable",
    (403, "AUTH_CODE_EXPIRED"): "code_unusable",
    (403, "NOT_ENOUGH"): "payer_funds_short",
    (403, "NOTENOUGH"): "payer_funds_short",
    (403, "NOT_SUPPORT_CARD"): "payer_declined",
    (403, "BUYER_MISMATCH"): "payer_declined",
}

# /v3/refund/domestic/refunds
REFUND: Refusals = _DOOR | {
    (400, "MCH_NOT_EXISTS"): "channel_misconfigured",
    (404, "MCH_NOT_EXISTS"): "channel_misconfigured",
    (403, "NOT_ENOUGH"): "channel_balance_short",
    (403, "USER_ACCOUNT_ABNORMAL"): "refund_not_allowed",
    (403, "TRADE_OVERDUE"): "refund_not_allowed",
}
REFUND_CLOSED = "refund_not_allowed"

# /v3/fund-app/mch-transfer/transfer-bills
TRANSFER: Refusals = _FORM


def refusal(table: Refusals, *, status: int, code: str) -> Refused | Unknown:
    """The listed refusal for a signed answer's status and code; `Unknown` for everything else."""
    meaning_code = table.get((status, code))
    if meaning_code is None:
        return unlisted(code)
    return refused(meaning_code, code)


def absence(table: Set[Key], *, status: int, code: str) -> NotFound | Unknown:
    """That there is none of what was asked for, where listed; `Unknown` for everything else."""
    return NotFound() if (status, code) in table else unlisted(code)


def unlisted(code: str) -> Unknown:
    """What every other code says: nothing."""
    return Unknown(reason="the channel's code is not a listed one", channel_code=code or None)
