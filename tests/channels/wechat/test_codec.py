"""The codec: requests complete to the byte, and what each answer is taken for."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels import key_ring, statement, transfer
from gateway.channels.codec import (
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
from gateway.channels.registry import Registry
from gateway.channels.wechat import WechatCodec
from gateway.channels.wire import CallbackReply, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

from .conftest import (
    APPID,
    MCHID,
    NOW,
    ORDER_NO,
    REFUND_NO,
    TRANSACTION_ID,
    WechatSide,
    new_key,
    trade,
)
from .test_request import check_signed

pytestmark = pytest.mark.fast

CODEC = WechatCodec()
SIDE = WechatSide(new_key(), new_key(), new_key())
BASE = "https://api.mch.weixin.qq.com/v3"
ORDER_URL = f"{BASE}/pay/transactions/out-trade-no/{ORDER_NO}"
OPERATIONS = ("pay", "query", "close", "cancel", "refund", "refund_query")
DEFINITE = (HandedOut, Waiting, Paid, Closed, NotFound, Refused, Refunded, RefundPending)


def subject_of(wechat, operation: str, method: str = "wechat_native"):
    if operation.startswith("refund"):
        return wechat.refund()
    return wechat.order(method=method, method_options={"auth_code": "134567890123456789"})


def build(wechat, operation: str, method: str = "wechat_native") -> HttpRequest:
    builder: Callable = getattr(CODEC, f"build_{operation}")
    return builder(wechat.account(), subject_of(wechat, operation, method), NOW)


def read(wechat, operation: str, response: HttpResponse, method: str = "wechat_native") -> object:
    reader: Callable = getattr(CODEC, f"read_{operation}")
    return reader(wechat.account(), subject_of(wechat, operation, method), response)


def refund_fields(**changes: object) -> dict:
    fields = {
        "refund_id": "50000000382019052709732678859",
        "out_refund_no": REFUND_NO,
        "transaction_id": TRANSACTION_ID,
        "out_trade_no": ORDER_NO,
        "channel": "ORIGINAL",
        "success_time": "2026-11-22T22:30:04+08:00",
        "status": "SUCCESS",
        "amount": {"total": 1234, "refund": 1000, "currency": "CNY"},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


REFUNDED = Refunded(REFUND_NO, datetime(2026, 11, 22, 14, 30, 4, tzinfo=UTC))
CODE_URL = "weixin://wxpay/bizpayurl?pr=1"
# What WeChat answers when all went well: status, content, outcome.
GOOD: dict[str, tuple[int, dict | None, object]] = {
    "pay": (200, {"code_url": CODE_URL}, HandedOut({"type": "qr_code", "qr_code": CODE_URL})),
    "query": (
        200,
        trade(),
        Paid(TRANSACTION_ID, 1234, "CNY", datetime(2026, 11, 22, 14, 30, 3, tzinfo=UTC), 1200, 34),
    ),
    "close": (204, None, Closed()),
    "cancel": (204, None, Closed()),
    "refund": (200, refund_fields(), REFUNDED),
    "refund_query": (200, refund_fields(), REFUNDED),
}


# --- requests -----------------------------------------------------------------------------------

REQUESTS = {
    "query": ("GET", f"{ORDER_URL}?mchid={MCHID}", None),
    "close": ("POST", f"{ORDER_URL}/close", {"mchid": MCHID}),
    "cancel": ("POST", f"{ORDER_URL}/close", {"mchid": MCHID}),
    "refund": (
        "POST",
        f"{BASE}/refund/domestic/refunds",
        {
            "out_trade_no": ORDER_NO,
            "out_refund_no": REFUND_NO,
            "notify_url": "https://pay.example.com/callbacks/wechat/cac_1",
            "amount": {"refund": 1000, "total": 1234, "currency": "CNY"},
            "reason": "坏了",
        },
    ),
    "refund_query": ("GET", f"{BASE}/refund/domestic/refunds/{REFUND_NO}", None),
}


@pytest.mark.parametrize("operation", REQUESTS)
def test_a_request_is_complete_and_signed(wechat, operation: str) -> None:
    request = build(wechat, operation)
    check_signed(wechat, request)
    method, url, content = REQUESTS[operation]
    assert (request.method, request.url) == (method, url)
    assert (json.loads(request.body) if request.body else None) == content
    assert build(wechat, operation) == request


@pytest.mark.parametrize("operation", ["close", "cancel"])
def test_a_payers_code_is_reversed(wechat, operation: str) -> None:
    request = build(wechat, operation, "wechat_codepay")
    check_signed(wechat, request)
    assert request.url == f"{ORDER_URL}/reverse"
    assert json.loads(request.body) == {"appid": APPID, "mchid": MCHID}


def test_every_operation_has_a_nonce_of_its_own(wechat) -> None:
    headers = {dict(build(wechat, name).headers)["Authorization"] for name in REQUESTS}
    assert len(headers) == len(REQUESTS) - 1  # cancel is a close


def test_a_number_from_elsewhere_is_escaped(wechat) -> None:
    order = wechat.order(attempt_no="a|b*c")
    request = CODEC.build_query(wechat.account(), order, NOW)
    assert "/a%7Cb%2Ac?" in request.url
    check_signed(wechat, request)


def test_a_refund_is_checked_before_it_is_built(wechat) -> None:
    for changes, code in (
        ({"currency": "USD"}, "unsupported_currency"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"amount": 10_000_000_001}, "limit_exceeded"),
    ):
        with pytest.raises(TillgateError) as caught:
            CODEC.build_refund(wechat.account(), wechat.refund(**changes), NOW)
        assert caught.value.code == code
    long = CODEC.build_refund(wechat.account(), wechat.refund(reason="长" * 100), NOW)
    assert json.loads(long.body)["reason"] == "长" * 26
    none = CODEC.build_refund(wechat.account(), wechat.refund(reason=None), NOW)
    assert "reason" not in json.loads(none.body)


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_good_answer_is_definite(wechat, operation: str) -> None:
    status, content, outcome = GOOD[operation]
    assert read(wechat, operation, wechat.answer(content, status=status)) == outcome


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_good_answer_that_is_not_signed_is_unknown(wechat, operation: str) -> None:
    status, content, _ = GOOD[operation]
    good = wechat.answer(content, status=status)
    spoiled = [
        {},
        good.headers | {"wechatpay-signature": "WECHATPAY/SIGNTEST/" + "A" * 300},
        good.headers | {"wechatpay-nonce": "other"},
        good.headers | {"wechatpay-timestamp": "1"},
        good.headers | {"wechatpay-serial": "AB12"},
        wechat.headers(good.body + b" "),
    ]
    for headers in spoiled:
        response = HttpResponse(status, headers, good.body, NOW)
        assert isinstance(read(wechat, operation, response), Unknown)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 502])
def test_an_unlisted_code_is_unknown(wechat, operation: str, status: int) -> None:
    for code in ("NEW_CODE", "SYSTEM_ERROR", "INVALID_REQUEST", "TRADE_ERROR"):
        found = read(wechat, operation, wechat.refusal(status, code))
        assert found == Unknown("the channel's code is not a listed one", code)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_refused_question_is_never_a_refusal(wechat, operation: str) -> None:
    found = read(wechat, operation, wechat.refusal(400, "PARAM_ERROR"))
    is_instruction = operation in ("pay", "refund")
    assert isinstance(found, Refused if is_instruction else Unknown)
    assert found.channel_code == "PARAM_ERROR"


@pytest.mark.parametrize("operation", ["query", "close", "refund", "refund_query"])
def test_not_found(wechat, operation: str) -> None:
    code = "RESOURCE_NOT_EXISTS" if operation.startswith("refund") else "ORDER_NOT_EXIST"
    assert read(wechat, operation, wechat.refusal(404, code)) == NotFound()
    assert isinstance(read(wechat, operation, wechat.refusal(400, code)), Unknown)
    unsigned = HttpResponse(404, {}, wechat.refusal(404, code).body, NOW)
    assert isinstance(read(wechat, operation, unsigned), Unknown)


def test_a_close_of_what_is_closed_is_a_close(wechat) -> None:
    assert read(wechat, "close", wechat.refusal(400, "ORDER_CLOSED")) == Closed()
    for code in ("ORDERPAID", "ORDER_PAID", "INVALID_REQUEST"):
        assert isinstance(read(wechat, "close", wechat.refusal(400, code)), Unknown)
    assert isinstance(read(wechat, "close", wechat.answer({})), Unknown)


@pytest.mark.parametrize("operation", ["close", "cancel"])
def test_what_a_reverse_answers(wechat, operation: str) -> None:
    def reverse(content: dict) -> object:
        return read(wechat, operation, wechat.answer(content), "wechat_codepay")

    good = {"appid": APPID, "mchid": MCHID, "out_trade_no": ORDER_NO}
    assert reverse(good) == reverse(good | {"recall": "N"}) == Closed()
    assert isinstance(reverse(good | {"recall": "Y"}), Unknown)
    assert isinstance(reverse(good | {"out_trade_no": "other"}), Unknown)
    assert isinstance(reverse({}), Unknown)
    missing = wechat.refusal(404, "ORDER_NOT_EXIST")
    assert read(wechat, operation, missing, "wechat_codepay") == NotFound()
    busy = wechat.refusal(500, "SYSTEM_ERROR")
    assert isinstance(read(wechat, operation, busy, "wechat_codepay"), Unknown)


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        ("RULE_LIMIT", 403, "amount_limit"),
        ("NO_AUTH", 403, "channel_misconfigured"),
        ("SIGN_ERROR", 401, "channel_misconfigured"),
        ("FREQUENCY_LIMITED", 429, "channel_busy"),
    ],
)
def test_a_listed_refusal(wechat, code: str, status: int, meaning: str) -> None:
    found = read(wechat, "pay", wechat.refusal(status, code))
    assert isinstance(found, Refused) and (found.code, found.channel_code) == (meaning, code)
    unsigned = HttpResponse(status, {}, wechat.refusal(status, code).body, NOW)
    found = read(wechat, "pay", unsigned)
    assert isinstance(found, Unknown) and found.channel_code == code


@pytest.mark.parametrize(
    ("code", "status", "meaning", "retryable"),
    [
        ("NOT_ENOUGH", 403, "payer_funds_short", True),
        ("AUTH_CODE_INVALID", 400, "code_unusable", True),
    ],
)
def test_a_refused_code(wechat, code: str, status: int, meaning: str, retryable: bool) -> None:
    found = read(wechat, "pay", wechat.refusal(status, code), "wechat_codepay")
    assert isinstance(found, Refused)
    assert (found.code, found.retryable) == (meaning, retryable)
    assert isinstance(read(wechat, "pay", wechat.refusal(status, code)), Unknown)


@given(
    st.sampled_from(OPERATIONS),
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["code", "trade_state", "status", "out_trade_no", "amount", "mchid"]),
        st.one_of(
            st.none(), st.text(max_size=8), st.integers(), st.booleans(), st.lists(st.none())
        ),
    ),
)
def test_no_signed_answer_raises(operation: str, status: int, content: dict) -> None:
    found = read(SIDE, operation, SIDE.answer(content, status=status))
    assert isinstance(found, (*DEFINITE, Unknown))


# --- the rest -----------------------------------------------------------------------------------


def test_the_codec_is_whole() -> None:
    registry = Registry([CODEC])
    assert registry.methods == {f"wechat_{m}" for m in "native jsapi h5 app codepay".split()}
    assert CODEC.single_shot == CODEC.reversible == {"wechat_codepay"}
    assert CODEC.authorizing == frozenset()
    assert CODEC.secret_names <= CODEC.credential_names | CODEC.option_names
    assert not CODEC.credential_names & CODEC.option_names
    for protocol in (transfer.Transferring, statement.Stating, key_ring.KeyFetching):
        for name in vars(protocol):
            if not name.startswith("_"):
                assert hasattr(CODEC, name), name


def test_keys_and_bills_are_handed_on(wechat) -> None:
    assert CODEC.build_keys(wechat.account(), None, NOW) is not None
    assert CODEC.read_keys(wechat.account(), wechat.answer({}), NOW) == {}
    request = CODEC.build_statement(wechat.account(), "trade", date(2026, 11, 21), NOW)
    found = CODEC.read_statement(
        wechat.account(), "trade", date(2026, 11, 21), wechat.refusal(400, "STATEMENT_CREATING")
    )
    assert "bill_date=2026-11-21" in request.url and found == statement.NoStatement(early=True)


def test_what_a_callback_is_answered() -> None:
    assert CODEC.callback_reply(True) == CallbackReply(204, "application/json", b"")
    refused = CODEC.callback_reply(False)
    assert refused.status == 400 and json.loads(refused.body)["code"] == "FAIL"


def test_no_secret_is_printed(wechat) -> None:
    account = wechat.account()
    assert account.credentials["apiv3_key"] not in repr(account)
    for operation in REQUESTS:
        text = repr(build(wechat, operation))
        assert account.credentials["apiv3_key"] not in text and "PRIVATE" not in text
