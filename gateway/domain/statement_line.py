"""Statement lines: what a bank says it booked, and what each line does to a payment.

Law: pure decisions. A line takes effect once, whatever file brings it. Every credited line makes
clearing grow by its amount and no more, so that the account can be compared with the bank's:

    paid       the sum is whole with this line: captured
    over       more than the sum: captured, and the rest lies in suspense (unexpected funds)
    part       less than the sum: it lies in suspense until the sum is whole or the payment ends
    confirmed  the bank said so before, when it was asked: nothing is booked again
    duplicate  the payment has its money already       } in suspense, unexpected funds, told;
    late       the attempt has ended                   } never sent back by itself
    mismatch   another currency                        }
    unmatched  it names no attempt of ours             }
    refund     a debit that carries a refund's number: the refund is done
    other      any other debit: kept, nothing is booked

What the payer wrote and who the payer is are not kept: the bank's file has them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import chart
from gateway.domain.attempt import LIVING, Attempt
from gateway.domain.change import Need, Row
from gateway.domain.events import Line, encode
from gateway.domain.ledger import Entry, Posting
from gateway.domain.lifecycle import PAYMENT, is_terminal
from gateway.domain.outcome import (
    Fresh,
    Money,
    Step,
    UnexpectedFunds,
    paid,
    unexpected_line,
    unexpected_view,
)
from gateway.domain.payment import Payment, line, moved

CREDIT = "credit"
DEBIT = "debit"
CAUSES: Mapping[str, str] = {
    "over": "over",
    "duplicate": "duplicate",
    "late": "late",
    "mismatch": "amount_mismatch",
    "unmatched": "unmatched",
}


class StatementLine(Struct, frozen=True, kw_only=True):
    """One line of a bank's statement that was imported; `amount` is in minor units, positive.

    `line_key` is what makes it one line for ever; `suspended` is how much of it went to suspense;
    `bank_reference` is the bank's own number of the entry.
    """

    merchant_id: str
    id: str
    channel_account_id: str
    line_key: str
    direction: str
    amount: int
    currency: str
    verdict: str
    suspended: int = 0
    payment_id: str | None = None
    attempt_id: str | None = None
    refund_id: str | None = None
    bank_reference: str | None = None
    booked_at: datetime | None = None
    created_at: datetime
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("statement_line", self.id)


class TransferTally(Struct, frozen=True, kw_only=True):
    """What lines have brought for an attempt: at most its amount, the rest is unexpected."""

    merchant_id: str
    attempt_id: str
    received: int
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return tally_need(self.attempt_id)


def tally_need(attempt_id: str) -> Need:
    """The tally of an attempt."""
    return Need("transfer_tally", attempt_id)


class LineFresh(NamedTuple):
    """Ids made beforehand for rows that a line may need."""

    captured_id: str
    applied_id: str
    received_id: str
    unexpected_id: str


class LineStep(Struct, frozen=True, kw_only=True):
    """What a line changes; `line` holds the verdict."""

    line: StatementLine
    payment: Payment | None = None
    attempt: Attempt | None = None
    tally: TransferTally | None = None
    unexpected: UnexpectedFunds | None = None
    entries: tuple[Entry, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows to write; those that are still the loaded ones are not written."""
        rows = (self.line, self.payment, self.attempt, self.tally, self.unexpected)
        return tuple(row for row in rows if row is not None)


def settle(
    payment: Payment | None,
    attempt: Attempt | None,
    tally: TransferTally | None,
    arrived: StatementLine,
    *,
    now: datetime,
    fresh: LineFresh,
) -> LineStep:
    """What a credited line does to the attempt that it names (None: to nobody's)."""
    if payment is None or attempt is None:
        return _unmatched(arrived, now, fresh)
    arrived = replace(arrived, payment_id=payment.id, attempt_id=attempt.id)
    received = 0 if tally is None else tally.received
    if arrived.currency != attempt.currency:
        return _aside(payment, arrived, "mismatch", now, fresh)
    if attempt.status == "succeeded":
        if received + arrived.amount <= attempt.amount:
            arrived = replace(arrived, verdict="confirmed")
            return LineStep(line=arrived, tally=_counted(arrived, tally, arrived.amount))
        return _aside(payment, arrived, "duplicate", now, fresh)
    is_awaited = attempt.status in LIVING and payment.attempt_id == attempt.id
    if not is_awaited or is_terminal(PAYMENT, payment.status):
        return _aside(payment, arrived, "late", now, fresh)
    if payment.amount_received + arrived.amount < attempt.amount:
        return _part(payment, arrived, tally, now, fresh)
    return _whole(payment, attempt, tally, arrived, now, fresh)


def _counted(arrived: StatementLine, tally: TransferTally | None, amount: int) -> TransferTally:
    if tally is None:
        return TransferTally(
            merchant_id=arrived.merchant_id, attempt_id=arrived.attempt_id or "", received=amount
        )
    return replace(tally, received=tally.received + amount, version=tally.version + 1)


def _suspended(arrived: StatementLine, amount: int, now: datetime, entry_id: str) -> Entry:
    postings = chart.funds_received(arrived.channel_account_id, amount, arrived.currency)
    return _entry(arrived.merchant_id, entry_id, "funds_received", arrived.id, now, postings)


def _entry(
    merchant_id: str,
    entry_id: str,
    reason: str,
    reference: str,
    now: datetime,
    postings: tuple[Posting, ...],
) -> Entry:
    return Entry(
        id=entry_id,
        merchant_id=merchant_id,
        reason=reason,
        reference=reference,
        at=now,
        postings=postings,
    )


def _unexpected(
    arrived: StatementLine, amount: int, verdict: str, now: datetime, funds_id: str
) -> UnexpectedFunds:
    return UnexpectedFunds(
        merchant_id=arrived.merchant_id,
        id=funds_id,
        payment_id=arrived.payment_id,
        attempt_id=arrived.attempt_id,
        channel_account_id=arrived.channel_account_id,
        channel_order_no=arrived.bank_reference or arrived.line_key,
        amount=amount,
        currency=arrived.currency,
        cause=CAUSES[verdict],
        status="detected",
        created_at=now,
        statement_line_id=arrived.id,
    )


def _unmatched(arrived: StatementLine, now: datetime, fresh: LineFresh) -> LineStep:
    arrived = replace(arrived, verdict="unmatched", suspended=arrived.amount)
    funds = _unexpected(arrived, arrived.amount, "unmatched", now, fresh.unexpected_id)
    told = Line(
        "unexpected_funds.detected", funds.id, funds.version, encode(unexpected_view(funds))
    )
    return LineStep(
        line=arrived,
        unexpected=funds,
        entries=(_suspended(arrived, arrived.amount, now, fresh.received_id),),
        lines=(told,),
    )


def _aside(
    payment: Payment, arrived: StatementLine, verdict: str, now: datetime, fresh: LineFresh
) -> LineStep:
    """The whole line lies in suspense; its payment tells of it."""
    arrived = replace(arrived, verdict=verdict, suspended=arrived.amount)
    funds = _unexpected(arrived, arrived.amount, verdict, now, fresh.unexpected_id)
    payment = replace(payment, version=payment.version + 1)
    return LineStep(
        line=arrived,
        payment=payment,
        unexpected=funds,
        entries=(_suspended(arrived, arrived.amount, now, fresh.received_id),),
        lines=(unexpected_line(payment, funds),),
    )


def _part(
    payment: Payment,
    arrived: StatementLine,
    tally: TransferTally | None,
    now: datetime,
    fresh: LineFresh,
) -> LineStep:
    arrived = replace(arrived, verdict="part", suspended=arrived.amount)
    payment = moved(
        payment, payment.status, amount_received=payment.amount_received + arrived.amount
    )
    return LineStep(
        line=arrived,
        payment=payment,
        tally=_counted(arrived, tally, arrived.amount),
        entries=(_suspended(arrived, arrived.amount, now, fresh.received_id),),
        lines=(line(payment, "partially_received"),),
    )


def _whole(
    payment: Payment,
    attempt: Attempt,
    tally: TransferTally | None,
    arrived: StatementLine,
    now: datetime,
    fresh: LineFresh,
) -> LineStep:
    surplus = payment.amount_received + arrived.amount - attempt.amount
    money = Money(
        attempt.channel_order_no or arrived.bank_reference or arrived.line_key,
        attempt.amount,
        attempt.currency,
    )
    ids = Fresh(fresh.captured_id, fresh.unexpected_id)
    step = paid(payment, attempt, money, now=now, fresh=ids, known=None)
    step = with_parts(payment, step, now=now, fresh=Fresh(fresh.applied_id, fresh.unexpected_id))
    arrived = replace(arrived, verdict="over" if surplus else "paid", suspended=surplus)
    tally = _counted(arrived, tally, arrived.amount - surplus)
    succeeded, funds, entries, lines = step.payment, None, step.entries, step.lines
    if surplus:
        funds = _unexpected(arrived, surplus, "over", now, fresh.unexpected_id)
        succeeded = replace(succeeded, version=succeeded.version + 1)
        entries = (*entries, _suspended(arrived, surplus, now, fresh.received_id))
        lines = (*lines, unexpected_line(succeeded, funds))
    return LineStep(
        line=arrived,
        payment=succeeded,
        attempt=step.attempt,
        tally=tally,
        unexpected=funds,
        entries=entries,
        lines=lines,
    )


def with_parts(before: Payment, step: Step, *, now: datetime, fresh: Fresh) -> Step:
    """A step that ends an attempt of which parts had come, with what becomes of the parts.

    Captured: they leave suspense, for `captured` books the whole sum. Ended without money: they
    stay where they are, and are unexpected funds from now on. `before` is the payment before the
    step.
    """
    attempt = step.attempt
    parts = before.amount_received - before.amount_captured
    if not parts or attempt is None or before.attempt_id != attempt.id:
        return step
    if is_terminal(PAYMENT, before.status) or attempt.status in LIVING:
        return step
    if attempt.status == "succeeded":
        postings = chart.funds_applied(attempt.channel_account_id, parts, attempt.currency)
        applied = _entry(
            before.merchant_id, fresh.entry_id, "funds_applied", attempt.id, now, postings
        )
        return replace(step, entries=(*step.entries, applied))
    if step.unexpected is not None:
        return step
    return _left_over(step, attempt, parts, now, fresh)


def _left_over(step: Step, attempt: Attempt, parts: int, now: datetime, fresh: Fresh) -> Step:
    funds = UnexpectedFunds(
        merchant_id=attempt.merchant_id,
        id=fresh.unexpected_id,
        payment_id=attempt.payment_id,
        attempt_id=attempt.id,
        channel_account_id=attempt.channel_account_id,
        channel_order_no=attempt.channel_order_no or attempt.attempt_no,
        amount=parts,
        currency=attempt.currency,
        cause="partial",
        status="detected",
        created_at=now,
    )
    payment = step.payment
    kept = parts if is_terminal(PAYMENT, payment.status) else 0
    payment = replace(payment, amount_received=kept, version=payment.version + 1)
    told = unexpected_line(payment, funds)
    return replace(step, payment=payment, unexpected=funds, lines=(*step.lines, told))
