"""The codec: requests complete to the byte, and what each answer is taken for."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.alipay import AlipayCodec, codec
from gateway.channels.codec import (
    AccountView,
    Closed,
    HandedOut,
    NotFound,
    Paid,
    Refunded,
    RefundPending,
    Refused,
    Unknown,
    Waiting,
)
from gateway.channels.crypto import rsa_sha256_verify
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
NOW = datetime(2026, 11, 22, 16, 0, 1, tzinfo=UTC)
ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
TRADE_NO = "2026112222001400000000000001"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
QR_CODE = "https://qr.alipay.com/bax03431ljhokirwl38f00a7"
OPERATIONS = ("pay", "query", "close", "cancel", "refund", "refund_query")
INTERFACES = {
    "pay": "alipay.trade.precreate",
    "query": codec.QUERY,
    "close": codec.CLOSE,
    "cancel": codec.CANCEL,
    "refund": codec.REFUND,
    "refund_query": codec.REFUND_QUERY,
}
DEFINITE = (HandedOut, Waiting, Paid, Closed, NotFound, Refused, Refunded, RefundPending)

Node = dict[str, object]


def subject_of(alipay, operation: str):
    return alipay.refund() if operation.startswith("refund") else alipay.order()


def build(alipay, operation: str, **credentials: str) -> HttpRequest:
    builder: Callable = getattr(CODEC, f"build_{operation}")
    return builder(alipay.account(**credentials), subject_of(alipay, operation), NOW)


def read_response(alipay, operation: str, response: HttpResponse, **credentials: str) -> object:
    reader: Callable = getattr(CODEC, f"read_{operation}")
    return reader(alipay.account(**credentials), subject_of(alipay, operation), response)


def read(alipay, operation: str, node: Node) -> object:
    return read_response(alipay, operation, alipay.answer(INTERFACES[operation], node))


def ok(**fields: object) -> Node:
    node: Node = {"code": "10000", "msg": "Success", "out_trade_no": ORDER_NO, **fields}
    return {key: value for key, value in node.items() if value is not None}


def failed(sub_code: str, code: str = "40004", **fields: object) -> Node:
    return {"code": code, "msg": "Business Failed", "sub_code": sub_code, **fields}


# What Alipay answers when all went well, for each operation.
GOOD: dict[str, tuple[Node, object]] = {
    "pay": (
        ok(qr_code=QR_CODE),
        HandedOut({"type": "qr_code", "qr_code": QR_CODE}),
    ),
    "query": (
        ok(
            trade_no=TRADE_NO,
            trade_status="TRADE_SUCCESS",
            total_amount="12.34",
            buyer_pay_amount="12.00",
            receipt_amount="12.34",
            send_pay_date="2026-11-23 00:00:05",
        ),
        Paid(TRADE_NO, 1234, "CNY", datetime(2026, 11, 22, 16, 0, 5, tzinfo=UTC), 1200, 34),
    ),
    "close": (ok(trade_no=TRADE_NO), Closed(TRADE_NO)),
    "cancel": (ok(trade_no=TRADE_NO, retry_flag="N", action="close"), Closed(TRADE_NO)),
    "refund": (
        ok(trade_no=TRADE_NO, fund_change="Y", refund_fee="10.00"),
        Refunded(REFUND_NO),
    ),
    "refund_query": (
        ok(
            trade_no=TRADE_NO,
            out_request_no=REFUND_NO,
            refund_amount="10.00",
            total_amount="12.34",
            refund_status="REFUND_SUCCESS",
            gmt_refund_pay="2026-11-23 00:00:05",
        ),
        Refunded(REFUND_NO, datetime(2026, 11, 22, 16, 0, 5, tzinfo=UTC)),
    ),
}


# --- requests -----------------------------------------------------------------------------------

CONTENTS = {
    "pay": {
        "out_trade_no": ORDER_NO,
        "total_amount": "12.34",
        "subject": "一杯咖啡 & 50% off",
        "product_code": "FACE_TO_FACE_PAYMENT",
        "time_expire": "2026-11-23 00:30:00",
    },
    "query": {"out_trade_no": ORDER_NO},
    "close": {"out_trade_no": ORDER_NO},
    "cancel": {"out_trade_no": ORDER_NO},
    "refund": {
        "out_trade_no": ORDER_NO,
        "refund_amount": "10.00",
        "out_request_no": REFUND_NO,
        "refund_reason": "坏了",
    },
    "refund_query": {
        "out_trade_no": ORDER_NO,
        "out_request_no": REFUND_NO,
        "query_options": ["gmt_refund_pay"],
    },
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_request_is_complete_and_signed(alipay, operation: str) -> None:
    request = build(alipay, operation)
    address = urlsplit(request.url)
    query = parse_qsl(address.query, keep_blank_values=True, strict_parsing=True)
    form = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    params = dict(query + form)
    assert request.method == "POST"
    assert f"{address.scheme}://{address.netloc}{address.path}" == alipay.account().gateway_url
    assert dict(request.headers)["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert [key for key, _ in form] == ["biz_content"]
    assert len(params) == len(query) + len(form)  # no key is in both
    sign = params.pop("sign")
    canonical = "&".join(f"{key}={params[key]}" for key in sorted(params))
    assert rsa_sha256_verify(alipay.merchant_public_key, canonical.encode(), sign)
    assert json.loads(params.pop("biz_content")) == CONTENTS[operation]
    expected = {
        "app_id": alipay.account().credentials["app_id"],
        "method": INTERFACES[operation],
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": "2026-11-23 00:00:01",
        "version": "1.0",
    }
    if operation == "pay":
        expected["notify_url"] = alipay.account().notify_url
    assert params == expected


def test_the_product_code_is_the_accounts(alipay) -> None:
    def content(**credentials: str) -> dict:
        body = build(alipay, "pay", **credentials).body.decode()
        return json.loads(dict(parse_qsl(body))["biz_content"])

    assert content(product_code="QR_CODE_OFFLINE")["product_code"] == "QR_CODE_OFFLINE"
    assert content(product_code="")["product_code"] == "FACE_TO_FACE_PAYMENT"
    assert "product_code" in CODEC.option_names - CODEC.credential_names


def test_equal_orders_make_equal_requests(alipay) -> None:
    for operation in OPERATIONS:
        assert build(alipay, operation) == build(alipay, operation)


def test_a_refund_is_checked_before_it_is_built(alipay) -> None:
    for changes, code in (
        ({"currency": "USD"}, "unsupported_currency"),
        ({"amount": 0}, "amount_below_minimum"),
    ):
        with pytest.raises(TillgateError) as caught:
            CODEC.build_refund(alipay.account(), alipay.refund(**changes), NOW)
        assert caught.value.code == code
    long = CODEC.build_refund(alipay.account(), alipay.refund(reason="长" * 300), NOW)
    content = json.loads(dict(parse_qsl(long.body.decode()))["biz_content"])
    assert content["refund_reason"] == "长" * codec.REASON_CHARS_MAX


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"amount": 1}, None),
        ({"amount": 10_000_000_000}, None),
        ({"subject": "长" * 256}, None),
        ({"subject": "a/b=c&d"}, None),
        ({"attempt_no": "A_1" * 21}, None),
        ({"amount": 0}, "amount_below_minimum"),
        ({"amount": -1}, "amount_below_minimum"),
        ({"amount": 10_000_000_001}, "limit_exceeded"),
        ({"currency": "USD"}, "unsupported_currency"),
        ({"currency": "cny"}, "unsupported_currency"),
        ({"method": "alipay_face"}, "unsupported_method"),
        ({"subject": ""}, "invalid_field"),
        ({"subject": "长" * 257}, "invalid_field"),
        ({"subject": "\ud800"}, "invalid_field"),
        ({"attempt_no": ""}, "internal_error"),
        ({"attempt_no": "x" * 65}, "internal_error"),
        ({"attempt_no": "a-b"}, "internal_error"),
    ],
)
def test_orders_are_checked_before_a_byte_leaves(alipay, changes: dict, code: str | None) -> None:
    order = alipay.order(**changes)
    if code is None:
        CODEC.check_order(order)
        return
    with pytest.raises(TillgateError) as caught:
        CODEC.check_order(order)
    assert caught.value.code == code


def test_registrations_are_checked_before_they_are_stored(alipay) -> None:
    good = alipay.account()
    CODEC.check_account(good)

    def refusal(**changes: object) -> TillgateError:
        fields = {name: getattr(good, name) for name in AccountView.__struct_fields__}
        with pytest.raises(TillgateError) as caught:
            CODEC.check_account(AccountView(**(fields | changes)))
        return caught.value

    for name in CODEC.credential_names:
        error = refusal(credentials={**good.credentials, name: ""})
        assert (error.code, error.param) == ("missing_field", f"/credentials/{name}")
    for name in ("merchant_private_key", "alipay_public_key"):
        error = refusal(credentials={**good.credentials, name: "c2VjcmV0"})
        assert (error.code, error.param) == ("invalid_field", f"/credentials/{name}")
        assert "c2VjcmV0" not in error.detail
    for url in ("https://a.example/gateway.do?charset=utf-8", "ftp://a.example/", "https://a/#b"):
        assert refusal(gateway_url=url).code == "url_not_allowed"
    assert refusal(notify_url="https://" + "a" * 256).code == "limit_exceeded"


# --- what is believed ---------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_good_answer_is_definite(alipay, operation: str) -> None:
    node, expected = GOOD[operation]
    assert read(alipay, operation, node) == expected


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_answer_without_proof_is_unknown(alipay, operation: str) -> None:
    """Not signed, signed by another or over another text, not 200, of another interface."""
    node, _ = GOOD[operation]
    interface = INTERFACES[operation]
    name = interface.replace(".", "_") + "_response"
    text = json.dumps(node)
    good = alipay.raw_answer(name, text)
    other = alipay.raw_answer(name, text.replace("10000", "10000 "))
    changed = other.body.replace(b"10000 ", b"10000")
    bodies = [
        json.dumps({name: node}).encode(),
        json.dumps({name: node, "sign": ""}).encode(),
        json.dumps({name: node, "sign": "AAAA"}).encode(),
        changed,
        good.body[:-1],
        good.body + b"x",
        b"\xef\xbb\xbf" + good.body,
        alipay.raw_answer("alipay_other_response", text).body,
        alipay.raw_answer("error_response", text).body,
        alipay.raw_answer(name, json.dumps([node])).body,
        b"",
        b"<html>502</html>",
    ]
    assert not isinstance(read_response(alipay, operation, good), Unknown)
    for body in bodies:
        response = HttpResponse(status=200, headers={}, body=body)
        assert isinstance(read_response(alipay, operation, response), Unknown), body
    for status in (201, 204, 301, 400, 404, 500, 502, 504):
        response = HttpResponse(status=status, headers={}, body=good.body)
        assert isinstance(read_response(alipay, operation, response), Unknown)
    for key in (alipay.merchant_public_key, "not a key"):
        outcome = read_response(alipay, operation, good, alipay_public_key=key)
        assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "another_order"},
        {"out_trade_no": None},
        {"out_trade_no": 1},
        {"code": 10000},
        {"code": "10000 "},
        {"code": "10003"},
        {"sub_code": "ACQ.SYSTEM_ERROR"},
        {"sub_code": ["ACQ.SYSTEM_ERROR"]},
        {"code": "20000", "sub_code": "isp.unknown-error"},
        {"code": None},
    ],
)
def test_a_good_answer_about_something_else_is_unknown(
    alipay, operation: str, changes: Node
) -> None:
    node = {key: value for key, value in (GOOD[operation][0] | changes).items() if value != ""}
    node = {key: value for key, value in node.items() if value is not None}
    outcome = read(alipay, operation, node)
    if operation == "refund_query" and set(changes) == {"out_trade_no"}:
        # The refund number and amount name it; only a different order contradicts.
        assert isinstance(outcome, Unknown) == (changes["out_trade_no"] == "another_order")
    else:
        assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("code", "sub_code"),
    [
        ("40004", "ACQ.SYSTEM_ERROR"),
        ("40004", "AQC.SYSTEM_ERROR"),
        ("40004", "ACQ.TRADE_HAS_SUCCESS"),
        ("40004", "ACQ.TRADE_HAS_CLOSE"),
        ("40004", "ACQ.CONTEXT_INCONSISTENT"),
        ("40004", "ACQ.TRADE_STATUS_ERROR"),
        ("40004", "ACQ.REASON_TRADE_STATUS_INVALID"),
        ("40004", "ACQ.DISCORDANT_REPEAT_REQUEST"),
        ("40004", "ACQ.NEVER_HEARD_OF"),
        ("40004", "acq.invalid_parameter"),
        ("40004", "TRADE_NOT_EXIST"),
        ("40004", ""),
        ("20000", "ACQ.INVALID_PARAMETER"),
        ("20000", "isp.unknown-error"),
        ("10000", "ACQ.SYSTEM_ERROR"),
        ("10003", ""),
        ("20001", "aop.invalid-auth-token"),
        ("40005", "isv.app-call-limited"),
        ("99999", "ACQ.TRADE_NOT_EXIST"),
    ],
)
def test_codes_that_prove_nothing_are_unknown(
    alipay, operation: str, code: str, sub_code: str
) -> None:
    assert isinstance(read(alipay, operation, failed(sub_code, code)), Unknown)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_only_pay_and_refund_can_be_refused(alipay, operation: str) -> None:
    outcome = read(alipay, operation, failed("ACQ.INVALID_PARAMETER"))
    if operation in ("pay", "refund"):
        assert isinstance(outcome, Refused)
    else:
        assert outcome == Unknown(
            reason="the channel's code is not a listed one", channel_code="ACQ.INVALID_PARAMETER"
        )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_missing_trade_is_not_found_where_one_was_asked_for(alipay, operation: str) -> None:
    outcome = read(alipay, operation, failed("ACQ.TRADE_NOT_EXIST"))
    assert isinstance(outcome, Unknown if operation == "pay" else NotFound)
    unsigned = {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}
    body = json.dumps({f"{INTERFACES[operation].replace('.', '_')}_response": unsigned}).encode()
    outcome = read_response(alipay, operation, HttpResponse(200, {}, body))
    assert outcome == Unknown("the answer is unsigned", "ACQ.TRADE_NOT_EXIST")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_gateway_errors_count_only_when_signed(alipay, operation: str) -> None:
    error = failed("isv.invalid-app-id", "40002")
    body = json.dumps({"error_response": error}).encode()
    unsigned = read_response(alipay, operation, HttpResponse(200, {}, body))
    assert unsigned == Unknown("the answer is unsigned", "isv.invalid-app-id")
    signed = read_response(
        alipay, operation, alipay.raw_answer("error_response", json.dumps(error))
    )
    if operation in ("pay", "refund"):
        assert isinstance(signed, Refused) and signed.code == "channel_misconfigured"
    else:
        assert isinstance(signed, Unknown)


def test_a_channel_code_of_a_stranger_is_no_free_text(alipay) -> None:
    for sub_code in ("x" * 65, "a\nb", "<b>", ""):
        body = json.dumps({"error_response": failed(sub_code, "bad code")}).encode()
        outcome = read_response(alipay, "pay", HttpResponse(200, {}, body))
        assert outcome == Unknown("the answer is unsigned", None)


# --- each operation's own table -----------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"qr_code": None},
        {"qr_code": ""},
        {"qr_code": 1},
        {"qr_code": "a\nb"},
        {"qr_code": "x" * 1025},
    ],
)
def test_pay_without_a_code_to_hand_out_is_unknown(alipay, changes: Node) -> None:
    assert isinstance(read(alipay, "pay", ok(**changes)), Unknown)


UNPAID = {"trade_no": TRADE_NO, "total_amount": "12.34", "buyer_pay_amount": "0.00"}
WHOLE = GOOD["query"][0]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (WHOLE | {"trade_status": "TRADE_FINISHED"}, Paid),
        (WHOLE | {"trade_status": "TRADE_CLOSED"}, Paid),
        (ok(trade_status="WAIT_BUYER_PAY", **UNPAID), Waiting(TRADE_NO)),
        (ok(trade_status="WAIT_BUYER_PAY"), Waiting(None)),
        (ok(trade_status="TRADE_CLOSED", **UNPAID), Closed(TRADE_NO)),
        (ok(trade_status="TRADE_CLOSED", receipt_amount="0.00", **UNPAID), Closed(TRADE_NO)),
        (ok(trade_status="TRADE_CLOSED", send_pay_date="", **UNPAID), Closed(TRADE_NO)),
        (
            ok(trade_status="TRADE_CLOSED", send_pay_date="2026-11-23 00:00:05", **UNPAID),
            Unknown,
        ),
        (ok(trade_status="TRADE_CLOSED", receipt_amount="12.34", **UNPAID), Unknown),
        (WHOLE | {"trade_status": "TRADE_INVENTED"}, Unknown),
        (WHOLE | {"trade_status": ["TRADE_SUCCESS"]}, Unknown),
        (WHOLE | {"trade_status": ""}, Unknown),
        (WHOLE | {"total_amount": ""}, Unknown),
        (WHOLE | {"total_amount": 12.34}, Unknown),
        (WHOLE | {"total_amount": "12.345"}, Unknown),
        (WHOLE | {"total_amount": "0.00"}, Unknown),
        (WHOLE | {"trade_no": ""}, Unknown),
        (
            WHOLE | {"buyer_pay_amount": "0.00", "receipt_amount": "0.00", "send_pay_date": "x"},
            Paid(TRADE_NO, 1234, "CNY"),
        ),
        (WHOLE | {"total_amount": "12.33"}, Paid),
        (
            WHOLE | {"trans_currency": "USD", "send_pay_date": "", "buyer_pay_amount": ""},
            Paid(TRADE_NO, 1234, "USD"),
        ),
    ],
)
def test_query_table(alipay, node: Node, expected: object) -> None:
    outcome = read(alipay, "query", node)
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert outcome == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"action": "refund"}, Closed(TRADE_NO)),
        ({"action": None}, NotFound()),
        ({"action": "", "trade_no": None}, NotFound()),
        ({"action": "keep"}, Unknown),
        ({"retry_flag": "Y"}, Unknown),
        ({"retry_flag": None}, Unknown),
    ],
)
def test_cancel_table(alipay, changes: Node, expected: object) -> None:
    outcome = read(alipay, "cancel", ok(**{**GOOD["cancel"][0], **changes}))
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert outcome == expected


@pytest.mark.parametrize("fund_change", ["N", "", None, "y", True])
def test_a_refund_without_moved_money_is_pending(alipay, fund_change: object) -> None:
    node = ok(**{**GOOD["refund"][0], "fund_change": fund_change})
    assert read(alipay, "refund", node) == RefundPending()


@pytest.mark.parametrize(
    ("sub_code", "code", "retryable"),
    [
        ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "channel_balance_short", True),
        ("ACQ.REASON_TRADE_REFUND_FEE_ERR", "refund_amount_refused", False),
        ("ACQ.TRADE_HAS_FINISHED", "refund_not_allowed", False),
        ("ACQ.INVALID_PARAMETER", "channel_refused", False),
    ],
)
def test_listed_refund_refusals(alipay, sub_code: str, code: str, retryable: bool) -> None:
    outcome = read(alipay, "refund", failed(sub_code, refund_fee="0.00"))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.channel_code, outcome.retryable) == (code, sub_code, retryable)


NOT_YET = {"refund_status": None, "refund_amount": None}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (NOT_YET, NotFound()),
        ({**NOT_YET, "out_request_no": None, "out_trade_no": None}, NotFound()),
        ({**NOT_YET, "refund_status": "", "refund_amount": "0.00"}, NotFound()),
        ({"refund_status": None}, RefundPending()),
        ({"refund_status": "REFUND_PROCESSING"}, Unknown),
        ({"refund_status": ["REFUND_SUCCESS"]}, Unknown),
        ({"out_request_no": "another"}, Unknown),
        ({**NOT_YET, "out_request_no": "another"}, Unknown),
        ({"out_request_no": None}, Unknown),
        ({"refund_amount": "9.99"}, Unknown),
        ({"refund_amount": None}, Unknown),
        ({"gmt_refund_pay": None}, Refunded(REFUND_NO)),
    ],
)
def test_refund_query_table(alipay, changes: Node, expected: object) -> None:
    outcome = read(alipay, "refund_query", ok(**{**GOOD["refund_query"][0], **changes}))
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert outcome == expected


# --- anything at all ----------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(
    operation=st.sampled_from(OPERATIONS),
    status=st.sampled_from([200, 200, 200, 500]),
    body=st.binary(max_size=300)
    | st.builds(lambda value: json.dumps(value).encode(), JSON_VALUES)
    | st.builds(
        lambda name, node, sign: json.dumps({name: node, "sign": sign}).encode(),
        st.sampled_from([f"{name.replace('.', '_')}_response" for name in INTERFACES.values()]),
        st.sampled_from([node for node, _ in GOOD.values()]) | JSON_VALUES,
        JSON_VALUES,
    ),
)
def test_anything_unsigned_is_unknown(alipay, operation: str, status: int, body: bytes) -> None:
    response = HttpResponse(status=status, headers={}, body=body)
    assert isinstance(read_response(alipay, operation, response), Unknown)


@given(
    operation=st.sampled_from(OPERATIONS),
    changes=st.dictionaries(
        st.sampled_from(sorted({key for node, _ in GOOD.values() for key in node} | {"sub_code"})),
        JSON_VALUES,
        max_size=4,
    ),
)
def test_anything_signed_is_read_without_an_exception(
    alipay, operation: str, changes: Node
) -> None:
    outcome = read(alipay, operation, GOOD[operation][0] | changes)
    assert isinstance(outcome, (*DEFINITE, Unknown))
