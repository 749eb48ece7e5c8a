"""Answers: the payer's reply to a step of the channel, such as a code that came by SMS.

Law: an answer moves money, so it is counted and the attempt is in doubt before it leaves; it never
leaves twice. Only the channel's word that it was wrong opens the step again. The code itself is no
part of any value here.
"""

from datetime import datetime, timedelta

from gateway.domain.attempt import Attempt, tried
from gateway.domain.outcome import Step, handed_out
from gateway.domain.payment import Payment, line, moved

ANSWER_DUE = timedelta(seconds=20)  # beyond the call of a live gateway


def answered(payment: Payment, attempt: Attempt, now: datetime) -> Step:
    """The payer's code is about to leave: from here on the attempt is in doubt, and counted."""
    attempt = tried(
        attempt,
        "unknown",
        answers=attempt.answers + 1,
        sent_at=now,
        queries=0,
        not_found=0,
        due_at=now + ANSWER_DUE,
    )
    payment = moved(payment, "processing", next_action=None)
    return Step(payment=payment, attempt=attempt, lines=(line(payment, "processing"),))


def asked_again(payment: Payment, attempt: Attempt, now: datetime) -> Step:
    """The payer's code was wrong, or never left: the same step is open again."""
    if attempt.status != "unknown" or attempt.next_action is None:
        return Step(payment=payment, attempt=attempt)
    return handed_out(payment, attempt, attempt.next_action, now)
