"""Holds at the pretend Alipay: given, captured, let go, cancelled; never more than was given."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

AUTH_CODE = "28763443825664391"
NAMES = {"out_order_no": "H_1", "out_request_no": "H_1"}
VOUCHER = NAMES | {"order_title": "押金", "amount": "10.00", "product_code": "PREAUTH_PAY"}
FREEZE = VOUCHER | {"auth_code": AUTH_CODE, "auth_code_type": "bar_code"}
CREATE = "fund.auth.order.voucher.create"
DETAIL = "fund.auth.operation.detail.query"
CANCEL = "fund.auth.operation.cancel"
UNFREEZE = "fund.auth.order.unfreeze"


def code_of(node: dict[str, Any]) -> str:
    return str(node.get("sub_code", node["code"]))


async def given(ask: Any) -> str:
    node = await ask("fund.auth.order.freeze", FREEZE)
    assert (node["code"], node["status"]) == ("10000", "SUCCESS")
    return str(node["auth_no"])


def capture(auth_no: str, number: str, amount: str, **changes: Any) -> dict[str, Any]:
    content = {
        "out_trade_no": number,
        "auth_no": auth_no,
        "total_amount": amount,
        "subject": "房费",
        "product_code": "PREAUTH_PAY",
    }
    return content | changes


def release(auth_no: str, number: str, amount: str) -> dict[str, Any]:
    return {"auth_no": auth_no, "out_request_no": number, "amount": amount, "remark": "x"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"out_order_no": None}, "ILLEGAL_ARGUMENT"),
        ({"out_request_no": ""}, "ILLEGAL_ARGUMENT"),
        ({"amount": "0.00"}, "ILLEGAL_ARGUMENT"),
        ({"amount": "1.001"}, "ILLEGAL_ARGUMENT"),
        ({"order_title": None}, "ILLEGAL_ARGUMENT"),
        ({"order_title": "长" * 101}, "ILLEGAL_ARGUMENT"),
        ({"product_code": None}, "ILLEGAL_ARGUMENT"),
        ({"pay_timeout": "0m"}, "ILLEGAL_ARGUMENT"),
        ({"payee_user_id": "2088000000000000"}, "PAYEE_NOT_EXIST"),
        ({"amount": "44400.01"}, "ILLEGAL_ARGUMENT"),
    ],
)
async def test_an_ill_formed_hold_is_refused(ask: Any, change: dict, expected: str) -> None:
    assert code_of(await ask(CREATE, VOUCHER | change)) == expected
    assert code_of(await ask(DETAIL, NAMES)) == "AUTH_ORDER_NOT_EXIST"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"auth_code": None}, "ILLEGAL_ARGUMENT"),
        ({"auth_code": "x"}, "PAYMENT_AUTH_CODE_INVALID"),
        ({"auth_code_type": None}, "ILLEGAL_ARGUMENT"),
        ({"auth_code": AUTH_CODE[:-4] + "0004"}, "MONEY_NOT_ENOUGH"),
        ({"amount": "44400.05"}, "MONEY_NOT_ENOUGH"),
    ],
)
async def test_a_refused_code_holds_nothing(ask: Any, change: dict, expected: str) -> None:
    assert code_of(await ask("fund.auth.order.freeze", FREEZE | change)) == expected
    assert code_of(await ask(DETAIL, NAMES)) == "AUTH_ORDER_NOT_EXIST"


async def test_a_hold_is_no_charge(ask: Any, merchant: Any, book: Any) -> None:
    auth_no = await given(ask)
    assert (await book())["orders"] == []
    node = await merchant.call("query", {"trade_no": auth_no})
    assert node["sub_code"] == "ACQ.TRADE_NOT_EXIST"


async def test_a_voucher_is_made_once(ask: Any, pay: Any, control: Any) -> None:
    first, again = await ask(CREATE, VOUCHER), await ask(CREATE, VOUCHER)
    assert first["code_value"] == again["code_value"]
    assert code_of(await ask(CREATE, VOUCHER | {"amount": "10.01"})) == "UNIQUE_VIOLATION"
    await pay(first["code_value"])
    assert code_of(await ask(CREATE, VOUCHER)) == "FREEZE_ALREADY_SUCCESS"
    status, answer = await control("POST", "/payer/pay", {"code": first["code_value"]})
    assert (status, answer["code"]) == (409, "already_paid")


async def test_captures_never_exceed_the_hold(ask: Any, book: Any) -> None:
    auth_no = await given(ask)
    for number, amount, expected in (
        ("C_1", "10.01", "ACQ.PRODUCT_AMOUNT_LIMIT_ERROR"),
        ("C_1", "6.00", "10000"),
        ("C_1", "6.00", "ACQ.TRADE_HAS_SUCCESS"),
        ("C_1", "5.00", "ACQ.CONTEXT_INCONSISTENT"),
        ("C_2", "4.01", "ACQ.PRODUCT_AMOUNT_LIMIT_ERROR"),
        ("C_2", "4.00", "10000"),
        ("C_3", "0.01", "ACQ.AUTH_NO_ERROR"),
    ):
        node = await ask("trade.pay", capture(auth_no, number, amount))
        assert code_of(node) == expected, (number, amount)
    assert [(o["amount"], o["status"]) for o in (await book())["orders"]] == [
        (600, "paid"),
        (400, "paid"),
    ]
    node = await ask(DETAIL, NAMES)
    assert (node["order_status"], node["rest_amount"]) == ("FINISH", "0.00")
    assert code_of(await ask(UNFREEZE, release(auth_no, "V_1", "0.01"))) == "ORDER_ALREADY_FINISH"


async def test_the_last_capture_lets_go_of_the_rest(ask: Any) -> None:
    auth_no = await given(ask)
    last = capture(auth_no, "C_1", "6.00", auth_confirm_mode="COMPLETE")
    assert code_of(await ask("trade.pay", last)) == "10000"
    node = await ask(DETAIL, NAMES)
    assert (node["rest_amount"], node["total_pay_amount"]) == ("0.00", "6.00")
    again = capture(auth_no, "C_2", "1.00")
    assert code_of(await ask("trade.pay", again)) == "ACQ.AUTH_NO_ERROR"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"auth_no": "2026112200000000000000000000"}, "ACQ.AUTH_NO_ERROR"),
        ({"auth_confirm_mode": "SOMETIMES"}, "ACQ.INVALID_PARAMETER"),
        ({"product_code": None}, "ACQ.INVALID_PARAMETER"),
        ({"seller_id": "2088000000000000"}, "ACQ.ACCESS_FORBIDDEN"),
        ({"subject": None}, "ACQ.INVALID_PARAMETER"),
    ],
)
async def test_an_ill_formed_capture_takes_nothing(ask: Any, change: dict, expected: str) -> None:
    auth_no = await given(ask)
    node = await ask("trade.pay", capture(auth_no, "C_1", "1.00") | change)
    assert code_of(node) == expected
    assert (await ask(DETAIL, NAMES))["rest_amount"] == "10.00"


async def test_releases_never_exceed_the_hold(ask: Any) -> None:
    auth_no = await given(ask)
    for number, amount, expected in (
        ("V_1", "10.01", "REQUEST_AMOUNT_EXCEED"),
        ("V_1", "6.00", "10000"),
        ("V_1", "6.00", "10000"),  # one number, once
        ("V_1", "5.00", "UNIQUE_VIOLATION"),
        ("V_2", "4.01", "REQUEST_AMOUNT_EXCEED"),
        ("V_2", "4.00", "10000"),
        ("V_3", "0.01", "ORDER_ALREADY_CLOSED"),
    ):
        assert code_of(await ask(UNFREEZE, release(auth_no, number, amount))) == expected
    node = await ask(DETAIL, {"auth_no": auth_no, "out_request_no": "V_1"})
    assert (node["operation_type"], node["amount"], node["status"]) == (
        "UNFREEZE",
        "6.00",
        "SUCCESS",
    )
    node = await ask(DETAIL, {"auth_no": auth_no, "out_request_no": "V_9"})
    assert code_of(node) == "AUTH_OPERATION_NOT_EXIST"


async def test_a_cancel_undoes_a_whole_fresh_hold_only(ask: Any, clock: Any) -> None:
    cancel = NAMES | {"remark": "x"}
    assert code_of(await ask(CANCEL, cancel)) == "AUTH_ORDER_NOT_EXIST"
    auth_no = await given(ask)
    await ask("trade.pay", capture(auth_no, "C_1", "1.00"))
    assert code_of(await ask(CANCEL, cancel)) == "REQUEST_AMOUNT_EXCEED"
    names = {"out_order_no": "H_2", "out_request_no": "H_2"}
    code = {"auth_code": AUTH_CODE[:-1] + "2"}
    await ask("fund.auth.order.freeze", FREEZE | names | code)
    clock.advance(hours=25)
    late = await ask(CANCEL, names | {"remark": "x"})
    assert code_of(late) == "CANCEL_OPERATION_TIME_OUT"
    names = {"out_order_no": "H_3", "out_request_no": "H_3"}
    code = {"auth_code": AUTH_CODE[:-1] + "3"}
    await ask("fund.auth.order.freeze", FREEZE | names | code)
    for _ in range(2):
        node = await ask(CANCEL, names | {"remark": "x"})
        assert (node["code"], node["action"]) == ("10000", "unfreeze")
    assert (await ask(DETAIL, names))["order_status"] == "CLOSED"


async def test_an_unscanned_voucher_is_closed_for_good(ask: Any, control: Any) -> None:
    made = await ask(CREATE, VOUCHER)
    assert code_of(await ask(CANCEL, NAMES | {"remark": "x"})) == "AUTH_ORDER_NOT_EXIST"
    status, answer = await control("POST", "/payer/pay", {"code": made["code_value"]})
    assert (status, answer["code"]) == (409, "already_closed")


async def test_a_hold_expires_before_it_is_given_only(ask: Any, pay: Any, clock: Any) -> None:
    made = await ask(CREATE, VOUCHER | {"pay_timeout": "5m"})
    await pay(made["code_value"], "ignore")
    assert (await ask(DETAIL, NAMES))["status"] == "INIT"
    auth_no = (await ask("fund.auth.order.freeze", FREEZE | {"out_order_no": "H_2"}))["auth_no"]
    clock.advance(minutes=200)
    assert (await ask(DETAIL, NAMES))["status"] == "CLOSED"
    node = await ask(DETAIL, {"auth_no": auth_no, "out_request_no": "H_1"})
    assert (node["status"], node["rest_amount"]) == ("SUCCESS", "10.00")


async def test_holds_of_two_merchants_do_not_meet(ask: Any, sandbox: Any, enrol: Any) -> None:
    auth_no = await given(ask)
    other = await enrol(sandbox.url, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    content = capture(auth_no, "C_1", "1.00")
    assert (await other.call("pay", content))["sub_code"] == "ACQ.AUTH_NO_ERROR"


@pytest.mark.parametrize("operation", ["capture", "pay"])
async def test_faults_of_captures_and_payments_are_apart(
    ask: Any, arm: Any, operation: str
) -> None:
    auth_no = await given(ask)
    await arm(operation, "error")
    node = await ask("trade.pay", capture(auth_no, "C_1", "1.00"))
    assert code_of(node) == ("ACQ.SYSTEM_ERROR" if operation == "capture" else "10000")


async def test_a_system_error_of_a_fund_product_has_its_own_word(ask: Any, arm: Any) -> None:
    await arm("hold_query", "error")
    node = await ask(DETAIL, NAMES)
    assert (node["code"], node["sub_code"]) == ("20000", "SYSTEM_ERROR")
