"""Holds: what is asked, and when money counts as held, captured or let go."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from gateway.channels.alipay import AlipayCodec, preauth
from gateway.channels.authorization import Captured, CaptureOrder, CapturePending
from gateway.channels.codec import (
    Authorized,
    Closed,
    HandedOut,
    NotFound,
    Paid,
    Refused,
    Unknown,
    Waiting,
)
from gateway.domain.errors import TillgateError
from tests.channels.alipay.conftest import NOW, ORDER_NO, SELLER_ID, TRADE_NO

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
AUTH_NO = "2026112210002001000000000001"
CAPTURE_NO = "01kb8n0000f7wv9t2n4x6c0cap"
CODE = {"auth_code": "28763443825664394"}
NAMES = {"out_order_no": ORDER_NO, "out_request_no": ORDER_NO}


def order(alipay, **changes: object):
    return alipay.order(method="alipay_preauth", **changes)


def capture(**changes: object) -> CaptureOrder:
    content: dict = {
        "attempt_no": ORDER_NO,
        "channel_order_no": AUTH_NO,
        "capture_no": CAPTURE_NO,
        "method": "alipay_preauth",
        "amount": 1000,
        "amount_authorized": 1234,
        "currency": "CNY",
        "subject": "房费",
        "created_at": NOW,
    }
    return CaptureOrder(**(content | changes))


def sent(request) -> tuple[str, dict, dict]:
    parameters = dict(parse_qsl(request.url.partition("?")[2]))
    content = json.loads(dict(parse_qsl(request.body.decode()))["biz_content"])
    return parameters["method"], content, parameters


def read(alipay, operation: str, subject, interface: str, node: dict):
    node = {key: value for key, value in node.items() if value is not None}
    reader = getattr(CODEC, f"read_{operation}")
    return reader(alipay.account(), subject, alipay.answer(interface, node))


# --- hold ---------------------------------------------------------------------------------------


def test_a_hold_is_asked_for_by_code_or_at_once(alipay) -> None:
    common = NAMES | {
        "order_title": "一杯咖啡 & 50% off",
        "amount": "12.34",
        "product_code": "PREAUTH_PAY",
        "payee_user_id": SELLER_ID,
        "pay_timeout": "120m",
    }
    method, content, parameters = sent(CODEC.build_pay(alipay.account(), order(alipay), NOW))
    assert (method, content) == (preauth.VOUCHER_CREATE, common)
    assert parameters["notify_url"] == alipay.account().notify_url
    method, content, _ = sent(
        CODEC.build_pay(alipay.account(), order(alipay, method_options=CODE), NOW)
    )
    assert (method, content) == (preauth.FREEZE, common | CODE | {"auth_code_type": "bar_code"})
    account = alipay.account(preauth_product_code="PRE_AUTH")
    _, content, _ = sent(CODEC.build_pay(account, order(alipay), NOW))
    assert content["product_code"] == "PRE_AUTH"


def test_a_voucher_is_handed_out(alipay) -> None:
    node = {
        "code": "10000",
        **NAMES,
        "code_type": "qrCode",
        "code_value": "https://qr.alipay.com/x",
    }
    outcome = read(alipay, "pay", order(alipay), preauth.VOUCHER_CREATE, node)
    assert outcome == HandedOut({"type": "qr_code", "qr_code": "https://qr.alipay.com/x"})
    for changes in (
        {"code_value": None},
        {"code_value": ""},
        {"out_order_no": None},
        {"out_order_no": "other"},
        {"out_request_no": "other"},
        {"code": "10003"},
        {"code": "40004", "sub_code": "UNIQUE_VIOLATION"},
        {"code": "20000", "sub_code": "SYSTEM_ERROR"},
    ):
        outcome = read(alipay, "pay", order(alipay), preauth.VOUCHER_CREATE, node | changes)
        assert isinstance(outcome, Unknown), changes
    refused = {"code": "40004", "sub_code": "EXIST_FORBIDDEN_WORD"}
    outcome = read(alipay, "pay", order(alipay), preauth.VOUCHER_CREATE, refused)
    assert isinstance(outcome, Refused) and outcome.code == "text_refused"


FROZEN = {"code": "10000", **NAMES, "auth_no": AUTH_NO, "amount": "12.34", "status": "SUCCESS"}


def test_a_hold_at_once(alipay) -> None:
    def freeze(**changes: object):
        subject = order(alipay, method_options=CODE)
        return read(alipay, "pay", subject, preauth.FREEZE, FROZEN | changes)

    assert freeze() == Authorized(AUTH_NO, 1234, "CNY")
    assert freeze(amount=12.34) == Authorized(AUTH_NO, 1234, "CNY")  # its own characters
    wait = HandedOut({"type": "barcode_wait"}, AUTH_NO)
    assert freeze(code="10003", status="INIT") == wait
    assert freeze(status="INIT") == wait
    for changes in (
        {"status": "CLOSED"},
        {"status": None},
        {"auth_no": None},
        {"amount": None},
        {"amount": "0.00"},
        {"amount": "x"},
        {"amount": True},
        {"out_order_no": None},
        {"out_request_no": "other"},
        {"code": "40004", "sub_code": "FREEZE_ALREADY_SUCCESS"},
        {"code": "40004", "sub_code": "PULL_MOBILE_CASHIER_FAIL"},
    ):
        assert isinstance(freeze(**changes), Unknown), changes
    for sub_code, meaning in (
        ("MONEY_NOT_ENOUGH", "payer_funds_short"),
        ("PAYMENT_AUTH_CODE_INVALID", "code_unusable"),
    ):
        outcome = freeze(code="40004", sub_code=sub_code)
        assert isinstance(outcome, Refused) and outcome.code == meaning


# --- query, close -------------------------------------------------------------------------------

DETAIL = FROZEN | {"operation_type": "FREEZE", "rest_amount": "12.34", "total_pay_amount": "0.00"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Authorized(AUTH_NO, 1234, "CNY")),
        ({"rest_amount": 0.01}, Authorized(AUTH_NO, 1234, "CNY")),
        ({"rest_amount": "2.34", "total_pay_amount": "10.00"}, Authorized(AUTH_NO, 1234, "CNY")),
        ({"trans_currency": "USD"}, Authorized(AUTH_NO, 1234, "USD")),
        ({"rest_amount": "0.00"}, Closed(AUTH_NO)),
        ({"rest_amount": "0.00", "total_pay_amount": "12.34"}, Paid(AUTH_NO, 1234, "CNY")),
        ({"rest_amount": "0.00", "total_pay_amount": "10.00"}, Unknown),
        ({"rest_amount": "0.00", "total_pay_amount": None}, Unknown),
        ({"rest_amount": None}, Unknown),
        ({"amount": None}, Unknown),
        ({"auth_no": None}, Unknown),
        ({"status": "INIT"}, Waiting(AUTH_NO)),
        ({"status": "CLOSED"}, Closed(AUTH_NO)),
        ({"status": "NEW"}, Unknown),
        ({"status": None}, Unknown),
        ({"out_order_no": None}, Unknown),
        ({"out_order_no": "other"}, Unknown),
        ({"out_request_no": "other"}, Unknown),
        ({"code": "40004", "sub_code": "AUTH_ORDER_NOT_EXIST"}, NotFound()),
        ({"code": "40004", "sub_code": "AUTH_OPERATION_NOT_EXIST"}, NotFound()),
        ({"code": "40004", "sub_code": "ACCESS_FORBIDDEN"}, Unknown),
        ({"code": "20000", "sub_code": "SYSTEM_ERROR"}, Unknown),
    ],
)
def test_the_state_of_a_hold(alipay, changes: dict, expected: object) -> None:
    outcome = read(alipay, "query", order(alipay), preauth.DETAIL_QUERY, DETAIL | changes)
    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected


@pytest.mark.parametrize("operation", ["close", "cancel", "void"])
def test_a_hold_is_ended_before_its_number_is_known(alipay, operation: str) -> None:
    request = getattr(CODEC, f"build_{operation}")(alipay.account(), order(alipay), NOW)
    method, content, _ = sent(request)
    assert method == preauth.OPERATION_CANCEL
    assert content == NAMES | {"remark": "released"}
    node = {"code": "10000", **NAMES, "auth_no": AUTH_NO, "action": "close"}
    for changes, expected in (
        ({}, Closed(AUTH_NO)),
        ({"action": "unfreeze"}, Closed(AUTH_NO)),
        ({"action": "refund"}, Unknown),
        ({"action": None}, Unknown),
        ({"out_order_no": None}, Unknown),
        ({"code": "10003"}, Unknown),
        ({"code": "40004", "sub_code": "AUTH_ORDER_NOT_EXIST"}, NotFound()),
        ({"code": "40004", "sub_code": "ORDER_ALREADY_FINISH"}, Unknown),
    ):
        outcome = read(alipay, operation, order(alipay), preauth.OPERATION_CANCEL, node | changes)
        if isinstance(expected, type):
            assert isinstance(outcome, expected), changes
        else:
            assert outcome == expected


# --- capture ------------------------------------------------------------------------------------

CAPTURED = {
    "code": "10000",
    "out_trade_no": CAPTURE_NO,
    "trade_no": TRADE_NO,
    "total_amount": "10.00",
    "gmt_payment": "2026-11-23 00:00:05",
}
AT = datetime(2026, 11, 22, 16, 0, 5, tzinfo=UTC)


def test_a_capture_is_a_trade_of_its_own(alipay) -> None:
    method, content, parameters = sent(CODEC.build_capture(alipay.account(), capture(), NOW))
    assert method == "alipay.trade.pay" and "notify_url" not in parameters
    assert content == {
        "out_trade_no": CAPTURE_NO,
        "auth_no": AUTH_NO,
        "auth_confirm_mode": "COMPLETE",
        "total_amount": "10.00",
        "subject": "房费",
        "product_code": "PREAUTH_PAY",
        "seller_id": SELLER_ID,
    }
    _, content, _ = sent(CODEC.build_capture(alipay.account(), capture(final=False), NOW))
    assert content["auth_confirm_mode"] == "NOT_COMPLETE"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 1235}, "limit_exceeded"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"currency": "USD"}, "unsupported_currency"),
        ({"capture_no": "a-b"}, "internal_error"),
    ],
)
def test_never_more_is_captured_than_is_held(alipay, changes: dict, code: str) -> None:
    CODEC.build_capture(alipay.account(), capture(amount=1234), NOW)
    with pytest.raises(TillgateError) as caught:
        CODEC.build_capture(alipay.account(), capture(**changes), NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Captured(CAPTURE_NO, 1000, TRADE_NO, AT)),
        ({"code": "10003", "total_amount": None}, CapturePending()),
        ({"total_amount": "10.01"}, Unknown),
        ({"total_amount": None}, Unknown),
        ({"trade_no": None}, Unknown),
        ({"out_trade_no": None}, Unknown),
        ({"out_trade_no": ORDER_NO}, Unknown),
        ({"code": "40004", "sub_code": "ACQ.AUTH_NO_ERROR"}, Refused),
        ({"code": "40004", "sub_code": "ACQ.TRADE_HAS_SUCCESS"}, Unknown),
        ({"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, Unknown),
        ({"code": "20000", "sub_code": "ACQ.SYSTEM_ERROR"}, Unknown),
    ],
)
def test_what_a_capture_answers(alipay, changes: dict, expected: object) -> None:
    outcome = read(alipay, "capture", capture(), "alipay.trade.pay", CAPTURED | changes)
    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected


TRADE = {
    "code": "10000",
    "out_trade_no": CAPTURE_NO,
    "trade_no": TRADE_NO,
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "10.00",
    "send_pay_date": "2026-11-23 00:00:05",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Captured(CAPTURE_NO, 1000, TRADE_NO, AT)),
        ({"total_amount": "10.01"}, Unknown),
        ({"trade_status": "WAIT_BUYER_PAY"}, CapturePending()),
        ({"trade_status": "TRADE_CLOSED", "send_pay_date": None}, Refused),
        ({"trade_status": "TRADE_CLOSED"}, Unknown),
        (
            {"trade_status": "TRADE_CLOSED", "buyer_pay_amount": "10.00"},
            Captured(CAPTURE_NO, 1000, TRADE_NO, AT),
        ),
        ({"trade_status": "NEW"}, Unknown),
        ({"out_trade_no": ORDER_NO}, Unknown),
        ({"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}, NotFound()),
        ({"code": "40004", "sub_code": "ACQ.INVALID_PARAMETER"}, Unknown),
    ],
)
def test_what_became_of_a_capture(alipay, changes: dict, expected: object) -> None:
    request = CODEC.build_capture_query(alipay.account(), capture(), NOW)
    assert sent(request)[:2] == ("alipay.trade.query", {"out_trade_no": CAPTURE_NO})
    outcome = read(alipay, "capture_query", capture(), "alipay.trade.query", TRADE | changes)
    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected


# --- void ---------------------------------------------------------------------------------------


def test_a_void_lets_go_of_what_is_left(alipay) -> None:
    subject = order(alipay, channel_order_no=AUTH_NO, amount_captured=1000)
    method, content, _ = sent(CODEC.build_void(alipay.account(), subject, NOW))
    assert method == preauth.UNFREEZE
    assert content == {
        "auth_no": AUTH_NO,
        "out_request_no": ORDER_NO + "_void",
        "amount": "2.34",
        "remark": "released",
    }
    with pytest.raises(TillgateError):
        taken = order(alipay, channel_order_no=AUTH_NO, amount_captured=1234)
        CODEC.build_void(alipay.account(), taken, NOW)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Closed(AUTH_NO)),
        ({"status": "INIT"}, Unknown),
        ({"status": None}, Unknown),
        ({"auth_no": None}, Unknown),
        ({"auth_no": "other"}, Unknown),
        ({"out_request_no": None}, Unknown),
        ({"out_request_no": ORDER_NO}, Unknown),
        ({"code": "40004", "sub_code": "AUTH_ORDER_NOT_EXIST"}, NotFound()),
        ({"code": "40004", "sub_code": "ORDER_ALREADY_CLOSED"}, Unknown),
        ({"code": "40004", "sub_code": "REQUEST_AMOUNT_EXCEED"}, Unknown),
    ],
)
def test_what_a_void_answers(alipay, changes: dict, expected: object) -> None:
    node = {
        "code": "10000",
        "auth_no": AUTH_NO,
        "out_order_no": ORDER_NO,
        "out_request_no": ORDER_NO + "_void",
        "amount": "12.34",
        "status": "SUCCESS",
    }
    subject = order(alipay, channel_order_no=AUTH_NO)
    outcome = read(alipay, "void", subject, preauth.UNFREEZE, node | changes)
    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected
