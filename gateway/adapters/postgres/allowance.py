"""An allowance: so many look-ups for strangers in a second, and no more.

Law: in memory, for one process; it never waits.
"""

from time import monotonic


class Allowance:
    """At most so many of something per second, and as many at once."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left = per_s
        self._at = monotonic()

    def take(self) -> bool:
        """Whether there is one left; takes it."""
        now = monotonic()
        self._left = min(self._per_s, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
