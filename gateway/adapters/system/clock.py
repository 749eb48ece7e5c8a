"""The two clocks: real time, and the business time that a sandbox may advance.

Law: the only readers of the machine's clock. The offset between the two never goes back.
"""

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """`wall` is the machine's; `business` is `wall` plus an offset that only grows."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset
        self._offset_s = offset.total_seconds()

    def wall(self) -> datetime:
        """Real time, UTC."""
        return datetime.now(UTC)

    def wall_s(self) -> int:
        """Real time in whole Unix seconds."""
        return int(time.time())

    def business(self) -> datetime:
        """Business time, UTC, whole milliseconds."""
        moment = time.time() + self._offset_s
        return datetime.fromtimestamp(int(moment * 1000) / 1000, UTC)

    def business_ms(self) -> int:
        """Business time in whole Unix milliseconds."""
        return int((time.time() + self._offset_s) * 1000)

    @property
    def offset(self) -> timedelta:
        """How far business time is ahead of real time."""
        return self._offset

    def advance_to(self, offset: timedelta) -> None:
        """Set a new offset; a smaller one is ignored, time never goes back."""
        if offset > self._offset:
            self._offset = offset
            self._offset_s = offset.total_seconds()
