"""What UnionPay would never take: amounts, numbers, texts and options.

Law: refused here before a byte leaves, as `TillgateError`. Limits are UnionPay's own.
"""

import re

from gateway.channels import limits
from gateway.channels.codec import PayOrder
from gateway.channels.unionpay.dialect import AMOUNT_FEN_MAX, CURRENCY, ORDER_NO
from gateway.channels.unionpay.ways import WAYS
from gateway.domain.errors import TillgateError

AMOUNT_FEN_MIN = 1
ORDER_DESC_CHARS_MAX = 32
URL_CHARS_MAX = 256
QUICK_OPTIONS = {
    "token": re.compile(r"[0-9A-Za-z]{8,40}"),
    "phone": re.compile(r"1[0-9]{10}"),
}
SMS_CODE = re.compile(r"[0-9A-Za-z]{4,8}")


def check_amount(amount: int, currency: str) -> None:
    """Raise `unsupported_currency`, `amount_below_minimum` or `limit_exceeded`."""
    limits.check_amount(
        amount,
        currency,
        channel="UnionPay",
        only=CURRENCY,
        least=AMOUNT_FEN_MIN,
        greatest=AMOUNT_FEN_MAX,
    )


def check_number(number: str) -> None:
    """Raise `internal_error` for a number that is none of ours."""
    if not ORDER_NO.fullmatch(number):
        raise TillgateError("internal_error", "The order number is not one for UnionPay.")


def check_options(order: PayOrder) -> None:
    """Raise `missing_field` or `invalid_field` for method options that do not fit the way."""
    if not WAYS[order.method].by_sms:
        return
    given = {name: order.method_options.get(name) for name in QUICK_OPTIONS}
    if not any(given.values()):
        raise TillgateError(
            "missing_field",
            "UnionPay quick pay needs token or phone.",
            param="/method_options/token",
        )
    for name, value in given.items():
        if value and not QUICK_OPTIONS[name].fullmatch(value):
            raise TillgateError(
                "invalid_field",
                f"The {name} is not one for UnionPay.",
                param=f"/method_options/{name}",
            )


def check_url(url: str | None, *, param: str) -> None:
    """Raise `url_not_allowed` for one that is too long for UnionPay."""
    if url is not None and len(url) > URL_CHARS_MAX:
        raise TillgateError(
            "url_not_allowed", f"UnionPay takes URLs of {URL_CHARS_MAX} characters.", param=param
        )


def is_text(text: str) -> bool:
    """Whether `text` can be written in UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
