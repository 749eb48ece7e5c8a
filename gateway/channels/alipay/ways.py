"""The ways to pay with Alipay: one line of `WAYS` for each method of the API.

Law: a way says where its orders go, what they contain and how the answer is read; everything
after that (query, close, refund, callback) is the same for all ways.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.channels.alipay import codes
from gateway.channels.alipay.answer import MISSING, Answer
from gateway.channels.alipay.dialect import beijing_text, yuan_of
from gateway.channels.codec import HandedOut, PayOrder, PayOutcome, Unknown

QR_CODE_CHARS_MAX = 1024


class Way(NamedTuple):
    """One way to pay: its interface, default product code, content and reading of an answer."""

    interface: str
    product_code: str
    content: Callable[[PayOrder, str], dict[str, str]]
    read: Callable[[Answer], PayOutcome]
    refusals: codes.Refusals


def _precreate_content(order: PayOrder, product_code: str) -> dict[str, str]:
    return {
        "out_trade_no": order.attempt_no,
        "total_amount": yuan_of(order.amount),
        "subject": order.subject,
        "product_code": product_code,
        "time_expire": beijing_text(order.expires_at),
    }


def _read_precreate(answer: Answer) -> PayOutcome:
    if answer.text("out_trade_no") is None:
        return Unknown(reason=MISSING + "out_trade_no")
    qr_code = answer.text("qr_code")
    if qr_code is None or len(qr_code) > QR_CODE_CHARS_MAX or not qr_code.isprintable():
        return Unknown(reason=MISSING + "qr_code")
    return HandedOut(next_action={"type": "qr_code", "qr_code": qr_code})


WAYS: Mapping[str, Way] = {
    "alipay_qr": Way(
        interface="alipay.trade.precreate",
        product_code="FACE_TO_FACE_PAYMENT",
        content=_precreate_content,
        read=_read_precreate,
        refusals=codes.PRECREATE,
    ),
}
