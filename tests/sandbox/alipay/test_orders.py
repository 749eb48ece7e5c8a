"""How orders come to be: by the payer's code, by page, by app."""

from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from yarl import URL

AUTH_CODE = "28763443825664391"
ORDER = {"out_trade_no": "A_1", "total_amount": "12.34", "subject": "书"}
BARCODE = ORDER | {"scene": "bar_code", "auth_code": AUTH_CODE}
PAGE = ORDER | {"product_code": "FAST_INSTANT_TRADE_PAY"}
APP = ORDER | {"product_code": "QUICK_MSECURITY_PAY"}


async def sub_code(merchant: Any, biz: Any) -> str:
    node = await merchant.call("pay", biz)
    return str(node.get("sub_code", node["code"]))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"auth_code": None}, "ACQ.INVALID_PARAMETER"),
        ({"auth_code": "24" + "0" * 16}, "ACQ.PAYMENT_AUTH_CODE_INVALID"),
        ({"auth_code": "25" + "0" * 13}, "ACQ.PAYMENT_AUTH_CODE_INVALID"),
        ({"auth_code": AUTH_CODE[:-4] + "0005"}, "ACQ.PAYMENT_AUTH_CODE_INVALID"),
        ({"auth_code": AUTH_CODE[:-4] + "0004"}, "ACQ.BUYER_BALANCE_NOT_ENOUGH"),
        ({"total_amount": "44400.05"}, "ACQ.BUYER_BALANCE_NOT_ENOUGH"),
        ({"total_amount": "44400.01"}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"scene": None}, "ACQ.INVALID_PARAMETER"),
        ({"product_code": "QUICK_WAP_PAY"}, "ACQ.INVALID_PARAMETER"),
        ({"seller_id": "2088000000000000"}, "ACQ.ACCESS_FORBIDDEN"),
    ],
)
async def test_a_refused_code_leaves_nothing(
    merchant: Any, book: Any, change: dict, expected: str
) -> None:
    assert await sub_code(merchant, BARCODE | change) == expected
    assert (await book())["orders"] == []


async def test_a_code_is_good_for_one_order(merchant: Any, book: Any) -> None:
    assert await sub_code(merchant, BARCODE) == "10000"
    again = BARCODE | {"out_trade_no": "A_2"}
    assert await sub_code(merchant, again) == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    assert await sub_code(merchant, BARCODE) == "ACQ.TRADE_HAS_SUCCESS"
    assert [o["status"] for o in (await book())["orders"]] == ["paid"]


async def test_a_payer_confirms_or_lets_the_time_run_out(
    merchant: Any, pay: Any, clock: Any
) -> None:
    for number, ending in (("A_1", "10003"), ("A_2", "20003")):
        waiting = BARCODE | {"out_trade_no": number, "auth_code": AUTH_CODE[:-5] + ending}
        assert await sub_code(merchant, waiting) == "10003"
        assert await sub_code(merchant, waiting) == "10003"  # the same again waits as well
        node = await merchant.call("query", {"out_trade_no": number})
        assert node["trade_status"] == "WAIT_BUYER_PAY"
    other = BARCODE | {"auth_code": AUTH_CODE[:-5] + "10003", "subject": "x"}
    assert await sub_code(merchant, other) == "ACQ.CONTEXT_INCONSISTENT"
    assert (await pay(AUTH_CODE[:-5] + "10003"))["result"] == "paid"
    clock.advance(hours=3)
    states = [
        (await merchant.call("query", {"out_trade_no": number}))["trade_status"]
        for number in ("A_1", "A_2")
    ]
    assert states == ["TRADE_SUCCESS", "TRADE_CLOSED"]


async def test_the_first_cut_takes_effect(merchant: Any, book: Any) -> None:
    with pytest.raises(aiohttp.ClientError):
        await merchant.call("pay", BARCODE | {"total_amount": "44400.02"})
    assert [o["status"] for o in (await book())["orders"]] == ["paid"]


# --- pages and strings --------------------------------------------------------------------------


def page_url(merchant: Any, biz: Any, **changes: str | None) -> str:
    parameters = merchant.parameters("page.pay", biz, **changes)
    return f"{merchant.account['gateway_url']}?{urlencode(parameters)}"


async def opened(http: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with http.get(URL(url, encoded=True), allow_redirects=False) as response:
        return response.status, response.headers.get("Location", "") or await response.text()


async def test_opening_a_page_twice_is_one_order(merchant: Any, http: Any, book: Any) -> None:
    url = page_url(merchant, PAGE)
    first, second = await opened(http, url), await opened(http, url)
    assert first == second and first[0] == 302
    (order,) = (await book())["orders"]
    assert (order["status"], order["channel_order_no"]) == ("open", None)


@pytest.mark.parametrize(
    ("biz", "changes", "expected"),
    [
        (PAGE, {"sign": "AAAA"}, "isv.invalid-signature"),
        (PAGE | {"total_amount": "0"}, {}, "ACQ.INVALID_PARAMETER"),
        (PAGE | {"product_code": "QUICK_WAP_PAY"}, {}, "ACQ.INVALID_PARAMETER"),
        (PAGE | {"product_code": None}, {}, "ACQ.INVALID_PARAMETER"),
        (PAGE, {"return_url": "javascript:alert(1)"}, "isv.invalid-parameter"),
        (PAGE, {"version": "2.0"}, "isv.invalid-version"),
    ],
)
async def test_a_refused_page_says_so_and_leads_nowhere(
    merchant: Any, http: Any, book: Any, biz: dict, changes: dict, expected: str
) -> None:
    status, text = await opened(http, page_url(merchant, biz, **changes))
    assert status == 200 and expected in text
    assert (await book())["orders"] == []


async def test_the_way_back_is_shown_once_paid(merchant: Any, http: Any, pay: Any) -> None:
    url = page_url(merchant, PAGE, return_url="https://shop.example/back")
    _, location = await opened(http, url)
    origin = merchant.account["gateway_url"].partition("/alipay")[0]
    assert "shop.example" not in (await opened(http, origin + location))[1]
    await pay(url)
    shown = (await opened(http, origin + location))[1]
    assert "https://shop.example/back?charset=utf-8&amp;" in shown


async def test_what_no_browser_opens_is_no_page(merchant: Any, control: Any) -> None:
    """A call is answered to the merchant only; its URL is no code for a payer."""
    query = urlencode(merchant.parameters("query", {"out_trade_no": "A_1"}))
    url = f"{merchant.account['gateway_url']}?{query}"
    status, answer = await control("POST", "/payer/pay", {"code": url})
    assert (status, answer["code"]) == (400, "order_refused")


async def test_an_apps_string_is_paid_once(merchant: Any, control: Any, book: Any) -> None:
    string = urlencode(merchant.parameters("app.pay", APP))
    assert (await control("POST", "/payer/pay", {"code": "A_1"}))[0] == 404
    assert (await control("POST", "/payer/pay", {"code": string}))[1]["result"] == "paid"
    status, answer = await control("POST", "/payer/pay", {"code": string})
    assert (status, answer["code"]) == (409, "already_paid")
    assert (await control("POST", "/payer/pay", {"code": "A_1"}))[0] == 409
    flipped = string.replace("A_1", "A_2")
    status, answer = await control("POST", "/payer/pay", {"code": flipped})
    assert (status, answer["detail"]) == (400, "isv.invalid-signature")
    assert len((await book())["orders"]) == 1


async def test_what_an_app_brings_is_no_call(merchant: Any) -> None:
    answer = await merchant.send(merchant.parameters("app.pay", APP))
    name, node, right = merchant.read(answer)
    assert (name, node["sub_code"], right) == ("error_response", "isv.invalid-method", True)
