"""The facts of a trade at Alipay: which states mean paid, and what a payment amounted to.

Law: paid needs proof. `TRADE_SUCCESS` and `TRADE_FINISHED` are paid; `TRADE_CLOSED` is an order
that ended unpaid or one that was paid and wholly refunded, and is called neither without proof.
Alipay names a currency only if it is another than the yuan; it is reported as it is, for the core
to compare with the books.
"""

from gateway.channels.alipay.answer import MISSING, Answer
from gateway.channels.alipay.dialect import CURRENCY, fen_of, moment_of, payer_share
from gateway.channels.codec import Closed, Paid, QueryOutcome, Unknown, Waiting

QUERY = "alipay.trade.query"
WAITING_STATUS = "WAIT_BUYER_PAY"
PAID_STATUSES = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
CLOSED_STATUS = "TRADE_CLOSED"


def paid(
    *,
    trade_no: str,
    total: int,
    paid_at: object,
    buyer_pay: object,
    receipt: object,
    currency: object,
) -> Paid:
    """A payment of `total` fen; the others are as an answer or a notification spells them."""
    payer_amount, discount_amount = payer_share(
        total=total, buyer_pay=fen_of(buyer_pay), receipt=fen_of(receipt)
    )
    return Paid(
        trade_no,
        total,
        currency if isinstance(currency, str) and currency else CURRENCY,
        moment_of(paid_at),
        payer_amount,
        discount_amount,
    )


def read_trade(answer: Answer) -> QueryOutcome:
    """The state of the trade that a query (code 10000) found."""
    if answer.text("out_trade_no") is None:
        return Unknown(reason=MISSING + "out_trade_no")
    status = answer.text("trade_status")
    if status == WAITING_STATUS:
        return Waiting(channel_order_no=answer.text("trade_no"))
    if status in PAID_STATUSES:
        return read_paid(answer, time_name="send_pay_date")
    if status == CLOSED_STATUS:
        return _closed_or_refunded(answer)
    return Unknown(reason="the trade status is not a listed one")


def _closed_or_refunded(answer: Answer) -> QueryOutcome:
    """TRADE_CLOSED is an order that ended unpaid, or one that was paid and wholly refunded.

    Proof of payment is a time of payment *and* an amount that the payer paid or the seller
    received; proof of the contrary is the absence of both. One without the other proves nothing.
    """
    has_time = bool(answer.fields.get("send_pay_date"))
    has_amount = any(
        fen_of(answer.fields.get(name)) for name in ("buyer_pay_amount", "receipt_amount")
    )
    if has_time and has_amount:
        return read_paid(answer, time_name="send_pay_date")
    if has_time or has_amount:
        return Unknown(reason="the closed trade may have been paid")
    return Closed(channel_order_no=answer.text("trade_no"))


def read_paid(answer: Answer, *, time_name: str) -> Paid | Unknown:
    """An answer that says that a trade is paid; when, it says under `time_name`."""
    trade_no = answer.text("trade_no")
    total = fen_of(answer.fields.get("total_amount"))
    if trade_no is None:
        return Unknown(reason=MISSING + "trade_no")
    if not total:
        return Unknown(reason=MISSING + "total_amount")
    return paid(
        trade_no=trade_no,
        total=total,
        paid_at=answer.fields.get(time_name),
        buyer_pay=answer.fields.get("buyer_pay_amount"),
        receipt=answer.fields.get("receipt_amount"),
        currency=answer.fields.get("trans_currency"),
    )
