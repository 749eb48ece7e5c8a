"""Holds and answers: every decision, as pure values."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.domain import answer, hold
from gateway.domain import outcome as outcomes
from gateway.domain.attempt import HOLD_QUERY, Way
from gateway.domain.hold import Hold
from tests.domain.test_payment import LATER, NOW, money, paid, rows

pytestmark = pytest.mark.fast

OVER = NOW + timedelta(days=7)
FULL = Hold("H-1", 100, "CNY", OVER)


@pytest.mark.parametrize(
    ("payment_status", "attempt_status"),
    [
        ("processing", "submitted"),
        ("processing", "unknown"),
        ("requires_action", "pending_user"),
    ],
)
def test_a_hold_that_is_waited_for_can_be_captured(payment_status, attempt_status) -> None:
    step = hold.authorized(*rows(payment_status, attempt_status), FULL, now=NOW)
    assert (step.payment.status, step.attempt.status) == ("requires_capture", "authorized")
    assert step.payment.amount_authorized == 100 and step.payment.capture_before == OVER
    assert step.payment.amount_captured == 0 and step.entries == ()
    assert step.attempt.held and step.attempt.channel_order_no == "H-1"
    assert step.attempt.due_at == NOW + HOLD_QUERY
    assert [line.type for line in step.lines] == ["payment.authorized"]
    again = hold.authorized(step.payment, step.attempt, FULL, now=LATER)
    assert again.payment is step.payment and again.lines == ()
    captured = paid(step.payment, step.attempt, money())
    assert captured.payment.status == "succeeded" and captured.payment.amount_captured == 100
    assert [entry.reason for entry in captured.entries] == ["captured"]


@pytest.mark.parametrize("other", [Hold("H-1", 99, "CNY"), Hold("H-1", 100, "USD")])
def test_a_hold_of_another_sum_is_to_be_voided_and_counts_for_nothing(other: Hold) -> None:
    payment, attempt = rows("requires_action", "pending_user")
    step = hold.authorized(payment, attempt, other, now=NOW)
    assert step.payment is payment and step.lines == ()
    assert step.attempt.status == "closing" and step.attempt.held
    assert step.attempt.error["code"] == "amount_mismatch" and step.attempt.due_at == NOW
    for way, status in ((Way(), "requires_payment_method"), (Way(single_shot=True), "failed")):
        ended = outcomes.closed(step.payment, step.attempt, LATER, way)
        assert ended.payment.status == status
        assert ended.payment.error["code"] == "amount_mismatch"


def test_a_hold_given_while_closing_is_to_be_voided_and_again_if_it_stays() -> None:
    payment, attempt = rows("closing", "closing", close_sent=True)
    step = hold.authorized(payment, attempt, FULL, now=NOW)
    assert step.payment is payment and step.attempt.status == "closing"
    assert step.attempt.held and not step.attempt.close_sent and step.attempt.due_at == NOW
    sent = replace(step.attempt, close_sent=True)
    stays = hold.authorized(payment, sent, FULL, now=LATER)
    assert not stays.attempt.close_sent and stays.attempt.due_at > LATER
    assert outcomes.closed(payment, stays.attempt, LATER).payment.status == "canceled"


def test_a_hold_is_never_believed_to_be_unknown() -> None:
    payment, attempt = rows("closing", "closing", handed_out=True, close_sent=True)
    attempt = replace(attempt, held=True)
    for _ in range(5):
        step = outcomes.not_found(payment, attempt, LATER)
        payment, attempt = step.payment, step.attempt
        assert attempt.status == "closing"


@pytest.mark.parametrize(("now", "to"), [(OVER, "expired"), (LATER, "canceled")])
def test_a_hold_that_the_channel_let_go_ends_by_its_own_time(now, to) -> None:
    held = hold.authorized(*rows(), FULL, now=NOW)
    step = hold.let_go(held.payment, held.attempt, now=now)
    assert (step.payment.status, step.attempt.status) == (to, "closed")
    assert [line.type for line in step.lines] == ["payment.closing", f"payment.{to}"]
    assert [line.object_version for line in step.lines] == [3, 4]


def test_part_of_a_hold_that_was_taken_is_unexpected_and_the_rest_let_go() -> None:
    held = hold.authorized(*rows(), FULL, now=NOW)
    step = paid(held.payment, held.attempt, money(60))
    assert (step.payment.status, step.attempt.status) == ("closing", "closing")
    assert step.unexpected.amount == 60 and step.attempt.held
    again = paid(step.payment, step.attempt, money(60), known=step.unexpected)
    assert again.payment.status == "canceled" and again.entries == ()


# --- answers ---------------------------------------------------------------------------------


def test_an_answer_is_in_doubt_and_counted_before_it_leaves() -> None:
    sms = {"type": "sms_code"}
    payment, attempt = rows("requires_action", "pending_user", handed_out=True, next_action=sms)
    begun = answer.answered(payment, attempt, LATER)
    assert (begun.payment.status, begun.attempt.status) == ("processing", "unknown")
    assert begun.attempt.answers == 1 and begun.attempt.sent_at == LATER
    assert begun.attempt.due_at > LATER
    again = answer.asked_again(begun.payment, begun.attempt, LATER)
    assert (again.payment.status, again.attempt.status) == ("requires_action", "pending_user")
    assert again.payment.next_action == sms and again.attempt.answers == 1
    closing = outcomes.begin_close(begun.payment, begun.attempt, to="canceled", now=LATER)
    late = answer.asked_again(closing.payment, closing.attempt, LATER)
    assert late.payment is closing.payment and late.lines == ()


def test_not_found_while_closing_is_not_believed_at_once_after_an_answer() -> None:
    sms = {"type": "sms_code"}
    payment, attempt = rows("requires_action", "pending_user", handed_out=True, next_action=sms)
    begun = answer.answered(payment, attempt, LATER)
    closing = outcomes.begin_close(begun.payment, begun.attempt, to="canceled", now=LATER)
    payment, attempt = closing.payment, closing.attempt
    for seconds, status in ((1, "closing"), (59, "closing"), (61, "canceled")):
        step = outcomes.not_found(payment, attempt, LATER + timedelta(seconds=seconds))
        payment, attempt = step.payment, step.attempt
        assert payment.status == status


def test_not_found_counts_from_when_the_answer_left() -> None:
    sms = {"type": "sms_code"}
    payment, attempt = rows("requires_action", "pending_user", handed_out=True, next_action=sms)
    sent = NOW + timedelta(minutes=30)
    begun = answer.answered(payment, attempt, sent)
    payment, attempt = begun.payment, begun.attempt
    for seconds, status in (
        (10, "processing"),
        (59, "processing"),
        (61, "requires_payment_method"),
    ):
        step = outcomes.not_found(payment, attempt, sent + timedelta(seconds=seconds))
        payment, attempt = step.payment, step.attempt
        assert payment.status == status
