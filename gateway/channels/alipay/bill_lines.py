"""What the lines of Alipay's two bills say, and the totals that they must add up to.

Law: a line is a fact or the file is refused; nothing is guessed from texts but the kind of
movement, and an unknown kind is `other`. Amounts are fen. In `trade` the amount is the order's
(`订单金额`, before discounts that the merchant bears), as everywhere in Tillgate; the sums that the
file states are of what the merchant received (`商家实收`). In `signcustomer` it is the movement of
the balance.

| trade, 业务类型 | kind | number | reference |
|---|---|---|---|
| 交易 | payment | the order's | trade_no |
| 退款 | refund | the refund's | trade_no and refund number |

Source: Alipay, "bill fields"; published bills of both kinds. What the summary's amounts leave out
is not documented: sums with and without refunds are taken, counts must agree exactly.
"""

import re
from collections.abc import Sequence

from fastpath.amount import AmountInvalid, parse_decimal
from gateway.channels.alipay.bill_file import Layout, Row, column
from gateway.channels.alipay.dialect import CURRENCY, CURRENCY_EXPONENT, moment_of
from gateway.channels.statement import Kind, StatementLine, StatementMalformed

NUMBER_CHARS_MAX = 64
TEXT_CHARS_MAX = 256

_TRADES = re.compile(r"#交易合计：([0-9]+)笔，商家实收共(-?[0-9.]+)元.*")
_REFUNDS = re.compile(r"#退款合计：([0-9]+)笔，商家实收退款共(-?[0-9.]+)元.*")
_OUT = re.compile(r"#支出合计：([0-9]+)笔，共(-?[0-9.]+)元")
_IN = re.compile(r"#收入合计：([0-9]+)笔，共(-?[0-9.]+)元")
_COUNT = re.compile(r"[0-9]{1,9}")

_TRADE_KINDS: dict[str, Kind] = {"交易": "payment", "退款": "refund"}
_ACCOUNT_KINDS: dict[str, Kind] = {
    "在线支付": "payment",
    "交易付款": "payment",
    "交易退款": "refund",
    "退款": "refund",
    "转账": "transfer",
    "收费": "fee",
    "服务费": "fee",
    "退费": "fee",
}


def _fen(text: str) -> int:
    """Signed fen; raises `StatementMalformed` for what is no amount."""
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * parse_decimal(text.removeprefix("-"), CURRENCY_EXPONENT)
    except AmountInvalid:
        raise StatementMalformed("an amount is not one") from None


def _number(text: str) -> str | None:
    if not text:
        return None
    if len(text) > NUMBER_CHARS_MAX or not (text.isascii() and text.isprintable()):
        raise StatementMalformed("a number is not one")
    return text


def _needed(row: Row, name: str) -> str:
    number = _number(column(row, name))
    if number is None:
        raise StatementMalformed("a line lacks its number")
    return number


def _trade_line(row: Row) -> StatementLine:
    kind = _TRADE_KINDS.get(column(row, "业务类型"), "other")
    trade_no, amount = _needed(row, "支付宝交易号"), _fen(column(row, "订单金额"))
    refund_no = _number(column(row, "退款批次号/请求号"))
    if (kind == "payment" and amount < 0) or (kind == "refund" and amount > 0):
        raise StatementMalformed("an amount has the wrong sign")
    is_payment = kind == "payment"
    return StatementLine(
        kind=kind,
        reference=trade_no if is_payment else f"{trade_no}|{refund_no or ''}",
        number=_number(column(row, "商户订单号")) if is_payment else refund_no,
        channel_order_no=trade_no,
        amount=amount,
        currency=CURRENCY,
        fee=-_fen(column(row, "服务费")),
        at=moment_of(column(row, "完成时间")),
        text=column(row, "商品名称")[:TEXT_CHARS_MAX],
    )


def _account_line(row: Row) -> StatementLine:
    income, spent = _fen(column(row, "收入金额")), abs(_fen(column(row, "支出金额")))
    if income < 0 or (income and spent):
        raise StatementMalformed("a line both gives and takes")
    return StatementLine(
        kind=_ACCOUNT_KINDS.get(column(row, "业务类型"), "other"),
        reference=_needed(row, "账务流水号"),
        number=_number(column(row, "商户订单号")),
        channel_order_no=_number(column(row, "业务流水号")),
        amount=income - spent,
        currency=CURRENCY,
        at=moment_of(column(row, "发生时间")),
        text=column(row, "备注")[:TEXT_CHARS_MAX],
    )


def _stated(pattern: re.Pattern[str], remarks: Sequence[str]) -> tuple[int, int]:
    found = [match for each in remarks if (match := pattern.fullmatch(each))]
    if len(found) != 1:
        raise StatementMalformed("the file does not state its totals")
    return int(found[0][1]), abs(_fen(found[0][2]))


def _count(row: Row, name: str) -> int:
    text = column(row, name)
    if not _COUNT.fullmatch(text):
        raise StatementMalformed("a count is not one")
    return int(text)


def _agree(stated: object, counted: object) -> None:
    if stated != counted:
        raise StatementMalformed("a total is not that of the lines")


def _check_trades(
    lines: Sequence[StatementLine], rows: Sequence[Row], remarks: Sequence[str], total: Row
) -> None:
    received = [_fen(column(row, "商家实收")) for row in rows]
    by_kind = {
        kind: [got for line, got in zip(lines, received, strict=True) if line.kind == kind]
        for kind in ("payment", "refund")
    }
    paid, returned = by_kind["payment"], by_kind["refund"]
    _agree(_stated(_TRADES, remarks), (len(paid), abs(sum(paid))))
    _agree(_stated(_REFUNDS, remarks), (len(returned), abs(sum(returned))))
    _agree(_count(total, "交易订单总笔数"), len(paid))
    _agree(_count(total, "退款订单总笔数"), len(returned))
    if _fen(column(total, "商家实收")) not in (sum(paid), sum(received)):
        _agree("the summary", "the lines")


def _check_movements(
    lines: Sequence[StatementLine], rows: Sequence[Row], remarks: Sequence[str], total: Row
) -> None:
    got = [line.amount for line in lines if line.amount > 0]
    spent = [-line.amount for line in lines if line.amount < 0]
    _agree(_stated(_IN, remarks), (len(got), sum(got)))
    _agree(_stated(_OUT, remarks), (len(spent), sum(spent)))
    _agree(_count(total, "收入笔数"), len(got))
    _agree(_count(total, "支出笔数"), len(spent))
    _agree(_fen(column(total, "收入金额")), sum(got))
    _agree(abs(_fen(column(total, "支出金额"))), sum(spent))


TRADE_BILL = Layout(
    list_title="#支付宝业务明细查询",
    summary_title="#支付宝业务汇总查询",
    list_name="业务明细列表",
    summary_name="业务汇总列表",
    columns=frozenset(
        "支付宝交易号 商户订单号 业务类型 商品名称 完成时间 订单金额 商家实收 "
        "退款批次号/请求号 服务费".split()
    ),
    summary_columns=frozenset("交易订单总笔数 退款订单总笔数 商家实收".split()),
    line=_trade_line,
    check=_check_trades,
)
ACCOUNT_BILL = Layout(
    list_title="#支付宝账务明细查询",
    summary_title="#支付宝账务汇总查询",
    list_name="账务明细列表",
    summary_name="账务汇总列表",
    columns=frozenset(
        "账务流水号 业务流水号 商户订单号 发生时间 收入金额 支出金额 业务类型 备注".split()
    ),
    summary_columns=frozenset("收入笔数 收入金额 支出笔数 支出金额".split()),
    line=_account_line,
    check=_check_movements,
)
