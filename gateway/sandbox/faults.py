"""Faults: what the pretend world does wrong on order, one message at a time.

Law: a fault is armed for one channel and one operation and waits in a queue; each message of
that operation takes the first one, and no message takes two. Faults live in memory: a restart
is a world without them. A fault that has no meaning for an operation is refused when it is
armed, never silently ignored.

For a *request* (a merchant calls the channel) the message is the request and its answer; for a
*notification* (operation `notify`, the channel calls the merchant) it is one sending.

| fault             | request                                 | notification                      |
|-------------------|-----------------------------------------|-----------------------------------|
| timeout           | no effect, no answer; the connection    | nothing is sent; the channel      |
|                   | is held until the caller hangs up, at   | counts it as not accepted         |
|                   | most 30 s                               |                                   |
| drop_after_effect | takes effect, then the connection is    | sent, but the answer is lost: not |
|                   | cut without an answer                   | accepted, repeated                |
| error             | no effect; the channel's own signed     | as timeout (the sending fails     |
|                   | "system error, outcome unknown"         | inside the channel)               |
| delay             | lies `delay_ms` on the way, then takes  | sent `delay_ms` later             |
|                   | effect, also if the caller has gone     |                                   |
| duplicate         | refused                                 | sent twice at once                |
| reorder           | refused                                 | held behind the channel's next    |
|                   |                                         | notification (at most 60 s)       |
| wrong_amount      | the answer's amounts are one minor unit | the same; its repeat is right     |
|                   | too high; only where it has amounts     |                                   |
| bad_signature     | takes effect; the answer's signature is | the signature is false; its       |
|                   | false                                   | repeat is right                   |

The book and all other messages stay right. `delay_ms` is real time, not business time.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

REQUEST_FAULTS: Final = frozenset(
    {"timeout", "drop_after_effect", "error", "delay", "bad_signature"}
)
"""What can happen to any request."""

AMOUNT_REQUEST_FAULTS: Final = REQUEST_FAULTS | {"wrong_amount"}
"""What can happen to a request whose answer carries an amount."""

NOTIFICATION_FAULTS: Final = AMOUNT_REQUEST_FAULTS | {"duplicate", "reorder"}
"""What can happen to a notification: everything."""

TIMES_MAX: Final = 1_000_000
DELAY_MS_DEFAULT: Final = 1_000
DELAY_MS_MAX: Final = 600_000
HELD_CONNECTION_S_MAX: Final = 30.0
"""How long `timeout` holds a connection whose caller does not hang up."""


class FaultRefused(ValueError):
    """The fault cannot be armed: unknown channel or operation, or without meaning there."""


@dataclass(slots=True)
class Fault:
    """One armed fault; `times` counts the messages it is still good for."""

    channel: str
    operation: str
    fault: str
    times: int = 1
    delay_ms: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape of `POST /faults`; `delay_ms` only where it means something."""
        shown: dict[str, Any] = {
            "channel": self.channel,
            "operation": self.operation,
            "fault": self.fault,
            "times": self.times,
        }
        if self.delay_ms is not None:
            shown["delay_ms"] = self.delay_ms
        return shown


class Faults:
    """The queues, one per channel and operation."""

    def __init__(self) -> None:
        self._allowed: dict[str, Mapping[str, frozenset[str]]] = {}
        self._queues: dict[tuple[str, str], deque[Fault]] = {}

    def know(self, channel: str, operations: Mapping[str, frozenset[str]]) -> None:
        """Tell which operations a channel has and which faults have a meaning for each."""
        self._allowed[channel] = operations

    def arm(self, fault: Fault) -> None:
        """Put `fault` at the end of its queue; raises `FaultRefused`."""
        operations = self._allowed.get(fault.channel)
        if operations is None:
            raise FaultRefused(f"there is no channel {fault.channel!r}")
        allowed = operations.get(fault.operation)
        if allowed is None:
            names = " ".join(operations)
            raise FaultRefused(f"{fault.channel} has no {fault.operation!r}; it has: {names}")
        if fault.fault not in allowed:
            names = " ".join(sorted(allowed))
            raise FaultRefused(f"{fault.fault!r} means nothing for {fault.operation}; try: {names}")
        if fault.fault == "delay":
            fault.delay_ms = DELAY_MS_DEFAULT if fault.delay_ms is None else fault.delay_ms
        elif fault.delay_ms is not None:
            raise FaultRefused("delay_ms goes with the fault 'delay' only")
        self._queues.setdefault((fault.channel, fault.operation), deque()).append(fault)

    def take(self, channel: str, operation: str) -> Fault | None:
        """The fault of the message at hand, now used up; None as a rule."""
        queue = self._queues.get((channel, operation))
        if not queue:
            return None
        fault = queue[0]
        fault.times -= 1
        if fault.times == 0:
            queue.popleft()
        return fault

    def left(self) -> list[Fault]:
        """All that is still armed, queue by queue, in the order in which it will be taken."""
        return [fault for queue in self._queues.values() for fault in queue]

    def clear(self) -> None:
        """Disarm everything."""
        self._queues.clear()
