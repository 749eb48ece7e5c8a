"""Refunds: giving back part or all of a paid order.

Law: as `codec`. A refund number takes effect once, however often it is sent. What WeChat answers is
believed only if it is about this number, this order and this amount.

| status | outcome |
|---|---|
| SUCCESS | Refunded |
| PROCESSING | RefundPending |
| CLOSED | Refused: it will not be carried out |
| ABNORMAL | Unknown: the payer's card is gone, a person decides at WeChat's merchant platform |
"""

from collections.abc import Mapping
from datetime import datetime

from gateway.channels.codec import (
    AccountView,
    NotFound,
    Refunded,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Unknown,
)
from gateway.channels.meanings import refused
from gateway.channels.wechat import codes
from gateway.channels.wechat.answer import MISSING, open_answer
from gateway.channels.wechat.dialect import cut_bytes, fen_of, moment_of
from gateway.channels.wechat.request import segment, signed_request
from gateway.channels.wire import HttpRequest, HttpResponse

REFUNDS_PATH = "/v3/refund/domestic/refunds"
REASON_BYTES_MAX = 80


def build_refund(account: AccountView, refund: RefundOrder, now: datetime) -> HttpRequest:
    """Refund part or all; `notify_url` is where its end is told."""
    content: dict[str, object] = {
        "out_trade_no": refund.attempt_no,
        "out_refund_no": refund.refund_no,
        "notify_url": account.notify_url,
        "amount": {
            "refund": refund.amount,
            "total": refund.amount_total,
            "currency": refund.currency,
        },
    }
    reason = cut_bytes(refund.reason or "", REASON_BYTES_MAX)
    if reason:
        content["reason"] = reason
    return signed_request(
        account,
        "POST",
        REFUNDS_PATH,
        now,
        operation="refund",
        number=refund.refund_no,
        content=content,
    )


def read_refund(account: AccountView, refund: RefundOrder, response: HttpResponse) -> RefundOutcome:
    """What became of the request; NotFound if WeChat has no such order."""
    answer = open_answer(account, response)
    if isinstance(answer, Unknown):
        return answer
    if answer.is_success:
        return _read(answer.fields, refund)
    if (answer.status, answer.code) in codes.NO_ORDER:
        return NotFound()
    return codes.refusal(codes.REFUND, status=answer.status, code=answer.code)


def build_refund_query(account: AccountView, refund: RefundOrder, now: datetime) -> HttpRequest:
    """Ask what became of one refund number."""
    path = f"{REFUNDS_PATH}/{segment(refund.refund_no)}"
    return signed_request(
        account, "GET", path, now, operation="refund_query", number=refund.refund_no
    )


def read_refund_query(
    account: AccountView, refund: RefundOrder, response: HttpResponse
) -> RefundOutcome:
    """The state of the refund; a refused query says nothing about it."""
    answer = open_answer(account, response)
    if isinstance(answer, Unknown):
        return answer
    if answer.is_success:
        return _read(answer.fields, refund)
    return codes.absence(codes.NO_REFUND, status=answer.status, code=answer.code)


def _read(fields: Mapping[str, object], refund: RefundOrder) -> RefundOutcome:
    for name, expected in (
        ("out_refund_no", refund.refund_no),
        ("out_trade_no", refund.attempt_no),
    ):
        if name not in fields:
            return Unknown(reason=MISSING + name)
        if fields[name] != expected:
            return Unknown(reason=f"the answer is about another {name}")
    amount = fields.get("amount")
    if not isinstance(amount, Mapping) or fen_of(amount.get("refund")) != refund.amount:
        return Unknown(reason="the refunded amount is not the refund's")
    if amount.get("currency", refund.currency) != refund.currency:
        return Unknown(reason="the refunded currency is not the refund's")
    status = fields.get("status")
    if status == "SUCCESS":
        return Refunded(
            refund_no=refund.refund_no, refunded_at=moment_of(fields.get("success_time"))
        )
    if status == "PROCESSING":
        return RefundPending()
    if status == "CLOSED":
        return refused(codes.REFUND_CLOSED, "CLOSED")
    if status == "ABNORMAL":
        return Unknown(reason="the refund waits for a person", channel_code="ABNORMAL")
    return Unknown(reason="the refund status is not a listed one")
