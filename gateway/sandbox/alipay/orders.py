"""How orders come to be at the pretend Alipay: by code, by the payer's code, by page, by app.

Law: one number of a merchant is one order: the same content again finds it, other content is
refused. An order that a payer brings (a page, an app's string) comes to be when it is brought, and
never before; until a payer acts on it, it is no trade. A payer's code is good for one order.

| method | the order's code for `/payer/pay` |
|---|---|
| alipay.trade.precreate | the QR text that is answered |
| alipay.trade.page.pay, wap.pay | the whole URL, or the QR text that its page leads to |
| alipay.trade.app.pay | the whole order string; once brought, also its out_trade_no |
| alipay.trade.pay | the payer's own code, while the payer must confirm |

Source: Alipay OpenAPI, alipay.trade.{precreate,pay,page.pay,wap.pay,app.pay}.
"""

import re
import secrets
from datetime import timedelta
from typing import Any, Final

from gateway.sandbox.alipay.accounts import CHANNEL, random_digits
from gateway.sandbox.alipay.call import Answer, Call, in_progress, numbers, success
from gateway.sandbox.alipay.fields import yuan
from gateway.sandbox.alipay.magic import (
    CODE_INVALID,
    CREATE_CUT_FEN,
    ORDER_DECLINED_FEN,
    payer_is_short,
    payer_waits,
)
from gateway.sandbox.alipay.notices import BUYER_ID, BUYER_LOGON_ID, payment_content
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.book import Book, Order
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.moments import MILLISECOND, Clock, beijing_text, to_ms
from gateway.sandbox.notifications import Postman

SUBJECT_CHARS_MAX: Final = 256
LIFETIME_MS: Final = timedelta(hours=2) // MILLISECOND
"""An order that names no expiry lives this long."""
CODE_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
CODE_RANDOM_CHARS: Final = 21
AUTH_CODE: Final = re.compile(r"(?:2[5-9]|30)[0-9]{14,22}", re.ASCII)

PRODUCTS: Final = {
    "alipay.trade.precreate": ("FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE", None),
    "alipay.trade.pay": ("FACE_TO_FACE_PAYMENT", None),
    "alipay.trade.page.pay": ("FAST_INSTANT_TRADE_PAY",),
    "alipay.trade.wap.pay": ("QUICK_WAP_PAY", "QUICK_WAP_WAY"),
    "alipay.trade.app.pay": ("QUICK_MSECURITY_PAY", None),
}
"""Product codes that a method takes; None where it may be left out."""


class Orders:
    """The methods that make orders. Each raises `Refusal` for what it does not do."""

    def __init__(self, *, book: Book, expiry: Expiry, postman: Postman, clock: Clock) -> None:
        self._book = book
        self._expiry = expiry
        self._postman = postman
        self._clock = clock

    def precreate(self, call: Call) -> Answer:
        """Make a QR code for an order; the same content again gives the same code."""
        order, is_new = self._order(call, "alipay.trade.precreate", code=new_code())
        node = success({"out_trade_no": order.out_trade_no, "qr_code": order.code or ""})
        return Answer(node, cut=is_new and order.amount == CREATE_CUT_FEN)

    def brought(self, call: Call, method: str) -> Order:
        """The order that a payer brings by page or app."""
        return self._order(call, method, code=new_code())[0]

    def pay(self, call: Call) -> Answer:
        """Take money from the payer whose code was read; some must confirm on their phone."""
        auth_code = call.fields.required_text("auth_code", chars_max=64)
        if call.fields.members.get("scene") not in ("bar_code", "wave_code"):
            raise Refusal("ACQ.INVALID_PARAMETER", "scene")
        known = self._known(call)
        if known is None:
            self._refuse_code(auth_code, call.fields.fen("total_amount"))
        order, is_new = self._order(call, "alipay.trade.pay", code=auth_code, auth_code=auth_code)
        if order.status == "open":
            node = in_progress(numbers(order) | {"total_amount": yuan(order.amount)})
        else:
            node = success(_paid(order))
        return Answer(node, cut=is_new and order.amount == CREATE_CUT_FEN)

    def _order(
        self, call: Call, method: str, *, code: str, auth_code: str | None = None
    ) -> tuple[Order, bool]:
        """The order of a call, and whether it is new; with a payer's code it begins at once."""
        out_trade_no = call.fields.required_number("out_trade_no")
        amount = call.fields.fen("total_amount")
        call.fields.required_text("subject", chars_max=SUBJECT_CHARS_MAX)
        product_code = call.fields.members.get("product_code") or None
        if product_code not in PRODUCTS[method]:
            raise Refusal("ACQ.INVALID_PARAMETER", "product_code")
        if call.fields.members.get("seller_id") not in (None, "", call.account.seller_id):
            raise Refusal("ACQ.ACCESS_FORBIDDEN", "seller_id")
        known = self._known(call)
        if known is not None:
            return self._made_before(known, call), False
        if amount == ORDER_DECLINED_FEN:
            raise Refusal("ACQ.TOTAL_FEE_EXCEED")
        now = to_ms(self._clock())
        with self._book.change():
            self._book.add_order(
                channel=CHANNEL,
                account_id=call.account.app_id,
                out_trade_no=out_trade_no,
                amount=amount,
                currency="CNY",
                code=code,
                notify_url=call.notify_url,
                content=call.content(),
                now=now,
                expires_at=call.fields.expiry_ms(now) or now + LIFETIME_MS,
            )
            order = self._written(call)
            if auth_code is not None:
                order = self._begin(order, call, waits=payer_waits(amount, auth_code), now=now)
        self._expiry.watch()
        return order, True

    def _known(self, call: Call) -> Order | None:
        number = call.fields.required_number("out_trade_no")
        return self._book.order(CHANNEL, call.account.app_id, number)

    def _written(self, call: Call) -> Order:
        order = self._known(call)
        if order is None:
            raise LookupError("the order that was just written is not there")
        return order

    def _made_before(self, order: Order, call: Call) -> Order:
        self._expiry.settle()
        order = self._book.order_by_id(order.id)
        if order.status == "paid":
            raise Refusal("ACQ.TRADE_HAS_SUCCESS")
        if order.status == "closed":
            raise Refusal("ACQ.TRADE_HAS_CLOSE")
        if call.content() != order.content:
            raise Refusal("ACQ.CONTEXT_INCONSISTENT")
        if call.notify_url != order.notify_url:
            # A merchant's address may change between two tries; it is no part of the order.
            with self._book.change():
                self._book.renotify(order, call.notify_url)
        return order

    def _refuse_code(self, auth_code: str, amount: int) -> None:
        used = self._book.order_by_code(auth_code) is not None
        if used or AUTH_CODE.fullmatch(auth_code) is None or auth_code.endswith(CODE_INVALID):
            raise Refusal("ACQ.PAYMENT_AUTH_CODE_INVALID")
        if amount != ORDER_DECLINED_FEN and payer_is_short(amount, auth_code):
            raise Refusal("ACQ.BUYER_BALANCE_NOT_ENOUGH")

    def _begin(self, order: Order, call: Call, *, waits: bool, now: int) -> Order:
        self._book.scan(order, new_trade_no(now), now=now)
        if not waits:
            self._book.pay(order, now=now)
        order = self._book.order_by_id(order.id)
        if not waits and order.notify_url is not None:
            content = payment_content(order, call.account)
            self._postman.post(order, url=order.notify_url, content=content)
        return order


def new_trade_no(now: int) -> str:
    """28 digits that begin with the date in Beijing."""
    return beijing_text(now)[:10].replace("-", "") + "22001" + random_digits(15)


def new_code() -> str:
    """A QR text that nobody can guess."""
    random = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_RANDOM_CHARS))
    return f"https://qr.alipay.com/bax{random}"


def paid_node(order: Order) -> dict[str, Any]:
    """What a paid trade.pay answers."""
    return success(_paid(order))


def _paid(order: Order) -> dict[str, Any]:
    amount = yuan(order.amount)
    return numbers(order) | {
        "buyer_logon_id": BUYER_LOGON_ID,
        "buyer_user_id": BUYER_ID,
        "total_amount": amount,
        "receipt_amount": amount,
        "buyer_pay_amount": amount,
        "point_amount": "0.00",
        "invoice_amount": amount,
        "gmt_payment": beijing_text(order.paid_at or 0),
        "fund_bill_list": [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}],
    }
