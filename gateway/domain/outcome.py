"""Outcomes: what a channel's word does to an attempt and its payment.

Law: pure decisions. Each takes the rows as they are, what the channel said, and the time, and
returns a `Step`: the rows as they shall be, the entries to book, the lines to tell. Four rules:

1. *Not found* is believed at once for a code that was handed out and is being closed (nobody
   scanned it), else only after `QUIET_S` seconds and `NOT_FOUND_MIN` answers.
2. Only the channel's word ends a payment that is closing.
3. Money that a channel confirms is always booked: to the payment if it waits for exactly this,
   else to suspense, and it is told.
4. Once a reversal has left, money counts only by the reversal's own word: it may be going back.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import asdict, replace

from gateway.domain import chart
from gateway.domain.attempt import (
    ENDING_DUE,
    HANDED_OUT_QUERIES,
    HANDED_OUT_QUERY,
    LIVING,
    NOT_FOUND_MIN,
    QUIET_S,
    REPEATABLE,
    REVERSIBLE_QUERY,
    Attempt,
    Way,
    is_reversing,
    tried,
    waited,
)
from gateway.domain.change import Need, Row
from gateway.domain.events import Line, encode, rfc3339
from gateway.domain.failure import failure
from gateway.domain.ledger import Entry
from gateway.domain.lifecycle import PAYMENT, is_terminal
from gateway.domain.payment import Payment, ended, invalid_state, line, moved, view


class UnexpectedFunds(Struct, frozen=True, kw_only=True):
    """Money that came late, twice or in another amount; it lies in suspense.

    `statement_line_id` names the line of a bank's statement that brought it; such money may belong
    to no payment at all.
    """

    merchant_id: str
    id: str
    payment_id: str | None
    attempt_id: str | None
    channel_account_id: str
    channel_order_no: str
    amount: int
    currency: str
    cause: str  # late | amount_mismatch | over | partial | duplicate | unmatched
    status: str
    created_at: datetime
    version: int = 1
    statement_line_id: str | None = None

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("unexpected_funds", self.id)


def unexpected_view(funds: UnexpectedFunds) -> dict[str, object]:
    """Unexpected money as merchants see it in the event."""
    return {
        "id": funds.id,
        "object": "unexpected_funds",
        "payment_id": funds.payment_id,
        "attempt_id": funds.attempt_id,
        "channel_order_no": funds.channel_order_no,
        "amount": funds.amount,
        "currency": funds.currency,
        "cause": funds.cause,
        "status": funds.status,
        "created_at": rfc3339(funds.created_at),
    }


def unexpected_line(payment: Payment, funds: UnexpectedFunds) -> Line:
    """The journal line that tells `payment.unexpected_funds`."""
    return Line(
        "payment.unexpected_funds",
        payment.id,
        payment.version,
        encode(asdict(view(payment)) | {"unexpected_funds": unexpected_view(funds)}),
        payment.id,
        payment.customer,
    )


class Step(Struct, frozen=True, kw_only=True):
    """What a decision about a payment changes."""

    payment: Payment
    attempt: Attempt | None = None
    unexpected: UnexpectedFunds | None = None
    entries: tuple[Entry, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows to write; those that are still the loaded ones are not written."""
        return tuple(
            row for row in (self.payment, self.attempt, self.unexpected) if row is not None
        )


class Money(Struct, frozen=True):
    """What a channel confirms it received for an attempt."""

    channel_order_no: str
    amount: int
    currency: str
    payer_amount: int | None = None
    discount_amount: int | None = None


class Fresh(Struct, frozen=True):
    """Ids made beforehand for rows that a decision may need."""

    entry_id: str
    unexpected_id: str


def handed_out(
    payment: Payment,
    attempt: Attempt,
    next_action: Mapping[str, object],
    now: datetime,
    *,
    channel_order_no: str | None = None,
    way: Way = REPEATABLE,
) -> Step:
    """The channel gave something for the payer: a QR text, an URL, a form.

    `channel_order_no` is the number by which the channel knows the order from now on, if any.
    """
    number = channel_order_no or attempt.channel_order_no
    if attempt.status == "closing":
        # A cancel overtook the answer: the code exists and is never shown to anyone.
        attempt = tried(attempt, "closing", handed_out=True, channel_order_no=number)
        return Step(payment=payment, attempt=attempt)
    if attempt.status not in ("submitted", "unknown") or payment.attempt_id != attempt.id:
        return Step(payment=payment, attempt=attempt)
    attempt = tried(
        attempt,
        "pending_user",
        handed_out=True,
        next_action=next_action,
        channel_order_no=number,
        queries=HANDED_OUT_QUERIES,
        not_found=0,
        due_at=now + (REVERSIBLE_QUERY if way.reversible else HANDED_OUT_QUERY),
    )
    payment = moved(
        payment,
        "requires_action",
        next_action=next_action,
        channel_order_no=attempt.channel_order_no,
    )
    return Step(payment=payment, attempt=attempt, lines=(line(payment, "requires_action"),))


def refused(
    payment: Payment,
    attempt: Attempt,
    error: Mapping[str, object],
    *,
    now: datetime,
    way: Way = REPEATABLE,
) -> Step:
    """The channel refused definitely: nothing moved and nothing will under this number."""
    if attempt.status == "closing":
        return _closed(payment, attempt, now, way)
    if attempt.status not in ("submitted", "unknown", "pending_user"):
        return Step(payment=payment, attempt=waited(attempt, now, way))
    attempt = tried(attempt, "failed", error=error, due_at=None, next_action=None)
    if payment.attempt_id != attempt.id or is_terminal(PAYMENT, payment.status):
        return Step(payment=payment, attempt=attempt)
    payment, told = _given_back(payment, error, way)
    return Step(payment=payment, attempt=attempt, lines=(told,))


def _given_back(
    payment: Payment, error: Mapping[str, object] | None, way: Way
) -> tuple[Payment, Line]:
    """The payment after an attempt without money: failed if single-shot, else open for another."""
    if way.single_shot and error is not None:
        payment = moved(payment, "failed", error=error, next_action=None)
        return payment, line(payment, "failed")
    payment = moved(payment, "requires_payment_method", error=error, next_action=None)
    return payment, line(payment, "attempt_failed")


def begin_close(payment: Payment, attempt: Attempt | None, *, to: str, now: datetime) -> Step:
    """Ask for the end of a payment: `to` is `canceled` or `expired`.

    Without a living attempt it ends at once; with one it becomes `closing`, and only the
    channel's word ends it. Raises `invalid_state` for terminal payments.
    """
    if payment.status == to or payment.status == "closing":
        return Step(payment=payment, attempt=attempt)
    if is_terminal(PAYMENT, payment.status):
        raise invalid_state(payment, "be closed")
    if attempt is None or attempt.status not in LIVING:
        payment = ended(payment, to, now)
        return Step(payment=payment, lines=(line(payment, to),))
    due_at = now + ENDING_DUE
    attempt = tried(attempt, "closing", due_at=due_at, queries=0, not_found=0)
    payment = moved(payment, "closing", closing_to=to, next_action=None)
    return Step(payment=payment, attempt=attempt, lines=(line(payment, "closing"),))


def _closed(payment: Payment, attempt: Attempt, now: datetime, way: Way) -> Step:
    attempt = tried(attempt, "closed", due_at=None, next_action=None)
    if payment.attempt_id != attempt.id:
        return Step(payment=payment, attempt=attempt)
    if payment.status != "closing":
        # Closed for its own error, or so that another way can be taken.
        payment, told = _given_back(payment, attempt.error, way)
        return Step(payment=payment, attempt=attempt, lines=(told,))
    to = payment.closing_to or "canceled"
    payment = ended(payment, to, now)
    return Step(payment=payment, attempt=attempt, lines=(line(payment, to),))


def closed(payment: Payment, attempt: Attempt, now: datetime, way: Way = REPEATABLE) -> Step:
    """The channel says that it will take no money for this attempt any more."""
    if attempt.status == "closing":
        return _closed(payment, attempt, now, way)
    return refused(payment, attempt, failure("closed_by_channel"), now=now, way=way)


def not_found(payment: Payment, attempt: Attempt, now: datetime, way: Way = REPEATABLE) -> Step:
    """The channel knows no such order; rule 1 says when that is believed."""
    has_acted = way.reversible or attempt.held or attempt.answers > 0
    if attempt.status == "closing" and attempt.handed_out and not has_acted:
        return _closed(payment, attempt, now, way)
    if attempt.status in ("pending_user", "authorized") or attempt.held:
        # A code that nobody scanned yet: the trade begins to exist with the scan. And whoever
        # held money for an order knows it.
        return Step(payment=payment, attempt=waited(attempt, now, way))
    attempt = replace(attempt, not_found=attempt.not_found + 1)
    quiet = now - (attempt.sent_at or attempt.created_at) >= timedelta(seconds=QUIET_S)
    if quiet and attempt.not_found >= NOT_FOUND_MIN:
        if attempt.status == "closing":
            return _closed(payment, attempt, now, way)
        return refused(payment, attempt, failure("channel_silent"), now=now, way=way)
    return Step(payment=payment, attempt=waited(attempt, now, way))


def paid(
    payment: Payment,
    attempt: Attempt,
    money: Money,
    *,
    now: datetime,
    fresh: Fresh,
    known: UnexpectedFunds | None,
    way: Way = REPEATABLE,
    reversal: bool = False,
) -> Step:
    """The channel confirms money for this attempt; it is booked exactly once (rule 3).

    `known` is the unexpected money already booked for this attempt, if any; `reversal` says that
    this is a reversal's own word (rule 4). Raises nothing: every confirmed amount has a place.
    """
    if known is not None and attempt.status == "closing":
        return _closed(payment, attempt, now, way)  # its money is booked: the order is used up
    if attempt.status == "succeeded" or known is not None:
        return Step(payment=payment, attempt=attempt)
    if is_reversing(attempt, way) and not reversal:
        return Step(payment=payment, attempt=waited(attempt, now, way))
    fits = money.amount == attempt.amount and money.currency == attempt.currency
    waits = attempt.status in LIVING and payment.attempt_id == attempt.id
    if not (fits and waits and not is_terminal(PAYMENT, payment.status)):
        return _unexpected(payment, attempt, money, now=now, fresh=fresh, fits=fits)
    attempt = tried(
        attempt,
        "succeeded",
        channel_order_no=money.channel_order_no,
        due_at=None,
        next_action=None,
    )
    payment = moved(
        payment,
        "succeeded",
        channel_order_no=money.channel_order_no,
        amount_authorized=attempt.amount,
        amount_captured=attempt.amount,
        amount_received=attempt.amount,
        payer_amount=money.payer_amount,
        discount_amount=money.discount_amount,
        succeeded_at=now,
        next_action=None,
        error=None,
        closing_to=None,
    )
    entry = Entry(
        id=fresh.entry_id,
        merchant_id=payment.merchant_id,
        reason="captured",
        reference=attempt.id,
        at=now,
        postings=chart.captured(
            attempt.channel_account_id, attempt.amount, attempt.currency, attempt.channel
        ),
    )
    lines = (line(payment, "succeeded"),)
    return Step(payment=payment, attempt=attempt, entries=(entry,), lines=lines)


def _unexpected(
    payment: Payment,
    attempt: Attempt,
    money: Money,
    *,
    now: datetime,
    fresh: Fresh,
    fits: bool,
) -> Step:
    funds = UnexpectedFunds(
        merchant_id=payment.merchant_id,
        id=fresh.unexpected_id,
        payment_id=payment.id,
        attempt_id=attempt.id,
        channel_account_id=attempt.channel_account_id,
        channel_order_no=money.channel_order_no,
        amount=money.amount,
        currency=money.currency,
        cause="late" if fits else "amount_mismatch",
        status="detected",
        created_at=now,
    )
    entry = Entry(
        id=fresh.entry_id,
        merchant_id=payment.merchant_id,
        reason="funds_unexpected",
        reference=attempt.id,
        at=now,
        postings=chart.funds_unexpected(attempt.channel_account_id, money.amount, money.currency),
    )
    step = _given_up(payment, attempt, money, now) if attempt.status in LIVING else None
    if step is not None and step.attempt is not None:
        payment, attempt = step.payment, step.attempt
    lines = () if step is None else step.lines
    payment = replace(payment, version=payment.version + 1)
    told = unexpected_line(payment, funds)
    return Step(
        payment=payment,
        attempt=attempt,
        unexpected=funds,
        entries=(entry,),
        lines=(*lines, told),
    )


def _given_up(payment: Payment, attempt: Attempt, money: Money, now: datetime) -> Step:
    """A living attempt that took another amount: its order is used up at the channel."""
    error = failure("amount_mismatch")
    number = money.channel_order_no
    if attempt.status == "authorized":
        # Part of a hold was taken without us: the rest is let go.
        attempt = tried(attempt, "closing", error=error, due_at=now, queries=0, not_found=0)
        payment = moved(payment, "closing", closing_to="canceled", error=error)
        return Step(payment=payment, attempt=attempt, lines=(line(payment, "closing"),))
    attempt = tried(
        attempt,
        "closed" if attempt.status == "closing" else "failed",
        error=error,
        due_at=None,
        channel_order_no=number,
        next_action=None,
    )
    if payment.attempt_id != attempt.id or is_terminal(PAYMENT, payment.status):
        return Step(payment=payment, attempt=attempt)
    if payment.status == "closing":
        payment = ended(payment, payment.closing_to or "canceled", now)
        return Step(payment=payment, attempt=attempt, lines=(line(payment, payment.status),))
    payment = moved(payment, "requires_payment_method", error=error, next_action=None)
    return Step(payment=payment, attempt=attempt, lines=(line(payment, "attempt_failed"),))
