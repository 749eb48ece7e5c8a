"""Quick pay: the SMS, the payer's answer, and what is no answer."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from gateway.channels.codec import HandedOut, PayOrder, Refused, Unknown, Waiting
from gateway.channels.unionpay import UnionPayCodec
from gateway.channels.wire import HttpRequest
from gateway.domain.errors import TillgateError
from tests.channels.unionpay.conftest import NOW, QUERY_ID, UnionPaySide, fields_of

pytestmark = pytest.mark.fast

CODEC = UnionPayCodec()
TOKEN = {"token": "6235240000012345678"}
PHONE = {"phone": "13800138000"}


def order(side: UnionPaySide, **options: str) -> PayOrder:
    return side.order("unionpay_quick", method_options=options)


def told(fields: dict[str, str]) -> bytes:
    return base64.b64decode(fields.get("customerInfo", ""))


def test_a_token_is_sent_with_its_requestor(unionpay: UnionPaySide) -> None:
    account = unionpay.account(token_requestor_id="62000000001")
    request = CODEC.build_pay(account, order(unionpay, **TOKEN), NOW)
    assert isinstance(request, HttpRequest)
    fields = fields_of(request)
    assert request.url.endswith("/backTransReq.do")
    assert (fields["txnType"], fields["txnSubType"], fields["bizType"]) == ("77", "02", "000902")
    assert fields["tokenPayData"] == "{token=6235240000012345678&trId=62000000001}"
    assert "customerInfo" not in fields


def test_a_phone_number_is_sent_in_customer_info(unionpay: UnionPaySide) -> None:
    request = CODEC.build_pay(unionpay.account(), order(unionpay, **PHONE), NOW)
    assert isinstance(request, HttpRequest)
    fields = fields_of(request)
    assert fields["bizType"] == "000301"
    assert told(fields) == b"{phoneNo=13800138000}"
    assert "tokenPayData" not in fields


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "missing_field"),
        ({"token": ""}, "missing_field"),
        ({"token": "a b c d e"}, "invalid_field"),
        ({"token": "x&trId=1"}, "invalid_field"),
        ({"phone": "+8613800138000"}, "invalid_field"),
        ({"phone": "1380013800"}, "invalid_field"),
        ({"token": "6235240000012345678", "phone": "x"}, "invalid_field"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    unionpay: UnionPaySide, options: dict[str, str], code: str
) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(order(unionpay, **options))
    assert refused.value.code == code
    assert (refused.value.param or "").startswith("/method_options/")


@pytest.mark.parametrize(
    ("code", "expected"),
    [("00", HandedOut), ("66", Refused), ("37", Refused), ("04", Unknown), ("12", Unknown)],
)
def test_the_sms_is_handed_out(unionpay: UnionPaySide, code: str, expected: type) -> None:
    account, quick = unionpay.account(), order(unionpay, **PHONE)
    request = CODEC.build_pay(account, quick, NOW)
    assert isinstance(request, HttpRequest)
    outcome = CODEC.read_pay(account, quick, unionpay.reply(request, code))
    assert isinstance(outcome, expected)
    if isinstance(outcome, HandedOut):
        assert outcome.next_action == {"type": "sms_code"}


@pytest.mark.parametrize("options", [TOKEN, PHONE, TOKEN | PHONE])
def test_an_answer_pays_under_the_same_number_and_time(
    unionpay: UnionPaySide, options: dict[str, str]
) -> None:
    account, quick = unionpay.account(), order(unionpay, **options)
    asked = CODEC.build_pay(account, quick, NOW)
    assert isinstance(asked, HttpRequest)
    later = NOW + timedelta(minutes=3)
    fields = fields_of(CODEC.build_answer(account, quick, {"sms_code": "123456"}, later))
    before = fields_of(asked)
    for name in ("orderId", "txnTime", "txnAmt", "bizType"):
        assert fields[name] == before[name]
    assert (fields["txnType"], fields["txnSubType"]) == ("01", "01")
    assert b"smsCode=123456}" in told(fields)
    assert (b"phoneNo" in told(fields)) == ("phone" in options)


@pytest.mark.parametrize("code", ["", "123", "123456789", "12345６", "1234&a=", "1234\n"])
def test_what_can_be_no_code_does_not_leave(unionpay: UnionPaySide, code: str) -> None:
    account, quick = unionpay.account(), order(unionpay, **PHONE)
    for answer in ({"sms_code": code}, {}):
        with pytest.raises(TillgateError) as refused:
            CODEC.build_answer(account, quick, answer, NOW)
        assert refused.value.param == "/method_options/sms_code"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("00", Waiting),
        ("05", Waiting),
        ("71", Refused),
        ("64", Refused),
        ("65", Refused),
        ("03", Unknown),
        ("12", Unknown),
        ("42", Unknown),
        ("A6", Unknown),
    ],
)
def test_an_answer_is_taken_refused_or_unknown(
    unionpay: UnionPaySide, code: str, expected: type
) -> None:
    account, quick = unionpay.account(), order(unionpay, **PHONE)
    request = CODEC.build_answer(account, quick, {"sms_code": "123456"}, NOW)
    outcome = CODEC.read_answer(account, quick, unionpay.reply(request, code, queryId=QUERY_ID))
    assert isinstance(outcome, expected)
    if isinstance(outcome, Refused):
        assert (outcome.code == "sms_code_wrong") == (code == "71")
    if isinstance(outcome, Waiting):
        assert outcome.channel_order_no == QUERY_ID


def test_another_orders_answer_is_unknown(unionpay: UnionPaySide) -> None:
    account, quick = unionpay.account(), order(unionpay, **PHONE)
    request = CODEC.build_answer(account, quick, {"sms_code": "123456"}, NOW)
    changes: list[dict[str, Any]] = [{"orderId": "01kb8mz3q8f7wv9t2n4x6c0r5b"}, {"orderId": None}]
    for change in changes:
        answer = unionpay.reply(request, **change)
        assert isinstance(CODEC.read_answer(account, quick, answer), Unknown)


def test_only_quick_pay_is_answered() -> None:
    assert frozenset({"unionpay_quick"}) == CODEC.answered
