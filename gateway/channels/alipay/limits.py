"""What Alipay would never take: the limits of each way, checked before a byte leaves.

Law: only what Alipay documents as a limit is refused here; everything else is Alipay's to decide.
Lengths are characters, amounts fen. Source: Alipay open platform, the request parameters of each
interface.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from gateway.channels import limits
from gateway.channels.alipay.dialect import CURRENCY
from gateway.channels.codec import PayOrder
from gateway.domain.errors import TillgateError

AMOUNT_FEN_MIN = 1
AMOUNT_FEN_MAX = 10_000_000_000
TRANSFER_FEN_MIN = 10
SUBJECT_CHARS_MAX = 256
TITLE_CHARS_MAX = 100
"""An authorization's `order_title` is shorter than a trade's `subject`."""
REASON_CHARS_MAX = 256
RETURN_URL_CHARS_MAX = 256
LIFETIME_MIN = timedelta(minutes=1)
LIFETIME_MAX = timedelta(days=15)

_ORDER_NO = re.compile(r"[0-9A-Za-z_]{1,64}")
_AUTH_CODE = re.compile(r"(?:2[5-9]|30)[0-9]{14,22}")
RETURNING = frozenset({"alipay_page", "alipay_wap"})


def check_order(order: PayOrder, methods: frozenset[str]) -> None:
    """Raise `TillgateError` for an order that Alipay would never take."""
    if order.method not in methods:
        raise TillgateError(
            "unsupported_method", f"Alipay does not serve {order.method}.", param="/method"
        )
    check_amount(order.amount, order.currency)
    chars_max = TITLE_CHARS_MAX if order.method == "alipay_preauth" else SUBJECT_CHARS_MAX
    if not 1 <= len(order.subject) <= chars_max or not is_text(order.subject):
        raise TillgateError(
            "invalid_field",
            f"Alipay takes subjects of 1 to {chars_max} characters.",
            param="/subject",
        )
    if order.expires_at - order.created_at > LIFETIME_MAX:
        raise TillgateError(
            "invalid_field",
            f"Alipay keeps orders for at most {LIFETIME_MAX.days} days.",
            param="/expires_in",
        )
    if order.method in RETURNING and len(order.return_url or "") > RETURN_URL_CHARS_MAX:
        raise TillgateError(
            "invalid_field",
            f"Alipay takes return URLs of {RETURN_URL_CHARS_MAX} characters.",
            param="/return_url",
        )
    _check_auth_code(order.method, order.method_options)
    check_number(order.attempt_no)


def check_amount(amount: int, currency: str, *, fen_min: int = AMOUNT_FEN_MIN) -> None:
    """Raise `unsupported_currency`, `amount_below_minimum` or `limit_exceeded`."""
    limits.check_amount(
        amount, currency, channel="Alipay", only=CURRENCY, least=fen_min, greatest=AMOUNT_FEN_MAX
    )


def check_number(number: str) -> None:
    """Our numbers at Alipay: 1 to 64 letters, digits and underscores."""
    if not _ORDER_NO.fullmatch(number):
        raise TillgateError("internal_error", "The order number is not one for Alipay.")


def end_of(order: PayOrder) -> datetime:
    """When the order ends at Alipay, which gives each order a minute at least.

    Of an attempt made in the last minute of a payment the core takes care: it closes it.
    """
    return max(order.expires_at, order.created_at + LIFETIME_MIN)


def is_text(text: str) -> bool:
    """Whether `text` can be written in UTF-8 (a lone surrogate cannot)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_auth_code(method: str, options: Mapping[str, str]) -> None:
    param = "/method_options/auth_code"
    code = options.get("auth_code")
    if code is None:
        if method == "alipay_barcode":
            raise TillgateError("missing_field", "The payer's code is missing.", param=param)
        return
    if method not in ("alipay_barcode", "alipay_preauth"):
        raise TillgateError("invalid_field", f"{method} takes no payer's code.", param=param)
    # The code itself is not repeated: for a minute it is as good as money.
    if not _AUTH_CODE.fullmatch(code):
        raise TillgateError(
            "invalid_field",
            "A payer's code has 16 to 24 digits and begins with 25 to 30.",
            param=param,
        )
