"""Pure twin of `fastpath.moment`: the specification.

Law. It writes down a moment that it is given; it reads no clock and knows no zone but UTC.
Source: RFC 3339 section 5.6.
"""

from datetime import datetime

from fastpath._arguments import wrong_type


def rfc3339(moment: datetime) -> str:
    """A moment in UTC as RFC 3339 text, cut to milliseconds: `2026-01-31T23:59:59.999Z`.

    Looks at year to millisecond only: that these are of UTC is the caller's to know. Raises
    TypeError for what is not a datetime.
    """
    if not isinstance(moment, datetime):
        raise wrong_type("moment", "datetime", moment)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
