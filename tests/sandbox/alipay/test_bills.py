"""Bills of the pretend Alipay: when there is one, for how long, and what is in it."""

import io
import zipfile
from typing import Any

import aiohttp
import pytest

from gateway.sandbox.alipay.bill_text import signed

METHOD = "data.dataservice.bill.downloadurl.query"


def asked(day: str, kind: str = "trade") -> dict[str, str]:
    return {"bill_type": kind, "bill_date": day}


async def fetched(http: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, str]]:
    async with http.get(url) as response:
        if response.status != 200:
            return response.status, {}
        with zipfile.ZipFile(io.BytesIO(await response.read())) as archive:
            return 200, {name: archive.read(name).decode("gbk") for name in archive.namelist()}


async def test_a_day_is_billed_from_ten_oclock_on(
    merchant: Any, ask: Any, pay: Any, clock: Any
) -> None:
    await pay(await merchant.code("A_1", "12.34"))  # at noon of 2026-11-22 in Beijing
    assert (await ask(METHOD, asked("2026-11-22")))["sub_code"] == "isv.invalid_arguments"
    clock.advance(hours=21, minutes=59)
    assert (await ask(METHOD, asked("2026-11-22")))["sub_code"] == "isp.bill_not_exist"
    clock.advance(minutes=1)
    assert (await ask(METHOD, asked("2026-11-22")))["code"] == "10000"
    assert (await ask(METHOD, asked("2026-11-21")))["sub_code"] == "isp.bill_not_exist"


@pytest.mark.parametrize(
    "biz", [asked("2026-11-22", "other"), asked("2026-13-01"), asked("20261101"), asked("x")]
)
async def test_an_ill_formed_question_is_refused(ask: Any, clock: Any, biz: dict) -> None:
    clock.advance(days=2)
    assert (await ask(METHOD, biz))["sub_code"] == "isv.invalid_arguments"


async def test_an_address_lives_for_30_seconds(
    merchant: Any, ask: Any, pay: Any, clock: Any, http: Any
) -> None:
    await pay(await merchant.code("A_1", "12.34"))
    clock.advance(days=1)
    url = (await ask(METHOD, asked("2026-11-22")))["bill_download_url"]
    clock.advance(seconds=30)
    assert (await fetched(http, url))[0] == 200
    clock.advance(seconds=1)
    assert (await fetched(http, url))[0] == 403
    assert (await fetched(http, url[:-1]))[0] == 403


async def test_the_book_is_in_the_bill(
    merchant: Any, ask: Any, pay: Any, clock: Any, http: Any
) -> None:
    await pay(await merchant.code("A_1", "12.34"))
    await pay(await merchant.code("A_2", "1.00"))
    await merchant.code("A_3", "5.00")  # nobody pays it
    await merchant.call(
        "refund", {"out_trade_no": "A_1", "refund_amount": "2.34", "out_request_no": "R_1"}
    )
    await merchant.call("cancel", {"out_trade_no": "A_2"})
    clock.advance(days=1)
    url = (await ask(METHOD, asked("2026-11-22")))["bill_download_url"]
    _, files = await fetched(http, url)
    summary, detail = files.values()
    assert "#交易合计：2笔，商家实收共13.34元" in detail
    assert "#退款合计：2笔，商家实收退款共-3.34元" in detail
    assert "A_3" not in detail and "R_1\t" in detail and "cancel" not in detail
    assert "合计,,2,2,10.00,10.00" in summary
    url = (await ask(METHOD, asked("2026-11-22", "signcustomer")))["bill_download_url"]
    _, files = await fetched(http, url)
    summary, detail = files.values()
    assert "#支出合计：4笔，共-3.42元" in detail and "#收入合计：2笔，共13.34元" in detail


def test_amounts_are_signed() -> None:
    assert [signed(fen) for fen in (0, 1, -1, -100, 1234)] == [
        "0.00",
        "0.01",
        "-0.01",
        "-1.00",
        "12.34",
    ]
