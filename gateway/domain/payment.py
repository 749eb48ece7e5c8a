"""Payments and attempts: the order a merchant wants paid, and each try to get it paid.

Law: pure decisions. Each takes the rows as they are, what a channel said, and the time, and
returns a `Step`: the rows as they shall be, the entries to book, the lines to tell. Four rules:

1. An attempt is durable before a byte leaves for its channel.
2. Silence is `unknown`. Unknown is resolved by query, callback or statement, never by a guess.
3. *Not found* is believed at once for a code that was handed out and is being closed (nobody
   scanned it), else only after `QUIET_S` seconds and `NOT_FOUND_MIN` answers.
4. Money that a channel confirms is always booked: to the payment if it waits for exactly this,
   else to suspense, and it is told.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from gateway.domain import chart, ids
from gateway.domain.change import Need, Row
from gateway.domain.errors import TillgateError
from gateway.domain.events import Line, encode, rfc3339, rfc3339_or_none
from gateway.domain.ledger import Entry
from gateway.domain.lifecycle import ATTEMPT, PAYMENT, advance, is_terminal

EXPIRES_IN_MIN_S = 60
EXPIRES_IN_MAX_S = 2_592_000
EXPIRES_IN_DEFAULT_S = 7_200
QUIET_S = 60
NOT_FOUND_MIN = 2
SENDS_MAX = 3
QUERY_DELAYS_S = (2, 5, 10, 20, 40, 60, 120, 300, 900)
QUERY_HOURLY_S = 3_600
QUERY_GIVE_UP = timedelta(hours=72)
NONE_ACTION: Mapping[str, object] = {"type": "none"}
LIVING = frozenset({"submitted", "pending_user", "unknown", "closing", "authorized"})


class Payment(Struct, frozen=True, kw_only=True):
    """A payment. Amounts are minor units of `currency`; times are business time in UTC.

    `customer` is sealed under the payer's key and opaque here: views say null, and whoever may
    read it opens it. `closing_to` is what `closing` aims at. `last_sequence` is the newest journal
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
    last_sequence: int = 0
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("payment", self.id)


class Attempt(Struct, frozen=True, kw_only=True):
    """One instruction to a channel. Its 26 characters are our number at the channel.

    `handed_out` says that the payer was given a code; `sends` counts how often the create left;
    `due_at` is when silence is asked about again; `not_found` counts such answers.
    """

    merchant_id: str
    id: str
    payment_id: str
    number: int
    method: str
    method_options: Mapping[str, str]
    channel: str
    channel_account_id: str
    amount: int
    currency: str
    status: str
    created_at: datetime
    expires_at: datetime
    due_at: datetime | None
    channel_order_no: str | None = None
    next_action: Mapping[str, object] | None = None
    error: Mapping[str, object] | None = None
    handed_out: bool = False
    close_sent: bool = False
    sends: int = 1
    queries: int = 0
    not_found: int = 0
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("attempt", self.id)

    @property
    def attempt_no(self) -> str:
        """Our order number at the channel."""
        return ids.number_of(self.id)


class UnexpectedFunds(Struct, frozen=True, kw_only=True):
    """Money that came late, twice or in another amount; it lies in suspense."""

    merchant_id: str
    id: str
    payment_id: str
    attempt_id: str
    channel_account_id: str
    channel_order_no: str
    amount: int
    currency: str
    cause: str  # late | amount_mismatch
    status: str
    created_at: datetime
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("unexpected_funds", self.id)


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


def view(payment: Payment) -> dict[str, object]:
    """The payment object of the API, as it is told in answers and events."""
    p = payment
    return {
        "id": p.id,
        "object": "payment",
        "merchant_order_no": p.merchant_order_no,
        "amount": p.amount,
        "currency": p.currency,
        "subject": p.subject,
        "status": p.status,
        "method": p.method,
        "channel": p.channel,
        "channel_account_id": p.channel_account_id,
        "attempt_id": p.attempt_id,
        "channel_order_no": p.channel_order_no,
        "capture_method": p.capture_method,
        "amount_authorized": p.amount_authorized,
        "amount_capturable": (
            p.amount_authorized - p.amount_captured if p.status == "requires_capture" else 0
        ),
        "amount_captured": p.amount_captured,
        "amount_refunded": p.amount_refunded,
        "amount_refund_pending": p.amount_refund_pending,
        "amount_received": p.amount_received,
        "amount_disputed": 0,
        "fee_amount": 0,
        "payer_amount": p.payer_amount,
        "discount_amount": p.discount_amount,
        "next_action": p.next_action or NONE_ACTION,
        "cashier_url": None,
        "return_url": p.return_url,
        "notify_url": p.notify_url,
        "customer": None,
        "metadata": p.metadata,
        "expires_at": rfc3339(p.expires_at),
        "capture_before": None,
        "created_at": rfc3339(p.created_at),
        "succeeded_at": rfc3339_or_none(p.succeeded_at),
        "canceled_at": rfc3339_or_none(p.canceled_at),
        "expired_at": rfc3339_or_none(p.expired_at),
        "version": p.version,
        "livemode": p.livemode,
        "error": p.error,
    }


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


def _moved(payment: Payment, status: str, **fields: object) -> Payment:
    target = payment.status
    if status != target:
        target = advance(PAYMENT, payment.status, status)
    return replace(payment, status=target, version=payment.version + 1, **fields)


def _tried(attempt: Attempt, status: str, **fields: object) -> Attempt:
    target = attempt.status
    if status != target:
        target = advance(ATTEMPT, attempt.status, status)
    return replace(attempt, status=target, version=attempt.version + 1, **fields)


def next_query(attempt: Attempt, now: datetime) -> datetime | None:
    """When to ask the channel again; None once a person must look."""
    if now - attempt.created_at > QUERY_GIVE_UP + timedelta(
        seconds=max(0.0, (attempt.expires_at - attempt.created_at).total_seconds())
    ):
        return None
    if attempt.queries < len(QUERY_DELAYS_S):
        return now + timedelta(seconds=QUERY_DELAYS_S[attempt.queries])
    return now + timedelta(seconds=QUERY_HOURLY_S)


def begin_attempt(payment: Payment, attempt: Attempt) -> Payment:
    """The payment with `attempt` as its present instruction, status `processing`."""
    return _moved(
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


def handed_out(
    payment: Payment, attempt: Attempt, next_action: Mapping[str, object], now: datetime
) -> Step:
    """The channel gave something for the payer: a QR text, an URL, a form."""
    if attempt.status == "closing":
        # A cancel overtook the answer: the code exists and is never shown to anyone.
        return Step(payment=payment, attempt=_tried(attempt, "closing", handed_out=True))
    if attempt.status not in ("submitted", "unknown") or payment.attempt_id != attempt.id:
        return Step(payment=payment, attempt=attempt)
    attempt = _tried(
        attempt,
        "pending_user",
        handed_out=True,
        next_action=next_action,
        queries=0,
        not_found=0,
        due_at=now + timedelta(seconds=QUERY_DELAYS_S[-1]),
    )
    payment = _moved(payment, "requires_action", next_action=next_action)
    return Step(payment=payment, attempt=attempt, lines=(line(payment, "requires_action"),))


def silent(attempt: Attempt, now: datetime) -> Attempt:
    """No usable answer to the create or the close: the attempt is in the air and will be asked."""
    due_at = next_query(attempt, now)
    if attempt.status in ("submitted", "unknown"):
        return _tried(attempt, "unknown", due_at=due_at)
    return _tried(attempt, attempt.status, due_at=due_at)


def refused(
    payment: Payment,
    attempt: Attempt,
    error: Mapping[str, object],
    *,
    now: datetime,
    single_shot: bool,
) -> Step:
    """The channel refused definitely: nothing moved and nothing will under this number."""
    if attempt.status == "closing":
        return _closed(payment, attempt, now)
    if attempt.status not in ("submitted", "unknown", "pending_user"):
        return Step(payment=payment, attempt=attempt)
    attempt = _tried(attempt, "failed", error=error, due_at=None, next_action=None)
    if payment.attempt_id != attempt.id or is_terminal(PAYMENT, payment.status):
        return Step(payment=payment, attempt=attempt)
    target = "failed" if single_shot else "requires_payment_method"
    payment = _moved(payment, target, error=error, next_action=None)
    kind = "failed" if single_shot else "attempt_failed"
    return Step(payment=payment, attempt=attempt, lines=(line(payment, kind),))


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
        payment = _ended(payment, to, now)
        return Step(payment=payment, lines=(line(payment, to),))
    attempt = _tried(attempt, "closing", due_at=now, queries=0, not_found=0)
    payment = _moved(payment, "closing", closing_to=to, next_action=None)
    return Step(payment=payment, attempt=attempt, lines=(line(payment, "closing"),))


def begin_ending(attempt: Attempt, now: datetime) -> Attempt:
    """An attempt that is being closed so that the payer can take another way."""
    if attempt.status not in LIVING or attempt.status == "closing":
        return attempt
    return _tried(attempt, "closing", due_at=now, queries=0, not_found=0)


def _ended(payment: Payment, to: str, now: datetime) -> Payment:
    stamp = {"canceled_at": now} if to == "canceled" else {"expired_at": now}
    return _moved(payment, to, next_action=None, **stamp)


def _closed(payment: Payment, attempt: Attempt, now: datetime) -> Step:
    attempt = _tried(attempt, "closed", due_at=None, next_action=None)
    if payment.attempt_id != attempt.id:
        return Step(payment=payment, attempt=attempt)
    if payment.status != "closing":
        # Closed so that another way can be taken; the payment waits for it.
        payment = _moved(payment, "requires_payment_method", next_action=None)
        return Step(payment=payment, attempt=attempt, lines=(line(payment, "attempt_failed"),))
    to = payment.closing_to or "canceled"
    payment = _ended(payment, to, now)
    return Step(payment=payment, attempt=attempt, lines=(line(payment, to),))


def closed(payment: Payment, attempt: Attempt, now: datetime) -> Step:
    """The channel says that it will take no money for this attempt any more."""
    if attempt.status == "closing":
        return _closed(payment, attempt, now)
    error = {
        "code": "closed_by_channel",
        "message": "The channel closed the order before it was paid.",
        "channel_code": None,
        "retryable": True,
    }
    return refused(payment, attempt, error, now=now, single_shot=False)


def not_found(payment: Payment, attempt: Attempt, now: datetime) -> Step:
    """The channel knows no such order; rule 3 says when that is believed."""
    if attempt.status == "closing" and attempt.handed_out:
        return _closed(payment, attempt, now)
    if attempt.status == "pending_user":
        # A code that nobody scanned yet: the trade begins to exist with the scan.
        return Step(payment=payment, attempt=waited(attempt, now))
    attempt = replace(attempt, not_found=attempt.not_found + 1)
    quiet = now - attempt.created_at >= timedelta(seconds=QUIET_S)
    if quiet and attempt.not_found >= NOT_FOUND_MIN:
        if attempt.status == "closing":
            return _closed(payment, attempt, now)
        error = {
            "code": "channel_silent",
            "message": "The channel never received the order.",
            "channel_code": None,
            "retryable": True,
        }
        return refused(payment, attempt, error, now=now, single_shot=False)
    return Step(payment=payment, attempt=waited(attempt, now))


def waited(attempt: Attempt, now: datetime) -> Attempt:
    """The attempt after an answer that settles nothing: ask again later, ever more slowly."""
    due_at = next_query(attempt, now)
    return replace(attempt, queries=attempt.queries + 1, due_at=due_at, version=attempt.version + 1)


def paid(
    payment: Payment,
    attempt: Attempt,
    money: Money,
    *,
    now: datetime,
    fresh: Fresh,
    known: UnexpectedFunds | None,
) -> Step:
    """The channel confirms money for this attempt; it is booked exactly once (rule 4).

    `known` is the unexpected money already booked for this attempt, if any. Raises nothing: every
    confirmed amount has a place.
    """
    if attempt.status == "succeeded" or known is not None:
        return Step(payment=payment, attempt=attempt)
    fits = money.amount == attempt.amount and money.currency == attempt.currency
    waits = attempt.status in LIVING and payment.attempt_id == attempt.id
    if not (fits and waits and not is_terminal(PAYMENT, payment.status)):
        return _unexpected(payment, attempt, money, now=now, fresh=fresh, fits=fits)
    attempt = _tried(
        attempt,
        "succeeded",
        channel_order_no=money.channel_order_no,
        due_at=None,
        next_action=None,
    )
    payment = _moved(
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
        postings=chart.captured(attempt.channel_account_id, attempt.amount, attempt.currency),
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
    lines: tuple[Line, ...] = ()
    if attempt.status in LIVING:
        error = {
            "code": "amount_mismatch",
            "message": "The channel received another amount; it is held in suspense.",
            "channel_code": None,
            "retryable": False,
        }
        ended = "closed" if attempt.status == "closing" else "failed"
        attempt = _tried(
            attempt,
            ended,
            error=error,
            due_at=None,
            channel_order_no=money.channel_order_no,
            next_action=None,
        )
        if payment.status == "closing" and payment.attempt_id == attempt.id:
            payment = _ended(payment, payment.closing_to or "canceled", now)
            lines = (line(payment, payment.status),)
        elif payment.attempt_id == attempt.id and not is_terminal(PAYMENT, payment.status):
            payment = _moved(payment, "requires_payment_method", error=error, next_action=None)
            lines = (line(payment, "attempt_failed"),)
    payment = replace(payment, version=payment.version + 1)
    told = Line(
        "payment.unexpected_funds",
        payment.id,
        payment.version,
        encode(view(payment) | {"unexpected_funds": unexpected_view(funds)}),
        payment.id,
        payment.customer,
    )
    return Step(
        payment=payment,
        attempt=attempt,
        unexpected=funds,
        entries=(entry,),
        lines=(*lines, told),
    )


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
