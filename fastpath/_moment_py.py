"""Pure twin of `fastpath.moment`: the specification.

Law. It writes down a moment that it is given, and reads one that another has written down; it reads
no clock, and knows no zone but UTC and how far east of it a wall hangs. Source: RFC 3339 section
5.6.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from fastpath._arguments import wrong_type
from fastpath._moment_terms import HOURS_EAST_MAX, HOURS_EAST_REFUSED

_WALL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")


def rfc3339(moment: datetime) -> str:
    """A moment in UTC as RFC 3339 text, cut to milliseconds: `2026-01-31T23:59:59.999Z`.

    Looks at year to millisecond only: that these are of UTC is the caller's to know. Raises
    TypeError for what is not a datetime.
    """
    if not isinstance(moment, datetime):
        raise wrong_type("moment", "datetime", moment)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def read_wall(text: str, hours_east: int) -> datetime | None:
    """The moment (UTC) that a clock on the wall shows, `hours_east` (0 to 14) hours before UTC.

    `yyyy-MM-dd HH:mm:ss`, with up to six decimals of a second or none. None for a text that is not
    written so, for a day or an hour that is none, and for what is before year 1 in UTC. Raises
    TypeError for arguments of other types, ValueError for other hours.
    """
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    if type(hours_east) is not int:
        raise wrong_type("hours_east", "int", hours_east)
    if not 0 <= hours_east <= HOURS_EAST_MAX:
        raise ValueError(HOURS_EAST_REFUSED)
    if not _WALL.fullmatch(text):
        return None
    try:
        shown = datetime.fromisoformat(text)
        return (shown - timedelta(hours=hours_east)).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
