"""How the pretend Alipay writes bills: two CSV texts for each, as real ones are.

Law: pure. Numbers are padded with a tab and every file ends with its totals and the time of its
making, as in published bills of both kinds.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from gateway.sandbox.alipay.accounts import Account
from gateway.sandbox.alipay.fields import yuan

LINE: Final = "-" * 41
ACCOUNT_SUFFIX: Final = "0156"
TRADE_COLUMNS: Final = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
).split(",")
TRADE_SUMMARY_COLUMNS: Final = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,"
    "商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
).split(",")
ACCOUNT_COLUMNS: Final = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
    "账户余额（元）,交易渠道,业务类型,备注"
).split(",")
ACCOUNT_SUMMARY_COLUMNS: Final = (
    "类型,收入笔数,收入金额（+元）,支出笔数,支出金额（-元）,总金额（元）".split(",")
)
PAYER: Final = "*付(pay***@sandbox.example)"
KINDS: Final = {"payment": "在线支付", "refund": "交易退款", "transfer": "转账", "fee": "收费"}


class Movement(NamedTuple):
    """One movement: `amount` and `fee` in fen, times in Beijing."""

    kind: str
    trade_no: str
    number: str
    refund_no: str
    amount: int
    fee: int
    created: str
    at: str
    subject: str


def trade_files(movements: Sequence[Movement], *, account: Account, day: date) -> Mapping[str, str]:
    """Names and texts of a `trade` bill: summary first, as in real archives."""
    rows = [
        [
            f"{each.trade_no}\t", f"{each.number}\t",
            "交易" if each.kind == "payment" else "退款",
            each.subject, each.created, each.at, "\t", "\t", "\t", "\t", PAYER,
            signed(each.amount), signed(each.amount), *["0.00"] * 5, "", "0.00\t", "0.00",
            f"{each.refund_no}\t", signed(-each.fee), "0.00", "",
        ]
        for each in movements
    ]  # fmt: skip
    paid = [each.amount for each in movements if each.kind == "payment"]
    returned = [each.amount for each in movements if each.kind == "refund"]
    fees = sum(each.fee for each in movements)
    net = sum(paid) + sum(returned)
    total = [
        "合计", "", str(len(paid)), str(len(returned)), signed(net), signed(net), "0.00", "0.00",
        "0.00", signed(-fees), "0.00", signed(net - fees),
    ]  # fmt: skip
    totals = [
        f"#交易合计：{len(paid)}笔，商家实收共{signed(sum(paid))}元，商家优惠共0.00元",
        f"#退款合计：{len(returned)}笔，商家实收退款共{signed(sum(returned))}元，商家优惠退款共0.00元",
    ]
    stem = f"{account.seller_id}{ACCOUNT_SUFFIX}_{day:%Y%m%d}_业务明细"
    return {
        f"{stem}(汇总).csv": _file("业务汇总", account, day, TRADE_SUMMARY_COLUMNS, [total], []),
        f"{stem}.csv": _file("业务明细", account, day, TRADE_COLUMNS, rows, totals),
    }


def account_files(
    movements: Sequence[Movement], *, account: Account, day: date
) -> Mapping[str, str]:
    """Names and texts of a `signcustomer` bill; a fee is a movement of its own."""
    lines = [line for each in movements for line in _account_lines(each)]
    rows = [
        [
            f"{serial:015d}\t", f"{each.trade_no}\t", f"{each.number}\t", each.subject, each.at,
            PAYER, yuan(max(each.amount, 0)), signed(min(each.amount, 0)), "100000.00", "支付宝",
            KINDS[each.kind], "",
        ]
        for serial, each in enumerate(lines, start=int(f"{day:%y%m%d}") * 1_000_000 + 1)
    ]  # fmt: skip
    got = [each.amount for each in lines if each.amount > 0]
    spent = [each.amount for each in lines if each.amount < 0]
    total = [
        "合计", str(len(got)), yuan(sum(got)), str(len(spent)), signed(sum(spent)),
        signed(sum(got) + sum(spent)),
    ]  # fmt: skip
    totals = [
        f"#支出合计：{len(spent)}笔，共{signed(sum(spent))}元",
        f"#收入合计：{len(got)}笔，共{yuan(sum(got))}元",
    ]
    stem = f"{account.seller_id}{ACCOUNT_SUFFIX}_{day:%Y%m%d}_账务明细"
    return {
        f"{stem}(汇总).csv": _file("账务汇总", account, day, ACCOUNT_SUMMARY_COLUMNS, [total], []),
        f"{stem}.csv": _file("账务明细", account, day, ACCOUNT_COLUMNS, rows, totals),
    }


def signed(fen: int) -> str:
    """Fen as yuan with two places and a sign where it is below zero."""
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)


def _account_lines(each: Movement) -> list[Movement]:
    fee = [each._replace(kind="fee", amount=-each.fee, fee=0)] if each.fee else []
    return [each._replace(fee=0), *fee]


def _file(
    name: str,
    account: Account,
    day: date,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    totals: Sequence[str],
) -> str:
    after = day + timedelta(days=1)
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([columns, *rows])
    return "\r\n".join(
        [
            f"#支付宝{name}查询",
            f"#账号：[{account.seller_id}{ACCOUNT_SUFFIX}]",
            f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{after:%Y年%m月%d日} 00:00:00]",
            f"#{LINE}{name}列表{LINE}",
            f"{text.getvalue()}#{LINE}{name}列表结束{LINE}",
            *totals,
            f"#导出时间：[{after:%Y年%m月%d日} 05:46:49]",
            "",
        ]
    )
