"""What a statement line does, for every state that it can find its payment in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain import chart
from gateway.domain.attempt import Attempt
from gateway.domain.ledger import Account, book
from gateway.domain.outcome import Fresh, Money, Step, closed, paid
from gateway.domain.payment import Payment
from gateway.domain.statement_line import (
    LineFresh,
    StatementLine,
    TransferTally,
    settle,
    with_parts,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MCH = "mch_01kb8mz3q8f7wv9t2n4x6c0r5a"
CAC = "cac_01kb8mz3q8f7wv9t2n4x6c0r5a"
AMOUNT = 100


def payment(**changes) -> Payment:
    content = {
        "merchant_id": MCH,
        "id": "pay_1",
        "merchant_order_no": "A-1",
        "fingerprint": b"",
        "fingerprint_key": 1,
        "amount": AMOUNT,
        "currency": "CNY",
        "subject": "tea",
        "status": "requires_action",
        "livemode": False,
        "capture_method": "automatic",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=1),
        "method": "bank_transfer",
        "channel": "bank_transfer",
        "channel_account_id": CAC,
        "attempt_id": "att_1",
        "attempts": 1,
    }
    return Payment(**content | changes)


def attempt(**changes) -> Attempt:
    content = {
        "merchant_id": MCH,
        "id": "att_1",
        "payment_id": "pay_1",
        "number": 1,
        "method": "bank_transfer",
        "method_options": {},
        "channel": "bank_transfer",
        "channel_account_id": CAC,
        "amount": AMOUNT,
        "currency": "CNY",
        "status": "pending_user",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=1),
        "due_at": NOW,
        "channel_order_no": "REF",
        "handed_out": True,
    }
    return Attempt(**content | changes)


def line(amount: int, number: int = 1, **changes) -> StatementLine:
    content = {
        "merchant_id": MCH,
        "id": f"sln_{number}",
        "channel_account_id": CAC,
        "line_key": f"key{number}",
        "direction": "credit",
        "amount": amount,
        "currency": "CNY",
        "verdict": "unmatched",
        "bank_reference": f"B{number}",
        "created_at": NOW,
    }
    return StatementLine(**content | changes)


def fresh(number: int = 1) -> LineFresh:
    return LineFresh(f"cap{number}", f"app{number}", f"rec{number}", f"uxf{number}")


class World:
    """The rows of one payment and its book, as lines and the channel's words change them."""

    def __init__(self) -> None:
        self.payment, self.attempt = payment(), attempt()
        self.tally: TransferTally | None = None
        self.lines: list[StatementLine] = []
        self.funds: list = []
        self.told: list[str] = []
        self.reasons: set[tuple[str, str]] = set()
        codes = (chart.PENDING, chart.SUSPENSE, chart.clearing(CAC))
        self.accounts: dict[tuple[str, str], Account] = {
            (code, currency): chart.opened(MCH, code, currency)
            for code in codes
            for currency in ("CNY", "EUR")
        }

    def arrive(self, amount: int, **changes) -> str:
        number = len(self.lines) + 1
        step = settle(
            self.payment,
            self.attempt,
            self.tally,
            line(amount, number, **changes),
            now=NOW,
            fresh=fresh(number),
        )
        self.lines.append(step.line)
        self.payment = step.payment or self.payment
        self.attempt = step.attempt or self.attempt
        self.tally = step.tally or self.tally
        self.keep(step.entries, step.lines, step.unexpected)
        return step.line.verdict

    def hear(self, step: Step) -> None:
        """What the channel said (not a line) takes effect."""
        ids = Fresh("app", "uxf")
        step = with_parts(self.payment, step, now=NOW, fresh=ids)
        self.payment, self.attempt = step.payment, step.attempt or self.attempt
        self.keep(step.entries, step.lines, step.unexpected)

    def keep(self, entries, lines, unexpected) -> None:
        for entry in entries:
            key = (entry.reason, entry.reference)
            assert key not in self.reasons, "a fact is booked once"
            self.reasons.add(key)
            book(entry, self.accounts)
        self.told += [each.type for each in lines]
        if unexpected is not None:
            self.funds.append((unexpected.cause, unexpected.amount))

    def balance(self, code: str) -> int:
        return self.accounts[code, "CNY"].balance


@pytest.mark.parametrize(
    ("amounts", "verdicts", "suspense", "funds"),
    [
        ([100], ["paid"], 0, []),
        ([30], ["part"], 30, []),
        ([30, 70], ["part", "paid"], 0, []),
        ([1, 1, 98], ["part", "part", "paid"], 0, []),
        ([30, 80], ["part", "over"], 10, [("over", 10)]),
        ([150], ["over"], 50, [("over", 50)]),
        ([100, 100], ["paid", "duplicate"], 100, [("duplicate", 100)]),
        ([150, 1], ["over", "duplicate"], 51, [("over", 50), ("duplicate", 1)]),
    ],
)
def test_sums(amounts, verdicts, suspense, funds) -> None:
    world = World()
    assert [world.arrive(each) for each in amounts] == verdicts
    assert world.balance(chart.clearing(CAC)) == sum(amounts)
    assert world.balance(chart.SUSPENSE) == suspense
    assert world.funds == funds
    is_paid = sum(amounts) >= AMOUNT
    assert (world.payment.status == "succeeded") == is_paid
    assert world.balance(chart.PENDING) == (AMOUNT if is_paid else 0)
    assert world.payment.amount_received == min(sum(amounts), AMOUNT)


@given(st.lists(st.integers(1, 130), min_size=1, max_size=8))
def test_no_order_of_lines_loses_or_makes_money(amounts: list[int]) -> None:
    """Clearing grows by every line; what is not the payment's lies in suspense, to the fen."""
    world = World()
    for each in amounts:
        world.arrive(each)
    total = sum(amounts)
    captured = AMOUNT if total >= AMOUNT else 0
    assert world.balance(chart.clearing(CAC)) == total
    assert world.balance(chart.PENDING) == captured
    assert world.balance(chart.SUSPENSE) == total - captured
    unexpected = sum(amount for _, amount in world.funds)
    assert unexpected == (total - captured if captured else 0)
    assert world.tally is not None and world.tally.received == min(total, AMOUNT)
    assert world.told.count("payment.succeeded") == (1 if captured else 0)


@given(st.lists(st.integers(1, 60), max_size=5), st.lists(st.integers(1, 120), max_size=5))
def test_a_bank_that_says_paid_meanwhile_counts_nothing_twice(before, after) -> None:
    """Lines, then the channel's own word, then the lines that this word was made of."""
    world = World()
    for each in before:
        world.arrive(each)
    if world.payment.status != "succeeded":
        money = Money("REF", AMOUNT, "CNY")
        said = paid(
            world.payment, world.attempt, money, now=NOW, fresh=Fresh("cap", "u"), known=None
        )
        world.hear(said)
    assert world.balance(chart.PENDING) == AMOUNT
    known = min(sum(before), AMOUNT)
    for each in after:
        fits = known + each <= AMOUNT
        assert world.arrive(each) == ("confirmed" if fits else "duplicate")
        known += each if fits else 0
    assert world.payment.amount_captured == AMOUNT
    assert world.balance(chart.SUSPENSE) == sum(amount for _, amount in world.funds)


def test_parts_of_an_attempt_that_ends_are_unexpected() -> None:
    world = World()
    world.arrive(30)
    world.payment = replace(world.payment, status="closing", closing_to="expired")
    world.attempt = replace(world.attempt, status="closing")
    world.hear(closed(world.payment, world.attempt, NOW))
    assert (world.payment.status, world.payment.amount_received) == ("expired", 30)
    assert world.funds == [("partial", 30)] and world.balance(chart.SUSPENSE) == 30
    assert world.arrive(70) == "late"
    assert world.funds[1:] == [("late", 70)]
    assert world.told[-1] == "payment.unexpected_funds"


def test_another_way_begins_with_nothing() -> None:
    world = World()
    world.arrive(30)
    world.attempt = replace(world.attempt, status="closing")
    world.hear(closed(world.payment, world.attempt, NOW))
    assert (world.payment.status, world.payment.amount_received) == ("requires_payment_method", 0)
    assert world.funds == [("partial", 30)]


def test_a_step_of_another_attempt_leaves_the_parts_alone() -> None:
    before = payment(amount_received=30, attempt_id="att_2")
    step = Step(payment=before, attempt=attempt(status="closed"))
    assert with_parts(before, step, now=NOW, fresh=Fresh("e", "u")) is step
    living = Step(payment=payment(amount_received=30), attempt=attempt())
    assert with_parts(living.payment, living, now=NOW, fresh=Fresh("e", "u")) is living


@pytest.mark.parametrize("status", ["closed", "failed"])
def test_money_for_an_attempt_that_ended_is_late(status: str) -> None:
    world = World()
    world.attempt = attempt(status=status)
    world.payment = payment(status="requires_payment_method")
    assert world.arrive(100) == "late"
    assert world.payment.status == "requires_payment_method"


def test_money_for_an_older_attempt_is_late() -> None:
    world = World()
    world.payment = payment(attempt_id="att_2")
    assert world.arrive(100) == "late" and world.attempt.status == "pending_user"


def test_another_currency_pays_nothing() -> None:
    world = World()
    assert world.arrive(100, currency="EUR") == "mismatch"
    assert world.payment.status == "requires_action"
    assert world.funds == [("amount_mismatch", 100)]
    assert world.accounts[chart.SUSPENSE, "EUR"].balance == 100


def test_money_for_nobody_is_told_without_a_payment() -> None:
    step = settle(None, None, None, line(77), now=NOW, fresh=fresh())
    assert step.line.verdict == "unmatched" and step.line.suspended == 77
    assert step.payment is None and step.unexpected is not None
    assert step.unexpected.payment_id is None and step.unexpected.statement_line_id == "sln_1"
    (told,) = step.lines
    assert (told.type, told.object_id) == ("unexpected_funds.detected", "uxf1")
    (entry,) = step.entries
    assert entry.postings == chart.funds_received(CAC, 77, "CNY") and entry.reference == "sln_1"
