"""Undoing a trade: the void of a hold, and of a payment on its own day.

Law: an undoing names the trade by UnionPay's number (`origQryId`), so a second one can do nothing
that the first did not. UnionPay's 00 says that it was taken, not that it is done; the next one is
answered 45 (voided before), and that is the proof. Each sending has a number of its own, made of
the trade's and the time, because UnionPay refuses a number that it has seen.

Where UnionPay's number is not known the trade is asked about instead: it may not exist at all.
"""

import hashlib
from datetime import datetime

from gateway.channels.codec import AccountView, Closed, CloseOutcome, PayOrder, Unknown
from gateway.channels.unionpay import codes
from gateway.channels.unionpay.answer import open_answer
from gateway.channels.unionpay.message import (
    BACK,
    BIZ_OTHER,
    Kind,
    money,
    order_trade,
    query,
    request,
    trade,
)
from gateway.channels.unionpay.trade import read_end
from gateway.channels.wire import HttpRequest, HttpResponse

VOID_PAYMENT = Kind("31", "00", BIZ_OTHER)
VOID_HOLD = Kind("32", "00", BIZ_OTHER)
NUMBER_CHARS = 32


def undo_number(kind: Kind, attempt_no: str, now: datetime) -> str:
    """The number of one sending: a hash of what is undone and when."""
    text = f"{kind.txn_type}|{attempt_no}|{now.isoformat(timespec='microseconds')}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:NUMBER_CHARS]


def build_undo(account: AccountView, kind: Kind, order: PayOrder, now: datetime) -> HttpRequest:
    """Undo the whole trade; without UnionPay's number ask about it."""
    if order.channel_order_no is None:
        return query(account, order_trade(order))
    fields = {
        **trade(undo_number(kind, order.attempt_no, now), now),
        **money(order.amount),
        "origQryId": order.channel_order_no,
        "backUrl": account.notify_url,
        "reqReserved": order.attempt_no,
    }
    return request(account, BACK, kind, fields)


def read_undo(account: AccountView, order: PayOrder, response: HttpResponse) -> CloseOutcome:
    """Closed once UnionPay says that it was undone before; never `Refused`."""
    if order.channel_order_no is None:
        return read_end(account, order, response)
    answer = open_answer(account, response, about={})
    if isinstance(answer, Unknown):
        return answer
    names = {answer.text("origQryId"): order.channel_order_no}
    names[answer.text("reqReserved")] = order.attempt_no
    told = {name: ours for name, ours in names.items() if name is not None}
    if not told or any(name != ours for name, ours in told.items()):
        return Unknown(reason="the answer is about another order", channel_code=answer.code)
    if answer.code == codes.ENDED_BEFORE:
        return Closed(channel_order_no=order.channel_order_no)
    if answer.code == codes.OK:
        return Unknown(reason="the void was taken; its end is not told yet")
    return Unknown(reason="the channel's code is not a listed one", channel_code=answer.code)
