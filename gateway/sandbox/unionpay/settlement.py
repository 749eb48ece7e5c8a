"""The pretend UnionPay's daily files: ZM lines of fixed width in a ZIP, compressed, in base64.

Law: the file holds every trade that moved money on that day in Beijing, holds and their voids not.
It can be had once the day is over; a day without trades has no file. Fields have fixed widths in
bytes, one space between them. The fee is 0.6 %, rounded to the nearest fen, and is not given back.
Source: UnionPay, platform access specification, part 3, section 6.1.
"""

import base64
import io
import json
import zipfile
import zlib
from datetime import date, datetime, timedelta
from typing import Final

from gateway.sandbox.moments import BEIJING, from_ms, to_ms
from gateway.sandbox.unionpay.fields import beijing_digits
from gateway.sandbox.unionpay.refusals import Refusal
from gateway.sandbox.unionpay.register import Register, Trade

FEE_BPS: Final = 60
MOVED: Final = {"01": "S22", "03": "S22", "04": "S30", "31": "S32"}
"""Kinds of trades in the file, and their codes there."""
WIDTHS: Final = tuple(
    int(width)
    for width in "3 11 11 6 10 19 12 4 2 21 2 32 2 6 10 13 13 4 15 2 2 6 2 4 32 1 21 15 1 15 32"
    " 13 13 8 32 13 13 12 2 1 32 98".split()
)
ACQUIRER: Final = "48270000"
MOVES_OUT: Final = ("04", "31")


def statement(register: Register, mer_id: str, settle_date: str, now_ms: int) -> dict[str, str]:
    """The fields of an answer with the file of `settle_date` (MMdd). Raises `Refusal`."""
    day = _latest(settle_date, from_ms(now_ms).astimezone(BEIJING).date())
    start = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
    end = start + timedelta(days=1)
    if now_ms < to_ms(end):
        raise Refusal("98")
    trades = register.done_between(mer_id, start=to_ms(start), end=to_ms(end))
    lines = [_line(mer_id, trade) for trade in trades if trade.txn_type in MOVED]
    if not lines:
        raise Refusal("98")
    short = day.strftime("%y%m%d")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"INN{short}88ZM_{mer_id}", b"".join(lines))
        archive.writestr(f"INN{short}88ZME_{mer_id}", b"")
    content = base64.b64encode(zlib.compress(packed.getvalue())).decode("ascii")
    return {"fileName": f"{mer_id}_{day:%Y%m%d}.zip", "fileContent": content}


def _latest(settle_date: str, today: date) -> date:
    """The last day of this name, today at the latest."""
    for year in (today.year, today.year - 1):
        try:
            day = date(year, int(settle_date[:2]), int(settle_date[2:]))
        except ValueError:
            continue
        if day <= today:
            return day
    raise Refusal("98")


def _line(mer_id: str, trade: Trade) -> bytes:
    asked = json.loads(trade.content)
    out = trade.txn_type in MOVES_OUT
    fee = 0 if out else (trade.amount * FEE_BPS + 5_000) // 10_000
    cells = [""] * len(WIDTHS)
    cells[0] = MOVED[trade.txn_type]
    cells[1] = cells[2] = ACQUIRER
    cells[3] = (trade.query_id or "")[-6:]
    cells[4] = beijing_digits(trade.done_at or 0)[4:]
    cells[6] = f"{trade.amount:012d}"
    cells[7], cells[8] = "5411", "07"
    cells[9] = trade.query_id or ""
    cells[11] = trade.order_id
    cells[15] = f"{'D' if fee else 'C'}{fee:012d}"
    cells[16] = f"{'D' if out else 'C'}{trade.amount - fee:012d}"
    cells[19], cells[20] = trade.txn_type, asked["txnSubType"]
    cells[21] = asked["bizType"]
    cells[26] = asked.get("origQryId", "")
    cells[27] = mer_id
    text = " ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    return text.encode("gbk") + b"\r\n"
