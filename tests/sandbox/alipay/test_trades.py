"""The life of a trade at the pretend Alipay: scanned, paid, closed, cancelled, refunded."""

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

NUMBER = {"out_trade_no": "A_1"}


async def sub_code(merchant: Any, method: str, biz: Any) -> str:
    node = await merchant.call(method, biz)
    return str(node.get("sub_code", node["code"]))


ILL_FORMED = [
    {"out_trade_no": None},
    {"out_trade_no": ""},
    {"out_trade_no": 1},
    {"out_trade_no": "A" * 65},
    {"out_trade_no": "A 1"},
    {"out_trade_no": "A/1"},
    {"out_trade_no": "书"},
    {"out_trade_no": "A_1\n"},
    {"total_amount": None},
    {"total_amount": ""},
    {"total_amount": "0"},
    {"total_amount": "0.00"},
    {"total_amount": "-1"},
    {"total_amount": "+1"},
    {"total_amount": "1.234"},
    {"total_amount": "1."},
    {"total_amount": ".1"},
    {"total_amount": "01.00"},
    {"total_amount": "1e2"},
    {"total_amount": " 1"},
    {"total_amount": "1,00"},
    {"total_amount": "１"},
    {"total_amount": True},
    {"total_amount": ["1"]},
    {"total_amount": 1.234},
    {"total_amount": "100000000.01"},
    {"total_amount": "9" * 30},
    {"subject": None},
    {"subject": ""},
    {"subject": "书" * 257},
    {"subject": 5},
    {"subject": "a\u0000b"},
    {"timeout_express": "0m"},
    {"timeout_express": "16d"},
    {"timeout_express": "1x"},
    {"timeout_express": 60},
    {"qr_code_timeout_express": "2c"},
    {"time_expire": "2026-11-22"},
    {"time_expire": "2026-11-22 11:59:59"},
    {"time_expire": "2026-02-30 12:00:00"},
    {"store_id": "s" * 33},
    {"body": 1},
]


@pytest.mark.parametrize("change", ILL_FORMED)
async def test_an_ill_formed_order_is_refused(merchant: Any, book: Any, change: Any) -> None:
    good = {"out_trade_no": "A_1", "total_amount": "12.34", "subject": "一本书"}
    node = await merchant.call("precreate", good | change)
    assert (node["code"], node["sub_code"]) == ("40004", "ACQ.INVALID_PARAMETER")
    assert (await book())["orders"] == []


@pytest.mark.parametrize(
    ("amount", "fen"),
    [
        ("0.01", 1), ("1", 100), ("1.5", 150), (12.34, 1234), (7, 700),
        ("100000000", 10_000_000_000), ("100000000.00", 10_000_000_000), ("0.10", 10),
    ],
)  # fmt: skip
async def test_amounts_are_taken_exactly(merchant: Any, book: Any, amount: Any, fen: int) -> None:
    await merchant.code("A_1", amount)
    assert [o["amount"] for o in (await book())["orders"]] == [fen]


async def test_the_longest_texts_are_taken(merchant: Any) -> None:
    await merchant.code("a-Z_9" + "0" * 59, subject="书" * 256)


async def test_a_foreign_seller_is_refused(merchant: Any) -> None:
    order = {"out_trade_no": "A_1", "total_amount": "1", "subject": "s"}
    own = merchant.account["seller_id"]
    foreign = "2088000000000000"
    assert await sub_code(merchant, "precreate", order | {"seller_id": own}) == "10000"
    refused = await sub_code(merchant, "precreate", order | {"seller_id": foreign})
    assert refused == "ACQ.ACCESS_FORBIDDEN"


# Precreate


async def test_the_same_content_gives_the_same_code(merchant: Any, book: Any) -> None:
    code = await merchant.code("A_1", "12.30", body="b")
    assert await merchant.code("A_1", 12.3, body="b") == code
    assert len((await book())["orders"]) == 1


@pytest.mark.parametrize(
    "change", [{"total_amount": "12.35"}, {"subject": "x"}, {"body": "b"}, {"store_id": "s"}]
)
async def test_the_same_number_with_other_content_is_refused(merchant: Any, change: Any) -> None:
    await merchant.code("A_1")
    order = NUMBER | {"total_amount": "12.34", "subject": "一本书"}
    assert await sub_code(merchant, "precreate", order | change) == "ACQ.CONTEXT_INCONSISTENT"


async def test_numbers_of_two_merchants_do_not_meet(
    merchant: Any, sandbox: Any, enrol: Any
) -> None:
    other = await enrol(sandbox.url, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert await merchant.code("A_1", "1.00") != await other.code("A_1", "2.00")


async def test_a_repeat_may_name_another_address(merchant: Any, pay: Any, receiver: Any) -> None:
    code = await merchant.code("A_1", notify_url="http://127.0.0.1:9/gone")
    assert await merchant.code("A_1", notify_url=receiver.url) == code
    await pay(code)
    assert merchant.read_notice(await receiver.next())["out_trade_no"] == "A_1"


async def test_precreate_of_a_paid_or_closed_order_is_refused(merchant: Any, pay: Any) -> None:
    order = {"total_amount": "12.34", "subject": "一本书"}
    await pay(await merchant.code("A_1"))
    await merchant.code("A_2")
    await merchant.call("close", {"out_trade_no": "A_2"})
    paid = await sub_code(merchant, "precreate", {"out_trade_no": "A_1", **order})
    closed = await sub_code(merchant, "precreate", {"out_trade_no": "A_2", **order})
    assert (paid, closed) == ("ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE")


# Query and states


@pytest.mark.parametrize("method", ["query", "close", "cancel", "refund", "fastpay.refund.query"])
async def test_nothing_is_known_of_a_number_never_used(merchant: Any, method: str) -> None:
    biz = NUMBER | {"refund_amount": "1", "out_request_no": "R"}
    assert await sub_code(merchant, method, biz) == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize("method", ["query", "close", "cancel", "refund"])
async def test_a_number_must_be_named(merchant: Any, method: str) -> None:
    refused = await sub_code(merchant, method, {"refund_amount": "1"})
    assert refused == "ACQ.INVALID_PARAMETER"


async def test_a_code_is_no_trade_until_it_is_scanned(merchant: Any, pay: Any) -> None:
    code = await merchant.code("A_1")
    assert await sub_code(merchant, "query", NUMBER) == "ACQ.TRADE_NOT_EXIST"
    played = await pay(code, "ignore")
    node = await merchant.call("query", NUMBER)
    assert (node["trade_status"], node["total_amount"]) == ("WAIT_BUYER_PAY", "12.34")
    assert (node["receipt_amount"], "send_pay_date" in node) == ("0.00", False)
    assert (node["trade_no"], played["result"]) == (played["channel_order_no"], "ignored")


async def test_a_paid_trade_is_found_by_either_number(merchant: Any, pay: Any) -> None:
    played = await pay(await merchant.code("A_1"))
    by_ours = await merchant.call("query", NUMBER)
    by_theirs = await merchant.call("query", {"trade_no": played["channel_order_no"]})
    both = {"trade_no": played["channel_order_no"], "out_trade_no": "other"}
    assert by_ours == by_theirs == await merchant.call("query", both)
    assert by_ours["trade_status"] == "TRADE_SUCCESS"
    assert by_ours["buyer_pay_amount"] == by_ours["receipt_amount"] == "12.34"
    assert by_ours["send_pay_date"] == "2026-11-22 12:00:00"
    assert by_ours["fund_bill_list"] == [{"amount": "12.34", "fund_channel": "ALIPAYACCOUNT"}]


async def test_declining_leaves_the_trade_open_to_a_second_try(merchant: Any, pay: Any) -> None:
    code = await merchant.code("A_1")
    first, second = await pay(code, "decline"), await pay(code)
    assert (first["result"], second["result"]) == ("declined", "paid")
    assert first["channel_order_no"] == second["channel_order_no"]


async def test_a_trade_finishes_when_the_time_for_refunds_is_over(
    merchant: Any, pay: Any, clock: Any
) -> None:
    await pay(await merchant.code("A_1"))
    clock.advance(days=365)
    assert (await merchant.call("query", NUMBER))["trade_status"] == "TRADE_FINISHED"
    refused = await sub_code(merchant, "refund", NUMBER | {"refund_amount": "12.34"})
    assert refused == "ACQ.TRADE_HAS_FINISHED"


# Expiry


@pytest.mark.parametrize(
    ("members", "minutes"),
    [
        ({}, 120),
        ({"timeout_express": "90m"}, 90),
        ({"qr_code_timeout_express": "1h"}, 60),
        ({"timeout_express": "1d"}, 24 * 60),
        ({"timeout_express": "1c"}, 12 * 60),
        ({"time_expire": "2026-11-22 12:10:00"}, 10),
        ({"time_expire": "2026-11-22 12:10:00", "timeout_express": "5m"}, 5),
    ],
)
async def test_an_order_expires_at_its_moment(
    merchant: Any, pay: Any, control: Any, clock: Any, members: Any, minutes: int
) -> None:
    waiting, early = await merchant.code("A_1", **members), await merchant.code("A_2", **members)
    await pay(waiting, "ignore")
    clock.advance(minutes=minutes, milliseconds=-1)
    await pay(early)
    clock.advance(milliseconds=1)
    assert (await merchant.call("query", NUMBER))["trade_status"] == "TRADE_CLOSED"
    assert (await control("POST", "/payer/pay", {"code": waiting}))[0] == 409
    paid = await merchant.call("query", {"out_trade_no": "A_2"})
    assert paid["trade_status"] == "TRADE_SUCCESS"


async def test_the_payer_and_the_book_see_an_expiry_at_once(
    merchant: Any, control: Any, book: Any, clock: Any
) -> None:
    first = await merchant.code("A_1", timeout_express="1m")
    await merchant.code("A_2", timeout_express="2m")
    clock.advance(minutes=1)
    assert (await control("POST", "/payer/pay", {"code": first}))[0] == 409
    clock.advance(minutes=1)
    assert [order["status"] for order in (await book())["orders"]] == ["closed", "closed"]


async def test_the_agenda_closes_what_nobody_looks_at(
    merchant: Any, sandbox: Any, clock: Any
) -> None:
    await merchant.code("A_1", timeout_express="1m")
    await merchant.code("A_2", timeout_express="1h")
    due = sandbox.next_due()
    assert due is not None
    clock.now = due
    assert [(ran.due, ran.what) for ran in await sandbox.run_due()] == [
        (due, "close expired orders")
    ]
    later = sandbox.next_due()
    assert later is not None
    assert (later - due).total_seconds() == 59 * 60


# Close


async def test_close_ends_a_trade_that_waits(
    merchant: Any, pay: Any, control: Any, book: Any
) -> None:
    code = await merchant.code("A_1")
    played = await pay(code, "ignore")
    node = await merchant.call("close", NUMBER)
    assert (node["code"], node["trade_no"]) == ("10000", played["channel_order_no"])
    assert (await merchant.call("query", NUMBER))["trade_status"] == "TRADE_CLOSED"
    status, refused = await control("POST", "/payer/pay", {"code": code})
    assert (status, refused["code"]) == (409, "already_closed")
    assert await sub_code(merchant, "close", NUMBER) == "ACQ.TRADE_STATUS_ERROR"
    assert (await book())["orders"][0]["status"] == "closed"


async def test_close_of_a_paid_trade_is_refused(merchant: Any, pay: Any, book: Any) -> None:
    await pay(await merchant.code("A_1"))
    assert await sub_code(merchant, "close", NUMBER) == "ACQ.TRADE_STATUS_ERROR"
    assert (await book())["orders"][0]["status"] == "paid"


@pytest.mark.parametrize("method", ["close", "cancel"])
async def test_an_unscanned_code_is_unknown_but_out_of_the_world(
    merchant: Any, control: Any, book: Any, method: str
) -> None:
    code = await merchant.code("A_1")
    assert await sub_code(merchant, method, NUMBER) == "ACQ.TRADE_NOT_EXIST"
    assert (await control("POST", "/payer/pay", {"code": code}))[0] == 409
    assert await sub_code(merchant, "query", NUMBER) == "ACQ.TRADE_NOT_EXIST"
    assert (await book())["orders"][0]["status"] == "closed"


# Cancel


async def test_cancel_closes_what_waits_and_may_be_repeated(
    merchant: Any, pay: Any, book: Any
) -> None:
    await pay(await merchant.code("A_1"), "ignore")
    for _ in range(2):
        node = await merchant.call("cancel", NUMBER)
        assert (node["code"], node["action"], node["retry_flag"]) == ("10000", "close", "N")
    assert (await book())["orders"][0]["status"] == "closed"


async def test_cancel_gives_back_what_was_paid_once(merchant: Any, pay: Any, book: Any) -> None:
    await pay(await merchant.code("A_1"))
    for _ in range(2):
        node = await merchant.call("cancel", NUMBER)
        assert (node["code"], node["action"]) == ("10000", "refund")
    shown = await book()
    assert shown["orders"][0]["refunded"] == 1234
    assert [r["amount"] for r in shown["refunds"]] == [1234]
    assert (await merchant.call("query", NUMBER))["trade_status"] == "TRADE_CLOSED"


async def test_cancel_is_refused_after_a_day_and_after_a_refund(
    merchant: Any, pay: Any, clock: Any
) -> None:
    await pay(await merchant.code("A_1"))
    await pay(await merchant.code("A_2"))
    await merchant.call(
        "refund", {"out_trade_no": "A_2", "refund_amount": "1", "out_request_no": "R"}
    )
    clock.advance(hours=24, seconds=1)
    late = await sub_code(merchant, "cancel", NUMBER)
    refunded = await sub_code(merchant, "cancel", {"out_trade_no": "A_2"})
    assert (late, refunded) == ("ACQ.TRADE_CANCEL_TIME_OUT", "ACQ.REASON_TRADE_REFUND_FEE_ERR")


# Refund


async def refund(merchant: Any, amount: str, number: str | None) -> dict[str, Any]:
    biz = NUMBER | {"refund_amount": amount, "refund_reason": "r"}
    if number is not None:
        biz["out_request_no"] = number
    return dict(await merchant.call("refund", biz))


async def test_many_refunds_up_to_what_was_paid(merchant: Any, pay: Any, book: Any) -> None:
    await pay(await merchant.code("A_1", "10.00"))
    first = await refund(merchant, "3.00", "R1")
    assert (first["fund_change"], first["refund_fee"]) == ("Y", "3.00")
    over = await refund(merchant, "7.01", "R2")
    assert (over["code"], over["sub_code"]) == ("40004", "ACQ.REASON_TRADE_REFUND_FEE_ERR")
    assert (await merchant.call("query", NUMBER))["trade_status"] == "TRADE_SUCCESS"
    last = await refund(merchant, "7.00", "R2")
    assert (last["fund_change"], last["refund_fee"]) == ("Y", "10.00")
    assert (await merchant.call("query", NUMBER))["trade_status"] == "TRADE_CLOSED"
    again = await refund(merchant, "0.01", "R3")
    assert again["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    shown = await book()
    assert shown["orders"][0] == {
        "out_trade_no": "A_1", "channel_order_no": last["trade_no"], "amount": 1000,
        "currency": "CNY", "status": "paid", "refunded": 1000,
    }  # fmt: skip
    assert shown["refunds"] == [
        {"out_refund_no": n, "out_trade_no": "A_1", "amount": a, "status": "succeeded"}
        for n, a in (("R1", 300), ("R2", 700))
    ]


async def test_a_repeated_refund_moves_nothing(merchant: Any, pay: Any, book: Any) -> None:
    await pay(await merchant.code("A_1", "10.00"))
    await refund(merchant, "4.00", "R1")
    await refund(merchant, "6.00", "R2")
    again = await refund(merchant, "4.00", "R1")
    assert (again["code"], again["fund_change"], again["refund_fee"]) == ("10000", "N", "10.00")
    other = await refund(merchant, "4.01", "R1")
    assert other["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert (await book())["orders"][0]["refunded"] == 1000


async def test_a_part_needs_a_number_of_its_own(merchant: Any, pay: Any) -> None:
    await pay(await merchant.code("A_1", "10.00"))
    part = await refund(merchant, "4.00", None)
    assert part["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert (await refund(merchant, "10.00", None))["fund_change"] == "Y"
    assert (await refund(merchant, "10.00", None))["fund_change"] == "N"


async def test_nothing_is_given_back_that_was_not_paid(merchant: Any, pay: Any) -> None:
    await pay(await merchant.code("A_1"), "ignore")
    assert (await refund(merchant, "1.00", "R"))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    await merchant.call("close", NUMBER)
    assert (await refund(merchant, "1.00", "R"))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


async def test_concurrent_refunds_never_exceed_the_payment(
    merchant: Any, pay: Any, book: Any
) -> None:
    await pay(await merchant.code("A_1", "10.00"))
    answers = await asyncio.gather(*(refund(merchant, "3.00", f"R{n}") for n in range(8)))
    assert sum(a["code"] == "10000" for a in answers) == 3
    assert (await book())["orders"][0]["refunded"] == 900


async def test_refund_query_tells_a_refund_from_none(merchant: Any, pay: Any) -> None:
    await pay(await merchant.code("A_1", "10.00"))
    await refund(merchant, "4.00", "R1")
    method = "fastpay.refund.query"
    found = await merchant.call(method, NUMBER | {"out_request_no": "R1"})
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "4.00")
    absent = await merchant.call(method, NUMBER | {"out_request_no": "R2"})
    assert absent == {"code": "10000", "msg": "Success"}
    assert await sub_code(merchant, method, NUMBER) == "ACQ.INVALID_PARAMETER"
