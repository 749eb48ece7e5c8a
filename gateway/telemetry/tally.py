"""Tally: observations in plain numbers, until they are added to a histogram.

Law: the hot path's only cost. Adding one is a look-up and two additions; nothing here knows what
is counted, and nothing here is shared with another process.
"""

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from prometheus_client import Histogram


class Told(NamedTuple):
    """What a tally has gathered for one key since the last flush."""

    counts: list[int]
    total: float

    @property
    def observations(self) -> int:
        """How many observations there were."""
        return sum(self.counts)


class Tally:
    """Observations in plain numbers, by key: how many fell below each bound, and their sum."""

    __slots__ = ("_bounds", "_rows")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        # Per key: one count per bound, one for what is above them all, and the sum.
        self._rows: dict[Hashable, list[float]] = {}

    def add(self, key: Hashable, value: float) -> None:
        """Count one observation."""
        try:
            row = self._rows[key]
        except KeyError:
            row = self._rows[key] = [0] * (len(self._bounds) + 1) + [0.0]
        row[bisect_left(self._bounds, value)] += 1
        row[-1] += value

    def __contains__(self, key: Hashable) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def take(self) -> Iterable[tuple[Any, Told]]:
        """What was gathered since the last time; the tally starts again at zero."""
        for key, row in self._rows.items():
            counts = [int(count) for count in row[:-1]]
            if any(counts):
                told = Told(counts, row[-1])
                row[:] = [0] * len(counts) + [0.0]
                yield key, told


def require_seam() -> None:
    """Raises RuntimeError if prometheus-client's histogram looks different inside.

    It has no way to add many observations at once, so `flush` adds to its buckets.
    """
    probe = Histogram("probe", "probe", buckets=(1.0,), registry=None)
    buckets, total = getattr(probe, "_buckets", None), getattr(probe, "_sum", None)
    if not isinstance(buckets, list) or len(buckets) != 2 or not hasattr(total, "inc"):
        raise RuntimeError("prometheus-client has changed inside: Histogram")


def add_to(histogram: Any, told: Told) -> None:
    """Add what a tally has gathered to a histogram with the same bounds."""
    for bucket, count in zip(histogram._buckets, told.counts, strict=True):
        if count:
            bucket.inc(count)
    histogram._sum.inc(told.total)
