"""Holds: what it does to a payment that the payer's money is held, and that a hold ends.

Law: a hold is no money of ours and posts nothing. It counts only for the payment that waits for
exactly this amount; every other hold is let go. Pure decisions, as in `outcome`.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.attempt import (
    HOLD_QUERY,
    REPEATABLE,
    Attempt,
    Way,
    begin_ending,
    tried,
    waited,
)
from gateway.domain.failure import failure
from gateway.domain.outcome import Step, begin_close
from gateway.domain.outcome import closed as attempt_closed
from gateway.domain.payment import Payment, line, moved

HOLDABLE = frozenset({"processing", "requires_action"})


class Hold(Struct, frozen=True):
    """What a channel says it holds: `amount` minor units, until `capture_before` if it says so."""

    channel_order_no: str
    amount: int
    currency: str
    capture_before: datetime | None = None


def authorized(
    payment: Payment, attempt: Attempt, hold: Hold, *, now: datetime, way: Way = REPEATABLE
) -> Step:
    """The channel holds the payer's money for a living attempt.

    Held while closing, for a payment that waits for nothing, or in another amount: it is voided
    next, and the payment stays as it is until then.
    """
    if attempt.status == "authorized":
        return Step(payment=payment, attempt=waited(attempt, now, way))
    if attempt.status == "closing":
        return Step(payment=payment, attempt=_to_void(attempt, hold, now, way))
    is_wanted = payment.attempt_id == attempt.id and payment.status in HOLDABLE
    fits = hold.amount == attempt.amount and hold.currency == attempt.currency
    if not (is_wanted and fits):
        error = None if fits else failure("amount_mismatch")
        attempt = begin_ending(attempt, now, error=error)
        return Step(payment=payment, attempt=_to_void(attempt, hold, now, way))
    attempt = tried(
        attempt,
        "authorized",
        held=True,
        channel_order_no=hold.channel_order_no,
        next_action=None,
        queries=0,
        not_found=0,
        due_at=now + HOLD_QUERY,
    )
    payment = moved(
        payment,
        "requires_capture",
        amount_authorized=hold.amount,
        channel_order_no=hold.channel_order_no,
        capture_before=hold.capture_before,
        next_action=None,
        error=None,
    )
    return Step(payment=payment, attempt=attempt, lines=(line(payment, "authorized"),))


def _to_void(attempt: Attempt, hold: Hold, now: datetime, way: Way) -> Attempt:
    """A closing attempt whose hold is to be voided, at once or again (the last did not take)."""
    if attempt.held:
        return waited(replace(attempt, close_sent=False), now, way)
    return tried(
        attempt,
        "closing",
        held=True,
        channel_order_no=hold.channel_order_no,
        close_sent=False,
        queries=0,
        due_at=now,
    )


def let_go(payment: Payment, attempt: Attempt, *, now: datetime, way: Way = REPEATABLE) -> Step:
    """The channel let go of a hold that nobody asked it to end: by time, or by another hand."""
    to = "expired" if is_over(payment, now) else "canceled"
    begun = begin_close(payment, attempt, to=to, now=now)
    if begun.attempt is None:
        return begun
    step = attempt_closed(begun.payment, begun.attempt, now, way)
    return replace(step, lines=(*begun.lines, *step.lines))


def is_over(payment: Payment, now: datetime) -> bool:
    """Whether the time in which a hold could be captured has passed."""
    return (
        payment.status == "requires_capture"
        and payment.capture_before is not None
        and now >= payment.capture_before
    )
