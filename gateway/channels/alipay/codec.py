"""The Alipay codec: orders to signed requests, signed answers to outcomes.

Law: as `gateway.channels.codec`: pure, and definite only where Alipay signed something listed.
Decisions look at `code` and `sub_code` only, never at message texts. Each read has three
ways out: code 10000 with every fact it needs (definite), a listed code (definite), else `Unknown`.

Ways to pay are lines of `ways.WAYS`; all of them share query, close, cancel, refund and refund
query. How a trade's state is read is in `trade`, callbacks are in `notification`.
Public key mode: `credentials` holds Alipay's public key as text.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from gateway.channels.alipay import codes
from gateway.channels.alipay.answer import MISSING, Answer, open_answer
from gateway.channels.alipay.dialect import (
    CURRENCY,
    beijing_text,
    fen_of,
    moment_of,
    yuan_of,
)
from gateway.channels.alipay.notification import read_notification
from gateway.channels.alipay.signature import SIGN_TYPE, sign_request
from gateway.channels.alipay.trade import read_trade
from gateway.channels.alipay.ways import WAYS
from gateway.channels.codec import (
    AccountView,
    Closed,
    CloseOutcome,
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
from gateway.channels.crypto import KeyUnusable, rsa_private_key, rsa_public_key
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

AMOUNT_FEN_MIN = 1
AMOUNT_FEN_MAX = 10_000_000_000
SUBJECT_CHARS_MAX = 256
REASON_CHARS_MAX = 256
NOTIFY_URL_CHARS_MAX = 256

QUERY = "alipay.trade.query"
CLOSE = "alipay.trade.close"
CANCEL = "alipay.trade.cancel"
REFUND = "alipay.trade.refund"
REFUND_QUERY = "alipay.trade.fastpay.refund.query"

_ORDER_NO = re.compile(r"[0-9A-Za-z_]{1,64}")
_HEADERS = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)


class AlipayCodec:
    """See `gateway.channels.codec.Codec`.

    `option_names` are credentials that an account may be given besides: `product_code` is the
    product that the merchant has signed for orders by QR code (`FACE_TO_FACE_PAYMENT` unless
    given, or `QR_CODE_OFFLINE`).
    """

    name = "alipay"
    methods = frozenset({"alipay_qr"})
    currencies = frozenset({CURRENCY})
    single_shot: frozenset[str] = frozenset()
    reversible: frozenset[str] = frozenset()
    authorizing: frozenset[str] = frozenset()
    credential_names = frozenset(
        {"app_id", "seller_id", "merchant_private_key", "alipay_public_key"}
    )
    secret_names = frozenset({"merchant_private_key"})
    option_names = frozenset({"product_code"})

    def check_account(self, account: AccountView) -> None:
        """Refuse a registration that could never work: to be asked before it is stored.

        Raises `TillgateError` `missing_field`, `invalid_field` or `url_not_allowed`.
        """
        for name in sorted(self.credential_names):
            if not account.credentials.get(name):
                raise TillgateError(
                    "missing_field", f"Alipay needs {name}.", param=f"/credentials/{name}"
                )
        loaders = {"merchant_private_key": rsa_private_key, "alipay_public_key": rsa_public_key}
        for name, load in loaders.items():
            try:
                load(account.credentials[name])
            except KeyUnusable as error:
                detail = f"{str(error).capitalize()}."
                raise TillgateError("invalid_field", detail, param=f"/credentials/{name}") from None
        gateway = urlsplit(account.gateway_url)
        if gateway.query or gateway.fragment or gateway.scheme not in ("https", "http"):
            raise TillgateError(
                "url_not_allowed", "The gateway URL must be http(s), without query or fragment."
            )
        if len(account.notify_url) > NOTIFY_URL_CHARS_MAX:
            raise TillgateError(
                "limit_exceeded", f"Alipay takes notify URLs of {NOTIFY_URL_CHARS_MAX} characters."
            )

    def check_order(self, order: PayOrder) -> None:
        """Refuse what Alipay would never take, before a byte leaves."""
        if order.method not in self.methods:
            raise TillgateError(
                "unsupported_method", f"Alipay does not serve {order.method}.", param="/method"
            )
        _check_amount(order.amount, order.currency)
        if not 1 <= len(order.subject) <= SUBJECT_CHARS_MAX or not _is_text(order.subject):
            raise TillgateError(
                "invalid_field",
                f"Alipay takes subjects of 1 to {SUBJECT_CHARS_MAX} characters.",
                param="/subject",
            )
        if not _ORDER_NO.fullmatch(order.attempt_no):
            raise TillgateError("internal_error", "The order number is not one for Alipay.")

    # --- pay ------------------------------------------------------------------------------------

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """The request that hands the order to Alipay; `expires_at` becomes its end at Alipay."""
        way = WAYS[order.method]
        product_code = account.credentials.get("product_code") or way.product_code
        content = way.content(order, product_code)
        return _request(account, way.interface, content, now, notify_url=account.notify_url)

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """What became of the order: handed out, refused (listed), or unknown."""
        way = WAYS[order.method]
        answer = _open(account, way.interface, order.attempt_no, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.code == codes.OK:
            return way.read(answer)
        return codes.refusal(way.refusals, code=answer.code, sub_code=answer.sub_code)

    # --- query, close, cancel -------------------------------------------------------------------

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what became of an order."""
        return _request(account, QUERY, {"out_trade_no": order.attempt_no}, now)

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """The state of the order. Never `Refused`: a refused query says nothing about the order."""
        answer = _open(account, QUERY, order.attempt_no, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.code == codes.OK:
            return read_trade(answer)
        return _not_found_or_unknown(answer)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Close an order that nobody has paid."""
        return _request(account, CLOSE, {"out_trade_no": order.attempt_no}, now)

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed or not found; a wrong state (paid, or closed before) is Unknown: query it."""
        answer = _open(account, CLOSE, order.attempt_no, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return _not_found_or_unknown(answer)
        if answer.text("out_trade_no") is None:
            return Unknown(reason=MISSING + "out_trade_no")
        return Closed(channel_order_no=answer.text("trade_no"))

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Cancel an order whose outcome is unknown: Alipay closes it, or refunds it if paid."""
        return _request(account, CANCEL, {"out_trade_no": order.attempt_no}, now)

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed after either action; without an action Alipay found no such trade.

        After action `refund` the trade was paid and wholly paid back, and no more money can
        come: for the order that is closed, and the statement shows both movements.
        """
        answer = _open(account, CANCEL, order.attempt_no, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return _not_found_or_unknown(answer)
        if answer.text("out_trade_no") is None:
            return Unknown(reason=MISSING + "out_trade_no")
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
        """Refund part or all. Raises `TillgateError` for a foreign currency or a bad amount."""
        _check_amount(refund.amount, refund.currency)
        content: dict[str, object] = {
            "out_trade_no": refund.attempt_no,
            "refund_amount": yuan_of(refund.amount),
            "out_request_no": refund.refund_no,
        }
        if refund.reason:
            content["refund_reason"] = refund.reason[:REASON_CHARS_MAX]
        return _request(account, REFUND, content, now)

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded only with `fund_change` Y.

        10000 with N is what Alipay answers to a number that it knows already, and to one whose
        money has not moved: only the refund query tells them apart, so it is pending.
        """
        answer = _open(account, REFUND, refund.attempt_no, response)
        if isinstance(answer, Unknown):
            return answer
        if codes.is_not_exist(code=answer.code, sub_code=answer.sub_code):
            return NotFound()
        if answer.code != codes.OK:
            return codes.refusal(codes.REFUND, code=answer.code, sub_code=answer.sub_code)
        if answer.text("out_trade_no") is None:
            return Unknown(reason=MISSING + "out_trade_no")
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
        return _request(account, REFUND_QUERY, content, now)

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded with `REFUND_SUCCESS`, this number and this amount; never `Refused`.

        10000 only means that the query worked; without `refund_status` there is no such refund
        (yet). An answer without status that names an amount contradicts itself: pending.
        """
        answer = _open(account, REFUND_QUERY, refund.attempt_no, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return _not_found_or_unknown(answer)
        if answer.text("out_request_no") not in (None, refund.refund_no):
            return Unknown(reason="the answer is about another refund")
        status = answer.fields.get("refund_status")
        if not status:
            named = fen_of(answer.fields.get("refund_amount"))
            return RefundPending() if named else NotFound()
        if status != "REFUND_SUCCESS":
            return Unknown(reason="the refund status is not a listed one")
        if answer.text("out_request_no") is None:
            return Unknown(reason=MISSING + "out_request_no")
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


# --- requests -----------------------------------------------------------------------------------


def _request(
    account: AccountView,
    interface: str,
    content: Mapping[str, object],
    now: datetime,
    *,
    notify_url: str = "",
) -> HttpRequest:
    """Common parameters in the query, `biz_content` in the form body, both signed together."""
    credentials = account.credentials
    common = {
        "app_id": credentials["app_id"],
        "method": interface,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": SIGN_TYPE,
        "timestamp": beijing_text(now),
        "version": "1.0",
    }
    if notify_url:
        common["notify_url"] = notify_url
    biz_content = msgspec.json.encode(content).decode("utf-8")
    signed = {**common, "biz_content": biz_content}
    common["sign"] = sign_request(signed, credentials["merchant_private_key"])
    return HttpRequest(
        method="POST",
        url=f"{account.gateway_url}?{urlencode(common, quote_via=quote, safe='')}",
        headers=_HEADERS,
        body=b"biz_content=" + quote(biz_content, safe="").encode("ascii"),
    )


def _check_amount(amount: int, currency: str) -> None:
    if currency != CURRENCY:
        raise TillgateError(
            "unsupported_currency", f"Alipay takes {CURRENCY} only.", param="/currency"
        )
    if amount < AMOUNT_FEN_MIN:
        raise TillgateError(
            "amount_below_minimum", f"The least amount is {AMOUNT_FEN_MIN}.", param="/amount"
        )
    if amount > AMOUNT_FEN_MAX:
        raise TillgateError(
            "limit_exceeded", f"The greatest amount is {AMOUNT_FEN_MAX}.", param="/amount"
        )


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# --- answers ------------------------------------------------------------------------------------


def _open(
    account: AccountView, interface: str, attempt_no: str, response: HttpResponse
) -> Answer | Unknown:
    return open_answer(
        response,
        interface=interface,
        public_key=account.credentials["alipay_public_key"],
        attempt_no=attempt_no,
    )


def _not_found_or_unknown(answer: Answer) -> NotFound | Unknown:
    if codes.is_not_exist(code=answer.code, sub_code=answer.sub_code):
        return NotFound()
    return Unknown(
        reason="the channel's code is not a listed one",
        channel_code=answer.sub_code or answer.code,
    )
