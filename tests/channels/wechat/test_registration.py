"""Registrations and orders: the refusal says exactly what is wrong, and no secret."""

import pytest

from gateway.channels.codec import AccountView
from gateway.channels.wechat import WechatCodec
from gateway.domain.errors import TillgateError

from .conftest import APIV3_KEY, PUBLIC_KEY_ID, new_key, private_pem, public_pem

pytestmark = pytest.mark.fast

CODEC = WechatCodec()


def refusal_of(account: AccountView) -> TillgateError:
    with pytest.raises(TillgateError) as caught:
        CODEC.check_account(account)
    return caught.value


def test_good_registrations(wechat) -> None:
    CODEC.check_account(wechat.account())
    CODEC.check_account(wechat.certificate_account())
    reports = '[{"info_type":"a","info_content":"b"}]'
    CODEC.check_account(wechat.account(store_id="S1", transfer_scene_report_infos=reports))


@pytest.mark.parametrize(
    "name", ["mchid", "appid", "merchant_private_key", "merchant_serial", "apiv3_key"]
)
def test_a_credential_that_is_missing(wechat, name: str) -> None:
    refused = refusal_of(wechat.account(**{name: ""}))
    assert (refused.code, refused.param) == ("missing_field", f"/credentials/{name}")
    assert name in str(refused)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mchid", "19x"),
        ("mchid", "12345"),
        ("mchid", "1900000109\n"),
        ("appid", "wx 1"),
        ("appid", "w" * 33),
        ("merchant_serial", "XYZ"),
        ("merchant_serial", "A" * 41),
        ("apiv3_key", APIV3_KEY[:-1]),
        ("apiv3_key", APIV3_KEY + "0"),
        ("apiv3_key", APIV3_KEY[:-1] + "书"),
        ("merchant_private_key", "no key"),
        ("wechat_public_key", "no key"),
        ("wechat_public_key_id", "7132D72A03E93CDDF8C03BBD1F37EEDF"),
        ("store_id", "s" * 33),
        ("transfer_scene_id", "abc"),
        ("transfer_scene_report_infos", "{"),
        ("transfer_scene_report_infos", "[]"),
        ("transfer_scene_report_infos", '[{"info_type":"a"}]'),
        ("transfer_scene_report_infos", '[{"info_type":"a","info_content":"b","c":1}]'),
    ],
)
def test_a_credential_that_is_wrong(wechat, name: str, value: str) -> None:
    refused = refusal_of(wechat.account(**{name: value}))
    assert (refused.code, refused.param) == ("invalid_field", f"/credentials/{name}")
    if name in CODEC.secret_names:
        assert value not in str(refused)


def test_a_public_key_comes_with_its_id(wechat) -> None:
    for name in ("wechat_public_key", "wechat_public_key_id"):
        refused = refusal_of(wechat.account(**{name: ""}))
        assert (refused.code, refused.param) == ("missing_field", f"/credentials/{name}")


def test_keys_that_are_often_taken_for_one_another(wechat) -> None:
    own = refusal_of(wechat.account(wechat_public_key=public_pem(wechat.merchant_key)))
    assert "own key" in str(own)
    certificate = refusal_of(wechat.account(wechat_public_key=wechat.certificate))
    assert "certificate" in str(certificate)
    private = refusal_of(wechat.account(wechat_public_key=private_pem(new_key())))
    assert private.code == "invalid_field" and "BEGIN" not in str(private)
    CODEC.check_account(wechat.account(wechat_public_key_id=PUBLIC_KEY_ID))


@pytest.mark.parametrize(
    ("gateway", "notify", "code"),
    [
        ("https://api.mch.weixin.qq.com", "https://pay.example.com/cb", None),
        ("http://127.0.0.1:8082/wechat", "http://127.0.0.1:8080/cb", None),
        ("https://api.mch.weixin.qq.com", "http://pay.example.com/cb", "url_not_allowed"),
        ("https://api.mch.weixin.qq.com", "https://localhost/cb", "url_not_allowed"),
        ("https://api.mch.weixin.qq.com", "https://10.0.0.1/cb", "url_not_allowed"),
        ("https://api.mch.weixin.qq.com", "https://[::1]/cb", "url_not_allowed"),
        ("https://api.mch.weixin.qq.com", "https://8.8.8.8/cb", None),
        ("https://api.mch.weixin.qq.com", "https://pay.example.com/cb?a=b", "url_not_allowed"),
        ("http://127.0.0.1:8082/wechat", "http://127.0.0.1:8080/cb?a", "url_not_allowed"),
        ("https://api.mch.weixin.qq.com/?a", "https://pay.example.com/cb", "url_not_allowed"),
        ("ftp://api.mch.weixin.qq.com", "https://pay.example.com/cb", "url_not_allowed"),
        ("", "https://pay.example.com/cb", "url_not_allowed"),
        ("https://a.example", "https://b.example/" + "x" * 250, "limit_exceeded"),
    ],
)
def test_urls(wechat, gateway: str, notify: str, code: str | None) -> None:
    known = wechat.account()
    account = AccountView(
        account_id=known.account_id,
        channel="wechat",
        gateway_url=gateway,
        notify_url=notify,
        credentials=known.credentials,
    )
    if code is None:
        CODEC.check_account(account)
    else:
        assert refusal_of(account).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "alipay_qr"}, "unsupported_method"),
        ({"capture_method": "manual"}, "unsupported_method"),
        ({"currency": "USD"}, "unsupported_currency"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"amount": 10_000_000_001}, "limit_exceeded"),
        ({"subject": ""}, "invalid_field"),
        ({"subject": "x" * 128}, "invalid_field"),
        ({"subject": "\ud800"}, "invalid_field"),
        ({"attempt_no": "x" * 33}, "internal_error"),
        ({"attempt_no": "a/b"}, "internal_error"),
        ({"attempt_no": ""}, "internal_error"),
    ],
)
def test_what_wechat_would_never_take(wechat, changes: dict, code: str) -> None:
    with pytest.raises(TillgateError) as caught:
        CODEC.check_order(wechat.order(**changes))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes", [{}, {"amount": 1}, {"subject": "长" * 127}, {"attempt_no": "a|b*c-_"}]
)
def test_good_orders(wechat, changes: dict) -> None:
    CODEC.check_order(wechat.order(**changes))
