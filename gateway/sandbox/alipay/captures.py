"""Taking money that is held at the pretend Alipay: `alipay.trade.pay` with an `auth_no`.

Law: a capture is a trade of its own, paid at once, never for more than is still held. In mode
COMPLETE it lets go of the rest. One number is one capture: the same again is refused, as is other
content; who does not know what became of it asks by alipay.trade.query.

Source: Alipay OpenAPI, alipay.trade.pay.
"""

from gateway.sandbox.alipay.accounts import CHANNEL
from gateway.sandbox.alipay.call import HOLD_PRODUCTS, Answer, Call
from gateway.sandbox.alipay.hold_book import HoldBook
from gateway.sandbox.alipay.magic import CREATE_CUT_FEN
from gateway.sandbox.alipay.notices import payment_content
from gateway.sandbox.alipay.orders import SUBJECT_CHARS_MAX, new_trade_no, paid_node
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.book import Book, Order
from gateway.sandbox.moments import Clock, to_ms
from gateway.sandbox.notifications import Postman


class Captures:
    """The method. Raises `Refusal` for what it does not do."""

    def __init__(self, *, book: Book, postman: Postman, clock: Clock) -> None:
        self._book = book
        self._holds = HoldBook(book)
        self._postman = postman
        self._clock = clock

    def capture(self, call: Call) -> Answer:
        """Take money that is held, as a trade of its own."""
        out_trade_no = call.fields.required_number("out_trade_no")
        amount = call.fields.fen("total_amount")
        call.fields.required_text("subject", chars_max=SUBJECT_CHARS_MAX)
        mode = call.fields.members.get("auth_confirm_mode") or "NOT_COMPLETE"
        if mode not in ("COMPLETE", "NOT_COMPLETE"):
            raise Refusal("ACQ.INVALID_PARAMETER", "auth_confirm_mode")
        if call.fields.members.get("product_code") not in HOLD_PRODUCTS:
            raise Refusal("ACQ.INVALID_PARAMETER", "product_code")
        if call.fields.members.get("seller_id") not in (None, "", call.account.seller_id):
            raise Refusal("ACQ.ACCESS_FORBIDDEN", "seller_id")
        known = self._book.order(CHANNEL, call.account.app_id, out_trade_no)
        if known is not None:
            same = known.content == call.content()
            raise Refusal("ACQ.TRADE_HAS_SUCCESS" if same else "ACQ.CONTEXT_INCONSISTENT")
        order = self._holds.order_by_auth_no(
            call.account.app_id, call.fields.required_number("auth_no")
        )
        if order is None or self._holds.of(order).rest == 0:
            raise Refusal("ACQ.AUTH_NO_ERROR")
        if amount > self._holds.of(order).rest:
            raise Refusal("ACQ.PRODUCT_AMOUNT_LIMIT_ERROR")
        trade = self._write(call, order, out_trade_no, amount, complete=mode == "COMPLETE")
        return Answer(paid_node(trade), cut=amount == CREATE_CUT_FEN)

    def _write(
        self, call: Call, order: Order, out_trade_no: str, amount: int, *, complete: bool
    ) -> Order:
        now = to_ms(self._clock())
        with self._book.change():
            self._book.add_order(
                channel=CHANNEL,
                account_id=call.account.app_id,
                out_trade_no=out_trade_no,
                amount=amount,
                currency="CNY",
                code=None,
                notify_url=call.notify_url,
                content=call.content(),
                now=now,
                expires_at=None,
            )
            trade = self._book.order(CHANNEL, call.account.app_id, out_trade_no)
            if trade is None:
                raise LookupError("the trade that was just written is not there")
            self._book.scan(trade, new_trade_no(now), now=now)
            self._book.pay(trade, now=now)
            self._holds.capture(order, amount)
            rest = self._holds.of(order).rest
            if complete and rest:
                self._holds.release(
                    order, out_request_no=f"complete:{out_trade_no}", amount=rest, now=now
                )
            trade = self._book.order_by_id(trade.id)
            if trade.notify_url is not None:
                content = payment_content(trade, call.account)
                self._postman.post(trade, url=trade.notify_url, content=content)
        return trade
