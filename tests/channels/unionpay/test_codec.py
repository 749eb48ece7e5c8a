"""The UnionPay codec: what leaves, what may not leave, and what answers mean."""

import base64
from dataclasses import replace as changed
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from gateway.channels.codec import (
    HandedOut,
    NotFound,
    Refunded,
    RefundPending,
    Refused,
    Unknown,
)
from gateway.channels.unionpay import UnionPayCodec
from gateway.channels.unionpay.signature import SIGNATURE, verify
from gateway.channels.wire import HttpRequest
from gateway.domain.errors import TillgateError
from tests.channels.unionpay.conftest import (
    CERT_ID,
    EXPIRES,
    MER_ID,
    NOW,
    ORDER_NO,
    QUERY_ID,
    REFUND_NO,
    UnionPaySide,
    certify,
    fields_of,
    new_key,
    pem_of,
)

pytestmark = pytest.mark.fast

CODEC = UnionPayCodec()
GATEWAY = "https://gateway.95516.com/gateway/api/"


def is_ours(side: UnionPaySide, fields: dict[str, str]) -> bool:
    certificate = certify("merchant", side.merchant_key, None)
    return verify(fields, pem_of(certificate))


def sent(request: object) -> HttpRequest:
    assert isinstance(request, HttpRequest)
    return request


# --- accounts and orders ----------------------------------------------------------------------


def test_a_good_account_passes(unionpay: UnionPaySide) -> None:
    CODEC.check_account(unionpay.account())
    assert CODEC.credential_names | CODEC.option_names >= set(unionpay.account().credentials)
    assert CODEC.secret_names <= CODEC.credential_names | CODEC.option_names


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"mer_id": None}, "missing_field", "/credentials/mer_id"),
        ({"mer_id": "777-1"}, "invalid_field", "/credentials/mer_id"),
        ({"root_certificate": None}, "missing_field", "/credentials/root_certificate"),
        ({"middle_certificate": None}, "missing_field", "/credentials/middle_certificate"),
        ({"middle_certificate": "x"}, "invalid_field", "/credentials/middle_certificate"),
        ({"merchant_private_key": None}, "missing_field", "/credentials/sign_pfx"),
        ({"cert_id": None}, "invalid_field", "/credentials/merchant_private_key"),
        ({"sign_pfx": "AAAA"}, "invalid_field", "/credentials/sign_pfx"),
        ({"front_url": "https://h/" + "n" * 256}, "url_not_allowed", "/credentials/front_url"),
    ],
)
def test_an_account_that_could_never_work_is_refused(
    unionpay: UnionPaySide, changes: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_account(unionpay.account(**changes))
    assert (refused.value.code, refused.value.param) == (code, param)


def test_authorities_of_two_families_are_refused(unionpay: UnionPaySide) -> None:
    other = pem_of(certify("root", new_key(), None, ca=True))
    with pytest.raises(TillgateError, match="root"):
        CODEC.check_account(unionpay.account(root_certificate=other))


def test_a_gateway_with_a_query_is_refused(unionpay: UnionPaySide) -> None:
    for url in (GATEWAY + "?a=1", "ftp://h/", "https://h/#f"):
        account = replace(unionpay.account(), gateway_url=url)
        with pytest.raises(TillgateError):
            CODEC.check_account(account)
    account = replace(unionpay.account(), notify_url="https://h/" + "n" * 256)
    with pytest.raises(TillgateError):
        CODEC.check_account(account)


@pytest.mark.parametrize("method", sorted(CODEC.methods))
def test_a_good_order_passes(unionpay: UnionPaySide, method: str) -> None:
    CODEC.check_order(unionpay.order(method))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "alipay_qr"}, "unsupported_method"),
        ({"currency": "USD"}, "unsupported_currency"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"amount": 10**12}, "limit_exceeded"),
        ({"subject": ""}, "invalid_field"),
        ({"subject": "\ud800"}, "invalid_field"),
        ({"attempt_no": "1234567"}, "internal_error"),
        ({"attempt_no": "a" * 33}, "internal_error"),
        ({"attempt_no": "A-12345678"}, "internal_error"),
        ({"return_url": "https://h/" + "r" * 256}, "url_not_allowed"),
    ],
)
def test_an_order_that_unionpay_would_not_take_is_refused(
    unionpay: UnionPaySide, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(unionpay.order(**changes))
    assert refused.value.code == code


# --- pay --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "txn_type"), [("unionpay_web", "01"), ("unionpay_preauth", "02")]
)
def test_a_form_is_handed_out_without_asking_anybody(
    unionpay: UnionPaySide, method: str, txn_type: str
) -> None:
    order = unionpay.order(method, return_url="https://shop.example/back?x=1")
    given = CODEC.build_pay(unionpay.account(), order, NOW)
    assert isinstance(given, HandedOut)
    action: dict[str, Any] = dict(given.next_action)
    assert (action["type"], action["url"]) == ("form", GATEWAY + "frontTransReq.do")
    fields = action["fields"]
    assert is_ours(unionpay, fields)
    expected = {
        "version": "5.1.0",
        "encoding": "UTF-8",
        "signMethod": "01",
        "certId": CERT_ID,
        "accessType": "0",
        "merId": MER_ID,
        "txnType": txn_type,
        "txnSubType": "01",
        "bizType": "000201",
        "channelType": "07",
        "orderId": ORDER_NO,
        "txnTime": "20261122223000",
        "payTimeout": "20261123003000",
        "txnAmt": "1234",
        "currencyCode": "156",
        "orderDesc": "一杯咖啡 & 50% off",
        "backUrl": "https://pay.example.com/callbacks/unionpay/cac_1",
        "frontUrl": "https://shop.example/back?x=1",
    }
    assert {k: v for k, v in fields.items() if k != SIGNATURE} == expected
    assert CODEC.build_pay(unionpay.account(), order, NOW + timedelta(hours=1)) == given


def test_the_way_back_is_the_orders_the_accounts_or_our_own_host(unionpay: UnionPaySide) -> None:
    def front_url(account: Any, order: Any) -> str:
        given = CODEC.build_pay(account, order, NOW)
        assert isinstance(given, HandedOut)
        action: dict[str, Any] = dict(given.next_action)
        return str(action["fields"]["frontUrl"])

    own = unionpay.account(front_url="https://shop.example/")
    order = unionpay.order("unionpay_web")
    assert front_url(own, replace(order, return_url="https://a/")) == "https://a/"
    assert front_url(own, order) == "https://shop.example/"
    assert front_url(unionpay.account(), order) == "https://pay.example.com/"


def test_a_qr_code_is_asked_for(unionpay: UnionPaySide) -> None:
    account, order = unionpay.account(), unionpay.order(subject="书" * 40)
    request = sent(CODEC.build_pay(account, order, NOW))
    fields = fields_of(request)
    assert (request.method, request.url) == ("POST", GATEWAY + "backTransReq.do")
    assert is_ours(unionpay, fields)
    assert (fields["txnType"], fields["txnSubType"], fields["bizType"]) == ("01", "07", "000000")
    assert fields["channelType"] == "08"
    assert fields["orderDesc"] == "书" * 32
    answer = unionpay.reply(request, qrCode="https://qr.95516.com/1")
    assert CODEC.read_pay(account, order, answer) == HandedOut(
        {"type": "qr_code", "qr_code": "https://qr.95516.com/1"}
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [("33", Refused), ("31", Refused), ("12", Unknown), ("04", Unknown), ("77", Unknown)],
)
def test_a_refused_qr_code(unionpay: UnionPaySide, code: str, kind: type) -> None:
    account, order = unionpay.account(), unionpay.order()
    request = sent(CODEC.build_pay(account, order, NOW))
    outcome = CODEC.read_pay(account, order, unionpay.reply(request, code))
    assert isinstance(outcome, kind)


@pytest.mark.parametrize("qr_code", [None, "", "x" * 1025, "a\nb"])
def test_a_qr_code_that_is_none_is_unknown(unionpay: UnionPaySide, qr_code: str | None) -> None:
    account, order = unionpay.account(), unionpay.order()
    request = sent(CODEC.build_pay(account, order, NOW))
    answer = unionpay.reply(request, qrCode=qr_code)
    assert isinstance(CODEC.read_pay(account, order, answer), Unknown)


def test_a_message_carries_no_secret(unionpay: UnionPaySide) -> None:
    account = unionpay.account()
    key = "".join(account.credentials["merchant_private_key"].split("\n")[1:3])
    for request in (
        sent(CODEC.build_pay(account, unionpay.order(), NOW)),
        sent(CODEC.build_query(account, unionpay.order(), NOW)),
        sent(CODEC.build_refund(account, unionpay.refund(), NOW)),
    ):
        assert key.encode() not in request.body
        assert urlsplit(request.url).query == ""
    assert key not in repr(account)


# --- refunds ----------------------------------------------------------------------------------


def test_a_refund_names_the_payment_and_us(unionpay: UnionPaySide) -> None:
    account, refund = unionpay.account(), unionpay.refund()
    request = sent(CODEC.build_refund(account, refund, NOW))
    fields = fields_of(request)
    assert is_ours(unionpay, fields)
    told = {
        "txnType": "04",
        "txnSubType": "00",
        "orderId": REFUND_NO,
        "origQryId": QUERY_ID,
        "txnAmt": "1000",
        "reqReserved": ORDER_NO,
    }
    assert told.items() <= fields.items()
    later = fields_of(sent(CODEC.build_refund(account, refund, NOW + timedelta(days=1))))
    asked = fields_of(sent(CODEC.build_refund_query(account, refund, NOW)))
    assert later["txnTime"] == asked["txnTime"] == fields["txnTime"]
    assert asked["orderId"] == REFUND_NO and asked["txnType"] == "00"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("00", RefundPending),
        ("05", RefundPending),
        ("33", Refused),
        ("03", Unknown),
        ("12", Unknown),
        ("35", Unknown),
        ("45", Unknown),
        ("A6", Unknown),
    ],
)
def test_a_refund_is_never_done_at_once(unionpay: UnionPaySide, code: str, expected: type) -> None:
    account, refund = unionpay.account(), unionpay.refund()
    request = sent(CODEC.build_refund(account, refund, NOW))
    outcome = CODEC.read_refund(account, refund, unionpay.reply(request, code))
    assert isinstance(outcome, expected)


REFUND_STATE = {"txnType": "04", "txnAmt": "1000"}


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        ("00", {}, Refunded),
        ("A6", {}, Refunded),
        ("05", {}, RefundPending),
        ("03", {}, Unknown),
        ("60", {}, Refused),
        ("36", {}, Refused),
        ("42", {}, Unknown),
        ("00", {"txnAmt": "1001"}, Unknown),
        ("00", {"currencyCode": "840"}, Unknown),
        ("00", {"txnType": "01"}, Unknown),
        ("00", {"queryId": None}, Unknown),
        ("00", {"orderId": ORDER_NO}, Unknown),
        ("00", {"txnTime": "20261122223001"}, Unknown),
        ("00", {"orderId": None}, Unknown),
    ],
)
def test_a_refunds_query(
    unionpay: UnionPaySide, state: str, changes: dict[str, Any], expected: type
) -> None:
    account, refund = unionpay.account(), unionpay.refund()
    request = sent(CODEC.build_refund_query(account, refund, NOW))
    answer = unionpay.state(request, state, **(REFUND_STATE | changes))
    assert isinstance(CODEC.read_refund_query(account, refund, answer), expected)


def test_a_refund_that_was_never_seen(unionpay: UnionPaySide) -> None:
    account, refund = unionpay.account(), unionpay.refund()
    request = sent(CODEC.build_refund_query(account, refund, NOW))
    assert CODEC.read_refund_query(account, refund, unionpay.reply(request, "34")) == NotFound()
    answer = unionpay.reply(request, "37")
    assert isinstance(CODEC.read_refund_query(account, refund, answer), Unknown)


def test_a_refund_without_the_payments_number_does_not_leave(unionpay: UnionPaySide) -> None:
    account = unionpay.account()
    outcome = CODEC.build_refund(account, unionpay.refund(channel_order_no=None), NOW)
    assert isinstance(outcome, Unknown)
    for changes in ({"refund_no": "R-1"}, {"amount": 0}, {"currency": "USD"}):
        with pytest.raises(TillgateError):
            CODEC.build_refund(account, unionpay.refund(**changes), NOW)


# --- whom to believe --------------------------------------------------------------------------


def spoiled(side: UnionPaySide, request: HttpRequest) -> dict[str, Any]:
    """Answers that are not UnionPay's, by what is wrong with them."""
    good = side.reply(request, qrCode="https://qr.95516.com/1")
    key = new_key()
    self_made = pem_of(certify("041@1@中国银联股份有限公司@1", key, None))
    fields = {"merId": MER_ID, "orderId": ORDER_NO, "respCode": "00", "qrCode": "https://q/1"}
    forged = side.sign(fields, key=key, certificate=self_made)
    other = side.sign(fields, key=key)
    text = "&".join(f"{n}={v}" for n, v in forged.items()).encode()
    text_other = "&".join(f"{n}={v}" for n, v in other.items()).encode()
    unsigned = "&".join(f"{n}={v}" for n, v in fields.items()).encode()
    late = EXPIRES + timedelta(days=60)
    return {
        "status": replace(good, status=500),
        "no time": replace(good, received_at=None),
        "certificate ended": replace(good, received_at=late),
        "self-made certificate": replace(good, body=text),
        "another key": replace(good, body=text_other),
        "unsigned": replace(good, body=unsigned),
        "empty": replace(good, body=b""),
        "no text": replace(good, body=b"\xff\xfe"),
        "another merchant": side.reply(request, merId="777290000000002", qrCode="x"),
        "another order": side.reply(request, orderId="01kb8mz3q8f7wv9t2n4x6c0r5b", qrCode="x"),
        "no order": side.reply(request, orderId=None, qrCode="x"),
        "no code": side.reply(request, respCode=None, qrCode="x"),
        "odd code": side.reply(request, "000", qrCode="x"),
    }


def test_what_is_not_unionpays_is_unknown(unionpay: UnionPaySide) -> None:
    account, order = unionpay.account(), unionpay.order()
    request = sent(CODEC.build_pay(account, order, NOW))
    good = unionpay.reply(request, qrCode="https://qr.95516.com/1")
    assert isinstance(CODEC.read_pay(account, order, good), HandedOut)
    for what, answer in spoiled(unionpay, request).items():
        outcome = CODEC.read_pay(account, order, answer)
        assert isinstance(outcome, Unknown), what
        assert "BEGIN" not in outcome.reason


def test_every_flipped_bit_of_an_answer_is_noticed(unionpay: UnionPaySide) -> None:
    account, order = unionpay.account(), unionpay.order()
    request = sent(CODEC.build_pay(account, order, NOW))
    good = unionpay.reply(request, qrCode="https://qr.95516.com/1")
    for at in range(len(good.body)):
        for bit in range(8):
            body = bytearray(good.body)
            body[at] ^= 1 << bit
            outcome = CODEC.read_pay(account, order, replace(good, body=bytes(body)))
            assert isinstance(outcome, Unknown), (at, bit)


def test_the_signers_name_is_the_accounts(unionpay: UnionPaySide) -> None:
    key = new_key()
    certificate = certify("041@Z12@00040000:SIGN@1", key, (unionpay.middle, unionpay.middle_key))
    side = changed(unionpay, signer=certificate, signer_key=key)
    order = unionpay.order()
    request = sent(CODEC.build_pay(side.account(), order, NOW))
    answer = side.reply(request, qrCode="https://qr.95516.com/1")
    assert isinstance(CODEC.read_pay(side.account(), order, answer), Unknown)
    named = side.account(signer_name="00040000:SIGN")
    assert isinstance(CODEC.read_pay(named, order, answer), HandedOut)


def test_callbacks_are_answered_by_status_alone() -> None:
    assert CODEC.callback_reply(True).status == 200
    assert CODEC.callback_reply(False).status == 400


def test_the_vector_of_an_answer_is_read_as_paid(
    unionpay: UnionPaySide, vectors: dict[str, Any]
) -> None:
    from datetime import UTC, datetime

    from gateway.channels.codec import Paid
    from gateway.channels.wire import HttpResponse

    params = vectors["unionpay_query_response"]["params"]
    found = vectors["unionpay_test_authorities"]
    account = unionpay.account(
        mer_id=params["merId"],
        root_certificate=found["root"],
        middle_certificate=found["middle"],
    )
    created = datetime(2022, 9, 10, 20, 16, 47, tzinfo=UTC)
    order = unionpay.order(
        "unionpay_web", attempt_no=params["orderId"], created_at=created, amount=1
    )
    body = "&".join(f"{name}={value}" for name, value in params.items()).encode()
    answer = HttpResponse(200, {}, body, received_at=datetime(2022, 9, 11, tzinfo=UTC))
    expected = Paid(params["queryId"], 1, "CNY", paid_at=created)
    assert CODEC.read_query(account, order, answer) == expected
    late = replace(answer, received_at=datetime(2025, 8, 1, tzinfo=UTC))
    assert isinstance(CODEC.read_query(account, order, late), Unknown)


def test_customer_data_is_in_no_form(unionpay: UnionPaySide) -> None:
    quick = unionpay.order("unionpay_quick", method_options={"phone": "13800138000"})
    fields = fields_of(sent(CODEC.build_pay(unionpay.account(), quick, NOW)))
    assert base64.b64decode(fields["customerInfo"]) == b"{phoneNo=13800138000}"
    for method in ("unionpay_web", "unionpay_preauth"):
        given = CODEC.build_pay(unionpay.account(), unionpay.order(method), NOW)
        assert isinstance(given, HandedOut)
        assert "customerInfo" not in dict(given.next_action)["fields"]  # type: ignore[operator]
