"""Capture and void of a pre-authorisation at UnionPay.

Law: as `gateway.channels.authorization`. UnionPay takes one capture (completion, txnType 03) of a
hold, of at most its amount, and lets go of the rest by itself; a capture that is not final is
refused before a byte leaves unless it is of everything. A completion is a trade of its own: 00
says that it was taken, its own query says that it is done, and refunds name *its* query number.
"""

from datetime import datetime

from gateway.channels.authorization import (
    Captured,
    CaptureOrder,
    CaptureOutcome,
    CapturePending,
)
from gateway.channels.codec import AccountView, CloseOutcome, Paid, PayOrder, Unknown
from gateway.channels.unionpay import codes
from gateway.channels.unionpay.answer import open_answer
from gateway.channels.unionpay.limits import check_amount, check_number
from gateway.channels.unionpay.message import BACK, BIZ_WEB, Kind, money, query, request, trade
from gateway.channels.unionpay.trade import read_move
from gateway.channels.unionpay.undo import VOID_HOLD, build_undo, read_undo
from gateway.channels.unionpay.ways import PREAUTH
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

COMPLETION = Kind("03", "00", BIZ_WEB)


class Holds:
    """See `gateway.channels.authorization.Authorizing`."""

    authorizing = frozenset({PREAUTH})

    def build_capture(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Take what was held, or part of it; the rest is let go.

        Raises `TillgateError` `limit_exceeded` for more than was held, `invalid_field` for a part
        that is not final.
        """
        check_amount(capture.amount, capture.currency)
        check_number(capture.capture_no)
        if capture.amount > capture.amount_authorized:
            raise TillgateError(
                "limit_exceeded", "More cannot be captured than was held.", param="/amount"
            )
        if not capture.final and capture.amount < capture.amount_authorized:
            raise TillgateError(
                "invalid_field", "UnionPay takes one capture of a hold.", param="/final"
            )
        fields = {
            **_capture_trade(capture),
            **money(capture.amount),
            "origQryId": capture.channel_order_no,
            "backUrl": account.notify_url,
            "reqReserved": capture.attempt_no,
        }
        return request(account, BACK, COMPLETION, fields)

    def read_capture(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """Pending where UnionPay took it, refused where listed."""
        answer = open_answer(account, response, about=_capture_trade(capture))
        if isinstance(answer, Unknown):
            return answer
        if answer.code in (codes.OK, codes.TAKEN):
            return CapturePending()
        return codes.refusal(codes.CAPTURE, answer.code)

    def build_capture_query(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one capture number."""
        return query(account, _capture_trade(capture))

    def read_capture_query(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """Captured with this number and this amount."""
        answer = open_answer(account, response, about=_capture_trade(capture))
        if isinstance(answer, Unknown):
            return answer
        found = read_move(answer, COMPLETION, pending=CapturePending(), failed=codes.CAPTURE_FAILED)
        if not isinstance(found, Paid):
            return found
        if (found.amount, found.currency) != (capture.amount, capture.currency):
            return Unknown(reason="the captured amount is not the capture's")
        return Captured(
            capture_no=capture.capture_no,
            amount=found.amount,
            channel_order_no=found.channel_order_no,
            captured_at=found.paid_at,
        )

    def build_void(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Let go of a hold."""
        return build_undo(account, VOID_HOLD, order, now)

    def read_void(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed once UnionPay says that it was voided before: a void is sent until then."""
        return read_undo(account, order, response)


def _capture_trade(capture: CaptureOrder) -> dict[str, str]:
    return trade(capture.capture_no, capture.created_at)
