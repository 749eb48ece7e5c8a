"""The facts of a trade at UnionPay: what a state means, and what a payment amounted to.

Law: paid needs proof: a signed 00 (or A6) for this trade with its query number and its amount.
The query's own `respCode` says only whether the query worked; the trade's is `origRespCode`.
UnionPay closes no order: one that failed is over only when its time (`payTimeout`) is.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from gateway.channels.codec import (
    AccountView,
    Authorized,
    Closed,
    CloseOutcome,
    NotFound,
    Paid,
    PayOrder,
    QueryOutcome,
    Refused,
    Unknown,
    Waiting,
)
from gateway.channels.unionpay import codes
from gateway.channels.unionpay.answer import MISSING, Answer, open_answer
from gateway.channels.unionpay.dialect import NUMBER, currency_of, fen_of, trace_moment
from gateway.channels.unionpay.message import QUERY_KIND, Kind, order_trade
from gateway.channels.unionpay.ways import WAYS, Way
from gateway.channels.wire import HttpResponse

# A try that began just before the end may still be on its way through the banks.
GRACE = timedelta(minutes=5)

Pending = TypeVar("Pending")


def query_number(fields: Mapping[str, str]) -> str | None:
    """UnionPay's own number of the trade (`queryId`)."""
    number = fields.get("queryId", "")
    return number if NUMBER.fullmatch(number) else None


def paid(fields: Mapping[str, str]) -> Paid | None:
    """A payment; None if a fact is missing."""
    number, amount = query_number(fields), fen_of(fields.get("txnAmt"))
    if number is None or not amount or "currencyCode" not in fields:
        return None
    return Paid(
        channel_order_no=number,
        amount=amount,
        currency=currency_of(fields["currencyCode"]),
        paid_at=trace_moment(fields.get("traceTime"), fields.get("txnTime")),
    )


def authorized(fields: Mapping[str, str]) -> Authorized | None:
    """A hold; None if a fact is missing. UnionPay does not say when it lets go of it."""
    found = paid(fields)
    return None if found is None else _held(found)


def _held(found: Paid) -> Authorized:
    return Authorized(
        channel_order_no=found.channel_order_no, amount=found.amount, currency=found.currency
    )


def read_state(account: AccountView, order: PayOrder, response: HttpResponse) -> QueryOutcome:
    """The state of the order that a query asked about."""
    answer = open_answer(account, response, about=order_trade(order))
    if isinstance(answer, Unknown):
        return answer
    return _state(WAYS[order.method], order, answer, response.received_at)


def read_end(account: AccountView, order: PayOrder, response: HttpResponse) -> CloseOutcome:
    """The same for an order that is to end: nothing but the channel's word ends it."""
    found = read_state(account, order, response)
    if isinstance(found, Refused):
        return Closed()
    if isinstance(found, Waiting):
        return Unknown(reason="UnionPay closes no order; its time is not over")
    return found


def read_move(
    answer: Answer, kind: Kind, *, pending: Pending, failed: codes.Refusals
) -> Paid | Pending | NotFound | Refused | Unknown:
    """What a query says of a refund or capture of `kind`; done is told as what it moved.

    `pending` is the outcome while UnionPay has only taken it; `failed` lists the states that end
    it without money.
    """
    if answer.code == codes.NOT_FOUND:
        return NotFound()
    state = answer.text("origRespCode")
    if answer.code != codes.OK or state is None:
        return Unknown(reason="the query did not work", channel_code=answer.code)
    if state == codes.TAKEN:
        return pending
    if state not in codes.DONE:
        return codes.refusal(failed, state)
    return _moved(answer, kind)


def _moved(answer: Answer, kind: Kind) -> Paid | Unknown:
    # Some answers repeat the query's own type instead of the trade's.
    if answer.text("txnType") not in (kind.txn_type, QUERY_KIND.txn_type):
        return Unknown(reason="the answer is about a trade of another kind")
    return paid(answer.fields) or Unknown(reason=MISSING + "queryId, txnAmt or currencyCode")


def _state(way: Way, order: PayOrder, answer: Answer, at: datetime | None) -> QueryOutcome:
    if answer.code == codes.NOT_FOUND:
        return NotFound()
    if answer.code != codes.OK:
        return Unknown(reason="the channel did not answer the query", channel_code=answer.code)
    state = answer.text("origRespCode")
    if state is None:
        return Unknown(reason=MISSING + "origRespCode")
    if state in codes.DONE:
        return _done(way, answer)
    number = query_number(answer.fields)
    if state == codes.TAKEN:
        return Waiting(channel_order_no=number)
    if state in codes.TRY_FAILED:
        return _failed(way, order, state, number, at)
    return Unknown(reason="the state of the trade is not a listed one", channel_code=state)


def _done(way: Way, answer: Answer) -> QueryOutcome:
    found = _moved(answer, way.kind)
    return _held(found) if way.holds and isinstance(found, Paid) else found


def _failed(
    way: Way, order: PayOrder, state: str, number: str | None, at: datetime | None
) -> QueryOutcome:
    """A try failed: over where nobody can try again, or where the time for it is."""
    if way.final_when_failed and state != codes.SMS_CODE_WRONG:
        outcome = codes.refusal(codes.CONSUME, state)
        if isinstance(outcome, Refused):
            return outcome
    if at is not None and at >= order.expires_at + GRACE:
        return Closed(channel_order_no=number)
    return Waiting(channel_order_no=number)
