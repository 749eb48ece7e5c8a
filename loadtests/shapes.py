"""Shapes: how many merchants work at a moment of a load test.

Law: pure; a shape is a function of the part of the time that is over (0 to 1), never above `users`
and never below one. `steady` is what a day is like, `ramp` finds where it bends, `spike` is a sale
that opens, `soak` is less load for much longer (give it a long `--run-time`).
"""

from collections.abc import Callable

RAMP_STEPS = 8
SPIKE_CALM = 0.2
SPIKE_FROM, SPIKE_TO = 0.4, 0.6
SOAK_LOAD = 0.5


def steady(part: float) -> float:
    """All of them, all the time."""
    return 1.0


def ramp(part: float) -> float:
    """In eight equal steps up to all."""
    return (min(RAMP_STEPS - 1, int(part * RAMP_STEPS)) + 1) / RAMP_STEPS


def spike(part: float) -> float:
    """A fifth, then suddenly all of them, then a fifth again."""
    return 1.0 if SPIKE_FROM <= part < SPIKE_TO else SPIKE_CALM


def soak(part: float) -> float:
    """Half of them, all the time."""
    return SOAK_LOAD


SHAPES: dict[str, Callable[[float], float]] = {
    shape.__name__: shape for shape in (steady, ramp, spike, soak)
}


def users_at(shape: str, part: float, *, users: int) -> int:
    """How many of `users` work when `part` of the time is over. KeyError for an unknown shape."""
    return max(1, round(users * SHAPES[shape](part)))
