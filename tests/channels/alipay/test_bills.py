"""Statements: where a file lies, and that only a whole, genuine one is read."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.channels.alipay import AlipayCodec, bill_file, bills
from gateway.channels.codec import Refused, Unknown
from gateway.channels.statement import (
    NoStatement,
    StatementLine,
    StatementMalformed,
    StatementReady,
)
from gateway.channels.wire import HttpRequest
from gateway.domain.errors import TillgateError
from tests.channels.alipay.conftest import NOW, SELLER_ID

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
DAY = date(2026, 11, 21)
READY = StatementReady(HttpRequest("GET", "https://dwbillcenter.alipay.com/x"))
HEAD = (
    f"#账号：[{SELLER_ID}0156]\r\n"
    "#起始日期：[2026年11月21日 00:00:00]   终止日期：[2026年11月22日 00:00:00]\r\n"
)
END = "#导出时间：[2026年11月22日 05:46:49]\r\n"
RULE = "-" * 41
TRADE_LIST = (
    "#支付宝业务明细查询\r\n"
    f"{HEAD}"
    f"#{RULE}业务明细列表{RULE}\r\n"
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,"
    "券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,"
    "分润（元）,备注\r\n"
    '2026112122001400000000000001\t,01a\t,交易\t,"咖啡, 一杯",2026-11-21 10:55:16,'
    "2026-11-21 10:55:23,\t,\t,\t,\t,*津水(602***@qq.com)\t,12.34,12.00,0.00,0.00,0.00,0.34,0.00,,"
    "0.00\t,0.00,\t,-0.07,0.00,\r\n"
    "`2026112122001400000000000001,`01a,退款,咖啡,2026-11-21 10:55:16,2026-11-21 11:00:00,,,,,"
    "*津水,-2.34,-2.34,0.00,0.00,0.00,0.00,0.00,,0.00,0.00,R_1\t,0.01,0.00,坏了\r\n"
    f"#{RULE}业务明细列表结束{RULE},,,,\r\n"
    "#交易合计：1笔，商家实收共12.00元，商家优惠共0.34元\r\n"
    "#退款合计：1笔，商家实收退款共-2.34元，商家优惠退款共0.00元\r\n"
    f"{END}"
)
TRADE_SUMMARY = (
    "#支付宝业务汇总查询\r\n"
    f"{HEAD}"
    f"#{RULE}业务汇总列表{RULE}\r\n"
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,"
    "商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）\r\n"
    "合计,,1,1,10.00,9.66,0.00,0.34,0.00,-0.06,0.00,9.60\r\n"
    f"#{RULE}业务汇总列表结束{RULE}\r\n"
    f"{END}"
)
ACCOUNT_LIST = (
    "#支付宝账务明细查询\n"
    f"{HEAD}"
    f"#{RULE}账务明细列表{RULE}\n"
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
    "账户余额（元）,交易渠道,业务类型,备注\n"
    "54632446537371\t,2026112122001400000000000001\t,01a\t,咖啡\t,2026-11-21 10:55:23,"
    "陈晶 (k***@126.com)\t,12.34,0.00,14533.03,支付宝,在线支付,\n"
    "54632446537372\t,2026112122001400000000000001\t,01a\t,咖啡\t,2026-11-21 10:55:23,,"
    "0.00,-0.07,14532.96,支付宝,收费,服务费\n"
    f"#{RULE}账务明细列表结束{RULE}\n"
    "#支出合计：1笔，共-0.07元\n"
    "#收入合计：1笔，共12.34元\n"
    f"{END}"
)
ACCOUNT_SUMMARY = (
    "#支付宝账务汇总查询\n"
    f"{HEAD}"
    f"#{RULE}账务汇总列表{RULE}\n"
    "类型,收入笔数,收入金额（+元）,支出笔数,支出金额（-元）,总金额（元）\n"
    "在线支付,1,12.34,0,0.00,12.34\n"
    "合计,1,12.34,1,-0.07,12.27\n"
    f"#{RULE}账务汇总列表结束{RULE}\n"
    f"{END}"
)


def packed(*texts: str, charset: str = "gbk") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"{number}.csv", text.encode(charset))
    return content.getvalue()


def read(alipay, content: bytes, kind: str = "trade") -> tuple[StatementLine, ...]:
    return CODEC.read_file(alipay.account(), kind, DAY, READY, content).lines


def test_a_trade_bill(alipay) -> None:
    found = CODEC.read_file(
        alipay.account(), "trade", DAY, READY, packed(TRADE_SUMMARY, TRADE_LIST)
    )
    trade_no = "2026112122001400000000000001"
    assert found.day == DAY
    assert found.lines == (
        StatementLine(
            kind="payment",
            reference=trade_no,
            number="01a",
            channel_order_no=trade_no,
            amount=1234,
            currency="CNY",
            fee=7,
            at=datetime(2026, 11, 21, 2, 55, 23, tzinfo=UTC),
            text="咖啡, 一杯",
        ),
        StatementLine(
            kind="refund",
            reference=f"{trade_no}|R_1",
            number="R_1",
            channel_order_no=trade_no,
            amount=-234,
            currency="CNY",
            fee=-1,
            at=datetime(2026, 11, 21, 3, 0, tzinfo=UTC),
            text="咖啡",
        ),
    )


def test_an_account_bill(alipay) -> None:
    lines = read(alipay, packed(ACCOUNT_LIST, ACCOUNT_SUMMARY), "signcustomer")
    assert [(x.kind, x.reference, x.number, x.amount) for x in lines] == [
        ("payment", "54632446537371", "01a", 1234),
        ("fee", "54632446537372", "01a", -7),
    ]
    with pytest.raises(StatementMalformed):
        read(alipay, packed(ACCOUNT_LIST, ACCOUNT_SUMMARY), "trade")


def test_a_day_without_lines_is_a_whole_file(alipay) -> None:
    rows = TRADE_LIST.split("\r\n")
    empty = "\r\n".join(rows[:5] + rows[7:]).replace("1笔", "0笔").replace("12.00元", "0.00元")
    empty = empty.replace("-2.34元", "0.00元")
    summary = TRADE_SUMMARY.replace("合计,,1,1,10.00,9.66", "合计,,0,0,0.00,0.00")
    assert read(alipay, packed(empty, summary)) == ()


def swap(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        return text.replace(old, new)

    return change


DAMAGE = {
    "a payment one fen short": swap(",12.34,12.00,", ",12.34,11.99,"),
    "a count": swap("#交易合计：1笔", "#交易合计：2笔"),
    "the stated sum": swap("共-2.34元", "共-2.35元"),
    "no totals": swap("#交易合计", "#x"),
    "another account": swap(SELLER_ID, "2088000000000009"),
    "another day": swap("2026年11月21日", "2026年11月20日"),
    "two days": swap("终止日期：[2026年11月22日", "终止日期：[2026年11月23日"),
    "no account": swap("#账号", "#帐号"),
    "no end of the list": swap("业务明细列表结束", "业务明细列表完"),
    "a column away": swap(",服务费（元）", ""),
    "a column renamed": swap("业务类型,", "类型,"),
    "a cell too much": swap("坏了", "坏了,"),
    "a float": swap(",12.34,12.00,", ",1.234e1,12.00,"),
    "no amount": swap(",12.34,12.00,", ",,12.00,"),
    "the wrong sign": swap(",-2.34,-2.34,", ",2.34,-2.34,"),
    "no trade number": swap("`2026112122001400000000000001", ""),
    "a foreign number": swap("R_1", "号"),
    "repeated": swap("退款,咖啡", "交易,咖啡"),
    "a line outside": lambda text: text + "1,2,3\r\n",
    "a remark inside": swap("`2026112122001400000000000001,", "#x,"),
    "an open quote": swap('"咖啡, 一杯"', '"咖啡'),
    "begun twice": swap("业务明细列表结束", "业务明细列表"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_bill_is_refused(alipay, what: str) -> None:
    damaged = DAMAGE[what](TRADE_LIST)
    assert damaged != TRADE_LIST
    with pytest.raises(StatementMalformed):
        read(alipay, packed(damaged, TRADE_SUMMARY))


def test_a_line_twice_is_refused_even_if_the_totals_agree(alipay) -> None:
    rows = TRADE_LIST.split("\r\n")
    twice = "\r\n".join([*rows[:6], rows[5], *rows[6:]])
    twice = twice.replace("#交易合计：1笔，商家实收共12.00元", "#交易合计：2笔，商家实收共24.00元")
    summary = TRADE_SUMMARY.replace("合计,,1,1,10.00,9.66", "合计,,2,1,22.34,21.66")
    with pytest.raises(StatementMalformed, match="repeated"):
        read(alipay, packed(twice, summary))


def test_every_cut_is_noticed(alipay) -> None:
    """However much of the end is missing: lines, totals, or only the time of its making."""
    whole = TRADE_LIST.rstrip("\r\n")
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(StatementMalformed):
            read(alipay, packed(whole[:length], TRADE_SUMMARY))
    rows = TRADE_LIST.split("\r\n")
    for gone in range(len(rows) - 1):
        with pytest.raises(StatementMalformed):
            read(alipay, packed("\r\n".join(rows[:gone] + rows[gone + 1 :]), TRADE_SUMMARY))
    archive = packed(TRADE_LIST, TRADE_SUMMARY)
    for length in range(0, len(archive), 11):
        with pytest.raises(StatementMalformed):
            read(alipay, archive[:length])


def test_the_summary_must_agree(alipay) -> None:
    for old, new in (
        ("合计,,1,1,", "合计,,2,1,"),
        ("合计,,1,1,", "合计,,1,0,"),
        (",9.66,", ",9.65,"),
        ("合计", "门店"),
        (SELLER_ID, "2088000000000009"),
        ("2026年11月22日 00", "2026年11月23日 00"),
        (END, ""),
    ):
        changed = TRADE_SUMMARY.replace(old, new)
        assert changed != TRADE_SUMMARY
        with pytest.raises(StatementMalformed):
            read(alipay, packed(TRADE_LIST, changed))
    gross = TRADE_SUMMARY.replace(",9.66,", ",12.00,")
    assert len(read(alipay, packed(TRADE_LIST, gross))) == 2


def test_the_archive_holds_both_files_once(alipay) -> None:
    for texts in (
        (),
        (TRADE_LIST,),
        (TRADE_SUMMARY,),
        (TRADE_LIST, TRADE_LIST),
        (TRADE_LIST, TRADE_SUMMARY, TRADE_SUMMARY),
        (TRADE_LIST, TRADE_SUMMARY, "x"),
        ("x",) * (bill_file.MEMBERS_MAX + 1),
    ):
        with pytest.raises(StatementMalformed):
            read(alipay, packed(*texts))
    for content in (b"", b"PK", TRADE_LIST.encode("gbk")):
        with pytest.raises(StatementMalformed):
            read(alipay, content)
    with pytest.raises(StatementMalformed):
        read(alipay, packed(TRADE_LIST, TRADE_SUMMARY, charset="utf-16"))


def test_a_bomb_is_refused_before_it_is_unpacked(alipay, monkeypatch) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.csv", b"0" * 50_000_000)
    plain = packed(TRADE_LIST, TRADE_SUMMARY)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(StatementMalformed, match="compressed too well"):
        read(alipay, content.getvalue())
    monkeypatch.setattr(bill_file, "FILE_BYTES_MAX", 1_000)
    with pytest.raises(StatementMalformed, match="too large when unpacked"):
        read(alipay, plain)
    monkeypatch.setattr(bills, "FILE_BYTES_MAX", 10)
    with pytest.raises(StatementMalformed, match="the file is too large"):
        read(alipay, plain)


# --- where the file lies ------------------------------------------------------------------------


def test_nobody_is_asked_before_the_bill_is_ready(alipay) -> None:
    ready_at = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # ten o'clock in Beijing
    early = CODEC.build_statement(alipay.account(), "trade", DAY, ready_at - timedelta(seconds=1))
    assert early == NoStatement(early=True)
    request = CODEC.build_statement(alipay.account(), "trade", DAY, ready_at)
    assert isinstance(request, HttpRequest)
    assert (
        request.body
        == b"biz_content=%7B%22bill_type%22%3A%22trade%22%2C%22bill_date%22%3A%222026-11-21%22%7D"
    )
    with pytest.raises(TillgateError):
        CODEC.build_statement(alipay.account(), "monthly", DAY, NOW)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"code": "10000", "bill_download_url": "http://a.example/x?y=%20"},
         StatementReady(HttpRequest("GET", "https://a.example/x?y=%20"))),
        ({"code": "10000", "bill_download_url": "https://a.example/x"},
         StatementReady(HttpRequest("GET", "https://a.example/x"))),
        ({"code": "10000", "bill_download_url": "ftp://a.example/x"}, Unknown),
        ({"code": "10000", "bill_download_url": "https://u:p@a.example/x"}, Unknown),
        ({"code": "10000", "bill_download_url": "https:///x"}, Unknown),
        ({"code": "10000", "bill_download_url": "https://a.example/\n"}, Unknown),
        ({"code": "10000", "bill_download_url": "https://a.example/" + "x" * 5000}, Unknown),
        ({"code": "10000"}, Unknown),
        ({"code": "40004", "sub_code": "isp.bill_not_exist"}, NoStatement()),
        ({"code": "40004", "sub_code": "isv.invalid_arguments"}, Unknown),
        ({"code": "40006", "sub_code": "isv.insufficient-isv-permissions"}, Refused),
        ({"code": "20000", "sub_code": "isp.unknow-error"}, Unknown),
    ],
)  # fmt: skip
def test_where_the_file_lies(alipay, node: dict, expected: object) -> None:
    answer = alipay.answer(bills.BILL_QUERY, node)
    outcome = CODEC.read_statement(alipay.account(), "trade", DAY, answer)
    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected
