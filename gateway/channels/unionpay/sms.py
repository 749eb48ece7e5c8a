"""Quick pay: the payer answers a code that UnionPay sent by SMS.

Law: as `gateway.channels.answering`. Card data never passes us: the payer is known to UnionPay by
a `token` (of a card bound with UnionPay before) or by the `phone` number, given as method options.
The first step asks for the SMS (txnType 77) and moves nothing; the second (`build_answer`) pays,
under the same number and time. UnionPay's 00 to it says that the payment was taken; a query says
that it is done.

Fields of the payer are in `customerInfo`: `{name=value&...}` in base64. Unconfirmed for accounts
that must seal them: those are not served.
"""

import base64
from collections.abc import Mapping
from datetime import datetime

from gateway.channels.answering import SMS_CODE
from gateway.channels.codec import (
    AccountView,
    HandedOut,
    PayOrder,
    PayOutcome,
    Unknown,
    Waiting,
)
from gateway.channels.unionpay import codes, limits
from gateway.channels.unionpay.answer import open_answer
from gateway.channels.unionpay.message import BACK, Kind, money, order_trade, request
from gateway.channels.unionpay.trade import query_number
from gateway.channels.unionpay.ways import (
    PHONE_CONSUME,
    QUICK,
    SMS_TXN_SUB_TYPE,
    SMS_TXN_TYPE,
    TOKEN_CONSUME,
)
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError


class Sms:
    """See `gateway.channels.answering.Answering`."""

    answered = frozenset({QUICK})

    def build_sms(self, account: AccountView, order: PayOrder) -> HttpRequest:
        """Have UnionPay send the payer a code."""
        consume = _consume(order)
        kind = Kind(SMS_TXN_TYPE, SMS_TXN_SUB_TYPE, consume.biz_type, consume.channel_type)
        fields = {**order_trade(order), **money(order.amount), **_payer(account, order)}
        return request(account, BACK, kind, fields)

    def read_sms(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """Handed out once UnionPay has sent the code."""
        answer = open_answer(account, response, about=order_trade(order))
        if isinstance(answer, Unknown):
            return answer
        if answer.code == codes.OK:
            return HandedOut(next_action={"type": SMS_CODE})
        return codes.refusal(codes.SMS, answer.code)

    def build_answer(
        self, account: AccountView, order: PayOrder, answer: Mapping[str, str], now: datetime
    ) -> HttpRequest:
        """Pay with the code. Raises `TillgateError` `invalid_field` for what can be no code."""
        code = answer.get(SMS_CODE, "")
        if not limits.SMS_CODE.fullmatch(code):
            raise TillgateError(
                "invalid_field",
                "A code by SMS has 4 to 8 letters or digits.",
                param="/method_options/sms_code",
            )
        fields = {
            **order_trade(order),
            **money(order.amount),
            **_payer(account, order, sms_code=code),
            "backUrl": account.notify_url,
        }
        return request(account, BACK, _consume(order), fields)

    def read_answer(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> PayOutcome:
        """Waiting where UnionPay took it; refused where listed, `sms_code_wrong` among them."""
        answer = open_answer(account, response, about=order_trade(order))
        if isinstance(answer, Unknown):
            return answer
        if answer.code in (codes.OK, codes.TAKEN):
            return Waiting(channel_order_no=query_number(answer.fields))
        return codes.refusal(codes.CONSUME, answer.code)


def _consume(order: PayOrder) -> Kind:
    return TOKEN_CONSUME if order.method_options.get("token") else PHONE_CONSUME


def _payer(account: AccountView, order: PayOrder, *, sms_code: str = "") -> dict[str, str]:
    """The fields that say who pays."""
    fields: dict[str, str] = {}
    token, phone = order.method_options.get("token"), order.method_options.get("phone")
    if token:
        parts = {"token": token, "trId": account.credentials.get("token_requestor_id", "")}
        fields["tokenPayData"] = _braced(parts)
    customer = _braced({"phoneNo": phone or "", "smsCode": sms_code})
    if customer != "{}":
        fields["customerInfo"] = base64.b64encode(customer.encode("ascii")).decode("ascii")
    return fields


def _braced(parts: Mapping[str, str]) -> str:
    return "{" + "&".join(f"{name}={value}" for name, value in parts.items() if value) + "}"
