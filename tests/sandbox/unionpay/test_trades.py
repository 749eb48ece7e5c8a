"""The life of a trade at the pretend UnionPay."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.unionpay.conftest import ORDER, beijing

REFUND = "04.00.000000"
CANCEL = "31.00.000000"
VOID = "32.00.000000"
CAPTURE = "03.00.000201"
FRONT = {"frontUrl": "http://127.0.0.1/back"}


async def paid(merchant: Any, pay: Any, order: str = ORDER, amount: int = 1234) -> str:
    played = await pay(await merchant.qr(order, amount))
    assert played["result"] == "paid"
    return str(played["channel_order_no"])


async def held(merchant: Any, pay: Any, order: str = ORDER) -> str:
    _, code = await merchant.page(merchant.money("02.01.000201", orderId=order, **FRONT))
    return str((await pay(code))["channel_order_no"])


async def code_of(merchant: Any, kind: str, amount: int, order: str, query_id: str) -> str:
    fields = merchant.money(kind, amount, orderId=order, origQryId=query_id)
    return str((await merchant.back(fields))["respCode"])


# --- orders -----------------------------------------------------------------------------------


async def test_the_same_order_gives_the_same_code_another_content_is_refused(
    merchant: Any,
) -> None:
    code = await merchant.qr()
    assert await merchant.qr() == code
    for changes in (
        {"txnAmt": "1"},
        {"txnTime": "20261122110000"},
        {"payTimeout": "20261123000000"},
    ):
        answer = await merchant.back(merchant.money("01.07.000000", **changes))
        assert answer["respCode"] == "12"
    assert await merchant.qr("A0000002") != code


async def test_a_code_that_nobody_scanned_is_not_found(merchant: Any, pay: Any) -> None:
    code = await merchant.qr()
    assert (await merchant.query())["respCode"] == "34"
    assert (await pay(code, "ignore"))["result"] == "ignored"
    answer = await merchant.query()
    assert (answer["respCode"], answer["origRespCode"]) == ("00", "05")
    assert "queryId" not in answer
    assert (await merchant.query("A0000009"))["respCode"] == "34"
    assert (await merchant.query(time="20261122110000"))["respCode"] == "34"


async def test_a_page_is_known_once_the_form_came(merchant: Any, pay: Any, book: Any) -> None:
    _, code = await merchant.page(merchant.money("01.01.000201", **FRONT))
    assert (await merchant.query())["origRespCode"] == "05"
    played = await pay(code)
    answer = await merchant.query()
    facts = {
        "origRespCode": "00",
        "txnType": "01",
        "txnSubType": "01",
        "txnAmt": "1234",
        "currencyCode": "156",
        "queryId": played["channel_order_no"],
        "traceTime": "1122120000",
    }
    assert facts.items() <= answer.items()
    [order] = (await book())["orders"]
    assert (order["status"], order["amount"], order["out_trade_no"]) == ("paid", 1234, ORDER)


async def test_a_declined_payer_may_try_again(merchant: Any, pay: Any) -> None:
    code = await merchant.qr()
    await pay(code, "decline")
    assert (await merchant.query())["origRespCode"] == "60"
    await pay(code)
    assert (await merchant.query())["origRespCode"] == "00"


async def test_an_order_ends_with_its_time(
    merchant: Any, pay: Any, control: Any, clock: Any
) -> None:
    until = beijing(clock.now + timedelta(minutes=5))
    codes = [await merchant.qr(f"A000000{n}", payTimeout=until) for n in (1, 2)]
    time = beijing(clock.now)
    await pay(codes[0], "ignore")
    clock.advance(minutes=5)
    for code in codes:
        assert (await control("POST", "/payer/pay", {"code": code}))[0] == 409
    assert (await merchant.query("A0000001", time))["origRespCode"] == "69"
    assert (await merchant.query("A0000002", time))["respCode"] == "34"


async def test_an_order_is_paid_once(merchant: Any, pay: Any, control: Any) -> None:
    code = await merchant.qr()
    assert (await control("POST", "/payer/pay", {"code": code, "amount": 1}))[0] == 400
    await pay(code)
    assert (await control("POST", "/payer/pay", {"code": code}))[0] == 409


@pytest.mark.parametrize(("amount", "state"), [(4_440_005, "64"), (1234, "00")])
async def test_a_payer_may_be_short_of_money(
    merchant: Any, pay: Any, amount: int, state: str
) -> None:
    await pay(await merchant.qr(amount=amount))
    assert (await merchant.query())["origRespCode"] == state


async def test_magic_amounts_of_requests(merchant: Any, book: Any) -> None:
    answer = await merchant.back(merchant.money("01.07.000000", 4_440_001))
    assert answer["respCode"] == "33"
    with pytest.raises(Exception, match="disconnect"):
        await merchant.qr("A0000002", 4_440_002)
    assert (await merchant.qr("A0000002", 4_440_002)).startswith("https://")
    assert len((await book())["orders"]) == 1


@pytest.mark.parametrize("amount", [4_440_003, 4_440_004])
async def test_magic_amounts_of_notifications(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any, clock: Any, amount: int
) -> None:
    receiver.answer(400, "failure")
    await pay(await merchant.qr(amount=amount))
    first = (await receiver.next()).decode()
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    second = merchant.read_notice(await receiver.next())
    assert second["txnAmt"] == str(amount)
    assert (f"txnAmt={amount + 1}" in first) == (amount == 4_440_004)


# --- quick pay --------------------------------------------------------------------------------


def customer(**parts: str) -> str:
    text = "{" + "&".join(f"{name}={value}" for name, value in parts.items()) + "}"
    return base64.b64encode(text.encode()).decode()


async def sms(merchant: Any, **changes: Any) -> str:
    facts = {"customerInfo": customer(phoneNo="13800138000"), **changes}
    amount = facts.pop("amount", 1234)
    return str((await merchant.back(merchant.money("77.02.000301", amount, **facts)))["respCode"])


async def consume(merchant: Any, code: str, **changes: Any) -> dict[str, str]:
    info = customer(phoneNo="13800138000", smsCode=code)
    facts = {"customerInfo": info, **changes}
    amount = facts.pop("amount", 1234)
    return dict(await merchant.back(merchant.money("01.01.000301", amount, **facts)))


async def test_the_right_code_pays_and_a_wrong_one_does_not(
    merchant: Any, receiver: Any, book: Any
) -> None:
    assert await sms(merchant) == "00"
    assert (await consume(merchant, "222222"))["respCode"] == "71"
    assert (await merchant.query())["respCode"] == "34"
    answer = await consume(merchant, "111111")
    assert answer["respCode"] == "00"
    found = await merchant.query()
    assert (found["origRespCode"], found["queryId"]) == ("00", answer["queryId"])
    assert merchant.read_notice(await receiver.next())["queryId"] == answer["queryId"]
    assert (await consume(merchant, "111111"))["respCode"] == "12"
    assert await sms(merchant) == "12"
    assert [order["status"] for order in (await book())["orders"]] == ["paid"]


async def test_five_wrong_codes_are_enough(merchant: Any) -> None:
    await sms(merchant)
    for _ in range(5):
        assert (await consume(merchant, "222222"))["respCode"] == "71"
    assert (await consume(merchant, "111111"))["respCode"] == "37"


async def test_a_code_belongs_to_one_order(merchant: Any) -> None:
    assert (await consume(merchant, "111111"))["respCode"] == "36"
    await sms(merchant)
    changes: list[dict[str, Any]] = [
        {"amount": 1},
        {"txnTime": "20261122110000"},
        {"customerInfo": customer(phoneNo="13900139000", smsCode="111111")},
    ]
    for change in changes:
        assert (await consume(merchant, "111111", **change))["respCode"] == "36"
    assert await sms(merchant, amount=1) == "12"


async def test_a_token_pays_too(merchant: Any) -> None:
    token = {"tokenPayData": "{token=6235240000012345678&trId=62000000001}"}
    ask = merchant.money("77.02.000902", **token)
    assert (await merchant.back(ask))["respCode"] == "00"
    pays = merchant.money("01.01.000902", customerInfo=customer(smsCode="111111"), **token)
    assert (await merchant.back(pays))["respCode"] == "00"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"customerInfo": None}, "13"),
        ({"customerInfo": "***"}, "10"),
        ({"customerInfo": base64.b64encode(b"phoneNo=1").decode()}, "10"),
        ({"customerInfo": customer(smsCode="1")}, "13"),
        ({"amount": 4_440_001}, "33"),
    ],
)
async def test_an_sms_needs_a_payer(merchant: Any, changes: dict[str, Any], code: str) -> None:
    assert await sms(merchant, **changes) == code


async def test_a_short_card_declines_quick_pay(merchant: Any, book: Any) -> None:
    await sms(merchant, amount=4_440_005)
    assert (await consume(merchant, "111111", amount=4_440_005))["respCode"] == "64"
    assert (await merchant.query())["origRespCode"] == "64"
    assert [order["status"] for order in (await book())["orders"]] == ["open"]


async def test_what_proves_the_payer_is_not_kept(merchant: Any, data: Any, sandbox: Any) -> None:
    await sms(merchant)
    await consume(merchant, "111111")
    await sandbox.stop()
    kept = b"".join(path.read_bytes() for path in data.iterdir())
    assert customer(phoneNo="13800138000", smsCode="111111").encode() not in kept


# --- refunds and voids ------------------------------------------------------------------------


async def test_refunds_never_exceed_the_payment(
    merchant: Any, pay: Any, receiver: Any, book: Any
) -> None:
    query_id = await paid(merchant, pay)
    await receiver.next()
    refund = merchant.money(REFUND, 1000, orderId="R0000001", origQryId=query_id, reqReserved=ORDER)
    answer = await merchant.back(refund)
    assert (answer["respCode"], answer["origQryId"]) == ("00", query_id)
    told = merchant.read_notice(await receiver.next())
    facts = {"txnType": "04", "orderId": "R0000001", "txnAmt": "1000", "reqReserved": ORDER}
    assert facts.items() <= told.items()
    found = await merchant.query("R0000001")
    assert (found["origRespCode"], found["txnType"], found["txnAmt"]) == ("00", "04", "1000")
    assert (await merchant.back(refund))["respCode"] == "12"
    assert await code_of(merchant, REFUND, 235, "R0000002", query_id) == "36"
    assert await code_of(merchant, REFUND, 234, "R0000003", query_id) == "00"
    assert await code_of(merchant, REFUND, 1, "R0000004", query_id) == "45"
    shown = await book()
    assert [r["amount"] for r in shown["refunds"]] == [1000, 234]
    assert shown["orders"][0]["refunded"] == 1234
    assert (await merchant.query())["origRespCode"] == "00"


async def test_a_refund_needs_a_payment_of_this_merchant(
    merchant: Any, pay: Any, clock: Any
) -> None:
    assert await code_of(merchant, REFUND, 1, "R0000001", "2" * 21) == "35"
    query_id = await paid(merchant, pay)
    clock.advance(days=331)
    assert await code_of(merchant, REFUND, 1, "R0000001", query_id) == "35"


async def test_a_payment_is_voided_wholly_on_its_own_day(
    merchant: Any, pay: Any, clock: Any, book: Any
) -> None:
    query_id = await paid(merchant, pay)
    assert await code_of(merchant, CANCEL, 1, "V0000001", query_id) == "36"
    assert await code_of(merchant, CANCEL, 1234, "V0000002", query_id) == "00"
    assert await code_of(merchant, CANCEL, 1234, "V0000003", query_id) == "45"
    assert (await merchant.query("V0000002"))["origRespCode"] == "00"
    assert (await book())["orders"][0]["refunded"] == 1234
    later = await paid(merchant, pay, "A0000002")
    clock.advance(days=1)
    assert await code_of(merchant, CANCEL, 1234, "V0000004", later) == "35"


# --- holds ------------------------------------------------------------------------------------


async def test_a_hold_is_no_charge_until_it_is_captured(
    merchant: Any, pay: Any, receiver: Any, book: Any
) -> None:
    query_id = await held(merchant, pay)
    told = merchant.read_notice(await receiver.next())
    assert (told["txnType"], told["queryId"]) == ("02", query_id)
    assert (await book())["orders"] == []
    found = await merchant.query()
    assert (found["origRespCode"], found["txnType"]) == ("00", "02")
    assert await code_of(merchant, CAPTURE, 1235, "C0000001", query_id) == "36"
    assert await code_of(merchant, CAPTURE, 1000, "C0000002", query_id) == "00"
    assert await code_of(merchant, CAPTURE, 1, "C0000003", query_id) == "35"
    assert await code_of(merchant, VOID, 1234, "V0000001", query_id) == "35"
    [order] = (await book())["orders"]
    assert (order["out_trade_no"], order["amount"]) == ("C0000002", 1000)
    captured = await merchant.query("C0000002")
    assert (captured["origRespCode"], captured["txnType"]) == ("00", "03")
    assert await code_of(merchant, REFUND, 100, "R0000001", query_id) == "35"
    assert await code_of(merchant, REFUND, 100, "R0000002", captured["queryId"]) == "00"


async def test_a_void_lets_go_of_a_hold(merchant: Any, pay: Any, book: Any) -> None:
    query_id = await held(merchant, pay)
    assert await code_of(merchant, VOID, 1, "V0000001", query_id) == "36"
    assert await code_of(merchant, VOID, 1234, "V0000002", query_id) == "00"
    assert await code_of(merchant, VOID, 1234, "V0000003", query_id) == "45"
    assert await code_of(merchant, CAPTURE, 1, "C0000001", query_id) == "35"
    assert (await book())["orders"] == []


async def test_a_hold_lapses_after_thirty_days(merchant: Any, pay: Any, clock: Any) -> None:
    query_id = await held(merchant, pay)
    clock.advance(days=30, seconds=1)
    assert await code_of(merchant, CAPTURE, 1, "C0000001", query_id) == "35"


async def test_a_payment_is_no_hold_and_a_hold_no_payment(merchant: Any, pay: Any) -> None:
    payment = await paid(merchant, pay)
    hold = await held(merchant, pay, "A0000002")
    assert await code_of(merchant, CAPTURE, 1, "C0000001", payment) == "35"
    assert await code_of(merchant, VOID, 1234, "V0000001", payment) == "35"
    assert await code_of(merchant, REFUND, 1, "R0000001", hold) == "35"
    assert await code_of(merchant, CANCEL, 1234, "V0000002", hold) == "35"
