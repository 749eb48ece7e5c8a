"""WeChat's bills: a day's orders (`trade`) or a day's movements of the account (`fundflow`).

Law: a bill is read whole or refused (`StatementMalformed`). The file itself is unsigned: what makes
it genuine is the SHA-1 of the uncompressed text, named in a signed answer; it is compared first,
then every line is read, then the row of totals is compared with the sum of the lines. Columns are
found by their names, so that a new one at the end harms nothing.

Every value begins with a backtick, and values are parted by commas without any quoting; a name of
goods may hold both, so what is too much in a line belongs to the name. Amounts are decimal yuan
although the API speaks fen; fees have five decimals of which WeChat uses two. A bill is ready at
10:00 of the next day in Beijing.

Source: WeChat Pay API v3, "trade bill", "fund flow bill".
"""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.channels.codec import AccountView, Unknown
from gateway.channels.statement import (
    FILE_BYTES_MAX,
    LINES_MAX,
    NoStatement,
    Statement,
    StatementLine,
    StatementMalformed,
    StatementOutcome,
    StatementReady,
)
from gateway.channels.wechat import codes
from gateway.channels.wechat.answer import MISSING, open_answer
from gateway.channels.wechat.dialect import (
    BEIJING,
    CURRENCY,
    bill_fen_of,
    bill_moment_of,
    fee_units_of,
    fen_of_fee_units,
)
from gateway.channels.wechat.request import signed_request, signed_url
from gateway.channels.wire import HttpRequest, HttpResponse

TRADE = "trade"
FUND_FLOW = "fundflow"
STATEMENTS = frozenset({TRADE, FUND_FLOW})
HASH_TYPE = "SHA1"
DOWNLOAD_URL_CHARS_MAX = 2048
DOWNLOAD_HOST_SUFFIX = ".mch.weixin.qq.com"

_PATHS = {
    TRADE: "/v3/bill/tradebill?bill_date={day}&bill_type=ALL&tar_type=GZIP",
    FUND_FLOW: "/v3/bill/fundflowbill?bill_date={day}&account_type=BASIC&tar_type=GZIP",
}
_SHA1 = re.compile(r"[0-9a-f]{40}")
_GZIP = b"\x1f\x8b"


def build_statement(account: AccountView, kind: str, day: date, now: datetime) -> HttpRequest:
    """Ask for the bill of `day` (Beijing); `kind` is one of `STATEMENTS`."""
    path = _PATHS[kind].format(day=day.isoformat())
    return signed_request(
        account, "GET", path, now, operation=f"bill_{kind}", number=day.isoformat()
    )


def read_statement(
    account: AccountView, kind: str, day: date, response: HttpResponse
) -> StatementOutcome:
    """Where the file lies (for five minutes), that there is none, or that it is too early.

    The download is signed with the answer's own time.
    """
    answer = open_answer(account, response)
    if isinstance(answer, Unknown):
        return answer
    if not answer.is_success:
        if (answer.status, answer.code) in codes.NO_BILL:
            return NoStatement()
        if (answer.status, answer.code) in codes.BILL_EARLY:
            return NoStatement(early=True)
        return codes.unlisted(answer.code)
    url, checksum = answer.text("download_url"), (answer.text("hash_value") or "").lower()
    if answer.text("hash_type") != HASH_TYPE or not _SHA1.fullmatch(checksum):
        return Unknown(reason=MISSING + "hash_value")
    if url is None or not _is_download(account, url):
        return Unknown(reason="the download URL is not one of WeChat's")
    download = signed_url(
        account, "GET", url, answer.sent_at, operation=f"file_{kind}", number=checksum
    )
    return StatementReady(download=download, checksum=checksum)


def _is_download(account: AccountView, url: str) -> bool:
    """Whether our signature may be shown there: the gateway itself, or a host of its family."""
    if len(url) > DOWNLOAD_URL_CHARS_MAX or not url.isascii() or not url.isprintable():
        return False
    try:
        parts, gateway = urlsplit(url), urlsplit(account.gateway_url)
    except ValueError:
        return False
    if (parts.scheme, parts.netloc) == (gateway.scheme, gateway.netloc):
        return True
    is_named = "@" not in parts.netloc and ":" not in parts.netloc
    return parts.scheme == "https" and is_named and parts.netloc.endswith(DOWNLOAD_HOST_SUFFIX)


# --- the file -----------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """The columns that a kind of bill must have, and which of them the totals sum up."""

    columns: frozenset[str]
    wide: str | None  # the column that may hold commas
    counts: str  # the total that counts lines
    sums: Mapping[str, str]  # total -> column


_LAYOUTS = {
    TRADE: _Layout(
        columns=frozenset(
            "交易时间 商户号 微信订单号 商户订单号 交易状态 货币种类 微信退款单号 商户退款单号 "
            "退款状态 手续费 订单金额 申请退款金额".split()
        ),
        wide="商品名称",
        counts="总交易单数",
        sums={
            "应结订单总金额": "应结订单金额",
            "退款总金额": "退款金额",
            "充值券退款总金额": "充值券退款金额",
            "手续费总金额": "手续费",
            "订单总金额": "订单金额",
            "申请退款总金额": "申请退款金额",
        },
    ),
    FUND_FLOW: _Layout(
        columns=frozenset(
            "记账时间 微信支付业务单号 资金流水单号 业务名称 业务类型 收支类型 收支金额(元) "
            "业务凭证号".split()
        ),
        wide="备注",
        counts="资金流水总笔数",
        sums={},
    ),
}
_NEEDED_TOTALS = {
    TRADE: frozenset({"订单总金额", "申请退款总金额"}),
    FUND_FLOW: frozenset({"收入笔数", "收入金额", "支出笔数", "支出金额"}),
}
_NOTHING = frozenset({"", "0"})

Row = Mapping[str, str]


def read_file(
    account: AccountView, kind: str, day: date, ready: StatementReady, content: bytes
) -> Statement:
    """The lines of a downloaded bill. Raises `StatementMalformed`."""
    text = _text(content, ready.checksum)
    rows, totals = _table(_LAYOUTS[kind], text)
    if kind == TRADE:
        _compare_trade(rows, totals)
        lines = _trade_lines(account, day, rows)
    else:
        _compare_fund_flow(rows, totals)
        lines = _fund_flow_lines(rows)
    return Statement(day=day, lines=tuple(lines))


def _text(content: bytes, checksum: str | None) -> str:
    plain = _inflated(content) if content.startswith(_GZIP) else content
    if len(plain) > FILE_BYTES_MAX:
        raise StatementMalformed("the file is too large")
    if checksum is None:
        raise StatementMalformed("nothing vouches for the file: it has no checksum")
    if hashlib.sha1(plain, usedforsecurity=False).hexdigest() != checksum:
        raise StatementMalformed("the file is not the one that the checksum is of")
    try:
        return plain.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StatementMalformed("the file is not UTF-8") from None


def _inflated(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            return packed.read(FILE_BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error):
        raise StatementMalformed("the file is not whole GZIP") from None


def _table(layout: _Layout, text: str) -> tuple[list[Row], Row]:
    """Lines and totals by column name."""
    found = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if len(found) < 3 or len(found) - 3 > LINES_MAX:
        raise StatementMalformed("the file has too few or too many lines")
    names = _names(found[0])
    if not layout.columns <= set(names):
        raise StatementMalformed("a column is missing")
    totals_names = _names(found[-2])
    if layout.counts not in totals_names:
        raise StatementMalformed("the row of totals is missing")
    totals = _row(totals_names, found[-1], wide=None, where="totals")
    rows = [
        _row(names, line, wide=layout.wide, where=f"line {number}")
        for number, line in enumerate(found[1:-2], start=2)
    ]
    if totals[layout.counts] != str(len(rows)):
        raise StatementMalformed("the number of lines is not the one that the file states")
    return rows, totals


def _names(line: str) -> list[str]:
    names = [
        name.strip().lstrip("`").replace("（", "(").replace("）", ")") for name in line.split(",")
    ]
    if len(set(names)) != len(names):
        raise StatementMalformed("a column is named twice")
    return names


def _row(names: Sequence[str], line: str, *, wide: str | None, where: str) -> Row:
    if not line.startswith("`"):
        raise StatementMalformed(f"{where} does not begin with a backtick")
    values = line[1:].split(",`")
    surplus = len(values) - len(names)
    if surplus > 0 and wide in names:
        at = names.index(wide)
        joined = ",`".join(values[at : at + surplus + 1])
        values[at : at + surplus + 1] = [joined]
    if len(values) != len(names):
        raise StatementMalformed(f"{where} has {len(values)} values, not {len(names)}")
    return dict(zip(names, values, strict=True))


def _fen(row: Row, name: str) -> int:
    fen = bill_fen_of(row[name])
    if fen is None:
        raise StatementMalformed(f"{name} is no amount")
    return fen


def _fee(row: Row, name: str) -> int:
    units = fee_units_of(row[name])
    if units is None:
        raise StatementMalformed(f"{name} is no fee")
    return units


# --- trade --------------------------------------------------------------------------------------


def _compare_trade(rows: Sequence[Row], totals: Row) -> None:
    layout = _LAYOUTS[TRADE]
    if not totals.keys() >= _NEEDED_TOTALS[TRADE]:
        raise StatementMalformed("a total is missing")
    for name, column in layout.sums.items():
        if name not in totals:
            continue
        if rows and column not in rows[0]:
            raise StatementMalformed(f"{column} is missing")
        read = _fee if column == "手续费" else _fen
        if sum(read(row, column) for row in rows) != read(totals, name):
            raise StatementMalformed(f"{name} is not the sum of the lines")


def _trade_lines(account: AccountView, day: date, rows: Sequence[Row]) -> list[StatementLine]:
    lines = [_trade_line(account, day, row) for row in rows]
    if len({line.reference for line in lines}) != len(lines):
        raise StatementMalformed("a line is there twice")
    return lines


def _trade_line(account: AccountView, day: date, row: Row) -> StatementLine:
    at = bill_moment_of(row["交易时间"])
    if at is None:
        raise StatementMalformed("交易时间 is no time")
    if row["商户号"] != account.credentials["mchid"]:
        raise StatementMalformed("the bill is another merchant's")
    state, transaction_id = row["交易状态"], row["微信订单号"]
    if transaction_id in _NOTHING:
        raise StatementMalformed("微信订单号 is missing")
    fee, currency = fen_of_fee_units(_fee(row, "手续费")), row["货币种类"]
    if state == "SUCCESS":
        if at.astimezone(BEIJING).date() != day:
            raise StatementMalformed("the bill is another day's")
        return StatementLine(
            kind="payment",
            reference=transaction_id,
            number=_number(row["商户订单号"]),
            channel_order_no=transaction_id,
            amount=_fen(row, "订单金额"),
            currency=currency,
            fee=fee,
            at=at,
        )
    if state not in ("REFUND", "REVOKED"):
        raise StatementMalformed("交易状态 is not a listed one")
    refund_id, status = row["微信退款单号"], row["退款状态"]
    is_moved = status in ("SUCCESS", "PROCESSING", "")
    return StatementLine(
        kind="refund" if is_moved else "other",
        reference=f"{transaction_id}|{state}|{refund_id}",
        number=_number(row["商户退款单号"]),
        channel_order_no=_number(refund_id) or transaction_id,
        amount=-_fen(row, "申请退款金额") if is_moved else 0,
        currency=currency,
        fee=fee,
        at=at,
        text=f"{state} {status}".strip(),
    )


def _number(value: str) -> str | None:
    return None if value in _NOTHING else value


# --- fund flow ----------------------------------------------------------------------------------

_INCOME, _EXPENSE = "收入", "支出"
_FEE_WORD = "手续费"
_KINDS = {"交易": "payment", "退款": "refund"}


def _compare_fund_flow(rows: Sequence[Row], totals: Row) -> None:
    if not totals.keys() >= _NEEDED_TOTALS[FUND_FLOW]:
        raise StatementMalformed("a total is missing")
    for direction in (_INCOME, _EXPENSE):
        amounts = [_fen(row, "收支金额(元)") for row in rows if row["收支类型"] == direction]
        if totals[f"{direction}笔数"] != str(len(amounts)):
            raise StatementMalformed(f"{direction}笔数 is not the number of lines")
        if _fen(totals, f"{direction}金额") != sum(amounts):
            raise StatementMalformed(f"{direction}金额 is not the sum of the lines")


def _fund_flow_lines(rows: Sequence[Row]) -> list[StatementLine]:
    seen: dict[str, int] = {}
    lines = []
    for row in rows:
        lines.append(_fund_flow_line(row, seen))
    return lines


def _fund_flow_line(row: Row, seen: dict[str, int]) -> StatementLine:
    """One movement; several of one business share its numbers, so they are counted."""
    at = bill_moment_of(row["记账时间"])
    direction, word = row["收支类型"], row["业务类型"]
    if at is None:
        raise StatementMalformed("记账时间 is no time")
    if direction not in (_INCOME, _EXPENSE):
        raise StatementMalformed("收支类型 is not a listed one")
    amount = _fen(row, "收支金额(元)")
    reference = "|".join((row["资金流水单号"], row["微信支付业务单号"], word, direction))
    seen[reference] = seen.get(reference, 0) + 1
    if seen[reference] > 1:
        reference = f"{reference}|{seen[reference]}"
    is_transfer = "转账" in row["业务名称"]
    kind = "fee" if _FEE_WORD in word else "transfer" if is_transfer else _KINDS.get(word, "other")
    return StatementLine(
        kind=kind,  # type: ignore[arg-type]
        reference=reference,
        number=_number(row["业务凭证号"]),
        channel_order_no=_number(row["微信支付业务单号"]),
        amount=amount if direction == _INCOME else -amount,
        currency=CURRENCY,
        at=at,
        text=f"{row['业务名称']} {word}",
    )
