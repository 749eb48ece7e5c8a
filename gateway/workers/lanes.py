"""Lanes: one queue for each receiver, so that none waits behind another.

Law: a lane knows no I/O. It bounds what one receiver may hold in memory and in flight, by how fast
the receiver answers, and it shuts for a while when nothing gets through: then one delivery at a
time asks whether it may open again. One delivery alone never shuts a lane, whatever becomes of it:
its own schedule is slow enough.
"""

from collections import deque
from datetime import datetime

from msgspec import Struct

from gateway.center.signing_secrets import Holder
from gateway.center.webhook_ports import Target
from gateway.domain.delivery import Delivery

IN_FLIGHT_MAX = 32  # at one receiver
QUEUE_MIN = 32
QUEUE_MAX = 1024
QUEUE_FIRST = 128  # before anything is known of the receiver's speed
QUEUE_WAIT_S = 8.0  # how long a queue may take to drain at the receiver's present speed
CROWDED_MAX = 8  # what one receiver may hold while the process has much in hand
SMOOTHING = 0.2
BREAKER_DELIVERIES = 8  # so many different ones failed, and none got through
OPEN_S_MIN = 1.0
OPEN_S_MAX = 30.0


class Job(Struct, frozen=True):
    """A claimed delivery with its body. After `send_before` (monotonic) the claim may lapse."""

    delivery: Delivery
    event_id: str
    event_at: datetime
    body: bytes
    send_before: float


class Lane:
    """The queue of one receiver and what is known of its health.

    `has_backlog` says that more waits in the database; `holder` is the endpoint (or the notify
    secret) as it was at `holder_at` (monotonic seconds).
    """

    __slots__ = (
        "_failed",
        "_seconds",
        "_shut_s",
        "_shut_until",
        "failing_from",
        "has_backlog",
        "holder",
        "holder_at",
        "in_flight",
        "key",
        "queue",
        "reserved",
    )

    def __init__(self, key: Target) -> None:
        self.key = key
        self.queue: deque[Job] = deque()
        self.in_flight = 0
        self.reserved = 0
        self.has_backlog = False
        self.holder: Holder | None = None
        self.holder_at = float("-inf")
        self.failing_from: datetime | None = None
        self._failed: set[str] = set()
        self._seconds: float | None = None
        self._shut_s = 0.0
        self._shut_until = 0.0

    @property
    def load(self) -> int:
        """What it holds: queued, in flight, and promised to."""
        return len(self.queue) + self.in_flight + self.reserved

    @property
    def is_idle(self) -> bool:
        """Whether it can be forgotten."""
        return not self.load and not self.has_backlog and not self._failed

    def is_shut(self, now: float) -> bool:
        """Whether the breaker is open: nothing is sent."""
        return now < self._shut_until

    @property
    def is_probing(self) -> bool:
        """Whether the breaker waits for one delivery to get through."""
        return self._shut_s > 0

    def room(self, now: float, *, is_crowded: bool) -> int:
        """How many more deliveries it takes at monotonic time `now`."""
        if self.is_shut(now):
            return 0
        if self.is_probing:
            most = 1
        elif is_crowded:
            most = CROWDED_MAX
        else:
            most = self._capacity()
        return max(0, most - self.load)

    def _capacity(self) -> int:
        if self._seconds is None:
            return QUEUE_FIRST
        fitting = int(IN_FLIGHT_MAX * QUEUE_WAIT_S / max(self._seconds, 0.001))
        return max(QUEUE_MIN, min(QUEUE_MAX, fitting))

    def next_job(self, now: float) -> Job | None:
        """The next job to send, taken from the queue; None if none may be sent now."""
        in_flight_max = 1 if self.is_probing else IN_FLIGHT_MAX
        if not self.queue or self.in_flight >= in_flight_max or self.is_shut(now):
            return None
        self.in_flight += 1
        return self.queue.popleft()

    def take_queue(self) -> list[Job]:
        """Empty the queue."""
        jobs = list(self.queue)
        self.queue.clear()
        return jobs

    def note_answer(self, seconds: float) -> None:
        """Learn how fast the receiver is."""
        known = self._seconds
        self._seconds = seconds if known is None else known + SMOOTHING * (seconds - known)

    def note_success(self) -> None:
        """Something got through: the breaker closes."""
        self._failed.clear()
        self.failing_from = None
        self._shut_s = 0.0
        self._shut_until = 0.0

    def note_failure(self, delivery_id: str, *, now: float, at: datetime) -> None:
        """A try failed at monotonic time `now`, business time `at`; the breaker may open."""
        if self.failing_from is None:
            self.failing_from = at
        if len(self._failed) < BREAKER_DELIVERIES:
            self._failed.add(delivery_id)
        if len(self._failed) >= BREAKER_DELIVERIES and not self.is_shut(now):
            self._shut_s = min(max(self._shut_s * 2, OPEN_S_MIN), OPEN_S_MAX)
            self._shut_until = now + self._shut_s
