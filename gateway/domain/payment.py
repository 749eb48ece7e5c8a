"""Payments: the order a merchant wants paid, as the merchant sees it.

Law: pure values and steps. A status is left only as the lifecycle allows, every step is a new
version, and the view is the one shape that answers and events share.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from gateway.domain.attempt import Attempt
from gateway.domain.change import Need
from gateway.domain.errors import TillgateError
from gateway.domain.events import Line, encode, rfc3339, rfc3339_of_ms, rfc3339_or_none
from gateway.domain.lifecycle import PAYMENT, advance

EXPIRES_IN_MIN_S = 60
EXPIRES_IN_MAX_S = 2_592_000
EXPIRES_IN_DEFAULT_S = 7_200
NONE_ACTION: Mapping[str, object] = {"type": "none"}


class Payment(Struct, frozen=True, kw_only=True):
    """A payment. Amounts are minor units of `currency`; times are business time in UTC.

    `customer` is sealed under the payer's key and opaque here: views say null, and whoever may
    read it opens it. `closing_to` is what `closing` aims at; `capture_before` is when the channel
    lets go of a hold, where it says so. `last_sequence` is the newest journal
    row about this payment: rows point back to each other, so that a timeline needs no index.
    """

    merchant_id: str
    id: str
    merchant_order_no: str
    fingerprint: bytes
    fingerprint_key: int
    amount: int
    currency: str
    subject: str
    status: str
    livemode: bool
    capture_method: str
    created_at: datetime
    expires_at: datetime
    method: str | None = None
    channel: str | None = None
    channel_account_id: str | None = None
    attempt_id: str | None = None
    channel_order_no: str | None = None
    attempts: int = 0
    amount_authorized: int = 0
    amount_captured: int = 0
    amount_refunded: int = 0
    amount_refund_pending: int = 0
    amount_received: int = 0
    payer_amount: int | None = None
    discount_amount: int | None = None
    next_action: Mapping[str, object] | None = None
    error: Mapping[str, object] | None = None
    return_url: str | None = None
    notify_url: str | None = None
    customer: bytes | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    closing_to: str | None = None
    succeeded_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    capture_before: datetime | None = None
    last_sequence: int = 0
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("payment", self.id)


class View(Struct, frozen=True, gc=False):
    """The payment object of the API, as it is told in answers and events; moments are text."""

    id: str
    object: str
    merchant_order_no: str
    amount: int
    currency: str
    subject: str
    status: str
    method: str | None
    channel: str | None
    channel_account_id: str | None
    attempt_id: str | None
    channel_order_no: str | None
    capture_method: str
    amount_authorized: int
    amount_capturable: int
    amount_captured: int
    amount_refunded: int
    amount_refund_pending: int
    amount_received: int
    amount_disputed: int
    fee_amount: int
    payer_amount: int | None
    discount_amount: int | None
    next_action: Mapping[str, Any]
    cashier_url: None
    return_url: str | None
    notify_url: str | None
    customer: Any
    metadata: Mapping[str, str]
    expires_at: str
    capture_before: str | None
    created_at: str
    succeeded_at: str | None
    canceled_at: str | None
    expired_at: str | None
    version: int
    livemode: bool
    error: Mapping[str, Any] | None


def view(payment: Payment, *, customer: object = None) -> View:
    """The payment as it is told, with the payer's data in the clear for whoever may read it."""
    p = payment
    # By place, in the order of `View`: a struct made by name takes three times as long to fill,
    # a dict as well, and every journal line of a payment needs one.
    return View(
        p.id,
        "payment",
        p.merchant_order_no,
        p.amount,
        p.currency,
        p.subject,
        p.status,
        p.method,
        p.channel,
        p.channel_account_id,
        p.attempt_id,
        p.channel_order_no,
        p.capture_method,
        p.amount_authorized,
        p.amount_authorized - p.amount_captured if p.status == "requires_capture" else 0,
        p.amount_captured,
        p.amount_refunded,
        p.amount_refund_pending,
        p.amount_received,
        0,  # amount_disputed
        0,  # fee_amount
        p.payer_amount,
        p.discount_amount,
        p.next_action or NONE_ACTION,
        None,  # cashier_url
        p.return_url,
        p.notify_url,
        customer,
        p.metadata,
        rfc3339(p.expires_at),
        rfc3339_or_none(p.capture_before),
        rfc3339(p.created_at),
        rfc3339_or_none(p.succeeded_at),
        rfc3339_or_none(p.canceled_at),
        rfc3339_or_none(p.expired_at),
        p.version,
        p.livemode,
        p.error,
    )


def _fresh_pieces(*, livemode: bool) -> list[str]:
    """The view of a new payment, cut where the values of one payment stand."""
    marks = [f"\ue000{number}\ue000" for number in range(8)]
    sample = Payment(
        merchant_id="",
        id=marks[0],
        merchant_order_no=marks[1],
        fingerprint=b"",
        fingerprint_key=0,
        amount=_MARK_AMOUNT,
        currency=marks[2],
        subject=marks[3],
        status="requires_payment_method",
        livemode=livemode,
        capture_method="automatic",
        created_at=_MARK_CREATED,
        expires_at=_MARK_EXPIRES,
        return_url=marks[5],
        notify_url=marks[6],
        metadata={marks[4]: ""},
    )
    cuts = [
        marks[0],
        marks[1],
        str(_MARK_AMOUNT),
        marks[2],
        marks[3],
        f'"{marks[5]}"',
        f'"{marks[6]}"',
        f'{{"{marks[4]}":""}}',
        rfc3339(_MARK_EXPIRES),
        rfc3339(_MARK_CREATED),
    ]
    rest = encode(view(sample)).decode()
    pieces = []
    for cut in cuts:
        piece, found, rest = rest.partition(cut)
        assert found, cut
        pieces.append(piece)
    return [*pieces, rest]


_MARK_AMOUNT = 808_080_808_080
_MARK_CREATED = datetime(1970, 1, 1, tzinfo=UTC)
_MARK_EXPIRES = datetime(1970, 1, 2, tzinfo=UTC)
_FRESH_PIECES = {livemode: _fresh_pieces(livemode=livemode) for livemode in (True, False)}


def fresh_view(
    *,
    payment_id: str,
    merchant_order_no: str,
    amount: int,
    currency: str,
    subject: str,
    return_url: str | None,
    notify_url: str | None,
    metadata: str,
    created_ms: int,
    expires_ms: int,
    livemode: bool,
) -> str:
    """The JSON text of `view` for a new payment without method and customer.

    `metadata` is JSON text; the other texts need no escapes in JSON. Ten times as fast as encoding
    the whole view, most of which is the same for every new payment.
    """
    p = _FRESH_PIECES[livemode]
    return (
        f"{p[0]}{payment_id}{p[1]}{merchant_order_no}{p[2]}{amount}{p[3]}{currency}{p[4]}"
        f"{subject}{p[5]}{_quoted(return_url)}{p[6]}{_quoted(notify_url)}{p[7]}{metadata}{p[8]}"
        f"{rfc3339_of_ms(expires_ms)}{p[9]}{rfc3339_of_ms(created_ms)}{p[10]}"
    )


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


def line(payment: Payment, kind: str) -> Line:
    """The journal line that tells `payment.<kind>`."""
    return Line(
        f"payment.{kind}",
        payment.id,
        payment.version,
        encode(view(payment)),
        payment.id,
        payment.customer,
    )


def moved(payment: Payment, status: str, **fields: object) -> Payment:
    """The payment at its next version, in a status that its lifecycle allows."""
    target = payment.status
    if status != target:
        target = advance(PAYMENT, payment.status, status)
    return replace(payment, status=target, version=payment.version + 1, **fields)


def begin_attempt(payment: Payment, attempt: Attempt) -> Payment:
    """The payment with `attempt` as its present instruction, status `processing`."""
    return moved(
        payment,
        "processing",
        method=attempt.method,
        channel=attempt.channel,
        channel_account_id=attempt.channel_account_id,
        attempt_id=attempt.id,
        channel_order_no=None,
        attempts=attempt.number,
        next_action=None,
        error=None,
    )


def ended(payment: Payment, to: str, now: datetime) -> Payment:
    """The payment ended without money: `to` is `canceled` or `expired`."""
    stamp = {"canceled_at": now} if to == "canceled" else {"expired_at": now}
    return moved(payment, to, next_action=None, **stamp)


def invalid_state(payment: Payment, verb: str) -> TillgateError:
    """The refusal of an operation that the payment's status does not allow."""
    return TillgateError(
        "invalid_state",
        f"A payment that is {payment.status} cannot {verb}.",
        extra={"payment_status": payment.status},
    )


def attempt_unknown() -> TillgateError:
    """The refusal while an earlier channel call has no known outcome."""
    return TillgateError(
        "attempt_unknown",
        "An earlier call to the channel has no known outcome yet; it is being resolved.",
        retry_after_s=2,
    )
