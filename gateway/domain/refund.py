"""Refunds: money on its way back to the payer, reserved before anyone is asked to send it.

Law: pure decisions. A refund is reserved in the payment's counters and in the book when it is
accepted, so that the sum of refunds done and under way never exceeds what was captured, under any
concurrency. It is sent once; silence is asked about, and only a number that the channel has
provably not executed is sent again, under the same number.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import chart, ids
from gateway.domain.attempt import (
    NOT_FOUND_MIN,
    QUERY_DELAYS_S,
    QUERY_GIVE_UP,
    QUERY_HOURLY_S,
    QUIET_S,
    SENDS_MAX,
)
from gateway.domain.change import Need, Row
from gateway.domain.errors import TillgateError
from gateway.domain.events import Line, encode, rfc3339, rfc3339_or_none
from gateway.domain.ledger import Entry
from gateway.domain.lifecycle import REFUND, advance, is_terminal
from gateway.domain.payment import Payment


class Refund(Struct, frozen=True, kw_only=True):
    """A refund of `amount` minor units; its 26 characters are our refund number at the channel."""

    merchant_id: str
    id: str
    payment_id: str
    attempt_id: str
    merchant_refund_no: str
    fingerprint: bytes
    fingerprint_key: int
    channel: str
    channel_account_id: str
    amount: int
    currency: str
    status: str
    created_at: datetime
    sent_at: datetime
    due_at: datetime | None
    reason: str | None = None
    error: Mapping[str, object] | None = None
    succeeded_at: datetime | None = None
    sends: int = 1
    queries: int = 0
    not_found: int = 0
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("refund", self.id)

    @property
    def refund_no(self) -> str:
        """Our refund number at the channel."""
        return ids.number_of(self.id)


class RefundStep(Struct, frozen=True, kw_only=True):
    """What a decision about a refund changes."""

    refund: Refund
    payment: Payment | None = None
    entries: tuple[Entry, ...] = ()
    lines: tuple[Line, ...] = ()
    resend: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows to write."""
        return (self.refund,) if self.payment is None else (self.payment, self.refund)


def view(refund: Refund) -> dict[str, object]:
    """The refund object of the API, as it is told in answers and events."""
    return {
        "id": refund.id,
        "object": "refund",
        "payment_id": refund.payment_id,
        "merchant_refund_no": refund.merchant_refund_no,
        "amount": refund.amount,
        "currency": refund.currency,
        "reason": refund.reason,
        "status": refund.status,
        "channel": refund.channel,
        "created_at": rfc3339(refund.created_at),
        "succeeded_at": rfc3339_or_none(refund.succeeded_at),
        "version": refund.version,
        "error": refund.error,
    }


def line(refund: Refund, kind: str) -> Line:
    """The journal line that tells `refund.<kind>`."""
    return Line(
        f"refund.{kind}", refund.id, refund.version, encode(view(refund)), refund.payment_id
    )


def _entry(refund: Refund, entry_id: str, reason: str, now: datetime, postings: tuple) -> Entry:
    return Entry(
        id=entry_id,
        merchant_id=refund.merchant_id,
        reason=reason,
        reference=refund.id,
        at=now,
        postings=postings,
    )


def reserve(payment: Payment, refund: Refund, *, entry_id: str) -> RefundStep:
    """Accept a refund and reserve its money.

    Raises `invalid_state` when nothing was captured and `refund_exceeds_captured` when the sum of
    refunds done and under way would exceed the captured amount.
    """
    if payment.amount_captured == 0:
        raise TillgateError(
            "invalid_state",
            f"Nothing was captured on this payment; it is {payment.status}.",
            extra={"payment_status": payment.status},
        )
    left = payment.amount_captured - payment.amount_refunded - payment.amount_refund_pending
    if refund.amount > left:
        raise TillgateError(
            "refund_exceeds_captured",
            f"At most {left} minor units of {payment.currency} can still be refunded.",
            param="/amount",
        )
    payment = replace(
        payment,
        amount_refund_pending=payment.amount_refund_pending + refund.amount,
        version=payment.version + 1,
    )
    postings = chart.refund_reserved(refund.amount, refund.currency)
    entry = _entry(refund, entry_id, "refund_reserved", refund.created_at, postings)
    lines = (line(refund, "created"),)
    return RefundStep(refund=refund, payment=payment, entries=(entry,), lines=lines)


def _released(payment: Payment, refund: Refund) -> int:
    return payment.amount_refund_pending - refund.amount


def succeeded(payment: Payment, refund: Refund, *, now: datetime, entry_id: str) -> RefundStep:
    """The channel gave the money back; booked once, later words change nothing."""
    if is_terminal(REFUND, refund.status):
        return RefundStep(refund=refund)
    refund = replace(
        refund,
        status=advance(REFUND, refund.status, "succeeded"),
        succeeded_at=now,
        due_at=None,
        error=None,
        version=refund.version + 1,
    )
    payment = replace(
        payment,
        amount_refund_pending=_released(payment, refund),
        amount_refunded=payment.amount_refunded + refund.amount,
        version=payment.version + 1,
    )
    postings = chart.refund_paid(
        refund.channel_account_id, refund.amount, refund.currency, refund.channel
    )
    entry = _entry(refund, entry_id, "refund_paid", now, postings)
    lines = (line(refund, "succeeded"),)
    return RefundStep(refund=refund, payment=payment, entries=(entry,), lines=lines)


def failed(
    payment: Payment,
    refund: Refund,
    error: Mapping[str, object],
    *,
    now: datetime,
    entry_id: str,
) -> RefundStep:
    """The channel refused definitely: the reservation is released."""
    if is_terminal(REFUND, refund.status):
        return RefundStep(refund=refund)
    refund = replace(
        refund,
        status=advance(REFUND, refund.status, "failed"),
        due_at=None,
        error=error,
        version=refund.version + 1,
    )
    payment = replace(
        payment,
        amount_refund_pending=_released(payment, refund),
        version=payment.version + 1,
    )
    postings = chart.refund_released(refund.amount, refund.currency)
    entry = _entry(refund, entry_id, "refund_released", now, postings)
    lines = (line(refund, "failed"),)
    return RefundStep(refund=refund, payment=payment, entries=(entry,), lines=lines)


def waited(refund: Refund, now: datetime) -> RefundStep:
    """No final word yet: ask again later, ever more slowly, and after 72 hours a person looks."""
    if is_terminal(REFUND, refund.status):
        return RefundStep(refund=refund)
    due_at = None
    if now - refund.created_at <= QUERY_GIVE_UP:
        delays = QUERY_DELAYS_S
        delay = delays[refund.queries] if refund.queries < len(delays) else QUERY_HOURLY_S
        due_at = now + timedelta(seconds=delay)
    refund = replace(refund, queries=refund.queries + 1, due_at=due_at, version=refund.version + 1)
    return RefundStep(refund=refund)


def not_found(payment: Payment, refund: Refund, *, now: datetime, entry_id: str) -> RefundStep:
    """The channel has no such refund: believed after a quiet minute and two answers.

    Then the same number is sent again (`resend`), at most `SENDS_MAX` times in all; after that
    the refund fails and its reservation is released.
    """
    if is_terminal(REFUND, refund.status):
        return RefundStep(refund=refund)
    refund = replace(refund, not_found=refund.not_found + 1)
    quiet = now - refund.sent_at >= timedelta(seconds=QUIET_S)
    if not (quiet and refund.not_found >= NOT_FOUND_MIN):
        return waited(refund, now)
    if refund.sends >= SENDS_MAX:
        error = {
            "code": "channel_silent",
            "message": "The channel never received the refund.",
            "channel_code": None,
            "retryable": True,
        }
        return failed(payment, refund, error, now=now, entry_id=entry_id)
    refund = replace(
        refund,
        sends=refund.sends + 1,
        sent_at=now,
        not_found=0,
        queries=0,
        due_at=now + timedelta(seconds=QUERY_DELAYS_S[0]),
        version=refund.version + 1,
    )
    return RefundStep(refund=refund, resend=True)
