"""What Alipay's codes mean: the only refusals that Tillgate believes.

Law: a refusal is listed here or it is no refusal. An entry belongs here only if the answer is
signed and proves that *this* request had no effect. Left out on purpose, so that they are
`Unknown` and the order is queried:

- `ACQ.SYSTEM_ERROR`, `AQC.SYSTEM_ERROR` and every 20000: the outcome is not known to Alipay;
- `ACQ.TRADE_HAS_SUCCESS`, `ACQ.TRADE_HAS_CLOSE`, `ACQ.CONTEXT_INCONSISTENT`,
  `ACQ.TRADE_BUYER_NOT_MATCH`: an order of this number exists, perhaps paid;
- for refunds `ACQ.DISCORDANT_REPEAT_REQUEST`, `ACQ.TRADE_HAS_CLOSE`, `ACQ.TRADE_STATUS_ERROR`,
  `ACQ.REFUND_CHARGE_ERROR`: a refund of this number may exist, or be the very reason;
- query, close, cancel and refund query have no refusals at all: that *they* were refused says
  nothing about the order.

Source: Alipay open platform, error codes of the interfaces named at each table.
"""

from collections.abc import Mapping

from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import refused

OK = "10000"
BUSINESS_FAILED = "40004"
TRADE_NOT_EXIST = "ACQ.TRADE_NOT_EXIST"

Refusals = Mapping[tuple[str, str], str]


def _business(codes: Mapping[str, str]) -> dict[tuple[str, str], str]:
    return {(BUSINESS_FAILED, f"ACQ.{name}"): meaning for name, meaning in codes.items()}


# The gateway's own refusals, made before an interface is reached. It rarely signs them.
_GATEWAY: dict[tuple[str, str], str] = {
    ("40002", "isv.invalid-parameter"): "channel_refused",
    ("40002", "isv.invalid-app-id"): "channel_misconfigured",
    ("40002", "isv.invalid-signature"): "channel_misconfigured",
    ("40002", "isv.invalid-signature-type"): "channel_misconfigured",
    ("40002", "isv.invalid-timestamp"): "channel_misconfigured",
    ("40002", "isv.invalid-charset"): "channel_misconfigured",
    ("40006", "isv.insufficient-isv-permissions"): "channel_misconfigured",
    ("40006", "isv.insufficient-user-permissions"): "channel_misconfigured",
}

# alipay.trade.precreate
PRECREATE: Refusals = _GATEWAY | _business(
    {
        "INVALID_PARAMETER": "channel_refused",
        "EXIST_FORBIDDEN_WORD": "text_refused",
        "TOTAL_FEE_EXCEED": "amount_limit",
        "BEYOND_PER_RECEIPT_RESTRICTION": "amount_limit",
        "MERCHANT_PERM_RECEIPT_SINGLE_LIMIT": "amount_limit",
        "MERCHANT_PERM_RECEIPT_DAY_LIMIT": "amount_limit",
        "BUYER_SELLER_EQUAL": "payer_declined",
        "BUYER_ENABLE_STATUS_FORBID": "payer_declined",
        "ACCESS_FORBIDDEN": "channel_misconfigured",
        "PARTNER_ERROR": "channel_misconfigured",
        "INVALID_RECEIVE_ACCOUNT": "channel_misconfigured",
        "ERROR_SELLER_CERTIFY_LEVEL_LIMIT": "channel_misconfigured",
        "NOT_SUPPORT_PAYMENT_INST": "channel_misconfigured",
        "SELLER_BEEN_BLOCKED": "account_suspended",
        "SECONDARY_MERCHANT_STATUS_ERROR": "account_suspended",
        "MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT": "account_suspended",
    }
)

# alipay.trade.refund
REFUND: Refusals = _GATEWAY | _business(
    {
        "INVALID_PARAMETER": "channel_refused",
        "SELLER_BALANCE_NOT_ENOUGH": "channel_balance_short",
        "REFUND_AMT_NOT_EQUAL_TOTAL": "refund_amount_refused",
        "REASON_TRADE_REFUND_FEE_ERR": "refund_amount_refused",
        "REFUND_FEE_ERROR": "refund_amount_refused",
        "NOT_ALLOW_PARTIAL_REFUND": "refund_amount_refused",
        "REASON_TRADE_BEEN_FREEZEN": "refund_not_allowed",
        "TRADE_HAS_FINISHED": "refund_not_allowed",
        "TRADE_NOT_ALLOW_REFUND": "refund_not_allowed",
        "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND": "refund_not_allowed",
        "BUYER_ERROR": "refund_not_allowed",
        "REFUND_ACCOUNT_NOT_EXIST": "refund_not_allowed",
        "ACCESS_FORBIDDEN": "channel_misconfigured",
    }
)


def refusal(table: Refusals, *, code: str, sub_code: str) -> Refused | Unknown:
    """The listed refusal for a signed answer's codes; `Unknown` for everything else."""
    channel_code = sub_code or code
    meaning_code = table.get((code, sub_code))
    if meaning_code is None:
        return Unknown(reason="the channel's code is not a listed one", channel_code=channel_code)
    return refused(meaning_code, channel_code)


def is_not_exist(*, code: str, sub_code: str) -> bool:
    """Whether the codes say that Alipay has no such trade."""
    return code == BUSINESS_FAILED and sub_code == TRADE_NOT_EXIST
