"""The form of Alipay's bill files: an archive with a list and its summary, in GBK.

Law: whole or refused. Sizes are bounded before anything is unpacked. Both files must be of the
account and day asked for, must have their closing lines, and every total that they state must be
that of the list; so a file that was cut, repeated or mixed up never passes as a shorter one.

A file looks so (the list's; the summary's likewise, with one line for all at its end):

    #支付宝业务明细查询
    #账号：[20880000000000010156]
    #起始日期：[2026年11月21日 00:00:00]   终止日期：[2026年11月22日 00:00:00]
    #-----------------------------------------业务明细列表----------------------------------------
    支付宝交易号,商户订单号,业务类型,...
    2026112122001400000000000001\t,01kb8m...\t,交易,...
    #-----------------------------------------业务明细列表结束------------------------------------
    #交易合计：1笔，商家实收共12.34元，商家优惠共0.00元
    #退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元
    #导出时间：[2026年11月22日 05:46:49]
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from gateway.channels.statement import (
    FILE_BYTES_MAX,
    LINES_MAX,
    StatementLine,
    StatementMalformed,
)

MEMBERS_MAX = 16
COMPRESSION_RATIO_MAX = 200
SMALL_BYTES = 1 << 20
"""Below this size a member may be compressed as well as it likes."""

_CHARSET = "gb18030"  # a superset of GBK
_ACCOUNT = re.compile(r"#账号：\[([0-9]{16,32})\]")
_DAYS = re.compile(
    r"#起始日期：\[([0-9]{4})年([0-9]{2})月([0-9]{2})日 00:00:00\]\s*"
    r"终止日期：\[([0-9]{4})年([0-9]{2})月([0-9]{2})日 00:00:00\]"
)
_EXPORTED = re.compile(r"#导出时间：\[[^\]]+\]")
_UNIT = re.compile(r"[（(][^（(]*[）)]$")
_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)

Row = Mapping[str, str]


class Layout(NamedTuple):
    """One kind of bill: its two titles, the columns it must have, and how it is read and summed.

    `check` compares lines with the closing remarks of the list and with the summary's last line;
    it raises `StatementMalformed`.
    """

    list_title: str
    summary_title: str
    list_name: str
    summary_name: str
    columns: frozenset[str]
    summary_columns: frozenset[str]
    line: Callable[[Row], StatementLine]
    check: Callable[[Sequence[StatementLine], Sequence[Row], Sequence[str], Row], None]


class _Table(NamedTuple):
    rows: list[Row]
    remarks: list[str]


def read_archive(
    content: bytes, layout: Layout, *, day: date, seller_id: str
) -> tuple[StatementLine, ...]:
    """All lines of a bill. Raises `StatementMalformed`."""
    found: dict[str, str] = {}
    for text in _members(content):
        title = text.partition("\n")[0].strip("\ufeff\r\t ,")
        if title in found:
            raise StatementMalformed("the archive holds a file twice")
        found[title] = text
    if set(found) != {layout.list_title, layout.summary_title}:
        raise StatementMalformed("the archive does not hold exactly the list and its summary")
    detail = _table(found[layout.list_title], layout.list_name, layout.columns)
    summary = _table(found[layout.summary_title], layout.summary_name, layout.summary_columns)
    for table in (detail, summary):
        _check_origin(table.remarks, day=day, seller_id=seller_id)
    total = summary.rows[-1] if summary.rows else {}
    if "合计" not in total.values():
        raise StatementMalformed("the summary has no line for all")
    lines = tuple(layout.line(row) for row in detail.rows)
    references = {line.reference for line in lines}
    if len(references) != len(lines):
        raise StatementMalformed("a line is repeated")
    layout.check(lines, detail.rows, detail.remarks, total)
    return lines


def column(row: Row, name: str) -> str:
    """A cell without its padding of tabs, spaces and backticks; empty if the row has none."""
    return row.get(name, "")


def _members(content: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            _check_sizes(members)
            for member in members:
                with archive.open(member) as file:
                    data = file.read(member.file_size + 1)
                if len(data) != member.file_size:
                    raise StatementMalformed("a member is not of the size that it says")
                yield data.decode(_CHARSET)
    except _UNREADABLE:
        raise StatementMalformed("the archive cannot be read") from None


def _check_sizes(members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MEMBERS_MAX:
        raise StatementMalformed("the archive has too many members")
    if sum(each.file_size for each in members) > FILE_BYTES_MAX:
        raise StatementMalformed("the archive is too large when unpacked")
    for each in members:
        if each.flag_bits & 1:
            raise StatementMalformed("a member is encrypted")
        limit = SMALL_BYTES + COMPRESSION_RATIO_MAX * each.compress_size
        if each.file_size > limit:
            raise StatementMalformed("a member is compressed too well to be a bill")


def _table(text: str, name: str, columns: frozenset[str]) -> _Table:
    """The rows between the two marks of a list called `name`, and the remarks around them."""
    rows: list[Row] = []
    header: list[str] = []
    remarks: list[str] = []
    state = "before"
    for cells in _cells(text):
        remark = ",".join(cells).rstrip(",") if cells[0].startswith("#") else None
        if remark is not None:
            state = _next_state(state, remark, name)
            remarks.append(remark)
        elif state == "list" and not header:
            header = [_UNIT.sub("", cell) for cell in cells]
            if not columns <= set(header) or len(set(header)) != len(header):
                raise StatementMalformed("a column is missing or repeated")
        elif state == "list":
            if len(cells) != len(header):
                raise StatementMalformed("a line has not as many cells as columns")
            if len(rows) == LINES_MAX:
                raise StatementMalformed("the file has too many lines")
            rows.append(dict(zip(header, cells, strict=True)))
        else:
            raise StatementMalformed("a line stands outside of the list")
    if state != "after" or not header or not _EXPORTED.fullmatch(remarks[-1]):
        raise StatementMalformed("the file has no end")
    return _Table(rows, remarks)


def _cells(text: str) -> Iterator[list[str]]:
    try:
        for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True):
            cells = [cell.strip().lstrip("`").strip() for cell in row]
            if any(cells):
                yield cells
    except csv.Error:
        raise StatementMalformed("a line is not of CSV") from None


def _next_state(state: str, remark: str, name: str) -> str:
    bare = remark.strip("#-")
    if bare == name:
        if state != "before":
            raise StatementMalformed("a list begins twice")
        return "list"
    if bare == name + "结束":
        if state != "list":
            raise StatementMalformed("a list ends that did not begin")
        return "after"
    if state == "list":
        raise StatementMalformed("a remark stands inside of the list")
    return state


def _check_origin(remarks: Sequence[str], *, day: date, seller_id: str) -> None:
    accounts = [found[1] for each in remarks if (found := _ACCOUNT.fullmatch(each))]
    if len(accounts) != 1 or not accounts[0].startswith(seller_id):
        raise StatementMalformed("the file is of another account")
    days = [found.groups() for each in remarks if (found := _DAYS.fullmatch(each))]
    after = day + timedelta(days=1)
    wanted = tuple(f"{each:%Y-%m-%d}".split("-") for each in (day, after))
    if len(days) != 1 or days[0] != (*wanted[0], *wanted[1]):
        raise StatementMalformed("the file is of another day")
