"""Alipay's spelling of money and time: decimal yuan, and Beijing wall time without a zone.

Law: exact both ways. Money goes through `fastpath.amount`, never through a float, and a JSON
number is no amount, since a decoder has already rounded it. Reading is total: what is not the one
accepted spelling is None, and the caller decides what a missing fact means.
"""

from datetime import datetime, timedelta, timezone

from fastpath.amount import AmountInvalid, format_decimal, parse_decimal
from fastpath.moment import read_wall

CURRENCY = "CNY"
CURRENCY_EXPONENT = 2
BEIJING_HOURS_EAST = 8
BEIJING = timezone(timedelta(hours=BEIJING_HOURS_EAST), "Asia/Shanghai")
TIME_CHARS = 19


def beijing_text(moment: datetime) -> str:
    """`yyyy-MM-dd HH:mm:ss` in Beijing; fractions are cut. Raises ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(BEIJING).isoformat(" ")[:TIME_CHARS]


def moment_of(text: object) -> datetime | None:
    """The moment (UTC) of a Beijing wall time; None if `text` is not one.

    Refund times come with milliseconds, all others without.
    """
    return read_wall(text, BEIJING_HOURS_EAST) if type(text) is str else None


def yuan_of(fen: int) -> str:
    """Decimal yuan with two places."""
    return format_decimal(fen, CURRENCY_EXPONENT)


def fen_of(text: object) -> int | None:
    """Minor units of a decimal yuan text; None if it is not exactly one, or negative."""
    if type(text) is not str:
        return None
    try:
        fen = parse_decimal(text, CURRENCY_EXPONENT)
    except AmountInvalid:
        return None
    return fen if fen >= 0 else None


def payer_share(
    *, total: int, buyer_pay: int | None, receipt: int | None
) -> tuple[int | None, int | None]:
    """What the payer paid and what was taken off, in fen; None where Alipay does not say.

    Several products answer `0.00` for both the payer's and the receipt amount of a paid trade,
    meaning that they do not report them; so a payer's amount counts only if either is positive.
    """
    if buyer_pay is None or buyer_pay > total or (buyer_pay == 0 and not receipt):
        return None, None
    return buyer_pay, total - buyer_pay
