"""The five ways to pay: what an order contains, and what its answer hands out."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.channels.codec import HandedOut, Paid, Unknown
from gateway.channels.wechat import WechatCodec
from gateway.channels.wechat.ways import WAYS
from gateway.domain.errors import TillgateError

from .conftest import APPID, MCHID, NOW, ORDER_NO, trade
from .test_request import check_signed

pytestmark = pytest.mark.fast

CODEC = WechatCodec()
OPTIONS = {
    "wechat_native": {},
    "wechat_jsapi": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "wechat_h5": {"payer_ip": "203.0.113.7"},
    "wechat_app": {},
    "wechat_codepay": {"auth_code": "134567890123456789"},
}
OWN = {
    "wechat_native": {},
    "wechat_jsapi": {"payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}},
    "wechat_h5": {"scene_info": {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}},
    "wechat_app": {},
    "wechat_codepay": {
        "payer": {"auth_code": "134567890123456789"},
        "scene_info": {"store_info": {"out_id": MCHID}},
    },
}


def order_of(wechat, method: str, **changes: object):
    return wechat.order(method=method, method_options=OPTIONS[method], **changes)


def content_of(wechat, method: str, **changes: object) -> dict:
    request = CODEC.build_pay(wechat.account(), order_of(wechat, method, **changes), NOW)
    return json.loads(request.body)


def read(wechat, method: str, content: dict, **changes: object) -> object:
    order = order_of(wechat, method, **changes)
    return CODEC.read_pay(wechat.account(), order, wechat.answer(content))


@pytest.mark.parametrize("method", WAYS)
def test_an_order_is_complete_and_signed(wechat, method: str) -> None:
    order = order_of(wechat, method)
    CODEC.check_order(order)
    request = CODEC.build_pay(wechat.account(), order, NOW)
    check_signed(wechat, request)
    kind = method.removeprefix("wechat_")
    assert (request.method, request.url) == (
        "POST",
        f"https://api.mch.weixin.qq.com/v3/pay/transactions/{kind}",
    )
    expected = {
        "appid": APPID,
        "mchid": MCHID,
        "description": "一杯咖啡 & 50% off",
        "out_trade_no": ORDER_NO,
        "amount": {"total": 1234, "currency": "CNY"},
        **OWN[method],
    }
    if method != "wechat_codepay":
        expected["time_expire"] = "2026-11-23T00:30:00+08:00"
        expected["notify_url"] = wechat.account().notify_url
    assert json.loads(request.body) == expected


@pytest.mark.parametrize("method", WAYS)
def test_what_an_order_contains_does_not_depend_on_the_time(wechat, method: str) -> None:
    order = order_of(wechat, method)
    now = CODEC.build_pay(wechat.account(), order, NOW)
    later = CODEC.build_pay(wechat.account(), order, NOW + timedelta(seconds=1))
    assert now.body == later.body and now.headers != later.headers


def test_a_stores_number_is_the_accounts(wechat) -> None:
    order = order_of(wechat, "wechat_codepay")
    request = CODEC.build_pay(wechat.account(store_id="S-7"), order, NOW)
    assert json.loads(request.body)["scene_info"] == {"store_info": {"out_id": "S-7"}}


@pytest.mark.parametrize(
    ("lifetime", "expected"),
    [
        (timedelta(seconds=5), timedelta(minutes=1)),
        (timedelta(hours=2), timedelta(hours=2)),
        (timedelta(days=30), timedelta(days=7)),
    ],
)
def test_an_order_lives_one_minute_to_seven_days(wechat, lifetime, expected) -> None:
    created = wechat.order().created_at
    found = content_of(wechat, "wechat_native", expires_at=created + lifetime)["time_expire"]
    utc8 = (created + expected + timedelta(hours=8)).replace(tzinfo=None)
    assert found == f"{utc8.isoformat()}+08:00"


def test_a_description_is_cut_to_127_bytes(wechat) -> None:
    assert content_of(wechat, "wechat_native", subject="长" * 127)["description"] == "长" * 42
    assert content_of(wechat, "wechat_native", subject="x" * 127)["description"] == "x" * 127


@pytest.mark.parametrize(
    ("method", "name", "wrong"),
    [
        ("wechat_jsapi", "openid", ["", "a b", "o" * 129, "o\n", "é"]),
        ("wechat_h5", "payer_ip", ["", "1.2.3", "1.2.3.4.5", "host", "fe80::1%eth0", "1.2.3.4\n"]),
        (
            "wechat_codepay",
            "auth_code",
            [
                "",
                "1345",
                "164567890123456789",
                "13456789012345678x",
                "1" * 19,
                "１34567890123456789",
            ],
        ),
    ],
)
def test_an_option_is_required_and_checked(wechat, method: str, name: str, wrong: list) -> None:
    for options in ({}, *({name: value} for value in wrong)):
        order = wechat.order(method=method, method_options=options)
        with pytest.raises(TillgateError) as caught:
            CODEC.check_order(order)
        assert caught.value.code == ("invalid_field" if options.get(name) else "missing_field")
        assert caught.value.param == f"/method_options/{name}"
        with pytest.raises(TillgateError):
            CODEC.build_pay(wechat.account(), order, NOW)


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
def test_payers_have_addresses_of_both_kinds(wechat, address: str) -> None:
    CODEC.check_order(wechat.order(method="wechat_h5", method_options={"payer_ip": address}))


# --- answers ------------------------------------------------------------------------------------


def test_native_hands_out_a_qr_code(wechat) -> None:
    found = read(wechat, "wechat_native", {"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"})
    expected = {"type": "qr_code", "qr_code": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"}
    assert found == HandedOut(expected)


def test_h5_hands_out_a_link_that_leads_back(wechat) -> None:
    url = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx1&package=2"
    assert read(wechat, "wechat_h5", {"h5_url": url}) == HandedOut({"type": "redirect", "url": url})
    back = read(wechat, "wechat_h5", {"h5_url": url}, return_url="https://shop.example/a?b=1&c=书")
    expected = f"{url}&redirect_url=https%3A%2F%2Fshop.example%2Fa%3Fb%3D1%26c%3D%E4%B9%A6"
    assert back == HandedOut({"type": "redirect", "url": expected})


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("wechat_jsapi", ("appId", "timeStamp", "nonceStr", "package")),
        ("wechat_app", ("appid", "timestamp", "noncestr", "prepayid")),
    ],
)
def test_jsapi_and_app_hand_out_a_signed_call(wechat, method: str, lines: tuple) -> None:
    found = read(wechat, method, {"prepay_id": "wx22201410272009395522657a690389285100"})
    assert isinstance(found, HandedOut) and found.next_action["type"] == "app_params"
    params = found.next_action["params"]
    sign = params.pop("paySign" if method == "wechat_jsapi" else "sign")
    message = "".join(f"{params[name]}\n" for name in lines)
    wechat.merchant_key.public_key().verify(
        base64.b64decode(sign), message.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    time, nonce = str(int(NOW.timestamp())), params.pop("nonceStr", None) or params.pop("noncestr")
    assert len(nonce) == 32
    prepay_id = "wx22201410272009395522657a690389285100"
    if method == "wechat_jsapi":
        assert params == {
            "appId": APPID,
            "timeStamp": time,
            "package": f"prepay_id={prepay_id}",
            "signType": "RSA",
        }
    else:
        assert params == {
            "appid": APPID,
            "partnerid": MCHID,
            "prepayid": prepay_id,
            "package": "Sign=WXPay",
            "timestamp": time,
        }


def test_a_payers_code_is_charged_at_once(wechat) -> None:
    found = read(wechat, "wechat_codepay", trade(trade_type="MICROPAY"))
    assert isinstance(found, Paid) and found.amount == 1234


def test_a_payers_code_may_wait_for_the_password(wechat) -> None:
    expected = HandedOut({"type": "barcode_wait"})
    waiting = trade(trade_state="USERPAYING", transaction_id=None, amount=None)
    for content in (waiting, {"trade_state": "USERPAYING"}):
        assert read(wechat, "wechat_codepay", content) == expected
    order = order_of(wechat, "wechat_codepay")
    for status in (202, 400, 403):
        refusal = wechat.refusal(status, "USERPAYING")
        assert CODEC.read_pay(wechat.account(), order, refusal) == expected
    native = wechat.refusal(400, "USERPAYING")
    found = CODEC.read_pay(wechat.account(), order_of(wechat, "wechat_native"), native)
    assert isinstance(found, Unknown)


@pytest.mark.parametrize(
    ("method", "content"),
    [
        ("wechat_native", {}),
        ("wechat_native", {"code_url": ""}),
        ("wechat_native", {"code_url": 7}),
        ("wechat_native", {"code_url": "x" * 2049}),
        ("wechat_native", {"code_url": "a\nb"}),
        ("wechat_native", {"prepay_id": "wx1"}),
        ("wechat_h5", {}),
        ("wechat_h5", {"h5_url": "javascript:alert(1)"}),
        ("wechat_jsapi", {}),
        ("wechat_jsapi", {"prepay_id": "x" * 65}),
        ("wechat_jsapi", {"prepay_id": "a\nb"}),
        ("wechat_app", {"prepay_id": ""}),
        ("wechat_codepay", {}),
        ("wechat_codepay", trade(out_trade_no="other")),
        ("wechat_codepay", trade(trade_state="CLOSED")),
        ("wechat_codepay", trade(amount=None)),
        ("wechat_codepay", {"trade_state": "USERPAYING", "out_trade_no": "other"}),
    ],
)
def test_an_answer_without_its_facts_says_nothing(wechat, method: str, content: dict) -> None:
    assert isinstance(read(wechat, method, content), Unknown)
