"""UnionPay's spelling of time, money and numbers.

Law: exact both ways. Money is whole fen in ASCII digits, moments are Beijing wall time without a
zone. Reading is total: what is not the one accepted spelling is None, and the caller decides what
a missing fact means.

An order is known to UnionPay by its number *and* its time (`txnTime`) together, so the time is
derived from what never changes: the creation of the attempt or capture, and for refunds the moment
that our own number carries (a TypeID's first 48 bits).
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from gateway.domain.ids import TEXT_CHARS, time_ms_of

CURRENCY = "CNY"
CURRENCY_CODE = "156"
AMOUNT_FEN_MAX = 999_999_999_999  # txnAmt has 12 digits
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
ORDER_NO = re.compile(r"[0-9A-Za-z]{8,32}")
NUMBER = re.compile(r"[0-9A-Za-z]{1,40}")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"[0-9]{14}")
_TRACE_TIME = re.compile(r"[0-9]{10}")
_FEN = re.compile(r"[0-9]{1,12}")
_OUR_NUMBER = re.compile(rf"[0-7][0-9a-hjkmnp-tv-z]{{{TEXT_CHARS - 1}}}")
_YEAR_MAX = 9999


def beijing_text(moment: datetime) -> str:
    """`yyyyMMddHHmmss` in Beijing; fractions are cut. Raises ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def moment_of(text: object) -> datetime | None:
    """The moment (UTC) of `yyyyMMddHHmmss` in Beijing; None if `text` is not one."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        wall = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
        return wall.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def trace_moment(trace: object, txn_time: object) -> datetime | None:
    """The moment of a `traceTime` (MMddHHmmss), whose year is that of the trade's `txnTime`.

    A trade begun on the last evening of a year may be carried out in the next one.
    """
    begun = moment_of(txn_time)
    if begun is None or not isinstance(trace, str) or not _TRACE_TIME.fullmatch(trace):
        return None
    year = begun.astimezone(BEIJING).year
    if trace[:2] == "01" and begun.astimezone(BEIJING).month == 12:
        year += 1
    return moment_of(f"{year:04d}{trace}")


def time_of_number(number: str) -> datetime | None:
    """The moment (UTC) that one of our own numbers carries; None for any other text."""
    if not _OUR_NUMBER.fullmatch(number):
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=time_ms_of(number))
    except OverflowError:
        return None
    return moment if moment.year < _YEAR_MAX else None


def fen_of(text: object) -> int | None:
    """Whole fen; None if `text` is not 1 to 12 ASCII digits."""
    if not isinstance(text, str) or not _FEN.fullmatch(text):
        return None
    return int(text)


def currency_of(code: str) -> str:
    """The currency of a numeric ISO 4217 code; another than the yuan's stays a number."""
    return CURRENCY if code == CURRENCY_CODE else code
