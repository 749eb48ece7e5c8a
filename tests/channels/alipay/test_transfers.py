"""Transfers: who may be paid, what is sent, and when money counts as arrived."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from gateway.channels.alipay import AlipayCodec, transfers
from gateway.channels.codec import NotFound, Refused, Unknown
from gateway.channels.transfer import Returned, TransferOrder, TransferPending, Transferred
from gateway.domain.errors import TillgateError
from tests.channels.alipay.conftest import NOW

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
NUMBER = "01kb8n0000f7wv9t2n4x6c0out"
USER = {"account": "2088102146225135"}
AT = datetime(2026, 11, 22, 16, 0, 5, tzinfo=UTC)


def order(**changes: object) -> TransferOrder:
    content: dict = {
        "transfer_no": NUMBER,
        "method": "alipay_transfer",
        "amount": 1234,
        "currency": "CNY",
        "purpose": "十一月工资",
        "payee": USER,
    }
    return TransferOrder(**(content | changes))


def payee(**payee: str) -> TransferOrder:
    return order(payee=payee)


@pytest.mark.parametrize(
    ("transfer", "code"),
    [
        (order(), None),
        (order(amount=10), None),
        (order(amount=9), "amount_below_minimum"),
        (order(amount=10_000_000_001), "limit_exceeded"),
        (order(currency="USD"), "unsupported_currency"),
        (order(method="wechat_transfer"), "unsupported_method"),
        (order(purpose=""), "invalid_field"),
        (order(purpose="长" * 129), "invalid_field"),
        (order(purpose="\ud800"), "invalid_field"),
        (order(transfer_no="a-b"), "internal_error"),
        (payee(), "missing_field"),
        (payee(account="a@b.example"), "missing_field"),
        (payee(account="a@b.example", name="张三"), None),
        (payee(account="13800000000", name="张三"), None),
        (payee(account="not an account", name="张三"), "invalid_field"),
        (payee(account="2088102146225135", account_type="user_id"), None),
        (payee(account="2088", account_type="user_id"), "invalid_field"),
        (payee(account="a@b.example", account_type="user_id"), "invalid_field"),
        (payee(account="074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5", account_type="open_id"), None),
        (payee(account="2088102146225135", account_type="card"), "invalid_field"),
        (payee(account="a@b.example", name="长" * 129), "invalid_field"),
    ],
)  # fmt: skip
def test_payees_are_checked_before_a_byte_leaves(transfer: TransferOrder, code: str | None) -> None:
    if code is None:
        CODEC.check_transfer(transfer)
        return
    with pytest.raises(TillgateError) as caught:
        CODEC.check_transfer(transfer)
    assert caught.value.code == code


def test_only_certificates_pay_out_unless_the_account_says_otherwise(alipay, authorities) -> None:
    with pytest.raises(TillgateError) as caught:
        CODEC.build_transfer(alipay.account(), order(), NOW)
    assert caught.value.code == "unsupported_method" and "certificate" in caught.value.detail
    off = alipay.account(transfer_in_public_key_mode="off")
    with pytest.raises(TillgateError):
        CODEC.build_transfer(off, order(), NOW)
    on = alipay.account(transfer_in_public_key_mode="on")
    assert "app_cert_sn" not in CODEC.build_transfer(on, order(), NOW).url
    assert "app_cert_sn" in CODEC.build_transfer(authorities.account(), order(), NOW).url


def test_what_is_sent(authorities) -> None:
    def content(request) -> dict:
        return json.loads(dict(parse_qsl(request.body.decode()))["biz_content"])

    product = {"product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
    named = payee(account="a@b.example", name="张三")
    assert content(CODEC.build_transfer(authorities.account(), named, NOW)) == product | {
        "out_biz_no": NUMBER,
        "trans_amount": "12.34",
        "order_title": "十一月工资",
        "remark": "十一月工资",
        "payee_info": {
            "identity": "a@b.example",
            "identity_type": "ALIPAY_LOGON_ID",
            "name": "张三",
        },
    }
    query = CODEC.build_transfer_query(authorities.account(), order(), NOW)
    assert content(query) == product | {"out_biz_no": NUMBER}


SENT = {
    "code": "10000",
    "out_biz_no": NUMBER,
    "order_id": "T1",
    "status": "SUCCESS",
    "trans_date": "2026-11-23 00:00:05",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Transferred(NUMBER, "T1", AT)),
        ({"status": "DEALING"}, TransferPending("T1")),
        ({"status": "FAIL"}, Unknown),
        ({"status": "REFUND"}, Unknown),
        ({"status": "NEW"}, Unknown),
        ({"status": None}, Unknown),
        ({"order_id": None}, Unknown),
        ({"out_biz_no": None}, Unknown),
        ({"out_biz_no": "other"}, Unknown),
        ({"trans_amount": "12.35"}, Unknown),
        ({"code": "40004", "sub_code": "PAYEE_NOT_EXIST"}, Refused),
        ({"code": "40004", "sub_code": "PAYER_BALANCE_NOT_ENOUGH"}, Refused),
        ({"code": "40004", "sub_code": "SYSTEM_ERROR"}, Unknown),
        ({"code": "40004", "sub_code": "PAYMENT_INFO_INCONSISTENCY"}, Unknown),
        ({"code": "40004", "sub_code": "NEW"}, Unknown),
        ({"code": "20000", "sub_code": "SYSTEM_ERROR"}, Unknown),
        ({"code": "10003"}, Unknown),
    ],
)
def test_what_a_transfer_answers(authorities, alipay, changes: dict, expected: object) -> None:
    node = {key: value for key, value in (SENT | changes).items() if value is not None}
    answer = alipay.answer(transfers.TRANSFER, node)
    outcome = CODEC.read_transfer(authorities.account(), order(), answer)
    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected


FOUND = {
    "code": "10000",
    "out_biz_no": NUMBER,
    "order_id": "T1",
    "status": "SUCCESS",
    "trans_amount": "12.34",
    "pay_date": "2026-11-23 00:00:05",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Transferred(NUMBER, "T1", AT)),
        ({"trans_amount": 12.34}, Transferred(NUMBER, "T1", AT)),
        ({"trans_amount": 12}, Unknown),
        ({"trans_amount": "12.33"}, Unknown),
        ({"status": "DEALING"}, TransferPending("T1")),
        ({"status": "WAIT_PAY"}, TransferPending("T1")),
        ({"status": "FAIL", "error_code": "PAYEE_NOT_EXIST"}, Returned("PAYEE_NOT_EXIST")),
        ({"status": "FAIL"}, Returned("FAIL")),
        ({"status": "CLOSED"}, Returned("CLOSED")),
        ({"status": "REFUND"}, Returned("REFUND")),
        ({"status": "UNKNOWN"}, Unknown),
        ({"out_biz_no": "other"}, Unknown),
        ({"code": "40004", "sub_code": "ORDER_NOT_EXIST"}, NotFound()),
        ({"code": "40004", "sub_code": "PAYEE_NOT_EXIST"}, Unknown),
    ],
)
def test_what_became_of_a_transfer(authorities, alipay, changes: dict, expected: object) -> None:
    node = {key: value for key, value in (FOUND | changes).items() if value is not None}
    answer = alipay.answer(transfers.TRANSFER_QUERY, node)
    outcome = CODEC.read_transfer_query(authorities.account(), order(), answer)
    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected
