"""The ways to pay: what each hands out, and what each answer is taken for."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.channels.alipay import AlipayCodec
from gateway.channels.alipay.request import PAGE_URL_CHARS_MAX
from gateway.channels.alipay.ways import WAYS
from gateway.channels.codec import HandedOut, Paid, Refused, Unknown
from gateway.channels.crypto import rsa_sha256_verify
from gateway.channels.wire import HttpRequest
from tests.channels.alipay.conftest import NOW, ORDER_NO, TRADE_NO

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
AUTH_CODE = "28763443825664394"
BACK = "https://shop.example/back?x=1&y=%20"
TRADE = {
    "out_trade_no": ORDER_NO,
    "total_amount": "12.34",
    "subject": "一杯咖啡 & 50% off",
    "time_expire": "2026-11-23 00:30:00",
}
CARRIED = {
    "alipay_page": ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    "alipay_wap": ("alipay.trade.wap.pay", "QUICK_WAP_PAY"),
    "alipay_app": ("alipay.trade.app.pay", "QUICK_MSECURITY_PAY"),
}


def read_signed(alipay, text: str) -> dict[str, str]:
    """The parameters of a query whose signature is the merchant's."""
    parameters = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True))
    sign = parameters.pop("sign")
    canonical = "&".join(f"{key}={parameters[key]}" for key in sorted(parameters))
    assert rsa_sha256_verify(alipay.merchant_public_key, canonical.encode(), sign)
    return parameters


def handed(alipay, method: str, **changes: object) -> dict:
    account = changes.pop("account", None) or alipay.account()
    order = alipay.order(method=method, return_url=BACK, **changes)
    outcome = CODEC.build_pay(account, order, NOW)
    assert isinstance(outcome, HandedOut)
    return dict(outcome.next_action)


@pytest.mark.parametrize("method", CARRIED)
def test_a_carried_order_is_whole_and_signed(alipay, method: str) -> None:
    interface, product_code = CARRIED[method]
    action = handed(alipay, method)
    if method == "alipay_app":
        assert set(action) == {"type", "order_string"} and action["type"] == "app_params"
        parameters = read_signed(alipay, action["order_string"])
    else:
        assert set(action) == {"type", "url"} and action["type"] == "redirect"
        address = urlsplit(action["url"])
        assert f"{address.scheme}://{address.netloc}{address.path}" == alipay.account().gateway_url
        parameters = read_signed(alipay, address.query)
    assert parameters["method"] == interface
    assert parameters["notify_url"] == alipay.account().notify_url
    assert parameters.get("return_url") == (None if method == "alipay_app" else BACK)
    content = json.loads(parameters["biz_content"])
    quit_url = {"quit_url": BACK} if method == "alipay_wap" else {}
    assert content == TRADE | {"product_code": product_code} | quit_url


@pytest.mark.parametrize("method", ["alipay_page", "alipay_wap"])
def test_what_is_too_long_for_a_url_goes_by_form(alipay, method: str) -> None:
    action = handed(alipay, method, subject="长" * 256)
    assert action["type"] == "form"
    address = urlsplit(action["url"])
    whole = dict(parse_qsl(address.query))
    assert set(whole) == {"charset"} and not set(whole) & set(action["fields"])
    parameters = {**whole, **action["fields"]}
    sign = parameters.pop("sign")
    canonical = "&".join(f"{key}={parameters[key]}" for key in sorted(parameters))
    assert rsa_sha256_verify(alipay.merchant_public_key, canonical.encode(), sign)
    longest = max(
        len(action["url"])
        for length in range(1, 256)
        if (action := handed(alipay, method, subject="长" * length))["type"] == "redirect"
    )
    assert PAGE_URL_CHARS_MAX - 50 < longest <= PAGE_URL_CHARS_MAX


def test_product_codes_are_the_accounts(alipay) -> None:
    account = alipay.account(wap_product_code="QUICK_WAP_WAY", product_code="QR_CODE_OFFLINE")
    for method, code in (
        ("alipay_wap", "QUICK_WAP_WAY"),
        ("alipay_page", CARRIED["alipay_page"][1]),
    ):
        url = handed(alipay, method, account=account)["url"]
        content = json.loads(dict(parse_qsl(urlsplit(url).query))["biz_content"])
        assert content["product_code"] == code


def test_a_carried_way_reads_no_answer(alipay) -> None:
    for method, (interface, _) in CARRIED.items():
        answer = alipay.answer(interface, {"code": "10000", "out_trade_no": ORDER_NO})
        assert isinstance(
            CODEC.read_pay(alipay.account(), alipay.order(method=method), answer), Unknown
        )
        refused = alipay.answer(interface, {"code": "40004", "sub_code": "ACQ.INVALID_PARAMETER"})
        assert isinstance(
            CODEC.read_pay(alipay.account(), alipay.order(method=method), refused), Unknown
        )


# --- the payer's code ---------------------------------------------------------------------------

PAID = {
    "code": "10000",
    "out_trade_no": ORDER_NO,
    "trade_no": TRADE_NO,
    "total_amount": "12.34",
    "buyer_pay_amount": "12.00",
    "receipt_amount": "12.34",
    "gmt_payment": "2026-11-23 00:00:05",
}


def barcode(alipay):
    return alipay.order(method="alipay_barcode", method_options={"auth_code": AUTH_CODE})


def read(alipay, node: dict) -> object:
    node = {key: value for key, value in node.items() if value is not None}
    answer = alipay.answer("alipay.trade.pay", node)
    return CODEC.read_pay(alipay.account(), barcode(alipay), answer)


def test_the_payers_code_is_sent(alipay) -> None:
    request = CODEC.build_pay(alipay.account(), barcode(alipay), NOW)
    assert isinstance(request, HttpRequest)
    content = json.loads(dict(parse_qsl(request.body.decode()))["biz_content"])
    assert content == TRADE | {
        "scene": "bar_code",
        "auth_code": AUTH_CODE,
        "product_code": "FACE_TO_FACE_PAYMENT",
    }
    assert AUTH_CODE not in request.url


def test_paid_at_once(alipay) -> None:
    at = datetime(2026, 11, 22, 16, 0, 5, tzinfo=UTC)
    assert read(alipay, PAID) == Paid(TRADE_NO, 1234, "CNY", at, 1200, 34)


@pytest.mark.parametrize("name", ["out_trade_no", "trade_no", "total_amount"])
def test_paid_needs_every_fact(alipay, name: str) -> None:
    assert isinstance(read(alipay, PAID | {name: None}), Unknown)


@pytest.mark.parametrize("amount", ["0.00", "12.345", "-1.00", "x", 12.34, 1234, None])
def test_paid_needs_an_amount(alipay, amount: object) -> None:
    assert isinstance(read(alipay, PAID | {"total_amount": amount}), Unknown)


def test_a_payer_who_must_confirm(alipay) -> None:
    waits = read(alipay, {"code": "10003", "out_trade_no": ORDER_NO, "trade_no": TRADE_NO})
    assert waits == HandedOut({"type": "barcode_wait"}, TRADE_NO)
    assert isinstance(read(alipay, {"code": "10003"}), Unknown)
    assert isinstance(read(alipay, {"code": "10003", "out_trade_no": "other"}), Unknown)


@pytest.mark.parametrize(
    ("sub_code", "meaning"),
    [
        ("ACQ.PAYMENT_AUTH_CODE_INVALID", "code_unusable"),
        ("ACQ.BUYER_BALANCE_NOT_ENOUGH", "payer_funds_short"),
        ("ACQ.TOTAL_FEE_EXCEED", "amount_limit"),
        ("ACQ.SYSTEM_ERROR", None),
        ("ACQ.PAYMENT_FAIL", None),
        ("ACQ.PULL_MOBILE_CASHIER_FAIL", None),
        ("ACQ.TRADE_HAS_SUCCESS", None),
        ("ACQ.CONTEXT_INCONSISTENT", None),
        ("ACQ.TRADE_NOT_EXIST", None),
        ("ACQ.NEW", None),
    ],
)
def test_only_what_is_listed_is_a_refusal(alipay, sub_code: str, meaning: str | None) -> None:
    outcome = read(alipay, {"code": "40004", "sub_code": sub_code})
    if meaning is None:
        assert outcome == Unknown("the channel's code is not a listed one", sub_code)
    else:
        assert isinstance(outcome, Refused) and outcome.code == meaning
    assert isinstance(read(alipay, {"code": "20000", "sub_code": sub_code}), Unknown)


def test_a_code_is_never_sent_again_and_can_be_reversed() -> None:
    assert {"alipay_barcode", "alipay_preauth"} == CODEC.single_shot
    assert CODEC.reversible <= CODEC.single_shot
    assert CODEC.reversible <= CODEC.methods and CODEC.authorizing <= CODEC.methods
    assert set(WAYS) < CODEC.methods
