"""Money that is held first at Alipay (`alipay_preauth`): hold, query, close, capture, void.

Law: as `gateway.channels.authorization`. A hold is an authorization order of ours (`out_order_no`)
with one freeze operation of the same number; Alipay's number of it (`auth_no`) is what captures and
the void speak of. A capture is a trade of its own number (`capture_no`), so that refunds of it name
that number. Never more is captured than was frozen. A void lets go of what is left: of the whole,
by cancelling the operation, while `auth_no` is not known.

How a query is read (`rest` is what is still frozen, `used` what was captured):

| operation | rest | used | outcome |
|---|---|---|---|
| INIT | | | Waiting |
| CLOSED | | | Closed |
| SUCCESS | more than 0 | | Authorized |
| SUCCESS | 0 | 0 | Closed: all was let go |
| SUCCESS | 0 | the whole amount | Paid |
| SUCCESS | 0 | a part | Unknown: the captures say more |
| anything else | | | Unknown |

Source: Alipay open platform, alipay.fund.auth.order.{voucher.create,freeze,unfreeze},
alipay.fund.auth.operation.{detail.query,cancel}, alipay.trade.pay.
"""

from datetime import datetime

from gateway.channels.alipay import codes
from gateway.channels.alipay.answer import MISSING, Answer, lacks, open_answer
from gateway.channels.alipay.dialect import CURRENCY, fen_of, moment_of, yuan_of
from gateway.channels.alipay.limits import LIFETIME_MIN, check_amount, check_number, end_of
from gateway.channels.alipay.request import call
from gateway.channels.alipay.trade import QUERY, read_trade
from gateway.channels.alipay.ways import BARCODE_WAIT, qr_code_action
from gateway.channels.authorization import Captured, CaptureOrder, CaptureOutcome, CapturePending
from gateway.channels.codec import (
    AccountView,
    Authorized,
    Closed,
    CloseOutcome,
    HandedOut,
    Paid,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    Unknown,
    Waiting,
)
from gateway.channels.meanings import refused
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

METHOD = "alipay_preauth"
PRODUCT_CODE = "PREAUTH_PAY"
PRODUCT_OPTION = "preauth_product_code"
VOUCHER_CREATE = "alipay.fund.auth.order.voucher.create"
FREEZE = "alipay.fund.auth.order.freeze"
UNFREEZE = "alipay.fund.auth.order.unfreeze"
DETAIL_QUERY = "alipay.fund.auth.operation.detail.query"
OPERATION_CANCEL = "alipay.fund.auth.operation.cancel"
CAPTURE = "alipay.trade.pay"

VOID_SUFFIX = "_void"
"""Makes the number of the one void that a hold can have; no number of ours has an underscore."""

_REMARK = "released"
_UNLISTED_STATUS = "the status of the freeze is not a listed one"


class Preauth:
    """See `gateway.channels.authorization.Authorizing`; and the ways of a hold before it."""

    authorizing = frozenset({METHOD})

    def build_hold(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask for a QR code of the hold, or hold at once what the payer's code stands for."""
        auth_code = order.method_options.get("auth_code")
        content: dict[str, object] = {
            **_names(order),
            "order_title": order.subject,
            "amount": yuan_of(order.amount),
            "product_code": account.credentials.get(PRODUCT_OPTION) or PRODUCT_CODE,
            "payee_user_id": account.credentials["seller_id"],
            "pay_timeout": _minutes(order),
        }
        if auth_code is not None:
            content |= {"auth_code": auth_code, "auth_code_type": "bar_code"}
        interface = VOUCHER_CREATE if auth_code is None else FREEZE
        return call(account, interface, content, now, notify_url=account.notify_url)

    def read_hold(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> PayOutcome:
        """Handed out, held at once, refused (listed), or unknown."""
        by_code = "auth_code" in order.method_options
        interface = FREEZE if by_code else VOUCHER_CREATE
        answer = open_answer(account, interface, response, about=_names(order))
        if isinstance(answer, Unknown):
            return answer
        table = codes.FREEZE if by_code else codes.VOUCHER
        waits = by_code and answer.code == codes.IN_PROGRESS
        if answer.code != codes.OK and not waits:
            return codes.refusal(table, code=answer.code, sub_code=answer.sub_code)
        missing = lacks(answer, "out_order_no")
        if missing is not None:
            return missing
        if not by_code:
            return qr_code_action(answer, "code_value")
        if waits or answer.fields.get("status") == "INIT":
            return HandedOut(next_action=BARCODE_WAIT, channel_order_no=answer.text("auth_no"))
        return _held(answer)

    def build_hold_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what became of the freeze."""
        return call(account, DETAIL_QUERY, {**_names(order), "operation_type": "FREEZE"}, now)

    def read_hold_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """See the table above."""
        answer = open_answer(account, DETAIL_QUERY, response, about=_names(order))
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        missing = lacks(answer, "out_order_no", "status")
        if missing is not None:
            return missing
        status = answer.text("status")
        if status == "INIT":
            return Waiting(channel_order_no=answer.text("auth_no"))
        if status == "CLOSED":
            return Closed(channel_order_no=answer.text("auth_no"))
        return _kept(answer)

    def build_hold_end(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Cancel the freeze: it can no longer be made, or it is undone wholly."""
        return call(account, OPERATION_CANCEL, {**_names(order), "remark": _REMARK}, now)

    def read_hold_end(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed after either action: nothing is held and nothing can be."""
        answer = open_answer(account, OPERATION_CANCEL, response, about=_names(order))
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        missing = lacks(answer, "out_order_no")
        if missing is not None:
            return missing
        if answer.fields.get("action") not in ("close", "unfreeze"):
            return Unknown(reason="the action of the cancel is not a listed one")
        return Closed(channel_order_no=answer.text("auth_no"))

    # --- capture --------------------------------------------------------------------------------

    def build_capture(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Take part or all of what is held; the last one (`final`) lets go of the rest.

        Raises `TillgateError` `limit_exceeded` for more than was frozen.
        """
        check_amount(capture.amount, capture.currency)
        check_number(capture.capture_no)
        if capture.amount > capture.amount_authorized:
            raise TillgateError(
                "limit_exceeded", "More cannot be captured than was held.", param="/amount"
            )
        content: dict[str, object] = {
            "out_trade_no": capture.capture_no,
            "auth_no": capture.channel_order_no,
            "auth_confirm_mode": "COMPLETE" if capture.final else "NOT_COMPLETE",
            "total_amount": yuan_of(capture.amount),
            "subject": capture.subject,
            "product_code": account.credentials.get(PRODUCT_OPTION) or PRODUCT_CODE,
            "seller_id": account.credentials["seller_id"],
        }
        return call(account, CAPTURE, content, now)

    def read_capture(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """Captured with every fact; refused where listed."""
        about = {"out_trade_no": capture.capture_no}
        answer = open_answer(account, CAPTURE, response, about=about)
        if isinstance(answer, Unknown):
            return answer
        if answer.code not in (codes.OK, codes.IN_PROGRESS):
            return codes.refusal(codes.CAPTURE, code=answer.code, sub_code=answer.sub_code)
        missing = lacks(answer, "out_trade_no")
        if missing is not None:
            return missing
        if answer.code == codes.IN_PROGRESS:
            return CapturePending()
        missing = lacks(answer, "trade_no")
        if missing is not None:
            return missing
        return _captured(
            capture,
            trade_no=answer.text("trade_no"),
            amount=fen_of(answer.fields.get("total_amount")),
            captured_at=moment_of(answer.fields.get("gmt_payment")),
        )

    def build_capture_query(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one capture."""
        return call(account, QUERY, {"out_trade_no": capture.capture_no}, now)

    def read_capture_query(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """The state of the capture's trade. One that closed unpaid was refused: nothing moved."""
        about = {"out_trade_no": capture.capture_no}
        answer = open_answer(account, QUERY, response, about=about)
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        found = read_trade(answer)
        if isinstance(found, Paid):
            return _captured(
                capture,
                trade_no=found.channel_order_no,
                amount=found.amount,
                captured_at=found.paid_at,
            )
        if isinstance(found, Waiting):
            return CapturePending()
        if isinstance(found, Closed):
            return refused("channel_refused", "TRADE_CLOSED")
        return found if isinstance(found, Unknown) else Unknown(reason="the trade is no capture")

    # --- void -----------------------------------------------------------------------------------

    def build_void(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Let go of what is left of the hold. May be repeated: it has one number."""
        if order.channel_order_no is None:
            return self.build_hold_end(account, order, now)
        rest = order.amount - order.amount_captured
        check_amount(rest, order.currency)
        content: dict[str, object] = {
            "auth_no": order.channel_order_no,
            "out_request_no": order.attempt_no + VOID_SUFFIX,
            "amount": yuan_of(rest),
            "remark": _REMARK,
        }
        return call(account, UNFREEZE, content, now, notify_url=account.notify_url)

    def read_void(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed once the rest is let go; every refusal is Unknown: the query says what is held."""
        if order.channel_order_no is None:
            return self.read_hold_end(account, order, response)
        about = {
            "out_order_no": order.attempt_no,
            "auth_no": order.channel_order_no,
            "out_request_no": order.attempt_no + VOID_SUFFIX,
        }
        answer = open_answer(account, UNFREEZE, response, about=about)
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        missing = lacks(answer, "auth_no", "out_request_no")
        if missing is not None:
            return missing
        if answer.fields.get("status") != "SUCCESS":
            return Unknown(reason="the release is not finished")
        return Closed(channel_order_no=order.channel_order_no)


def _names(order: PayOrder) -> dict[str, str]:
    return {"out_order_no": order.attempt_no, "out_request_no": order.attempt_no}


def _minutes(order: PayOrder) -> str:
    minutes = max(end_of(order) - order.created_at, LIFETIME_MIN) // LIFETIME_MIN
    return f"{minutes}m"


def _held(answer: Answer) -> PayOutcome:
    auth_no, amount = answer.text("auth_no"), answer.fen("amount")
    if answer.fields.get("status") != "SUCCESS":
        return Unknown(reason=_UNLISTED_STATUS)
    if auth_no is None or not amount:
        return Unknown(reason=MISSING + "auth_no or amount")
    return Authorized(channel_order_no=auth_no, amount=amount, currency=_currency(answer))


def _kept(answer: Answer) -> QueryOutcome:
    """A freeze that was made: what is left of it now."""
    auth_no = answer.text("auth_no")
    amount, rest, used = (answer.fen(n) for n in ("amount", "rest_amount", "total_pay_amount"))
    if answer.text("status") != "SUCCESS":
        return Unknown(reason=_UNLISTED_STATUS)
    if auth_no is None:
        return Unknown(reason=MISSING + "auth_no")
    if not amount or rest is None:
        return Unknown(reason=MISSING + "amount or rest_amount")
    if rest > 0:
        return Authorized(channel_order_no=auth_no, amount=amount, currency=_currency(answer))
    if used is None:
        return Unknown(reason=MISSING + "total_pay_amount")
    if used == 0:
        return Closed(channel_order_no=auth_no)
    if used == amount:
        return Paid(channel_order_no=auth_no, amount=amount, currency=_currency(answer))
    return Unknown(reason="a part of the hold was captured")


def _currency(answer: Answer) -> str:
    return answer.text("trans_currency") or CURRENCY


def _captured(
    capture: CaptureOrder, *, trade_no: str | None, amount: int | None, captured_at: datetime | None
) -> Captured | Unknown:
    if amount != capture.amount:
        return Unknown(reason="the captured amount is not the capture's")
    return Captured(
        capture_no=capture.capture_no,
        amount=capture.amount,
        channel_order_no=trade_no,
        captured_at=captured_at,
    )
