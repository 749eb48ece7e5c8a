"""Business moments: how the sandbox reads its injected clock and keeps times.

Law: the clock is a value handed in, never the machine's own; a moment is kept as whole
milliseconds since the Unix epoch in UTC, and becomes text only at a protocol's border.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

Clock = Callable[[], datetime]

BEIJING: Final = timezone(timedelta(hours=8))
"""China has one zone and no summer time; the Chinese channels write their times in it."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


def system_clock() -> datetime:
    """The machine's time in UTC, for a sandbox whose clock nobody moves."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since the epoch; `moment` must carry a zone."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(ms: int) -> datetime:
    """The moment in UTC of `ms` milliseconds since the epoch."""
    return EPOCH + ms * MILLISECOND


def beijing_text(ms: int) -> str:
    """`yyyy-MM-dd HH:mm:ss` in Beijing time, whole seconds, as Alipay writes moments."""
    return from_ms(ms).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
