"""Attempts: when silence is asked about, what is kept of their options, when they are over."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.domain import attempt as attempts
from gateway.domain.attempt import Way
from tests.domain.test_payment import NOW, rows

pytestmark = pytest.mark.fast

TILL = Way(single_shot=True, reversible=True)


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("age", "due"), [(0, 5), (38, 43), (41, 45), (45, 45), (60, 60), (400, 400)]
)
def test_a_payer_at_the_till_is_asked_about_until_time_is_up(age: int, due: int) -> None:
    _, attempt = rows("requires_action", "pending_user")
    assert attempts.next_query(attempt, after(age), TILL) == after(due)


@pytest.mark.parametrize(
    ("way", "status", "age", "over"),
    [
        (TILL, "unknown", 45, True),
        (TILL, "unknown", 44.9, False),
        (TILL, "pending_user", 45, True),
        (TILL, "submitted", 45, True),
        (TILL, "closing", 99, False),
        (TILL, "authorized", 99, False),
        (TILL, "failed", 99, False),
        (Way(single_shot=True), "unknown", 99, False),
        (Way(), "unknown", 99, False),
    ],
)
def test_only_what_can_be_taken_back_has_a_time_limit(way, status, age, over) -> None:
    _, attempt = rows("processing", status)
    assert attempts.is_overdue(attempt, after(age), way) is over


def test_taking_back_slows_down_like_every_question() -> None:
    _, attempt = rows("closing", "closing")
    waits = []
    for _ in range(11):
        waits.append((attempts.next_query(attempt, NOW, TILL) - NOW).total_seconds())
        attempt = attempts.waited(attempt, NOW, TILL)
    assert waits == [2, 5, 10, 20, 40, 60, 120, 300, 900, 3600, 3600]


def test_a_hold_is_asked_about_once_a_day_for_as_long_as_it_is_open() -> None:
    _, attempt = rows("requires_capture", "authorized")
    for days in (0, 3, 30, 300):
        now = NOW + timedelta(days=days)
        assert attempts.next_query(attempt, now) == now + timedelta(days=1)


@pytest.mark.parametrize("name", ["auth_code", "sms_code"])
def test_a_code_is_told_to_be_used_and_nothing_else_of_it_is_kept(name: str) -> None:
    _, attempt = rows()
    given = replace(attempt, method_options={name: "281234567890", "openid": "o-1"})
    stored = attempts.without_codes(given)
    assert stored.method_options == {name: "used", "openid": "o-1"}
    for each in (given, stored):
        assert attempts.way_of(each, single_shot=False, reversible=False).single_shot
    assert attempts.without_codes(attempt) is attempt
    assert not attempts.way_of(attempt, single_shot=False, reversible=False).single_shot


@pytest.mark.parametrize(
    ("closing", "sent", "held", "reversing"),
    [
        (True, True, False, True),
        (True, False, False, False),
        (True, True, True, False),
        (False, True, False, False),
    ],
)
def test_a_reversal_is_under_way_from_when_it_may_have_left(closing, sent, held, reversing):
    _, attempt = rows("processing", "closing" if closing else "unknown", close_sent=sent)
    attempt = replace(attempt, held=held)
    assert attempts.is_reversing(attempt, TILL) is reversing
    assert not attempts.is_reversing(attempt, Way())
