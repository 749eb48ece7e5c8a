"""Any words of a channel, in any order: what the books may never come to.

Pure: the Changes are decided over rows in a dictionary, and nothing is ever sent.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.center.conclude import Concluder
from gateway.channels.codec import (
    Authorized,
    Closed,
    HandedOut,
    NotFound,
    Paid,
    Refused,
    Unknown,
    Waiting,
)
from gateway.domain import outcome as outcomes
from gateway.domain.attempt import LIVING, Attempt, Way, begin_ending, is_overdue
from gateway.domain.callback import CallbackSeen
from gateway.domain.change import Need
from gateway.domain.failure import failure
from gateway.domain.ledger import Account
from gateway.domain.lifecycle import ATTEMPT, PAYMENT, is_terminal
from gateway.domain.payment import Payment

pytestmark = pytest.mark.fast

MERCHANT = "mch_01h455vb4pex5vsknk084sn02q"
ACCOUNT = "cac_01h455vb4pex5vsknk084sn02q"
START = datetime(2026, 11, 22, 8, tzinfo=UTC)
WAYS = [Way(), Way(single_shot=True), Way(single_shot=True, reversible=True)]


class Hands:
    """Clock, ids and rows of one walk."""

    def __init__(self, way: Way) -> None:
        self.now = START
        self.made = 0
        self.rows: dict[Need, Any] = {}
        self.entries: list[Any] = []
        self.lines: list[Any] = []
        self.concluder = Concluder(clock=self, ids=self, way=lambda attempt: way)
        self.way = way
        attempt = Attempt(
            merchant_id=MERCHANT,
            id="att_01h455vb4pex5vsknk084sn02q",
            payment_id="pay_01h455vb4pex5vsknk084sn02q",
            number=1,
            method="trial",
            method_options={},
            channel="trial",
            channel_account_id=ACCOUNT,
            amount=100,
            currency="CNY",
            status="submitted",
            created_at=START,
            expires_at=START + timedelta(hours=2),
            due_at=START + timedelta(seconds=20),
        )
        payment = Payment(
            merchant_id=MERCHANT,
            id=attempt.payment_id,
            merchant_order_no="A-1",
            fingerprint=b"f" * 32,
            fingerprint_key=1,
            amount=100,
            currency="CNY",
            subject="tea",
            status="processing",
            livemode=False,
            capture_method="automatic",
            created_at=START,
            expires_at=attempt.expires_at,
            attempt_id=attempt.id,
            attempts=1,
            channel="trial",
            channel_account_id=ACCOUNT,
        )
        self.keep([payment, attempt])
        self.payment_place, self.attempt_place = payment.place, attempt.place

    def business(self) -> datetime:
        return self.now

    def make(self, prefix: str, merchant_id: str) -> str:
        self.made += 1
        return f"{prefix}_01h455vb4pex5vsknk084s{self.made:04}"

    def get(self, need: Need) -> Any:
        return self.rows.get(need)

    def account(self, code: str, currency: str) -> Account:
        raise AssertionError("no decision of an outcome reads a balance")

    def keep(self, rows: Any) -> None:
        for row in rows:
            self.rows[row.place] = row
            if isinstance(row, outcomes.UnexpectedFunds):
                self.rows[Need("unexpected_of", row.attempt_id)] = row

    @property
    def payment(self) -> Payment:
        return self.rows[self.payment_place]

    @property
    def attempt(self) -> Attempt:
        return self.rows[self.attempt_place]

    def hear(self, word: Any, **how: Any) -> None:
        change = self.concluder.payment_change(
            self.attempt, word, actor="test", request_id=None, **how
        )
        self.write(change.decide(self))

    def write(self, writes: Any) -> None:
        for row in writes.rows:
            before = self.rows.get(row.place)
            assert before is None or row is before or row.version > before.version, row
        self.keep(writes.rows)
        self.entries += writes.entries
        self.lines += writes.lines

    def callback(self, key: str) -> CallbackSeen:
        return CallbackSeen(
            merchant_id=MERCHANT,
            attempt_id=self.attempt.id,
            dedupe_key=key,
            channel="trial",
            received_at=self.now,
        )


def sums() -> st.SearchStrategy[tuple[int, str]]:
    return st.sampled_from([(100, "CNY")] * 4 + [(99, "CNY"), (100, "USD")])


WORDS = st.one_of(
    st.just(HandedOut({"type": "qr_code", "qr_code": "x"})),
    st.just(Waiting()),
    sums().map(lambda each: Paid("T-1", *each)),
    sums().map(lambda each: Authorized("H-1", *each, capture_before=START + timedelta(days=7))),
    st.just(Closed()),
    st.just(NotFound()),
    st.just(Refused("channel_refused", "no", "E1")),
    st.just(Unknown("timeout")),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["answer", "answer", "callback", "query", "end", "cancel", "expire"]),
        WORDS,
        st.sampled_from([0, 1, 7, 46, 70, 8 * 86_400]),
    ),
    max_size=12,
)


def walk(hands: Hands, steps: Any) -> None:
    for hand, word, seconds in steps:
        hands.now += timedelta(seconds=seconds)
        before = (hands.payment, hands.attempt)
        if hand in ("cancel", "expire"):
            if not is_terminal(PAYMENT, hands.payment.status):
                to = "canceled" if hand == "cancel" else "expired"
                step = outcomes.begin_close(hands.payment, hands.attempt, to=to, now=hands.now)
                hands.keep(step.rows)
        elif hand == "callback":
            hands.hear(word, seen=hands.callback(repr(word)))
        elif hand == "end":
            end(hands, word)
        else:
            hands.hear(word)
        judge(hands, before)


def end(hands: Hands, word: Any) -> None:
    """As `center.end`: void, reverse or close, with the word as its answer."""
    attempt, way = hands.attempt, hands.way
    if attempt.status != "closing" and not is_overdue(attempt, hands.now, way):
        return
    if attempt.held or not way.reversible:
        hands.hear(word, closing=True)
        return
    begun = begin_ending(attempt, hands.now, error=failure("channel_timeout"))
    hands.keep([type(begun)(**{**_fields(begun), "close_sent": True})])
    hands.hear(word, reversal=True)


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def judge(hands: Hands, before: tuple[Payment, Attempt]) -> None:
    payment, attempt = hands.payment, hands.attempt
    if is_terminal(PAYMENT, before[0].status):
        assert payment.status == before[0].status
    if is_terminal(ATTEMPT, before[1].status):
        assert attempt.status == before[1].status
    booked = Counter(entry.reason for entry in hands.entries)
    assert sum(booked.values()) <= 1, booked  # the money of an attempt is booked once
    assert (booked["captured"] == 1) == (payment.status == "succeeded")
    assert payment.amount_captured == (100 if payment.status == "succeeded" else 0)
    assert (payment.status == "requires_capture") == (attempt.status == "authorized")
    if payment.status == "closing":
        assert attempt.status == "closing"
    if attempt.status in LIVING:
        assert attempt.due_at is not None or hands.now > START + timedelta(hours=74)
    else:
        assert attempt.due_at is None and payment.status in (
            "succeeded",
            "failed",
            "canceled",
            "expired",
            "requires_payment_method",
        )
    if payment.status == "failed":
        assert hands.way.single_shot
    if attempt.status in ("succeeded", "authorized"):
        assert payment.amount_authorized == 100


@given(way=st.sampled_from(WAYS), steps=STEPS)
@settings(max_examples=600, deadline=None)
def test_no_order_of_words_breaks_the_books(way: Way, steps: Any) -> None:
    walk(Hands(way), steps)


@given(way=st.sampled_from(WAYS), steps=STEPS)
@settings(max_examples=200, deadline=None)
def test_the_same_word_twice_books_once_and_never_hurries(way: Way, steps: Any) -> None:
    hands = Hands(way)
    walk(hands, steps)
    for word in (Waiting(), NotFound(), Unknown("x"), Authorized("H-1", 100, "CNY")):
        for _ in range(2):
            if hands.attempt.status in LIVING and not is_overdue(hands.attempt, hands.now, way):
                hands.hear(word)
    attempt = hands.attempt
    if attempt.status in LIVING and not attempt.held and attempt.due_at is not None:
        # What settles nothing is asked about later, never at once for ever; what has had its time
        # is taken back when it is looked at.
        later = max(attempt.due_at, hands.now)
        assert attempt.due_at > hands.now or is_overdue(attempt, later, way)


@pytest.mark.parametrize("way", WAYS)
def test_money_during_a_reversal_waits_for_the_reversals_word(way: Way) -> None:
    hands = Hands(way)
    hands.now += timedelta(seconds=46)
    begun = begin_ending(hands.attempt, hands.now, error=failure("channel_timeout"))
    hands.keep([type(begun)(**{**_fields(begun), "close_sent": True})])
    hands.hear(Paid("T-1", 100, "CNY"), seen=hands.callback("paid"))
    assert (hands.payment.status == "succeeded") == (not way.reversible)
    hands.hear(Closed(), reversal=way.reversible, closing=not way.reversible)
    assert hands.payment.status == ("failed" if way.reversible else "succeeded")


@pytest.mark.parametrize(("received", "word"), [(0, Paid("T-1", 99, "CNY")), (40, Closed())])
def test_what_is_decided_again_has_the_ids_it_was_born_with(received: int, word: Any) -> None:
    hands = Hands(WAYS[0])
    hands.keep([replace(hands.payment, amount_received=received)])
    change = hands.concluder.payment_change(hands.attempt, word, actor="test", request_id=None)
    first = change.decide(hands)
    assert any(isinstance(row, outcomes.UnexpectedFunds) for row in first.rows)
    assert change.decide(hands) == first
