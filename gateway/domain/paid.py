"""Paid payments: those whose money came in full, as the texts they will be stored as.

Law: pure values; the step of `outcomes.paid` for a payment that waits for exactly this money. What
is told most often has here the shape of the rows it changes and of the event it tells, as `fresh`
has it for what is ordered most often. None means that it is to be decided on the rows.
"""

from typing import NamedTuple

from msgspec import Struct

from gateway.domain.events import encode, rfc3339_of_ms


class NotAsSeen(Exception):
    """Nothing was written: a row had moved since it was seen."""


class AwaitedPayment(NamedTuple):
    """A payment whose payer holds the code of its present attempt, as it was seen.

    No unexpected money came for the attempt, and nothing is known of its payer. `amount` (minor
    units of `currency`) is the attempt's; `told` is the payment's view at this version, the JSON
    text of the newest event about it, which stands at `last_sequence`.
    """

    attempt_version: int
    payment_version: int
    last_sequence: int
    amount: int
    currency: str
    told: str


class PaidPayment(Struct, frozen=True, gc=False):
    """What the money changes: payment and attempt from the versions that were seen.

    `paid_ms` is Unix milliseconds of business time; `dedupe_key` names the callback's effect;
    `data` is the payment's view, the JSON text of the event.
    """

    merchant_id: str
    payment_id: str
    attempt_id: str
    seen: AwaitedPayment
    channel: str
    channel_account_id: str
    channel_order_no: str
    payer_amount: int | None
    discount_amount: int | None
    entry_id: str
    paid_ms: int
    dedupe_key: str
    actor: str
    request_id: str
    data: str


def payment_id_of(told: str) -> str:
    """The id of the payment that a view tells of."""
    return told[_ID_AT : told.index('"', _ID_AT)]


def paid_view(
    seen: AwaitedPayment,
    *,
    channel_order_no: str,
    payer_amount: int | None,
    discount_amount: int | None,
    paid_ms: int,
) -> str | None:
    """The JSON text of `view` once the money has come: the one before with what that changes.

    None if the one before does not tell a payment that waits for all of its money. Members are
    found by their unescaped quotes, which no text within a view holds; those from the right behind
    all that a merchant or a channel may write there, where every value is a text or an object.
    """
    head, is_waiting, rest = seen.told.partition(_WAITING)
    kept, _, rest = rest.partition(_NUMBER)
    _, is_unpaid, rest = rest.partition(_UNPAID)
    _, has_action, rest = rest.rpartition(_CASHIER)
    middle, is_open, tail = rest.rpartition(_OPEN)
    version, _, end = tail.partition(_LIVEMODE)
    if not (is_waiting and is_unpaid and has_action and is_open and end in _ENDS):
        return None
    if version != str(seen.payment_version):
        return None
    payer = "null" if payer_amount is None else payer_amount
    discount = "null" if discount_amount is None else discount_amount
    amount = seen.amount
    return (
        f'{head},"status":"succeeded",{kept}{_NUMBER}{encode(channel_order_no).decode()}'
        f',"capture_method":"automatic","amount_authorized":{amount},"amount_capturable":0,'
        f'"amount_captured":{amount},"amount_refunded":0,"amount_refund_pending":0,'
        f'"amount_received":{amount},"amount_disputed":0,"fee_amount":0,"payer_amount":{payer},'
        f'"discount_amount":{discount},"next_action":{{"type":"none"}}{_CASHIER}{middle}'
        f',"succeeded_at":"{rfc3339_of_ms(paid_ms)}"{_NOT_ENDED}{seen.payment_version + 1}'
        f"{_LIVEMODE}{end}"
    )


_ID_AT = len('{"id":"')
_WAITING = ',"status":"requires_action",'
_NUMBER = ',"channel_order_no":'
_UNPAID = (
    ',"capture_method":"automatic","amount_authorized":0,"amount_capturable":0,"amount_captured":0,'
    '"amount_refunded":0,"amount_refund_pending":0,"amount_received":0,"amount_disputed":0,'
    '"fee_amount":0,"payer_amount":null,"discount_amount":null,"next_action":'
)
_CASHIER = ',"cashier_url":null,'
_NOT_ENDED = ',"canceled_at":null,"expired_at":null,"version":'
_OPEN = f',"succeeded_at":null{_NOT_ENDED}'
_LIVEMODE = ',"livemode":'
_ENDS = ('true,"error":null}', 'false,"error":null}')
