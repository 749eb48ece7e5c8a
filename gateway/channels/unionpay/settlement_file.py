"""The lines of UnionPay's settlement files: ZM (trades) and ZME (disputes), inside a ZIP.

Law: as `gateway.channels.statement`: read whole or refused. A line has one exact length, its
separators stand where they belong, and every field that is used is of its form; else the file is
`StatementMalformed`. Nothing is left out: a kind of trade that is not listed is refused, and a
dispute is told with the amount that it settles.

A line's fields have fixed widths in bytes of GBK, one space between them. Fields used of a ZM line
(by place): 4 time MMddHHmmss · 6 amount in fen · 9 query number · 11 our number · 15 fee and 16
settled amount (`C` to the merchant, `D` from him, then 12 digits) · 19 kind of trade (txnType).
Of a ZME line: 3 trace number · 4 time · 15 settled amount.

Source: UnionPay, platform access specification, part 3 (files), sections 6.1 and 6.2, by the widths
of UnionPay's own samples. Unconfirmed by a file of a living account: the place of the fee's sign.
"""

import io
import re
import zipfile
import zlib
from datetime import date, datetime, timedelta

from gateway.channels.statement import (
    FILE_BYTES_MAX,
    LINES_MAX,
    Kind,
    StatementLine,
    StatementMalformed,
)
from gateway.channels.unionpay.dialect import CURRENCY, NUMBER, ORDER_NO, fen_of, moment_of

_ZM_FIRST = (3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4)
_ZM_SECOND = (32, 1, 21, 15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98)
ZM_WIDTHS = (*_ZM_FIRST, *_ZM_SECOND)
ZME_WIDTHS = (3, 11, 11, 6, 10, 19, 12, 4, 2, 2, 6, 10, 4, 12, 13, 13, 15, 15, 1, 12, 2, 135)
ENTRIES_MAX = 32
DAYS_OFF_MAX = timedelta(days=31)

_SIGNED = re.compile(r"([CD])([0-9]{12})")
_NAME = re.compile(r"INN[0-9]{6}88(ZME?)_([0-9A-Za-z]{1,40})")

# txnType -> kind, sign of the amount, whether its number is one of ours.
_KINDS: dict[str, tuple[Kind, int, bool]] = {
    "01": ("payment", 1, True),
    "03": ("payment", 1, True),
    "04": ("refund", -1, True),
    "31": ("other", -1, False),
    "33": ("other", -1, False),
}


def inflate(packed: bytes) -> bytes:
    """The ZIP that an answer carries compressed (RFC 1950). Raises `StatementMalformed`."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(packed, FILE_BYTES_MAX)
    except zlib.error:
        raise StatementMalformed("the file is not compressed as it should be") from None
    if not inflater.eof or inflater.unused_data:
        raise StatementMalformed("the file is cut short or too large")
    return content


def read_archive(content: bytes, *, mer_id: str, day: date) -> tuple[StatementLine, ...]:
    """The lines of all settlement files in a ZIP. Raises `StatementMalformed`."""
    files = _entries(content, mer_id)
    if "ZM" not in files:
        raise StatementMalformed("the archive has no ZM file of this merchant")
    lines = [_zm_line(fields, day) for fields in _rows(files["ZM"], ZM_WIDTHS)]
    lines += [_zme_line(fields, day) for fields in _rows(files.get("ZME", b""), ZME_WIDTHS)]
    if len({line.reference for line in lines}) != len(lines):
        raise StatementMalformed("a trade is listed twice")
    return tuple(lines)


def _entries(content: bytes, mer_id: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > ENTRIES_MAX or sum(e.file_size for e in entries) > FILE_BYTES_MAX:
                raise StatementMalformed("the archive is too large")
            for entry in entries:
                name = _NAME.fullmatch(entry.filename.rpartition("/")[2])
                if name is None:
                    continue
                if name[2] != mer_id or name[1] in found:
                    raise StatementMalformed("the archive has a file of another merchant")
                found[name[1]] = archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise StatementMalformed("the archive cannot be read") from None
    return found


def _rows(content: bytes, widths: tuple[int, ...]) -> list[list[str]]:
    lines = content.split(b"\n")
    if lines.pop().strip():
        raise StatementMalformed("the last line has no end")
    if len(lines) > LINES_MAX:
        raise StatementMalformed("the file has too many lines")
    return [
        _cells(line.removesuffix(b"\r"), widths, number)
        for number, line in enumerate(lines, start=1)
    ]


def _cells(line: bytes, widths: tuple[int, ...], number: int) -> list[str]:
    if len(line) != sum(widths) + len(widths) - 1:
        raise StatementMalformed(f"line {number} has another length")
    cells, at = [], 0
    for width in widths:
        try:
            cells.append(line[at : at + width].decode("gbk").strip(" "))
        except UnicodeDecodeError:
            raise StatementMalformed(f"line {number} is not GBK") from None
        at += width
        if line[at : at + 1] not in (b" ", b""):
            raise StatementMalformed(f"line {number} has its fields elsewhere")
        at += 1
    return cells


def _zm_line(cells: list[str], day: date) -> StatementLine:
    listed = _KINDS.get(cells[19])
    if listed is None:
        raise StatementMalformed("a kind of trade is not a listed one")
    kind, sign, ours = listed
    amount, fee = fen_of(cells[6]), _signed(cells[15])
    if amount is None or not NUMBER.fullmatch(cells[9]) or not ORDER_NO.fullmatch(cells[11]):
        raise StatementMalformed("a trade has no amount or number")
    return StatementLine(
        kind=kind,
        reference=cells[9],
        number=cells[11] if ours else None,
        channel_order_no=cells[9],
        amount=sign * amount,
        currency=CURRENCY,
        fee=-fee,
        at=_moment(cells[4], day),
    )


def _zme_line(cells: list[str], day: date) -> StatementLine:
    return StatementLine(
        kind="other",
        reference=f"ZME-{cells[4]}-{cells[3]}",
        number=None,
        channel_order_no=None,
        amount=_signed(cells[15]),
        currency=CURRENCY,
        at=_moment(cells[4], day),
        text="dispute",
    )


def _signed(text: str) -> int:
    """Fen that go to the merchant; negative where they go from him."""
    match = _SIGNED.fullmatch(text)
    if match is None:
        raise StatementMalformed("a signed amount is none")
    return int(match[2]) if match[1] == "C" else -int(match[2])


def _moment(text: str, day: date) -> datetime:
    """MMddHHmmss, of the year in which it lies nearest to the settlement day."""
    for year in (day.year, day.year - 1, day.year + 1):
        moment = moment_of(f"{year:04d}{text}")
        if moment is not None and abs(moment.date() - day) <= DAYS_OFF_MAX:
            return moment
    raise StatementMalformed("a time is none")
