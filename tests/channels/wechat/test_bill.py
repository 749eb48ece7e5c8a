"""Bills: read whole or refused."""

import gzip
import hashlib
from datetime import UTC, date, datetime

import pytest

from gateway.channels import statement
from gateway.channels.codec import Unknown
from gateway.channels.statement import (
    NoStatement,
    StatementLine,
    StatementMalformed,
    StatementReady,
)
from gateway.channels.wechat import WechatCodec, bill
from gateway.channels.wire import HttpRequest

from .conftest import APPID, MCHID, NOW
from .test_request import check_signed

pytestmark = pytest.mark.fast

CODEC = WechatCodec()
DAY = date(2026, 11, 21)
URL = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=x-_y"
SHA1 = "79bb0f45fc4c42234a918000b2668d689e2bde04"

TRADE_HEAD = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FUND_HEAD = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FUND_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


def line(values: list[str]) -> str:
    return ",".join(f"`{value}" for value in values)


def payment(**changes: str) -> list[str]:
    return row({"订单金额": "12.34", "应结订单金额": "12.00", "手续费": "0.07000"} | changes)


def refund(**changes: str) -> list[str]:
    base = {
        "交易时间": "2026-11-21 23:59:59",
        "交易状态": "REFUND",
        "微信退款单号": "5030",
        "商户退款单号": "R1",
        "退款类型": "ORIGINAL",
        "退款状态": "SUCCESS",
        "退款金额": "2.00",
        "申请退款金额": "2.34",
        "手续费": "-0.01000",
    }
    return row(base | changes)


def row(changes: dict[str, str]) -> list[str]:
    values = {
        "交易时间": "2026-11-21 00:00:00",
        "公众账号ID": APPID,
        "商户号": MCHID,
        "特约商户号": "0",
        "微信订单号": "4200",
        "商户订单号": "A1",
        "交易类型": "NATIVE",
        "交易状态": "SUCCESS",
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "应结订单金额": "0.00",
        "代金券金额": "0.00",
        "微信退款单号": "0",
        "商户退款单号": "0",
        "退款金额": "0.00",
        "充值券退款金额": "0.00",
        "商品名称": "一杯咖啡",
        "手续费": "0.00000",
        "费率": "0.60%",
        "订单金额": "0.00",
        "申请退款金额": "0.00",
        **changes,
    }
    return [values.get(name, "") for name in TRADE_HEAD.split(",")]


TOTALS = ["2", "12.00", "2.00", "0.00", "0.06000", "12.34", "2.34"]


def trade_text(
    rows: list[list[str]] | None = None, totals: list[str] | None = None, end: str = "\r\n"
) -> str:
    rows = [payment(), refund()] if rows is None else rows
    lines = [TRADE_HEAD, *map(line, rows), TRADE_TOTALS, line(totals or TOTALS)]
    return "".join(f"{each}{end}" for each in lines)


def fund_row(**changes: str) -> list[str]:
    values = {
        "记账时间": "2026-11-21 10:00:00",
        "微信支付业务单号": "4200",
        "资金流水单号": "4200",
        "业务名称": "交易",
        "业务类型": "交易",
        "收支类型": "收入",
        "收支金额(元)": "12.34",
        "账户结余(元)": "12.34",
        "资金变更提交申请人": "system",
        "业务凭证号": "A1",
        **changes,
    }
    return [values.get(name, "") for name in FUND_HEAD.split(",")]


FUND_ROWS = [
    fund_row(),
    fund_row(业务类型="扣除交易手续费", 收支类型="支出", **{"收支金额(元)": "0.07"}),
    fund_row(
        业务名称="退款",
        业务类型="退款",
        收支类型="支出",
        微信支付业务单号="5030",
        业务凭证号="R1",
        备注="退款总金额2.34元,`含手续费0.01元",
        **{"收支金额(元)": "2.33"},
    ),
    fund_row(
        业务名称="商家转账",
        业务类型="转账",
        收支类型="支出",
        微信支付业务单号="1330",
        资金流水单号="1330",
        业务凭证号="T1",
        **{"收支金额(元)": "50.00"},
    ),
]


def fund_text(
    rows: list[list[str]] | None = None,
    totals: tuple[str, ...] = ("4", "1", "12.34", "3", "52.40"),
    head: str = FUND_HEAD,
) -> str:
    rows = FUND_ROWS if rows is None else rows
    lines = [head, *map(line, rows), FUND_TOTALS, line(list(totals))]
    return "".join(f"{each}\n" for each in lines)


def ready_for(plain: bytes) -> StatementReady:
    return StatementReady(HttpRequest("GET", URL), hashlib.sha1(plain).hexdigest())


def read(wechat, kind: str, text: str, *, packed: bool = True) -> statement.Statement:
    plain = text.encode()
    content = gzip.compress(plain) if packed else plain
    return CODEC.read_file(wechat.account(), kind, DAY, ready_for(plain), content)


# --- asking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("trade", "tradebill?bill_date=2026-11-21&bill_type=ALL&tar_type=GZIP"),
        ("fundflow", "fundflowbill?bill_date=2026-11-21&account_type=BASIC&tar_type=GZIP"),
    ],
)
def test_a_bill_is_asked_for(wechat, kind: str, target: str) -> None:
    request = CODEC.build_statement(wechat.account(), kind, DAY, NOW)
    check_signed(wechat, request)
    assert request.url == f"https://api.mch.weixin.qq.com/v3/bill/{target}"


def ask(wechat, **changes: object) -> object:
    content = {"hash_type": "SHA1", "hash_value": SHA1, "download_url": URL, **changes}
    return CODEC.read_statement(wechat.account(), "trade", DAY, wechat.answer(content))


def test_where_the_file_lies(wechat) -> None:
    found = ask(wechat)
    assert isinstance(found, StatementReady) and found.checksum == SHA1
    assert (found.download.method, found.download.url) == ("GET", URL)
    check_signed(wechat, found.download)  # with the answer's own time
    assert isinstance(ask(wechat, hash_value=SHA1.upper()), StatementReady)
    near = URL.replace("api.", "api2.")
    assert isinstance(ask(wechat, download_url=near), StatementReady)


@pytest.mark.parametrize(
    "changes",
    [
        {"hash_type": "MD5"},
        {"hash_value": "abc"},
        {"hash_value": None},
        {"download_url": None},
        {"download_url": "http://api.mch.weixin.qq.com/file"},
        {"download_url": "https://evil.example/file"},
        {"download_url": "https://evil.example/.mch.weixin.qq.com"},
        {"download_url": "https://a@evil.example"},
        {"download_url": "https://u:p@api.mch.weixin.qq.com/file"},
        {"download_url": "https://x.mch.weixin.qq.com:8443/file"},
        {"download_url": "https://api.mch.weixin.qq.com/\nfile"},
        {"download_url": URL + "x" * 2048},
        {"download_url": "https://[broken"},
    ],
)
def test_an_answer_without_its_facts_says_nothing(wechat, changes: dict) -> None:
    assert isinstance(ask(wechat, **changes), Unknown)


def test_no_bill(wechat) -> None:
    def refused(status: int, code: str) -> object:
        answer = wechat.refusal(status, code)
        return CODEC.read_statement(wechat.account(), "trade", DAY, answer)

    assert refused(400, "NO_STATEMENT_EXIST") == NoStatement()
    assert refused(400, "STATEMENT_CREATING") == NoStatement(early=True)
    assert isinstance(refused(400, "PARAM_ERROR"), Unknown)
    assert isinstance(refused(500, "NO_STATEMENT_EXIST"), Unknown)


# --- trade --------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_trade_bill(wechat, packed: bool, end: str, mark: str) -> None:
    found = read(wechat, "trade", mark + trade_text(end=end), packed=packed)
    assert found.day == DAY
    assert found.lines == (
        StatementLine(
            kind="payment",
            reference="4200",
            number="A1",
            channel_order_no="4200",
            amount=1234,
            currency="CNY",
            fee=7,
            at=datetime(2026, 11, 20, 16, 0, tzinfo=UTC),
        ),
        StatementLine(
            kind="refund",
            reference="4200|REFUND|5030",
            number="R1",
            channel_order_no="5030",
            amount=-234,
            currency="CNY",
            fee=-1,
            at=datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC),
            text="REFUND SUCCESS",
        ),
    )


def test_a_day_without_lines(wechat) -> None:
    totals = ["0", "0.00", "0.00", "0.00", "0.00000", "0.00", "0.00"]
    assert read(wechat, "trade", trade_text([], totals)).lines == ()


def test_a_name_may_hold_commas_and_backticks(wechat) -> None:
    for name in ("a,b", "a,`b", "`,`,`", ",`,`"):
        found = read(wechat, "trade", trade_text([payment(商品名称=name), refund()]))
        assert found.lines[0].amount == 1234 and found.lines[0].fee == 7


def test_a_refund_that_failed_moved_nothing(wechat) -> None:
    for status in ("FAIL", "CHANGE"):
        found = read(wechat, "trade", trade_text([payment(), refund(退款状态=status)]))
        assert (found.lines[1].kind, found.lines[1].amount) == ("other", 0)
    found = read(wechat, "trade", trade_text([payment(), refund(退款状态="PROCESSING")]))
    assert (found.lines[1].kind, found.lines[1].amount) == ("refund", -234)


def test_a_reversed_code_is_a_refund_without_a_number(wechat) -> None:
    rows = [payment(), refund(交易状态="REVOKED", 商户退款单号="0")]
    found = read(wechat, "trade", trade_text(rows)).lines[1]
    assert (found.kind, found.number, found.amount) == ("refund", None, -234)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TRADE_HEAD,
        trade_text()[: -len(line(TOTALS)) - 2],
        trade_text().replace("`4200,`A1", "`4200,`A2`", 1).replace(",`A2`", ""),
        trade_text([payment()]),
        trade_text([payment(), refund(), refund()]),
        trade_text(
            [payment(), payment()], ["2", "24.00", "0.00", "0.00", "0.14000", "24.68", "0.00"]
        ),
        trade_text(totals=["3", *TOTALS[1:]]),
        trade_text(totals=["2", "12.01", *TOTALS[2:]]),
        trade_text(totals=[*TOTALS[:2], "2.01", *TOTALS[3:]]),
        trade_text(totals=[*TOTALS[:4], "0.06001", *TOTALS[5:]]),
        trade_text(totals=[*TOTALS[:5], "12.35", "2.34"]),
        trade_text(totals=[*TOTALS[:6], "2.35"]),
        trade_text(totals=TOTALS[:6]),
        trade_text([payment(交易状态="NEW"), refund()]),
        trade_text([payment(交易时间="2026-11-22 00:00:00"), refund()]),
        trade_text([payment(交易时间="2026-11-20 23:59:59"), refund()]),
        trade_text([payment(交易时间="yesterday"), refund()]),
        trade_text([payment(商户号="1900000110"), refund()]),
        trade_text([payment(微信订单号=""), refund()]),
        trade_text([payment(订单金额="12.345"), refund()]),
        trade_text([payment(手续费="x"), refund()]),
        trade_text().replace("微信订单号", "别的单号"),
        trade_text().replace("申请退款总金额", "别的总金额"),
        trade_text().replace("费率备注", "费率"),
        trade_text().replace("`2026-11-21 00:00:00", "2026-11-21 00:00:00"),
        trade_text().replace("总交易单数", "别的单数"),
        fund_text(),
    ],
)
def test_a_trade_bill_that_is_not_whole_is_refused(wechat, text: str) -> None:
    with pytest.raises(StatementMalformed):
        read(wechat, "trade", text)


def test_every_truncation_and_repetition_is_refused(wechat) -> None:
    text = trade_text()
    lines = text.splitlines(keepends=True)
    shorter = ["".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines))]
    longer = ["".join(lines[: at + 1] + lines[at:]) for at in range(len(lines))]
    for spoiled in (*shorter, *longer, text + text):
        with pytest.raises(StatementMalformed):
            read(wechat, "trade", spoiled)


# --- fund flow ----------------------------------------------------------------------------------


@pytest.mark.parametrize("brackets", ["()", "（）"])
def test_a_fund_flow_bill(wechat, brackets: str) -> None:
    head = FUND_HEAD.replace("(", brackets[0]).replace(")", brackets[1])
    found = read(wechat, "fundflow", fund_text(head=head)).lines
    assert [(each.kind, each.amount, each.number) for each in found] == [
        ("payment", 1234, "A1"),
        ("fee", -7, "A1"),
        ("refund", -233, "R1"),
        ("transfer", -5000, "T1"),
    ]
    assert len({each.reference for each in found}) == 4
    assert found[0].at == datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def test_movements_of_one_business_are_counted(wechat) -> None:
    rows = [fund_row(), fund_row()]
    found = read(wechat, "fundflow", fund_text(rows, ("2", "2", "24.68", "0", "0.00"))).lines
    assert len({each.reference for each in found}) == 2


@pytest.mark.parametrize(
    "text",
    [
        fund_text(FUND_ROWS[:3]),
        fund_text(totals=("4", "2", "12.34", "3", "52.40")),
        fund_text(totals=("4", "1", "12.35", "3", "52.40")),
        fund_text(totals=("4", "1", "12.34", "2", "52.40")),
        fund_text(totals=("4", "1", "12.34", "3", "52.41")),
        fund_text([*FUND_ROWS[:3], fund_row(收支类型="别的")]),
        fund_text([fund_row(记账时间="x")], ("1", "1", "12.34", "0", "0.00")),
        fund_text([fund_row(**{"收支金额(元)": "x"})], ("1", "1", "12.34", "0", "0.00")),
        fund_text().replace("支出金额", "别的金额"),
        trade_text(),
    ],
)
def test_a_fund_flow_bill_that_is_not_whole_is_refused(wechat, text: str) -> None:
    with pytest.raises(StatementMalformed):
        read(wechat, "fundflow", text)


# --- the file -----------------------------------------------------------------------------------


def test_the_hash_decides(wechat) -> None:
    plain = trade_text().encode()
    packed = gzip.compress(plain)
    account = wechat.account()
    other = ready_for(plain + b" ")
    unvouched = StatementReady(HttpRequest("GET", URL), None)
    of_packed = ready_for(packed)
    for ready in (other, unvouched, of_packed):
        with pytest.raises(StatementMalformed):
            CODEC.read_file(account, "trade", DAY, ready, packed)
    flipped = bytearray(plain)
    for at in range(0, len(plain) * 8, 7):
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(StatementMalformed):
            CODEC.read_file(account, "trade", DAY, ready_for(plain), bytes(flipped))
        flipped[at // 8] ^= 1 << at % 8


def test_a_spoiled_archive_is_refused(wechat) -> None:
    plain = trade_text().encode()
    packed = gzip.compress(plain)
    for spoiled in (packed[:-1], packed[:20], b"\x1f\x8b", packed + b"x" * 20):
        with pytest.raises(StatementMalformed):
            CODEC.read_file(wechat.account(), "trade", DAY, ready_for(plain), spoiled)


def test_a_bomb_is_refused(wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill, "FILE_BYTES_MAX", 10_000)
    plain = b" " * 10_001
    with pytest.raises(StatementMalformed, match="too large"):
        CODEC.read_file(wechat.account(), "trade", DAY, ready_for(plain), gzip.compress(plain))


def test_other_encodings_are_refused(wechat) -> None:
    plain = trade_text().encode("gbk")
    with pytest.raises(StatementMalformed, match="UTF-8"):
        CODEC.read_file(wechat.account(), "trade", DAY, ready_for(plain), plain)
