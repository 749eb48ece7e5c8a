"""Trades of the pretend Alipay once they exist: query, close, cancel, refund, refund query.

Law: each method checks everything first, then changes the book once, then answers; what it
answers is in the book. A QR code is no trade: the trade begins when a payer scans the code, and
until then query, close, cancel and refund find nothing (ACQ.TRADE_NOT_EXIST). A close or cancel
of such a code nevertheless takes it out of the world (`close_locks_unscanned`): its number can
no longer be paid. Refunds never exceed what was paid. How orders come to be is in `orders`.

| trade_status   | means                                                        |
|----------------|--------------------------------------------------------------|
| WAIT_BUYER_PAY | scanned, not paid                                            |
| TRADE_SUCCESS  | paid, may be refunded                                        |
| TRADE_FINISHED | paid, and the time for refunds (365 days) is over            |
| TRADE_CLOSED   | closed or expired unpaid, or wholly refunded                 |

Source: Alipay OpenAPI, alipay.trade.{query,close,cancel,refund,fastpay.refund.query}.
"""

from datetime import timedelta
from typing import Any, Final

from gateway.sandbox.alipay.accounts import CHANNEL, Account
from gateway.sandbox.alipay.call import HOLD_PREFIX, Answer, Call, numbers, success
from gateway.sandbox.alipay.fields import Fields, yuan
from gateway.sandbox.alipay.notices import BUYER_ID, BUYER_LOGON_ID, refund_content
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.book import Book, Order
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.moments import MILLISECOND, Clock, beijing_text, to_ms
from gateway.sandbox.notifications import Postman

CANCEL_WINDOW_MS: Final = timedelta(hours=24) // MILLISECOND
REFUND_WINDOW_MS: Final = timedelta(days=365) // MILLISECOND


class Trades:
    """The methods. Each raises `Refusal` for what it does not do."""

    def __init__(
        self,
        *,
        book: Book,
        expiry: Expiry,
        postman: Postman,
        clock: Clock,
        close_locks_unscanned: bool,
    ) -> None:
        self._book = book
        self._expiry = expiry
        self._postman = postman
        self._clock = clock
        self._close_locks_unscanned = close_locks_unscanned

    def query(self, call: Call) -> Answer:
        """The state of a trade."""
        order = self._trade(call.account, call.fields)
        paid = order.status == "paid"
        amount = yuan(order.amount if paid else 0)
        node: dict[str, Any] = {
            "trade_no": order.channel_order_no,
            "out_trade_no": order.out_trade_no,
            "buyer_logon_id": BUYER_LOGON_ID,
            "buyer_user_id": BUYER_ID,
            "buyer_user_type": "PRIVATE",
            "trade_status": trade_status(order, self._now()),
            "total_amount": yuan(order.amount),
            "buyer_pay_amount": amount,
            "receipt_amount": amount,
            "invoice_amount": amount,
            "point_amount": "0.00",
        }
        if order.paid_at is not None:
            node["send_pay_date"] = beijing_text(order.paid_at)
            node["fund_bill_list"] = [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}]
        return Answer(success(node))

    def close(self, call: Call) -> Answer:
        """Close a trade that waits for its payer; no other."""
        order = self._trade_to_end(call.account, call.fields)
        if order.status != "open":
            raise Refusal("ACQ.TRADE_STATUS_ERROR")
        with self._book.change():
            self._book.close_order(order, now=self._now())
        return Answer(success(numbers(order)))

    def cancel(self, call: Call) -> Answer:
        """Undo a trade of the last 24 hours: close it, or refund it wholly. May be repeated."""
        order = self._trade_to_end(call.account, call.fields)
        now = self._now()
        action = "close"
        if order.status == "open":
            with self._book.change():
                self._book.close_order(order, now=now)
        elif order.status == "paid":
            action = "refund"
            # A colon cannot occur in a merchant's number: no refund of theirs has this one.
            cancel_no = f"cancel:{order.channel_order_no}"
            if self._book.refund(order, cancel_no) is None:
                self._refuse_cancel(order, now)
                self._give_back(call.account, order, cancel_no, order.amount, now)
        return Answer(success(numbers(order) | {"retry_flag": "N", "action": action}))

    def refund(self, call: Call) -> Answer:
        """Give back all or part; a repeat under the same number moves nothing."""
        amount = call.fields.fen("refund_amount")
        request_no = call.fields.number("out_request_no")
        order = self._trade(call.account, call.fields)
        if order.status != "paid":
            raise Refusal("ACQ.TRADE_STATUS_ERROR")
        if request_no is None and amount != order.amount:
            raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
        request_no = request_no or order.out_trade_no
        now = self._now()
        done = self._book.refund(order, request_no)
        if done is not None:
            if done.amount != amount:
                raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
            return Answer(_refunded(order, fund_change="N", refunded_at=done.created_at))
        if trade_status(order, now) == "TRADE_FINISHED":
            raise Refusal("ACQ.TRADE_HAS_FINISHED")
        if amount > order.amount - order.refunded:
            raise Refusal("ACQ.REASON_TRADE_REFUND_FEE_ERR")
        order = self._give_back(call.account, order, request_no, amount, now)
        return Answer(_refunded(order, fund_change="Y", refunded_at=now))

    def refund_query(self, call: Call) -> Answer:
        """One refund; without `refund_status` when there is no such refund."""
        request_no = call.fields.required_number("out_request_no")
        order = self._trade(call.account, call.fields)
        refund = self._book.refund(order, request_no)
        if refund is None:
            return Answer(success({}))
        return Answer(
            success(
                numbers(order)
                | {
                    "out_request_no": refund.out_refund_no,
                    "total_amount": yuan(order.amount),
                    "refund_amount": yuan(refund.amount),
                    "refund_status": "REFUND_SUCCESS",
                    "gmt_refund_pay": beijing_text(refund.created_at),
                }
            )
        )

    def _found(self, account: Account, fields: Fields) -> Order:
        """The order a request speaks of, scanned or not; `trade_no` goes before the other."""
        self._expiry.settle()
        trade_no = fields.number("trade_no")
        out_trade_no = fields.number("out_trade_no")
        if trade_no is not None:
            order = self._book.order_by_channel_no(CHANNEL, account.app_id, trade_no)
        elif out_trade_no is not None:
            order = self._book.order(CHANNEL, account.app_id, out_trade_no)
        else:
            raise Refusal("ACQ.INVALID_PARAMETER", "out_trade_no and trade_no are missing")
        if order is None or order.out_trade_no.startswith(HOLD_PREFIX):
            raise Refusal("ACQ.TRADE_NOT_EXIST")
        return order

    def _trade(self, account: Account, fields: Fields) -> Order:
        order = self._found(account, fields)
        if order.channel_order_no is None:
            raise Refusal("ACQ.TRADE_NOT_EXIST")
        return order

    def _trade_to_end(self, account: Account, fields: Fields) -> Order:
        order = self._found(account, fields)
        if order.channel_order_no is None:
            if order.status == "open" and self._close_locks_unscanned:
                with self._book.change():
                    self._book.close_order(order, now=self._now())
            raise Refusal("ACQ.TRADE_NOT_EXIST")
        return order

    def _refuse_cancel(self, order: Order, now: int) -> None:
        if order.refunded:
            raise Refusal("ACQ.REASON_TRADE_REFUND_FEE_ERR", "refunded before")
        if now - (order.paid_at or now) > CANCEL_WINDOW_MS:
            raise Refusal("ACQ.TRADE_CANCEL_TIME_OUT")

    def _give_back(
        self, account: Account, order: Order, refund_no: str, amount: int, now: int
    ) -> Order:
        with self._book.change():
            self._book.add_refund(order, out_refund_no=refund_no, amount=amount, now=now)
            order = self._book.order_by_id(order.id)
            refund = self._book.refund(order, refund_no)
            if order.notify_url is not None and refund is not None:
                content = refund_content(order, account, refund)
                self._postman.post(order, url=order.notify_url, content=content)
        return order

    def _now(self) -> int:
        return to_ms(self._clock())


def trade_status(order: Order, now: int) -> str:
    """Alipay's word for the state of a scanned order."""
    if order.status == "open":
        return "WAIT_BUYER_PAY"
    if order.paid_at is None or order.refunded == order.amount:
        return "TRADE_CLOSED"
    return "TRADE_FINISHED" if now - order.paid_at >= REFUND_WINDOW_MS else "TRADE_SUCCESS"


def _refunded(order: Order, *, fund_change: str, refunded_at: int) -> dict[str, Any]:
    return success(
        numbers(order)
        | {
            "buyer_logon_id": BUYER_LOGON_ID,
            "buyer_user_id": BUYER_ID,
            "fund_change": fund_change,
            "refund_fee": yuan(order.refunded),
            "gmt_refund_pay": beijing_text(refunded_at),
        }
    )
