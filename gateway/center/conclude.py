"""What a channel said becomes a Change: the one place where outcomes meet the rows.

Law: the same word has the same effect whether it comes as an answer, a query or a callback. The
rows are decided under the merchant's head, so that one of several concurrent words wins and the
others find it done.
"""

from datetime import datetime

from msgspec.structs import replace

from gateway.center.ports import Clock, Ids
from gateway.channels.codec import (
    Closed,
    CloseOutcome,
    HandedOut,
    NotFound,
    Paid,
    PayOutcome,
    QueryOutcome,
    Refunded,
    RefundOutcome,
    Refused,
    Waiting,
)
from gateway.domain import attempt as attempts
from gateway.domain import chart
from gateway.domain import outcome as outcomes
from gateway.domain import refund as refunds
from gateway.domain.attempt import Attempt
from gateway.domain.callback import CallbackSeen
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.outcome import Fresh, Money, Step
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund

Outcome = PayOutcome | QueryOutcome | CloseOutcome


def error_of(refused: Refused) -> dict[str, object]:
    """A channel's refusal as the `error` member of our objects."""
    return {
        "code": refused.code,
        "message": refused.message,
        "channel_code": refused.channel_code or None,
        "retryable": refused.retryable,
    }


class Concluder:
    """Makes the Changes that follow from a channel's word."""

    def __init__(self, *, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    def payment_change(
        self,
        attempt: Attempt,
        outcome: Outcome,
        *,
        actor: str,
        request_id: str | None,
        single_shot: bool = False,
        closing: bool = False,
        seen: CallbackSeen | None = None,
    ) -> Change:
        """What `outcome` does to the attempt and its payment; the result is the payment.

        `closing` says that the outcome answers a close; `seen` is the callback that brought it,
        and makes a second delivery change nothing.
        """
        merchant_id = attempt.merchant_id
        now = self._clock.business()
        fresh = Fresh(self._ids.make("ent", merchant_id), self._ids.make("uxf", merchant_id))
        place = Need("payment", attempt.payment_id)
        unexpected = Need("unexpected_of", attempt.id)

        def decide(rows: Rows) -> Writes:
            payment: Payment = rows.get(place)
            present: Attempt = rows.get(attempt.place)
            if seen is not None and rows.get(seen.place) is not None:
                return Writes(touched=(place,), result=payment)
            if isinstance(outcome, Paid):
                money = Money(
                    outcome.channel_order_no,
                    outcome.amount,
                    outcome.currency,
                    outcome.payer_amount,
                    outcome.discount_amount,
                )
                known = rows.get(unexpected)
                step = outcomes.paid(payment, present, money, now=now, fresh=fresh, known=known)
            elif present.status not in attempts.LIVING:
                step = Step(payment=payment, attempt=present)
            else:
                step = _step(payment, present, outcome, now, single_shot, closing)
            written = step.rows if seen is None else (*step.rows, seen)
            return Writes(rows=written, entries=step.entries, lines=step.lines, result=step.payment)

        needs = (place, attempt.place, unexpected)
        return Change(
            merchant_id=merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=needs if seen is None else (*needs, seen.place),
            accounts=_accounts(attempt, outcome) if isinstance(outcome, Paid) else (),
        )

    def refund_change(
        self,
        refund: Refund,
        outcome: RefundOutcome,
        *,
        actor: str,
        request_id: str | None,
        queried: bool = False,
    ) -> Change:
        """What `outcome` does to a refund; the result is the `RefundStep`.

        `queried` says that it answers a query: only then can *not found* count.
        """
        now = self._clock.business()
        entry_id = self._ids.make("ent", refund.merchant_id)
        place = Need("payment", refund.payment_id)

        def decide(rows: Rows) -> Writes:
            payment: Payment = rows.get(place)
            present: Refund = rows.get(refund.place)
            if isinstance(outcome, Refunded):
                step = refunds.succeeded(payment, present, now=now, entry_id=entry_id)
            elif isinstance(outcome, Refused):
                error = error_of(outcome)
                step = refunds.failed(payment, present, error, now=now, entry_id=entry_id)
            elif isinstance(outcome, NotFound) and queried:
                step = refunds.not_found(payment, present, now=now, entry_id=entry_id)
            else:
                step = refunds.waited(present, now)
            return Writes(rows=step.rows, entries=step.entries, lines=step.lines, result=step)

        return Change(
            merchant_id=refund.merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=(place, refund.place),
            accounts=(
                (chart.PENDING, refund.currency),
                (chart.HELD, refund.currency),
                (chart.clearing(refund.channel_account_id), refund.currency),
            ),
        )


def _accounts(attempt: Attempt, paid: Paid) -> tuple[tuple[str, str], ...]:
    """The ledger accounts that money for an attempt may touch, whatever its currency."""
    clearing = chart.clearing(attempt.channel_account_id)
    codes = (chart.PENDING, chart.SUSPENSE, clearing)
    return tuple(
        (code, currency) for currency in {attempt.currency, paid.currency} for code in codes
    )


def _step(
    payment: Payment,
    attempt: Attempt,
    outcome: Outcome,
    now: datetime,
    single_shot: bool,
    closing: bool,
) -> Step:
    if closing and not attempt.close_sent:
        attempt = replace(attempt, close_sent=True)
    if isinstance(outcome, HandedOut):
        return outcomes.handed_out(payment, attempt, outcome.next_action, now)
    if isinstance(outcome, Closed):
        return outcomes.closed(payment, attempt, now)
    if isinstance(outcome, NotFound):
        return outcomes.not_found(payment, attempt, now)
    if isinstance(outcome, Refused) and not closing:
        error = error_of(outcome)
        return outcomes.refused(payment, attempt, error, now=now, single_shot=single_shot)
    if isinstance(outcome, Waiting):
        if attempt.status == "closing":
            # Our close did not arrive or did not take: it is sent again.
            attempt = replace(attempt, close_sent=False)
        return Step(payment=payment, attempt=attempts.waited(attempt, now))
    if attempt.status == "submitted":
        return Step(payment=payment, attempt=attempts.silent(attempt, now))
    return Step(payment=payment, attempt=attempts.waited(attempt, now))
