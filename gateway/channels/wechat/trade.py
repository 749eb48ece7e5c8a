"""The facts of an order at WeChat: which states mean paid, and what a payment amounted to.

Law: paid needs proof. The object must be about this order of this merchant and application, be
`SUCCESS` or `REFUND` (some of it was refunded: still paid), and name transaction, amount and
currency; everything unlisted is `Unknown`.

| trade_state | outcome |
|---|---|
| SUCCESS, REFUND | Paid |
| NOTPAY, USERPAYING | Waiting |
| PAYERROR | Waiting: the payer failed, and only a reverse makes sure that it stays so |
| CLOSED, REVOKED | Closed: no money, or all of it was given back by the reverse |
"""

from collections.abc import Mapping

from gateway.channels.codec import AccountView, Closed, Paid, QueryOutcome, Unknown, Waiting
from gateway.channels.wechat.answer import MISSING
from gateway.channels.wechat.dialect import fen_of, moment_of

PAID_STATES = frozenset({"SUCCESS", "REFUND"})
WAITING_STATES = frozenset({"NOTPAY", "USERPAYING", "PAYERROR"})
CLOSED_STATES = frozenset({"CLOSED", "REVOKED"})
NUMBER_CHARS_MAX = 64

Fields = Mapping[str, object]


def number_of(fields: Fields, name: str) -> str | None:
    """A number of the channel or of ours; None if it is absent or no printable text."""
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= NUMBER_CHARS_MAX:
        return None
    return value if value.isascii() and value.isprintable() else None


def stranger(account: AccountView, fields: Fields, attempt_no: str) -> Unknown | None:
    """`Unknown` unless the object names this order, merchant and application."""
    expected = {
        "out_trade_no": attempt_no,
        "mchid": account.credentials["mchid"],
        "appid": account.credentials["appid"],
    }
    for name, value in expected.items():
        if name not in fields:
            return Unknown(reason=MISSING + name)
        if fields[name] != value:
            return Unknown(reason=f"the answer is about another {name}")
    return None


def paid_of(fields: Fields) -> Paid | None:
    """The payment that an object tells of; None if it lacks a fact."""
    transaction_id = number_of(fields, "transaction_id")
    amount = fields.get("amount")
    if transaction_id is None or not isinstance(amount, Mapping):
        return None
    total, currency = fen_of(amount.get("total")), amount.get("currency")
    if not total or not isinstance(currency, str) or not currency:
        return None
    payer = fen_of(amount.get("payer_total"))
    if payer is not None and payer > total:
        payer = None
    return Paid(
        channel_order_no=transaction_id,
        amount=total,
        currency=currency,
        paid_at=moment_of(fields.get("success_time")),
        payer_amount=payer,
        discount_amount=None if payer is None else total - payer,
    )


def read_trade(account: AccountView, fields: Fields, attempt_no: str) -> QueryOutcome:
    """The state of the order that a query found, or that a payer's code was charged for."""
    wrong = stranger(account, fields, attempt_no)
    if wrong is not None:
        return wrong
    state = fields.get("trade_state")
    transaction_id = number_of(fields, "transaction_id")
    if state in WAITING_STATES:
        return Waiting(channel_order_no=transaction_id)
    if state in PAID_STATES:
        return paid_of(fields) or Unknown(reason=MISSING + "transaction_id or amount")
    if state in CLOSED_STATES:
        return Closed(channel_order_no=transaction_id)
    return Unknown(reason="the trade state is not a listed one")
