"""WeChat's spelling of money, time and text: integer fen, RFC 3339 in Beijing, lengths in bytes.

Law: exact both ways. The API speaks integer fen and an amount is exactly an int; bills speak
decimal yuan, whose text goes through `fastpath.amount` and never through a float. Reading is
total: what is not the one accepted spelling is None, and the caller decides what that means.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from fastpath.amount import AmountInvalid, parse_decimal

CURRENCY = "CNY"
CURRENCY_EXPONENT = 2
AMOUNT_FEN_MIN = 1
AMOUNT_FEN_MAX = 10_000_000_000
FEE_DECIMALS = 5
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_BILL_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) +([0-9]{2}:[0-9]{2}:[0-9]{2})")
_FEE = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,5}))?")


# --- time ---------------------------------------------------------------------------------------


def beijing_text(moment: datetime) -> str:
    """`2018-06-08T10:34:56+08:00`; fractions are cut. Raises ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(BEIJING).replace(microsecond=0).isoformat()


def moment_of(text: object) -> datetime | None:
    """The moment (UTC) of an RFC 3339 text; None if `text` is not one."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def bill_moment_of(text: str) -> datetime | None:
    """The moment (UTC) of a bill's `yyyy-MM-dd HH:mm:ss` in Beijing; None for any other text."""
    match = _BILL_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}+08:00").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def unix_seconds(moment: datetime) -> int:
    """Whole seconds since the epoch. `moment` must carry a zone."""
    return (moment - EPOCH) // _SECOND


def unix_microseconds(moment: datetime) -> int:
    """Whole microseconds since the epoch. `moment` must carry a zone."""
    return (moment - EPOCH) // _MICROSECOND


def from_unix_seconds(seconds: int) -> datetime | None:
    """The moment (UTC); None where the calendar has none."""
    try:
        return EPOCH + seconds * _SECOND
    except OverflowError:
        return None


# --- money --------------------------------------------------------------------------------------


def fen_of(value: object) -> int | None:
    """An amount of the API: exactly an int of at least 0; None for anything else."""
    return value if type(value) is int and value >= 0 else None


def bill_fen_of(text: str) -> int | None:
    """Fen of a bill's decimal yuan, also negative; None if it is not exactly one."""
    is_negative = text.startswith("-")
    try:
        fen = parse_decimal(text[1:] if is_negative else text, CURRENCY_EXPONENT)
    except AmountInvalid:
        return None
    return -fen if is_negative else fen


def fee_units_of(text: str) -> int | None:
    """A bill's fee in 10^-5 yuan, the precision that bills print; None if it is not one."""
    match = _FEE.fullmatch(text) if text.isascii() else None
    if match is None:
        return None
    units = int(match[2] + (match[3] or "").ljust(FEE_DECIMALS, "0"))
    return -units if match[1] else units


def fen_of_fee_units(units: int) -> int:
    """Fen of a fee in 10^-5 yuan, half away from zero; WeChat charges whole fen."""
    fen = (abs(units) + 500) // 1000
    return -fen if units < 0 else fen


# --- text ---------------------------------------------------------------------------------------


def cut_bytes(text: str, bytes_max: int) -> str:
    """The longest beginning of `text` with at most `bytes_max` bytes in UTF-8."""
    return text.encode("utf-8")[:bytes_max].decode("utf-8", "ignore")


def is_text(text: str) -> bool:
    """Whether UTF-8 can carry it (no lone surrogates) and it has no control character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not any(ord(char) < 0x20 or ord(char) == 0x7F for char in text)
