"""Orders of the pretend WeChat Pay: made, paid, closed, reversed, exactly as told in the book."""

from typing import Any

import aiohttp
import pytest

PAY = "/v3/pay/transactions"


async def test_a_native_order_lives_from_its_making(shop: Any, pay: Any, ledger: Any) -> None:
    code = await shop.native("A-1")
    assert code.startswith("weixin://wxpay/bizpayurl?pr=")
    order = await shop.query("A-1")
    assert (order["trade_state"], order["amount"]) == ("NOTPAY", {"total": 1234, "currency": "CNY"})
    assert "transaction_id" not in order
    played = await pay(code)
    order = await shop.query("A-1")
    assert order["trade_state"] == "SUCCESS"
    assert order["transaction_id"] == played["channel_order_no"]
    assert order["amount"]["payer_total"] == 1234
    assert order["success_time"] == "2026-11-22T12:00:00+08:00"
    path = f"{PAY}/id/{order['transaction_id']}?mchid={shop.account['mchid']}"
    assert await shop.call("GET", path) == order
    assert (await ledger())["orders"] == [
        {
            "out_trade_no": "A-1",
            "channel_order_no": order["transaction_id"],
            "amount": 1234,
            "currency": "CNY",
            "status": "paid",
            "refunded": 0,
        }
    ]


async def test_the_same_again_is_answered_the_same(shop: Any, pay: Any) -> None:
    code = await shop.native("A-1")
    assert await shop.native("A-1") == code
    moved = shop.order("A-1", notify_url="https://shop.example/other")
    assert (await shop.call("POST", f"{PAY}/native", moved))["code_url"] == code
    for change in ({"amount": {"total": 1235}}, {"description": "别的"}, {"attach": "x"}):
        found = await shop.code("POST", f"{PAY}/native", shop.order("A-1") | change)
        assert found == (400, "INVALID_REQUEST")
    other = shop.order("A-1", payer={"openid": "o1"})
    assert await shop.code("POST", f"{PAY}/jsapi", other) == (400, "INVALID_REQUEST")
    await pay(code)
    assert await shop.code("POST", f"{PAY}/native", shop.order("A-1")) == (400, "ORDERPAID")


@pytest.mark.parametrize(
    ("kind", "members", "answer"),
    [
        ("jsapi", {"payer": {"openid": "o1"}}, "prepay_id"),
        ("app", {}, "prepay_id"),
        (
            "h5",
            {"scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}},
            "h5_url",
        ),
    ],
)
async def test_the_other_ways_are_paid_by_what_they_answer(
    shop: Any, pay: Any, kind: str, members: dict, answer: str
) -> None:
    content = shop.order("A-1", **members)
    made = await shop.call("POST", f"{PAY}/{kind}", content)
    assert await shop.call("POST", f"{PAY}/{kind}", content) == made
    code = made[answer]
    if kind == "jsapi":
        code = f"prepay_id={code}"
    if kind == "h5":
        code += "&redirect_url=https%3A%2F%2Fshop.example"
    assert (await pay(code))["result"] == "paid"
    order = await shop.query("A-1")
    assert order["trade_state"] == "SUCCESS"
    assert order["trade_type"] == {"jsapi": "JSAPI", "app": "APP", "h5": "MWEB"}[kind]
    assert order["payer"]["openid"] == ("o1" if kind == "jsapi" else "oSandboxPayer000000000000001")


async def test_an_h5_link_leads_a_browser_to_the_payers_page(
    shop: Any, http: aiohttp.ClientSession
) -> None:
    scene = {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}
    made = await shop.call("POST", f"{PAY}/h5", shop.order("A-1", scene_info=scene))
    async with http.get(made["h5_url"]) as response:
        page = await response.text()
    assert response.status == 200 and response.url.path == "/payer"
    assert "微信支付" in page and "一本书" in page and "12.34" in page
    async with http.get(made["h5_url"].replace("prepay_id=wx", "prepay_id=xw")) as response:
        assert response.status == 404


async def test_a_declined_order_can_be_paid_later(shop: Any, pay: Any) -> None:
    code = await shop.native("A-1")
    assert (await pay(code, "decline"))["result"] == "declined"
    assert (await pay(code, "ignore"))["result"] == "ignored"
    assert (await shop.query("A-1"))["trade_state"] == "NOTPAY"
    assert (await pay(code))["result"] == "paid"


async def test_close(shop: Any, pay: Any, control: Any) -> None:
    code = await shop.native("A-1")
    close = f"{PAY}/out-trade-no/A-1/close"
    content = {"mchid": shop.account["mchid"]}
    answer = await shop.send("POST", close, content)
    assert (answer.status, answer.body, answer.right) == (204, b"", True)
    assert (await shop.query("A-1"))["trade_state"] == "CLOSED"
    assert await shop.code("POST", close, content) == (400, "ORDER_CLOSED")
    assert (await control("POST", "/payer/pay", {"code": code}))[0] == 409
    assert await shop.code("POST", f"{PAY}/native", shop.order("A-1")) == (400, "ORDER_CLOSED")
    await pay(await shop.native("A-2"))
    paid = f"{PAY}/out-trade-no/A-2/close"
    assert await shop.code("POST", paid, content) == (400, "ORDERPAID")
    missing = f"{PAY}/out-trade-no/A-3/close"
    assert await shop.code("POST", missing, content) == (404, "ORDER_NOT_EXIST")


async def test_orders_expire_by_the_business_clock(shop: Any, sandbox: Any, clock: Any) -> None:
    await shop.native("A-1", time_expire="2026-11-22T12:05:00+08:00")
    await shop.native("A-2")
    clock.advance(minutes=5)
    assert (await shop.query("A-1"))["trade_state"] == "CLOSED"
    assert (await shop.query("A-2"))["trade_state"] == "NOTPAY"
    clock.advance(hours=2)
    await sandbox.run_due()
    assert (await shop.query("A-2"))["trade_state"] == "CLOSED"


# --- a payer's code -----------------------------------------------------------------------------

CODE = "134567890123456789"


async def charge(shop: Any, number: str, amount: int, code: str = CODE) -> dict[str, Any]:
    content = shop.charge(number, amount, code)
    return dict(await shop.call("POST", f"{PAY}/codepay", content))


async def reverse(shop: Any, number: str) -> dict[str, Any]:
    content = {"appid": shop.account["appid"], "mchid": shop.account["mchid"]}
    return dict(await shop.call("POST", f"{PAY}/out-trade-no/{number}/reverse", content))


async def test_a_small_code_is_charged_at_once(shop: Any, ledger: Any) -> None:
    order = await charge(shop, "A-1", 99_999)
    assert (order["trade_state"], order["trade_type"]) == ("SUCCESS", "MICROPAY")
    assert await shop.query("A-1") == order
    assert await charge(shop, "A-1", 99_999) == order
    used = shop.charge("A-2", 5, CODE)
    assert await shop.code("POST", f"{PAY}/codepay", used) == (400, "AUTH_CODE_INVALID")
    assert len((await ledger())["orders"]) == 1


async def test_a_great_code_waits_for_the_password(shop: Any, pay: Any, control: Any) -> None:
    order = await charge(shop, "A-1", 100_000)
    assert order["trade_state"] == "USERPAYING" and "transaction_id" not in order
    assert (await pay(CODE, "ignore"))["result"] == "ignored"
    assert (await shop.query("A-1"))["trade_state"] == "USERPAYING"
    assert (await pay(CODE))["result"] == "paid"
    assert (await shop.query("A-1"))["trade_state"] == "SUCCESS"
    other = "134567890123456780"
    await charge(shop, "A-2", 100_000, other)
    assert (await pay(other, "decline"))["result"] == "declined"
    assert (await shop.query("A-2"))["trade_state"] == "PAYERROR"
    assert (await control("POST", "/payer/pay", {"code": other}))[0] == 409


async def test_a_reverse_closes_or_gives_back(shop: Any, pay: Any, ledger: Any) -> None:
    await charge(shop, "A-1", 5, "134567890123456781")
    await charge(shop, "A-2", 100_000, "134567890123456782")
    await charge(shop, "A-3", 100_000, "134567890123456783")
    await pay("134567890123456783", "decline")
    for number in ("A-1", "A-2", "A-3", "A-1"):
        assert (await reverse(shop, number))["out_trade_no"] == number
        assert (await shop.query(number))["trade_state"] == "REVOKED"
    book = await ledger()
    assert [o["status"] for o in book["orders"]] == ["paid", "closed", "closed"]
    assert [o["refunded"] for o in book["orders"]] == [5, 0, 0]
    assert len(book["refunds"]) == 1
    again = shop.charge("A-2", 100_000, "134567890123456782")
    assert await shop.code("POST", f"{PAY}/codepay", again) == (400, "ORDER_CLOSED")


async def test_codes_are_reversed_and_orders_closed(shop: Any) -> None:
    await charge(shop, "A-1", 100_000)
    await shop.native("A-2")
    whose = {"appid": shop.account["appid"], "mchid": shop.account["mchid"]}
    wrong = (400, "INVALID_REQUEST")
    assert await shop.code("POST", f"{PAY}/out-trade-no/A-1/close", whose) == wrong
    assert await shop.code("POST", f"{PAY}/out-trade-no/A-2/reverse", whose) == wrong
    missing = f"{PAY}/out-trade-no/A-3/reverse"
    assert await shop.code("POST", missing, whose) == (404, "ORDER_NOT_EXIST")
    foreign = whose | {"appid": "wx00"}
    path = f"{PAY}/out-trade-no/A-1/reverse"
    assert await shop.code("POST", path, foreign) == (400, "APPID_MCHID_NOT_MATCH")


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"description": None},
        {"description": ""},
        {"description": "长" * 43},
        {"description": "a\nb"},
        {"description": 7},
        {"out_trade_no": None},
        {"out_trade_no": "a" * 33},
        {"out_trade_no": "a b"},
        {"out_trade_no": "书"},
        {"notify_url": None},
        {"notify_url": "ftp://shop.example"},
        {"notify_url": "https://shop.example/?a=b"},
        {"notify_url": "https://" + "s" * 250 + ".example"},
        {"amount": None},
        {"amount": 1234},
        {"amount": {}},
        {"amount": {"total": 0}},
        {"amount": {"total": -1}},
        {"amount": {"total": "1234"}},
        {"amount": {"total": True}},
        {"amount": {"total": 10_000_000_001}},
        {"amount": {"total": 1234, "currency": "USD"}},
        {"mchid": "1900000000"},
        {"time_expire": "2026-11-22 12:05:00"},
        {"time_expire": "2026-11-22T12:00:00+08:00"},
        {"time_expire": "2026-12-01T12:00:00+08:00"},
        {"time_expire": "2026-02-30T12:00:00+08:00"},
        {"attach": "长" * 43},
    ],
)
async def test_a_field_that_is_wrong(shop: Any, ledger: Any, changes: dict) -> None:
    found = await shop.code("POST", f"{PAY}/native", shop.order("A-1", **changes))
    assert found == (400, "PARAM_ERROR")
    assert (await ledger())["orders"] == []


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("jsapi", {}),
        ("jsapi", {"payer": {}}),
        ("jsapi", {"payer": {"openid": "o" * 129}}),
        ("h5", {}),
        ("h5", {"scene_info": {"h5_info": {"type": "Wap"}}}),
        ("h5", {"scene_info": {"payer_client_ip": "1.2.3", "h5_info": {"type": "Wap"}}}),
        ("h5", {"scene_info": {"payer_client_ip": "1.2.3.4"}}),
        ("codepay", {}),
        ("codepay", {"payer": {"auth_code": CODE}}),
        ("codepay", {"payer": {"auth_code": CODE}, "scene_info": {}}),
    ],
)
async def test_a_way_needs_its_fields(shop: Any, kind: str, members: dict) -> None:
    found = await shop.code("POST", f"{PAY}/{kind}", shop.order("A-1", **members))
    assert found == (400, "PARAM_ERROR")


async def test_another_application_is_refused(shop: Any) -> None:
    content = shop.order("A-1", appid="wx0000000000000000")
    assert await shop.code("POST", f"{PAY}/native", content) == (400, "APPID_MCHID_NOT_MATCH")


@pytest.mark.parametrize("code", ["164567890123456789", "1345", "13456789012345678x"])
async def test_what_is_no_code_of_a_payer(shop: Any, code: str) -> None:
    content = shop.charge("A-1", 5, code)
    assert await shop.code("POST", f"{PAY}/codepay", content) == (400, "AUTH_CODE_INVALID")


async def test_an_order_is_its_merchants(
    shop: Any, sandbox: Any, wechat_enrol: Any, stranger_key: Any, pay: Any
) -> None:
    await pay(await shop.native("A-1"))
    transaction_id = (await shop.query("A-1"))["transaction_id"]
    other = await wechat_enrol(sandbox.url, stranger_key)
    mchid = other.account["mchid"]
    for path in (f"out-trade-no/A-1?mchid={mchid}", f"id/{transaction_id}?mchid={mchid}"):
        assert await other.code("GET", f"{PAY}/{path}") == (404, "ORDER_NOT_EXIST")
    foreign = f"out-trade-no/A-1?mchid={shop.account['mchid']}"
    assert await other.code("GET", f"{PAY}/{foreign}") == (400, "PARAM_ERROR")


# --- magic --------------------------------------------------------------------------------------


async def test_magic_amounts(shop: Any, pay: Any, ledger: Any) -> None:
    declined = shop.order("A-1", 4_440_001)
    assert await shop.code("POST", f"{PAY}/native", declined) == (403, "RULE_LIMIT")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.native("A-2", 4_440_002)
    assert (await shop.native("A-2", 4_440_002)).startswith("weixin://")
    code = await shop.native("A-5", 4_440_005)
    assert (await pay(code))["result"] == "declined"
    for number, amount, expected in (
        ("A-6", 4_440_005, (403, "NOT_ENOUGH")),
        ("A-7", 4_440_010, (400, "AUTH_CODE_INVALID")),
        ("A-8", 4_440_001, (403, "RULE_LIMIT")),
    ):
        content = shop.charge(number, amount, CODE)
        assert await shop.code("POST", f"{PAY}/codepay", content) == expected
    assert [o["out_trade_no"] for o in (await ledger())["orders"]] == ["A-2", "A-5"]
