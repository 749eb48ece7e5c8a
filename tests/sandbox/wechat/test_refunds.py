"""Refunds of the pretend WeChat Pay."""

from typing import Any

import pytest

from gateway.sandbox import Sandbox

REFUNDS = "/v3/refund/domestic/refunds"


async def paid(shop: Any, pay: Any, number: str = "A-1", total: int = 1234) -> None:
    await pay(await shop.native(number, total))


async def test_part_by_part(shop: Any, pay: Any, ledger: Any) -> None:
    await paid(shop, pay)
    content = shop.refunding("A-1", "R-1", 1000, 1234, reason="坏了")
    first = await shop.call("POST", REFUNDS, content)
    assert first["status"] == "SUCCESS" and first["out_refund_no"] == "R-1"
    assert (first["amount"]["refund"], first["amount"]["total"]) == (1000, 1234)
    assert await shop.call("POST", REFUNDS, content) == first
    assert await shop.call("GET", f"{REFUNDS}/R-1") == first
    assert (await shop.query("A-1"))["trade_state"] == "REFUND"
    over = shop.refunding("A-1", "R-2", 235, 1234)
    assert await shop.code("POST", REFUNDS, over) == (400, "INVALID_REQUEST")
    rest = shop.refunding("A-1", "R-2", 234, 1234)
    assert (await shop.call("POST", REFUNDS, rest))["status"] == "SUCCESS"
    book = await ledger()
    assert book["orders"][0]["refunded"] == 1234
    assert [(r["out_refund_no"], r["amount"], r["status"]) for r in book["refunds"]] == [
        ("R-1", 1000, "succeeded"),
        ("R-2", 234, "succeeded"),
    ]


async def test_by_the_transactions_number(shop: Any, pay: Any) -> None:
    await paid(shop, pay)
    transaction_id = (await shop.query("A-1"))["transaction_id"]
    content = shop.refunding("A-1", "R-1", 1, 1234) | {"transaction_id": transaction_id}
    content.pop("out_trade_no")
    assert (await shop.call("POST", REFUNDS, content))["out_trade_no"] == "A-1"


async def test_what_is_refused(shop: Any, pay: Any, ledger: Any) -> None:
    await paid(shop, pay)
    await shop.native("A-2")
    known = shop.refunding("A-1", "R-1", 10, 1234)
    await shop.call("POST", REFUNDS, known)
    for content, expected in (
        (shop.refunding("A-1", "R-1", 11, 1234), (400, "INVALID_REQUEST")),
        (shop.refunding("A-1", "R-2", 10, 1233), (400, "INVALID_REQUEST")),
        (shop.refunding("A-2", "R-2", 10, 1234), (400, "INVALID_REQUEST")),
        (shop.refunding("A-3", "R-2", 10, 1234), (404, "RESOURCE_NOT_EXISTS")),
        (shop.refunding("A-1", "R-2", 0, 1234), (400, "PARAM_ERROR")),
        (shop.refunding("A-1", "R 2", 10, 1234), (400, "PARAM_ERROR")),
        (shop.refunding("A-1", "R-2", 10, 1234, reason="长" * 27), (400, "PARAM_ERROR")),
        (shop.refunding("A-1", "R-2", 10, 1234, notify_url="x"), (400, "PARAM_ERROR")),
        ({**known, "amount": {"refund": 10.0, "total": 1234}}, (400, "PARAM_ERROR")),
        ({**known, "out_trade_no": None}, (400, "PARAM_ERROR")),
    ):
        assert await shop.code("POST", REFUNDS, content) == expected, content
    assert await shop.code("GET", f"{REFUNDS}/R-2") == (404, "RESOURCE_NOT_EXISTS")
    assert len((await ledger())["refunds"]) == 1


async def test_a_year_is_the_end(shop: Any, pay: Any, clock: Any) -> None:
    await paid(shop, pay)
    clock.advance(days=365)
    content = shop.refunding("A-1", "R-1", 10, 1234)
    assert await shop.code("POST", REFUNDS, content) == (403, "TRADE_OVERDUE")


async def test_fifty_refunds_are_the_end(shop: Any, pay: Any) -> None:
    await paid(shop, pay)
    for number in range(50):
        content = shop.refunding("A-1", f"R-{number}", 1, 1234)
        await shop.call("POST", REFUNDS, content)
    content = shop.refunding("A-1", "R-50", 1, 1234)
    assert await shop.code("POST", REFUNDS, content) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("total", "fate", "status", "refunded"),
    [
        (4_440_007, "SUCCESS", "succeeded", 10),
        (4_440_008, "ABNORMAL", "processing", 10),
        (4_440_009, "CLOSED", "failed", 0),
    ],
)
async def test_a_refund_may_take_its_time(
    shop: Any,
    pay: Any,
    ledger: Any,
    clock: Any,
    sandbox: Any,
    mailbox: Any,
    total: int,
    fate: str,
    status: str,
    refunded: int,
) -> None:
    await paid(shop, pay, total=total)
    content = shop.refunding("A-1", "R-1", 10, total, notify_url=mailbox.url)
    assert (await shop.call("POST", REFUNDS, content))["status"] == "PROCESSING"
    assert (await ledger())["refunds"][0]["status"] == "processing"
    clock.advance(seconds=5)
    await sandbox.run_due()
    found = await shop.call("GET", f"{REFUNDS}/R-1")
    assert found["status"] == fate
    assert ("success_time" in found) is (fate == "SUCCESS")
    book = await ledger()
    assert (book["refunds"][0]["status"], book["orders"][0]["refunded"]) == (status, refunded)
    envelope, plain = shop.read_notice(*await mailbox.next())
    assert envelope["event_type"] == f"REFUND.{fate}" and plain["refund_status"] == fate


async def test_a_refund_under_way_outlives_a_restart(
    shop: Any, pay: Any, clock: Any, sandbox: Any, data: Any
) -> None:
    await paid(shop, pay, total=4_440_007)
    await shop.call("POST", REFUNDS, shop.refunding("A-1", "R-1", 10, 4_440_007))
    await sandbox.stop()
    again = Sandbox(data=data, clock=clock)
    await again.start()
    shop.account["gateway_url"] = f"{again.url}/wechat"
    clock.advance(seconds=5)
    await again.run_due()
    assert (await shop.call("GET", f"{REFUNDS}/R-1"))["status"] == "SUCCESS"
    await again.stop()
