"""A stopwatch for functions: how long one call takes, in turns with what it is compared with.

Law: CPU time of this thread, so that what other programs take is not counted; the functions of a
comparison take turns, so that a machine that slows down slows all of them; each figure is the
median of its turns. Only for functions of the processor, nothing that waits.
"""

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median

TURNS, TURN_S = 15, 0.05
TURNS_QUICK = 5
NS_PER_S = 1_000_000_000

Call = Callable[[], object]


def nanoseconds(calls: Mapping[str, Call], *, quick: bool = False) -> dict[str, float]:
    """Nanoseconds of one call of each function."""
    counts = {name: _count(call) for name, call in calls.items()}
    turns: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(TURNS_QUICK if quick else TURNS):
            for name, call in calls.items():
                turns[name].append(_spent(call, counts[name]) * NS_PER_S / counts[name])
    finally:
        gc.enable()
    return {name: median(each) for name, each in turns.items()}


def _count(call: Call) -> int:
    """How many calls fill a turn."""
    count = 1
    while True:
        spent = _spent(call, count)
        if spent >= TURN_S / 4:
            return max(1, int(count * TURN_S / spent))
        count *= 4


def _spent(call: Call, count: int) -> float:
    begun = time.thread_time()
    for _ in range(count):
        call()
    return time.thread_time() - begun
