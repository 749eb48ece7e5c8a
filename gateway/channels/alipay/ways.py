"""The ways to pay with Alipay: one line of `WAYS` for each method of the API.

Law: a way says where its orders go, what they contain and how the answer is read; everything
after that (query, close, refund, callback) is the same for all trades. Three ways are `carried`:
nobody is asked beforehand, the payer's browser or app brings the signed order to Alipay. How money
is held first (`alipay_preauth`) is in `preauth`.

| method | interface | who brings it | what the payer does |
|---|---|---|---|
| alipay_qr | alipay.trade.precreate | we | scans the code that comes back |
| alipay_barcode | alipay.trade.pay | we, with the payer's code | perhaps confirms on the phone |
| alipay_page | alipay.trade.page.pay | the payer's browser | pays on Alipay's page |
| alipay_wap | alipay.trade.wap.pay | the phone's browser | pays in Alipay's app or page |
| alipay_app | alipay.trade.app.pay | the merchant's app | pays in Alipay's app |
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from gateway.channels.alipay import codes
from gateway.channels.alipay.answer import MISSING, Answer, lacks
from gateway.channels.alipay.dialect import beijing_text, yuan_of
from gateway.channels.alipay.limits import end_of
from gateway.channels.alipay.trade import read_paid
from gateway.channels.codec import HandedOut, PayOrder, PayOutcome, Unknown

QR_CODE_CHARS_MAX = 1024
BARCODE_WAIT: Mapping[str, object] = {"type": "barcode_wait"}


class Way(NamedTuple):
    """One way to pay: its interface, default product code, content and reading of an answer.

    `product_option` is the credential by which an account names another product code. A way that
    is `carried` has no answer to read.
    """

    interface: str
    product_code: str
    product_option: str | None
    content: Callable[[PayOrder], dict[str, object]]
    read: Callable[[Answer, PayOrder], PayOutcome]
    refusals: codes.Refusals
    carried: Literal["page", "app"] | None = None


def _trade_content(order: PayOrder) -> dict[str, object]:
    return {
        "out_trade_no": order.attempt_no,
        "total_amount": yuan_of(order.amount),
        "subject": order.subject,
        "time_expire": beijing_text(end_of(order)),
    }


def _barcode_content(order: PayOrder) -> dict[str, object]:
    return {
        **_trade_content(order),
        "scene": "bar_code",
        "auth_code": order.method_options["auth_code"],
    }


def _wap_content(order: PayOrder) -> dict[str, object]:
    # Where the payer goes who leaves the page without paying.
    quit_url = {"quit_url": order.return_url} if order.return_url else {}
    return {**_trade_content(order), **quit_url}


def qr_code_action(answer: Answer, name: str) -> HandedOut | Unknown:
    """The text of the QR code in the field `name`."""
    qr_code = answer.text(name)
    if qr_code is None or len(qr_code) > QR_CODE_CHARS_MAX or not qr_code.isprintable():
        return Unknown(reason=MISSING + name)
    return HandedOut(next_action={"type": "qr_code", "qr_code": qr_code})


def _read_precreate(answer: Answer, order: PayOrder) -> PayOutcome:
    return _not_ok(answer) or lacks(answer, "out_trade_no") or qr_code_action(answer, "qr_code")


def _read_barcode(answer: Answer, order: PayOrder) -> PayOutcome:
    """Paid with every fact; 10003 is a payer who must confirm, which only a query can end."""
    missing = lacks(answer, "out_trade_no")
    if missing is not None:
        return missing
    trade_no = answer.text("trade_no")
    if answer.code == codes.IN_PROGRESS:
        return HandedOut(next_action=BARCODE_WAIT, channel_order_no=trade_no)
    return read_paid(answer, time_name="gmt_payment")


def _read_nothing(answer: Answer, order: PayOrder) -> PayOutcome:
    return Unknown(reason="this way has no answer")


def _not_ok(answer: Answer) -> Unknown | None:
    """10003 from an interface that knows no waiting says nothing."""
    if answer.code == codes.OK:
        return None
    return Unknown(reason="the channel's code is not a listed one", channel_code=answer.code)


WAYS: Mapping[str, Way] = {
    "alipay_qr": Way(
        interface="alipay.trade.precreate",
        product_code="FACE_TO_FACE_PAYMENT",
        product_option="product_code",
        content=_trade_content,
        read=_read_precreate,
        refusals=codes.PRECREATE,
    ),
    "alipay_barcode": Way(
        interface="alipay.trade.pay",
        product_code="FACE_TO_FACE_PAYMENT",
        product_option=None,
        content=_barcode_content,
        read=_read_barcode,
        refusals=codes.TRADE_PAY,
    ),
    "alipay_page": Way(
        interface="alipay.trade.page.pay",
        product_code="FAST_INSTANT_TRADE_PAY",
        product_option=None,
        content=_trade_content,
        read=_read_nothing,
        refusals={},
        carried="page",
    ),
    "alipay_wap": Way(
        interface="alipay.trade.wap.pay",
        product_code="QUICK_WAP_PAY",
        product_option="wap_product_code",
        content=_wap_content,
        read=_read_nothing,
        refusals={},
        carried="page",
    ),
    "alipay_app": Way(
        interface="alipay.trade.app.pay",
        product_code="QUICK_MSECURITY_PAY",
        product_option=None,
        content=_trade_content,
        read=_read_nothing,
        refusals={},
        carried="app",
    ),
}
