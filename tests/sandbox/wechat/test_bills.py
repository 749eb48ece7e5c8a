"""Bills of the pretend WeChat Pay: what its book moved, and nothing else."""

import gzip
import hashlib
from typing import Any

import pytest

TRADE = "/v3/bill/tradebill"
FUND = "/v3/bill/fundflowbill"
DAY = "2026-11-22"


async def download(shop: Any, path: str, **query: str) -> list[list[str]]:
    """The rows of a bill, values without their backticks, after its hash was compared."""
    wanted = {"bill_date": DAY, "tar_type": "GZIP", **query}
    target = path + "?" + "&".join(f"{name}={value}" for name, value in wanted.items() if value)
    said = await shop.call("GET", target)
    assert said["hash_type"] == "SHA1"
    file = said["download_url"].removeprefix(shop.account["gateway_url"])
    answer = await shop.send("GET", file)
    assert (answer.status, answer.right) == (200, None)
    plain = gzip.decompress(answer.body) if wanted["tar_type"] else answer.body
    assert hashlib.sha1(plain).hexdigest() == said["hash_value"]
    lines = plain.decode().split("\r\n")
    assert lines.pop() == ""
    return [line.lstrip("`").split(",`") if line.startswith("`") else [line] for line in lines]


async def a_day(shop: Any, pay: Any, clock: Any) -> None:
    """A payment of 12.34, a refund of 10.00, a transfer of 50.00, then the morning after."""
    await pay(await shop.native("A-1", description="书,`本"))
    content = shop.refunding("A-1", "R-1", 1000, 1234)
    await shop.call("POST", "/v3/refund/domestic/refunds", content)
    await shop.native("A-2")
    made = await shop.call(
        "POST",
        "/v3/fund-app/mch-transfer/transfer-bills",
        {
            "appid": shop.account["appid"],
            "out_bill_no": "T1",
            "transfer_scene_id": "1000",
            "openid": "o1",
            "transfer_amount": 5000,
            "transfer_remark": "货款",
        },
    )
    await pay(made["package_info"])
    clock.advance(hours=22)


async def test_a_trade_bill(shop: Any, pay: Any, clock: Any) -> None:
    await a_day(shop, pay, clock)
    rows = await download(shop, TRADE, bill_type="ALL")
    assert [row[9] for row in rows[1:3]] == ["SUCCESS", "REFUND"]
    assert rows[1][6] == "A-1" and rows[1][-3] == "12.34" and rows[1][-5] == "0.07000"
    assert rows[2][15] == "R-1" and rows[2][-2] == "10.00" and rows[2][-5] == "-0.06000"
    assert rows[4] == ["2", "12.34", "10.00", "0.00", "0.01000", "12.34", "10.00"]
    assert len(rows) == 5


async def test_the_kinds_of_a_trade_bill(shop: Any, pay: Any, clock: Any) -> None:
    await a_day(shop, pay, clock)
    assert (await download(shop, TRADE, bill_type="SUCCESS"))[-1][0] == "1"
    assert (await download(shop, TRADE, bill_type="REFUND"))[-1][-1] == "10.00"
    assert (await download(shop, TRADE, tar_type=""))[-1][0] == "2"


async def test_a_fund_flow_bill(shop: Any, pay: Any, clock: Any) -> None:
    await a_day(shop, pay, clock)
    rows = await download(shop, FUND, account_type="BASIC")
    assert [(row[4], row[5], row[6]) for row in rows[1:5]] == [
        ("交易", "收入", "12.34"),
        ("扣除交易手续费", "支出", "0.07"),
        ("退款", "支出", "9.94"),
        ("转账", "支出", "50.00"),
    ]
    assert rows[-1] == ["4", "1", "12.34", "3", "60.01"]


async def test_a_reversed_code_is_in_the_bill(shop: Any, clock: Any) -> None:
    content = shop.charge("A-1", 500, "134567890123456789")
    await shop.call("POST", "/v3/pay/transactions/codepay", content)
    whose = {"appid": shop.account["appid"], "mchid": shop.account["mchid"]}
    await shop.call("POST", "/v3/pay/transactions/out-trade-no/A-1/reverse", whose)
    clock.advance(hours=22)
    rows = await download(shop, TRADE)
    assert [(row[9], row[15]) for row in rows[1:3]] == [("SUCCESS", "0"), ("REVOKED", "0")]


@pytest.mark.parametrize("path", [TRADE, FUND])
async def test_when_a_bill_is_ready(shop: Any, pay: Any, clock: Any, path: str) -> None:
    await pay(await shop.native("A-1"))

    async def ask(day: str = DAY) -> tuple[int, str]:
        found: tuple[int, str] = await shop.code("GET", f"{path}?bill_date={day}")
        return found

    assert await ask() == (400, "PARAM_ERROR")  # the day is not over
    clock.advance(hours=21, minutes=59)
    assert await ask() == (400, "STATEMENT_CREATING")
    assert await ask("2026-11-21") == (400, "NO_STATEMENT_EXIST")
    clock.advance(minutes=1)
    await shop.call("GET", f"{path}?bill_date={DAY}")
    clock.advance(days=93)
    assert await ask() == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?bill_date=20261122x",
        f"?bill_date={DAY}&tar_type=ZIP",
        f"?bill_date={DAY}&bill_type=NONE&account_type=NONE",
    ],
)
@pytest.mark.parametrize("path", [TRADE, FUND])
async def test_a_parameter_that_is_wrong(shop: Any, clock: Any, path: str, query: str) -> None:
    clock.advance(days=2)
    assert await shop.code("GET", path + query) == (400, "PARAM_ERROR")


async def test_a_file_lies_there_for_five_minutes_and_for_its_merchant(
    shop: Any, pay: Any, clock: Any, sandbox: Any, wechat_enrol: Any, stranger_key: Any
) -> None:
    await a_day(shop, pay, clock)
    said = await shop.call("GET", f"{TRADE}?bill_date={DAY}")
    file = said["download_url"].removeprefix(shop.account["gateway_url"])
    other = await wechat_enrol(sandbox.url, stranger_key)
    assert await other.code("GET", file) == (400, "PARAM_ERROR")
    unsigned = await shop.send("GET", file, headers={"Authorization": None})
    assert unsigned.status == 401
    assert (await shop.send("GET", file)).status == 200
    clock.advance(minutes=5)
    assert await shop.code("GET", file) == (400, "PARAM_ERROR")


async def test_a_spoiled_file(shop: Any, pay: Any, clock: Any, spoil: Any) -> None:
    await a_day(shop, pay, clock)
    said = await shop.call("GET", f"{TRADE}?bill_date={DAY}")
    file = said["download_url"].removeprefix(shop.account["gateway_url"])
    right = (await shop.send("GET", file)).body
    await spoil("billdownload", "bad_signature")
    wrong = (await shop.send("GET", file)).body
    assert len(wrong) == len(right) and wrong != right
