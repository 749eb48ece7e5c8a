"""What Alipay's codes mean: the only refusals that Tillgate believes.

Law: a refusal is listed here or it is no refusal. An entry belongs here only if the answer is
signed and proves that *this* request had no effect. Left out on purpose, so that they are
`Unknown` and the order is queried:

- `ACQ.SYSTEM_ERROR`, `AQC.SYSTEM_ERROR`, `SYSTEM_ERROR` and every 20000: Alipay does not know;
- `ACQ.TRADE_HAS_SUCCESS`, `ACQ.TRADE_HAS_CLOSE`, `ACQ.CONTEXT_INCONSISTENT`,
  `ACQ.TRADE_BUYER_NOT_MATCH`, `UNIQUE_VIOLATION`, `FREEZE_ALREADY_SUCCESS`, `ORDER_ALREADY_*`,
  `PAYMENT_INFO_INCONSISTENCY`: an order of this number exists, perhaps paid;
- `ACQ.PAYMENT_FAIL`, `*PULL_MOBILE_CASHIER_FAIL`, `TRANSFER_ERROR`: they do not say what remained;
- for refunds `ACQ.DISCORDANT_REPEAT_REQUEST`, `ACQ.TRADE_HAS_CLOSE`, `ACQ.TRADE_STATUS_ERROR`,
  `ACQ.REFUND_CHARGE_ERROR`: a refund of this number may exist, or be the very reason;
- query, close, cancel, void and refund query have no refusals at all: that *they* were refused
  says nothing about the order.

Source: Alipay open platform, error codes of the interfaces named at each table.
"""

from collections.abc import Mapping

from gateway.channels.codec import NotFound, Refused, Unknown
from gateway.channels.meanings import refused

OK = "10000"
IN_PROGRESS = "10003"
BUSINESS_FAILED = "40004"
TRADE_NOT_EXIST = "ACQ.TRADE_NOT_EXIST"
NOT_EXIST = frozenset(
    {TRADE_NOT_EXIST, "AUTH_ORDER_NOT_EXIST", "AUTH_OPERATION_NOT_EXIST", "ORDER_NOT_EXIST"}
)

Refusals = Mapping[tuple[str, str], str]

_NO_STATE = "the channel's code is not a listed one"


def _business(codes: Mapping[str, str], *, prefix: str = "ACQ.") -> dict[tuple[str, str], str]:
    return {(BUSINESS_FAILED, prefix + name): meaning for name, meaning in codes.items()}


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

# Refusals of every interface that takes an order.
_ORDER = {
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

# alipay.trade.precreate
PRECREATE: Refusals = _GATEWAY | _business(_ORDER)

# alipay.trade.pay with a payer's code
TRADE_PAY: Refusals = _GATEWAY | _business(
    _ORDER
    | {
        "PAYMENT_AUTH_CODE_INVALID": "code_unusable",
        "BUYER_BALANCE_NOT_ENOUGH": "payer_funds_short",
        "BUYER_BANKCARD_BALANCE_NOT_ENOUGH": "payer_funds_short",
        "BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR": "payer_declined",
        "BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR": "payer_declined",
        "ERROR_BALANCE_PAYMENT_DISABLE": "payer_declined",
        "ERROR_BUYER_CERTIFY_LEVEL_LIMIT": "payer_declined",
        "MOBILE_PAYMENT_SWITCH_OFF": "payer_declined",
        "NO_PAYMENT_INSTRUMENTS_AVAILABLE": "payer_declined",
        "PAYMENT_REQUEST_HAS_RISK": "payer_declined",
        "USER_FACE_PAYMENT_SWITCH_OFF": "payer_declined",
        "BEYOND_PAY_RESTRICTION": "amount_limit",
        "INVALID_STORE_ID": "channel_misconfigured",
    }
)

# alipay.trade.pay with an authorization (a capture)
CAPTURE: Refusals = _GATEWAY | _business(
    _ORDER
    | {
        "AUTH_NO_ERROR": "channel_refused",
        "PRODUCT_AMOUNT_LIMIT_ERROR": "amount_limit",
        "BEYOND_PAY_RESTRICTION": "amount_limit",
    }
)

# alipay.fund.auth.order.voucher.create
VOUCHER: Refusals = _GATEWAY | _business(
    {
        "ILLEGAL_ARGUMENT": "channel_refused",
        "EXIST_FORBIDDEN_WORD": "text_refused",
        "ACCESS_FORBIDDEN": "channel_misconfigured",
        "CURRENCY_VERIFICATION_FAIL": "channel_misconfigured",
        "PAYEE_NOT_EXIST": "channel_misconfigured",
        "PAYEE_USER_STATUS_LIMIT": "account_suspended",
        "SECONDARY_MERCHANT_STATUS_ERROR": "account_suspended",
        "MERCHANT_STATUS_ERROR": "account_suspended",
    },
    prefix="",
)

# alipay.fund.auth.order.freeze
FREEZE: Refusals = {
    **VOUCHER,
    **_business(
        {
            "PAYMENT_AUTH_CODE_INVALID": "code_unusable",
            "PAYER_NOT_EXIST": "code_unusable",
            "MONEY_NOT_ENOUGH": "payer_funds_short",
            "CLIENT_VERSION_NOT_MATCH": "payer_declined",
            "ERROR_BALANCE_PAYMENT_DISABLE": "payer_declined",
            "NO_PAYMENT_INSTRUMENTS_AVAILABLE": "payer_declined",
            "PAYER_PAYEE_EQUAL": "payer_declined",
            "PAYER_USER_STATUS_LIMIT": "payer_declined",
            "USER_FACE_PAYMENT_SWITCH_OFF": "payer_declined",
        },
        prefix="",
    ),
}

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

# alipay.fund.trans.uni.transfer
TRANSFER: Refusals = _GATEWAY | _business(
    {
        "INVALID_PARAMETER": "channel_refused",
        "EXCEED_LIMIT_SM_MIN_AMOUNT": "amount_limit",
        "EXCEED_LIMIT_SM_AMOUNT": "amount_limit",
        "EXCEED_LIMIT_DM_AMOUNT": "amount_limit",
        "EXCEED_LIMIT_DM_MAX_AMOUNT": "amount_limit",
        "EXCEED_LIMIT_MM_AMOUNT": "amount_limit",
        "EXCEED_LIMIT_MM_MAX_AMOUNT": "amount_limit",
        "EXCEED_LIMIT_ENT_SM_AMOUNT": "amount_limit",
        "EXCEED_LIMIT_PERSONAL_SM_AMOUNT": "amount_limit",
        "REMARK_HAS_SENSITIVE_WORD": "text_refused",
        "MEMO_REQUIRED_IN_TRANSFER_ERROR": "channel_refused",
        "BALANCE_IS_NOT_ENOUGH": "channel_balance_short",
        "PAYER_BALANCE_NOT_ENOUGH": "channel_balance_short",
        "BLOCK_USER_FORBBIDEN_RECIEVE": "payee_refused",
        "EXCEED_LIMIT_UNRN_DM_AMOUNT": "payee_refused",
        "IDENTITY_FUND_RELATION_NOT_FOUND": "payee_refused",
        "NO_ACCOUNT_RECEIVE_PERMISSION": "payee_refused",
        "NO_ACCOUNT_USER_FORBBIDEN_RECIEVE": "payee_refused",
        "PAYEE_ACCOUNT_NOT_EXSIT": "payee_refused",
        "PAYEE_ACCOUNT_STATUS_ERROR": "payee_refused",
        "PAYEE_ACC_OCUPIED": "payee_refused",
        "PAYEE_CERT_INFO_ERROR": "payee_refused",
        "PAYEE_NOT_EXIST": "payee_refused",
        "PAYEE_NOT_RELNAME_CERTIFY": "payee_refused",
        "PAYEE_USER_INFO_ERROR": "payee_refused",
        "PAYEE_USER_TYPE_ERROR": "payee_refused",
        "PAYER_PAYEE_CANNOT_SAME": "payee_refused",
        "PERMIT_NON_BANK_LIMIT_PAYEE": "payee_refused",
        "PERM_AML_NOT_REALNAME_REV": "payee_refused",
        "RELEASE_USER_FORBBIDEN_RECIEVE": "payee_refused",
        "INVALID_PAYER_ACCOUNT": "channel_misconfigured",
        "NOT_IN_WHITE_LIST": "channel_misconfigured",
        "NO_ORDER_PERMISSION": "channel_misconfigured",
        "NO_PERMISSION_ACCOUNT": "channel_misconfigured",
        "PAYER_CERT_EXPIRED": "channel_misconfigured",
        "PAYER_DATA_INCOMPLETE": "channel_misconfigured",
        "MONEY_PAY_CLOSED": "account_suspended",
        "PAYCARD_UNABLE_PAYMENT": "account_suspended",
        "PAYER_STATUS_ERROR": "account_suspended",
        "PERMIT_CHECK_PERM_LIMITED": "account_suspended",
        "PERMIT_PAYER_FORBIDDEN": "account_suspended",
    },
    prefix="",
)

# alipay.data.dataservice.bill.downloadurl.query
STATEMENT: Refusals = _GATEWAY


def refusal(table: Refusals, *, code: str, sub_code: str) -> Refused | Unknown:
    """The listed refusal for a signed answer's codes; `Unknown` for everything else."""
    channel_code = sub_code or code
    meaning_code = table.get((code, sub_code))
    if meaning_code is None:
        return Unknown(reason=_NO_STATE, channel_code=channel_code)
    return refused(meaning_code, channel_code)


def is_not_exist(*, code: str, sub_code: str) -> bool:
    """Whether the codes say that Alipay has no such trade, authorization or transfer."""
    return code == BUSINESS_FAILED and sub_code in NOT_EXIST


def not_found_or_unknown(*, code: str, sub_code: str) -> NotFound | Unknown:
    """What is left of a question about an order that was not answered."""
    if is_not_exist(code=code, sub_code=sub_code):
        return NotFound()
    return Unknown(reason=_NO_STATE, channel_code=sub_code or code)
