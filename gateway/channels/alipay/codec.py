"""The Alipay codec: orders to signed requests, signed answers to outcomes.

Law: as `gateway.channels.codec`: pure, and definite only where Alipay signed something listed.
Decisions look at `code` and `sub_code` only, never at message texts. Each read has three
ways out: code 10000 with every fact it needs (definite), a listed code (definite), else `Unknown`.

Ways to pay are lines of `ways.WAYS`; all trades share query, close, cancel, refund and refund
query. How a trade's state is read is in `trade`, callbacks are in `notification`, holds in
`preauth`, payouts in `transfers`, statements in `bills`, certificates in `download`.
"""

from datetime import datetime

from gateway.channels.alipay import codes, credentials, limits, preauth
from gateway.channels.alipay.answer import lacks, open_answer
from gateway.channels.alipay.bills import Bills
from gateway.channels.alipay.dialect import CURRENCY, fen_of, moment_of, yuan_of
from gateway.channels.alipay.download import KeyFetch
from gateway.channels.alipay.limits import REASON_CHARS_MAX, check_amount
from gateway.channels.alipay.notification import read_notification
from gateway.channels.alipay.preauth import Preauth
from gateway.channels.alipay.request import app_action, call, page_action, signed_parameters
from gateway.channels.alipay.trade import QUERY, read_trade
from gateway.channels.alipay.transfers import Transfers
from gateway.channels.alipay.ways import WAYS
from gateway.channels.codec import (
    AccountView,
    Closed,
    CloseOutcome,
    HandedOut,
    NotFound,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    Refunded,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Unknown,
    VerifiedCallback,
)
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse

CLOSE = "alipay.trade.close"
CANCEL = "alipay.trade.cancel"
REFUND = "alipay.trade.refund"
REFUND_QUERY = "alipay.trade.fastpay.refund.query"


class AlipayCodec(Preauth, Transfers, Bills, KeyFetch):
    """See `gateway.channels.codec.Codec`; what an account is given is in `credentials`.

    `alipay_preauth` is single-shot, because with a payer's code it holds money at once; it is not
    reversible in 45 s, because without one it is a QR code that lives as long as the order.
    """

    name = "alipay"
    methods = frozenset({*WAYS, preauth.METHOD})
    currencies = frozenset({CURRENCY})
    single_shot = frozenset({"alipay_barcode", preauth.METHOD})
    reversible = frozenset({"alipay_barcode"})
    credential_names = credentials.REQUIRED
    option_names = credentials.OPTIONS
    secret_names = credentials.SECRET

    def check_account(self, account: AccountView) -> None:
        """Refuse a registration that could never work: to be asked before it is stored.

        Raises `TillgateError` `missing_field`, `invalid_field`, `url_not_allowed` or
        `limit_exceeded`.
        """
        credentials.check_account(account)

    def check_order(self, order: PayOrder) -> None:
        """Refuse what Alipay would never take, before a byte leaves."""
        limits.check_order(order, self.methods)

    # --- pay ------------------------------------------------------------------------------------

    def build_pay(
        self, account: AccountView, order: PayOrder, now: datetime
    ) -> HttpRequest | HandedOut:
        """The request that hands the order to Alipay, or the signed order that the payer brings."""
        if order.method == preauth.METHOD:
            return self.build_hold(account, order, now)
        way = WAYS[order.method]
        own_code = account.credentials.get(way.product_option) if way.product_option else None
        content = {**way.content(order), "product_code": own_code or way.product_code}
        if way.carried is None:
            return call(account, way.interface, content, now, notify_url=account.notify_url)
        parameters = signed_parameters(
            account,
            way.interface,
            content,
            now,
            notify_url=account.notify_url,
            return_url=(order.return_url or "") if way.carried == "page" else "",
        )
        if way.carried == "app":
            return HandedOut(next_action=app_action(parameters))
        return HandedOut(next_action=page_action(account, parameters))

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """What became of the order: handed out, paid, refused (listed), or unknown."""
        if order.method == preauth.METHOD:
            return self.read_hold(account, order, response)
        way = WAYS[order.method]
        answer = open_answer(account, way.interface, response, about=_order_no(order.attempt_no))
        if isinstance(answer, Unknown):
            return answer
        if answer.code in (codes.OK, codes.IN_PROGRESS):
            return way.read(answer, order)
        return codes.refusal(way.refusals, code=answer.code, sub_code=answer.sub_code)

    # --- query, close, cancel -------------------------------------------------------------------

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what became of an order."""
        if order.method == preauth.METHOD:
            return self.build_hold_query(account, order, now)
        return call(account, QUERY, _order_no(order.attempt_no), now)

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """The state of the order. Never `Refused`: a refused query says nothing about the order."""
        if order.method == preauth.METHOD:
            return self.read_hold_query(account, order, response)
        answer = open_answer(account, QUERY, response, about=_order_no(order.attempt_no))
        if isinstance(answer, Unknown):
            return answer
        if answer.code == codes.OK:
            return read_trade(answer)
        return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Close an order that nobody has paid."""
        if order.method == preauth.METHOD:
            return self.build_hold_end(account, order, now)
        return call(account, CLOSE, _order_no(order.attempt_no), now)

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed or not found; a wrong state (paid, or closed before) is Unknown: query it."""
        if order.method == preauth.METHOD:
            return self.read_hold_end(account, order, response)
        answer = open_answer(account, CLOSE, response, about=_order_no(order.attempt_no))
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        return lacks(answer, "out_trade_no") or Closed(channel_order_no=answer.text("trade_no"))

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Cancel an order whose outcome is unknown: Alipay closes it, or refunds it if paid."""
        if order.method == preauth.METHOD:
            return self.build_hold_end(account, order, now)
        return call(account, CANCEL, _order_no(order.attempt_no), now)

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed after either action; without an action Alipay found no such trade.

        After action `refund` the trade was paid and wholly paid back, and no more money can
        come: for the order that is closed, and the statement shows both movements.
        """
        if order.method == preauth.METHOD:
            return self.read_hold_end(account, order, response)
        answer = open_answer(account, CANCEL, response, about=_order_no(order.attempt_no))
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        missing = lacks(answer, "out_trade_no")
        if missing is not None:
            return missing
        if answer.fields.get("retry_flag") != "N":
            return Unknown(reason="the channel asks to cancel again")
        action = answer.fields.get("action")
        if action in ("close", "refund"):
            return Closed(channel_order_no=answer.text("trade_no"))
        if not action:
            return NotFound()
        return Unknown(reason="the action of the cancel is not a listed one")

    # --- refund ---------------------------------------------------------------------------------

    def build_refund(self, account: AccountView, refund: RefundOrder, now: datetime) -> HttpRequest:
        """Refund part or all. Raises `TillgateError` for a foreign currency or a bad amount.

        Of a capture, `attempt_no` is the capture's number: each capture is a trade of its own.
        """
        check_amount(refund.amount, refund.currency)
        content: dict[str, object] = {
            "out_trade_no": refund.attempt_no,
            "refund_amount": yuan_of(refund.amount),
            "out_request_no": refund.refund_no,
        }
        if refund.reason:
            content["refund_reason"] = refund.reason[:REASON_CHARS_MAX]
        return call(account, REFUND, content, now)

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded only with `fund_change` Y.

        10000 with N is what Alipay answers to a number that it knows already, and to one whose
        money has not moved: only the refund query tells them apart, so it is pending.
        """
        answer = open_answer(account, REFUND, response, about=_order_no(refund.attempt_no))
        if isinstance(answer, Unknown):
            return answer
        if codes.is_not_exist(code=answer.code, sub_code=answer.sub_code):
            return NotFound()
        if answer.code != codes.OK:
            return codes.refusal(codes.REFUND, code=answer.code, sub_code=answer.sub_code)
        missing = lacks(answer, "out_trade_no")
        if missing is not None:
            return missing
        if answer.fields.get("fund_change") != "Y":
            return RefundPending()
        return Refunded(
            refund_no=refund.refund_no,
            refunded_at=moment_of(answer.fields.get("gmt_refund_pay")),
        )

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one refund number, and when."""
        content = {
            "out_trade_no": refund.attempt_no,
            "out_request_no": refund.refund_no,
            "query_options": ["gmt_refund_pay"],
        }
        return call(account, REFUND_QUERY, content, now)

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded with `REFUND_SUCCESS`, this number and this amount; never `Refused`.

        10000 only means that the query worked; without `refund_status` there is no such refund
        (yet). An answer without status that names an amount contradicts itself: pending.
        """
        answer = open_answer(account, REFUND_QUERY, response, about=_order_no(refund.attempt_no))
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        if answer.text("out_request_no") not in (None, refund.refund_no):
            return Unknown(reason="the answer is about another refund")
        status = answer.fields.get("refund_status")
        if not status:
            named = fen_of(answer.fields.get("refund_amount"))
            return RefundPending() if named else NotFound()
        if status != "REFUND_SUCCESS":
            return Unknown(reason="the refund status is not a listed one")
        missing = lacks(answer, "out_request_no")
        if missing is not None:
            return missing
        if fen_of(answer.fields.get("refund_amount")) != refund.amount:
            return Unknown(reason="the refunded amount is not the refund's")
        return Refunded(
            refund_no=refund.refund_no,
            refunded_at=moment_of(answer.fields.get("gmt_refund_pay")),
        )

    # --- callbacks ------------------------------------------------------------------------------

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """Verify and read a notification; Alipay signs no time of sending, so `now` is unused."""
        return read_notification(account, request)

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """Seven bytes stop the resending; anything else asks for another try."""
        if accepted:
            return CallbackReply(status=200, content_type="text/plain", body=b"success")
        return CallbackReply(status=400, content_type="text/plain", body=b"failure")


def _order_no(number: str) -> dict[str, str]:
    return {"out_trade_no": number}
