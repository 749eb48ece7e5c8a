"""Lanes: what one receiver may hold, and when it is left alone."""

from datetime import UTC, datetime

import pytest

from gateway.domain.delivery import Delivery
from gateway.workers.lanes import (
    BREAKER_DELIVERIES,
    CROWDED_MAX,
    IN_FLIGHT_MAX,
    OPEN_S_MAX,
    OPEN_S_MIN,
    QUEUE_FIRST,
    QUEUE_MAX,
    QUEUE_MIN,
    Job,
    Lane,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def job(number: int = 0) -> Job:
    delivery = Delivery(
        merchant_id="mch",
        id=f"dlv_{number}",
        sequence=number,
        endpoint_id=None,
        target="t",
        url="http://127.0.0.1/",
        due_at=NOW,
        created_at=NOW,
    )
    return Job(delivery, f"evt_{number}", NOW, b"{}", 100.0)


@pytest.fixture
def lane() -> Lane:
    return Lane(("mch", "t"))


@pytest.mark.parametrize(
    ("seconds", "room"),
    [(None, QUEUE_FIRST), (0.001, QUEUE_MAX), (15.0, QUEUE_MIN), (1.0, 256)],
)
def test_room_follows_the_receivers_speed(lane: Lane, seconds: float | None, room: int) -> None:
    if seconds is not None:
        lane.note_answer(seconds)
    assert lane.room(0.0, is_crowded=False) == room


def test_room_is_small_while_much_is_in_hand(lane: Lane) -> None:
    lane.reserved = 3
    assert lane.room(0.0, is_crowded=True) == CROWDED_MAX - 3
    lane.reserved = 50
    assert lane.room(0.0, is_crowded=True) == 0


def test_so_much_is_in_flight_and_no_more(lane: Lane) -> None:
    lane.queue.extend(job(number) for number in range(IN_FLIGHT_MAX + 1))
    sent = 0
    while lane.next_job(0.0) is not None:
        sent += 1
    assert sent == lane.in_flight == IN_FLIGHT_MAX
    assert lane.load == IN_FLIGHT_MAX + 1


def fail(lane: Lane, count: int, *, now: float, same: bool = False) -> None:
    for number in range(count):
        lane.note_failure("dlv" if same else f"dlv_{number}", now=now, at=NOW)


def test_one_delivery_never_shuts_a_lane(lane: Lane) -> None:
    fail(lane, 100, now=0.0, same=True)
    assert not lane.is_shut(0.0) and not lane.is_probing


def test_many_failures_shut_it_and_one_success_opens_it(lane: Lane) -> None:
    lane.queue.append(job())
    fail(lane, BREAKER_DELIVERIES - 1, now=0.0)
    assert not lane.is_shut(0.0)
    fail(lane, BREAKER_DELIVERIES, now=0.0)
    assert lane.is_shut(0.0) and lane.is_shut(OPEN_S_MIN * 0.99)
    assert lane.room(0.0, is_crowded=False) == 0 and lane.next_job(0.0) is None
    assert not lane.is_idle
    # Then one at a time.
    after = OPEN_S_MIN
    assert not lane.is_shut(after) and lane.is_probing
    lane.queue.append(job(1))
    assert lane.next_job(after) is not None and lane.next_job(after) is None
    lane.in_flight = 0
    lane.note_success()
    assert lane.room(after, is_crowded=False) == QUEUE_FIRST - 1
    assert lane.failing_from is None


def test_it_stays_shut_longer_each_time_within_bounds(lane: Lane) -> None:
    now, lengths = 0.0, []
    for _ in range(8):
        fail(lane, BREAKER_DELIVERIES, now=now)
        length = OPEN_S_MIN
        while lane.is_shut(now + length):
            length += OPEN_S_MIN
        lengths.append(length)
        now += length
    assert lengths == [1, 2, 4, 8, 16, 30, 30, 30] and max(lengths) == OPEN_S_MAX


def test_failing_begins_with_the_first_failure(lane: Lane) -> None:
    lane.note_failure("a", now=0.0, at=NOW)
    lane.note_failure("b", now=1.0, at=NOW.replace(year=2027))
    assert lane.failing_from == NOW


def test_an_emptied_lane_can_be_forgotten(lane: Lane) -> None:
    lane.queue.append(job())
    assert not lane.is_idle
    assert [each.event_id for each in lane.take_queue()] == ["evt_0"]
    assert lane.is_idle
