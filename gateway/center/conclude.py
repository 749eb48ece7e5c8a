"""What a channel said becomes a Change: the one place where outcomes meet the rows.

Law: the same word has the same effect whether it comes as an answer, a query or a callback. The
rows are decided under the merchant's head, so that one of several concurrent words wins and the
others find it done.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from gateway.center.ports import Clock, Ids
from gateway.channels.codec import (
    Authorized,
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
from gateway.channels.meanings import refused
from gateway.domain import answer as answers
from gateway.domain import attempt as attempts
from gateway.domain import chart, hold
from gateway.domain import outcome as outcomes
from gateway.domain import refund as refunds
from gateway.domain.attempt import Attempt, Way
from gateway.domain.callback import CallbackSeen
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.hold import Hold
from gateway.domain.outcome import Fresh, Money, Step
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund
from gateway.domain.statement_line import with_parts

Outcome = PayOutcome | QueryOutcome | CloseOutcome

# Two attempts of one merchant came to the same short reference; another try gets another one.
_NUMBER_TAKEN = refused("channel_busy", "number_taken")


def error_of(refused: Refused) -> dict[str, object]:
    """A channel's refusal as the `error` member of our objects."""
    return {
        "code": refused.code,
        "message": refused.message,
        "channel_code": refused.channel_code or None,
        "retryable": refused.retryable,
    }


class Word(Struct, kw_only=True, eq=False):
    """What a channel said of an attempt, until it is decided on the rows what follows.

    `place` is the payment's, `unexpected` that of funds the attempt brought before; `named` says
    who else may have the number that the channel gave. `fresh` makes ids.
    """

    attempt: Attempt
    answered: Outcome
    now: datetime
    way: Way
    fresh: Callable[[], Fresh]
    place: Need
    unexpected: Need
    named: tuple[Need, ...]
    closing: bool
    reversal: bool
    seen: CallbackSeen | None
    # Ids are made once, and only where they are needed: what was decided may be decided again.
    of_money: Fresh | None = None
    of_parts: Fresh | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        """The rows that the decision depends on."""
        needs = (self.place, self.attempt.place, self.unexpected, *self.named)
        return needs if self.seen is None else (*needs, self.seen.place)

    def decide(self, rows: Rows) -> Writes:
        """What it does to the rows; nothing, if its callback was seen before."""
        seen = self.seen
        payment: Payment = rows.get(self.place)
        if seen is not None and rows.get(seen.place) is not None:
            return Writes(touched=(self.place,), result=payment)
        step = self._step(payment, rows)
        if payment.amount_received != payment.amount_captured:
            self.of_parts = self.of_parts or self.fresh()
            step = with_parts(payment, step, now=self.now, fresh=self.of_parts)
        written = step.rows if seen is None else (*step.rows, seen)
        return Writes(rows=written, entries=step.entries, lines=step.lines, result=step.payment)

    def _step(self, payment: Payment, rows: Rows) -> Step:
        answered, named = self.answered, self.named
        outcome = answered if not named or _is_free(rows, named, self.attempt) else _NUMBER_TAKEN
        present: Attempt = rows.get(self.attempt.place)
        if isinstance(outcome, Paid):
            self.of_money = self.of_money or self.fresh()
            return outcomes.paid(
                payment,
                present,
                _money(outcome),
                now=self.now,
                fresh=self.of_money,
                known=rows.get(self.unexpected),
                way=self.way,
                reversal=self.reversal,
            )
        if present.status not in attempts.LIVING:
            return Step(payment=payment, attempt=present)
        closing, reversal = self.closing, self.reversal
        asked = _asked(present, outcome, self.way, closing=closing, reversal=reversal)
        return _step(payment, asked, outcome, self.now, self.way, closing or reversal)


class Concluder:
    """Makes the Changes that follow from a channel's word; `way` tells what an attempt is like."""

    def __init__(self, *, clock: Clock, ids: Ids, way: Callable[[Attempt], Way]) -> None:
        self._clock = clock
        self._ids = ids
        self._way = way

    def payment_change(
        self,
        attempt: Attempt,
        answered: Outcome,
        *,
        actor: str,
        request_id: str | None,
        closing: bool = False,
        reversal: bool = False,
        seen: CallbackSeen | None = None,
    ) -> Change:
        """What the outcome does to the attempt and its payment; the result is the payment.

        `closing` says that the outcome answers a close or void, `reversal` a cancel; `seen` is the
        callback that brought it, and makes a second delivery change nothing.
        """
        now = self._clock.business()
        word = Word(
            attempt=attempt,
            answered=answered,
            now=now,
            way=self._way(attempt),
            fresh=partial(self._fresh, attempt.merchant_id),
            place=Need("payment", attempt.payment_id),
            unexpected=Need("unexpected_of", attempt.id),
            named=_named(attempt, answered),
            closing=closing,
            reversal=reversal,
            seen=seen,
        )
        return Change(
            merchant_id=attempt.merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=word.decide,
            needs=word.needs,
            accounts=_accounts(attempt, answered) if isinstance(answered, Paid) else (),
        )

    def _fresh(self, merchant_id: str) -> Fresh:
        return Fresh(self._ids.make("ent", merchant_id), self._ids.make("uxf", merchant_id))

    def asked_again(self, attempt: Attempt, *, actor: str, request_id: str | None) -> Change:
        """The payer's answer had no effect: the step is open again. The result is the payment."""
        now = self._clock.business()
        place = Need("payment", attempt.payment_id)

        def decide(rows: Rows) -> Writes:
            step = answers.asked_again(rows.get(place), rows.get(attempt.place), now)
            return Writes(rows=step.rows, lines=step.lines, result=step.payment)

        return Change(
            merchant_id=attempt.merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=(place, attempt.place),
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
                (chart.clearing(refund.channel_account_id, refund.channel), refund.currency),
            ),
        )


def _named(attempt: Attempt, outcome: Outcome) -> tuple[Need, ...]:
    """Who else is known to the channel by the number that it gives this attempt."""
    number = outcome.channel_order_no if isinstance(outcome, HandedOut) else None
    return () if number is None else (Need("attempt_no", f"{attempt.channel} {number}"),)


def _is_free(rows: Rows, named: tuple[Need, ...], attempt: Attempt) -> bool:
    holders = [rows.get(need) for need in named]
    return all(holder is None or holder.id == attempt.id for holder in holders)


def _accounts(attempt: Attempt, paid: Paid) -> tuple[tuple[str, str], ...]:
    """The ledger accounts that money for an attempt may touch, whatever its currency."""
    clearing = chart.clearing(attempt.channel_account_id, attempt.channel)
    codes = (chart.PENDING, chart.SUSPENSE, clearing)
    return tuple(
        (code, currency) for currency in {attempt.currency, paid.currency} for code in codes
    )


def _money(paid: Paid) -> Money:
    return Money(
        paid.channel_order_no,
        paid.amount,
        paid.currency,
        paid.payer_amount,
        paid.discount_amount,
    )


def _asked(
    attempt: Attempt, outcome: Outcome, way: Way, *, closing: bool, reversal: bool
) -> Attempt:
    """The attempt that knows whether a close of it is under way."""
    if reversal:
        # It was written down before it left; refused, it had no effect, and money counts again.
        return replace(attempt, close_sent=not isinstance(outcome, Refused))
    is_closing = attempt.status == "closing" and not attempts.is_reversing(attempt, way)
    if is_closing and isinstance(outcome, Waiting):
        # Our close did not arrive or did not take: it is sent again.
        return replace(attempt, close_sent=False)
    return replace(attempt, close_sent=True) if closing and not attempt.close_sent else attempt


def _step(
    payment: Payment,
    attempt: Attempt,
    outcome: Outcome,
    now: datetime,
    way: Way,
    is_ending: bool,
) -> Step:
    if isinstance(outcome, HandedOut):
        return outcomes.handed_out(
            payment,
            attempt,
            outcome.next_action,
            now,
            channel_order_no=outcome.channel_order_no,
            way=way,
        )
    if isinstance(outcome, Authorized):
        held = Hold(
            outcome.channel_order_no, outcome.amount, outcome.currency, outcome.capture_before
        )
        return hold.authorized(payment, attempt, held, now=now, way=way)
    if isinstance(outcome, Closed) and attempt.status == "authorized":
        return hold.let_go(payment, attempt, now=now, way=way)
    if isinstance(outcome, Closed):
        return outcomes.closed(payment, attempt, now, way)
    if isinstance(outcome, NotFound):
        return outcomes.not_found(payment, attempt, now, way)
    if isinstance(outcome, Refused) and not is_ending:
        return outcomes.refused(payment, attempt, error_of(outcome), now=now, way=way)
    if attempt.status == "submitted" and not isinstance(outcome, Waiting):
        return Step(payment=payment, attempt=attempts.silent(attempt, now, way))
    return Step(payment=payment, attempt=attempts.waited(attempt, now, way))
