"""Transfers: what leaves, and which answers are about this transfer."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.channels.codec import NotFound, Refused, Unknown
from gateway.channels.transfer import Returned, TransferPending, Transferred
from gateway.channels.wechat import WechatCodec
from gateway.domain.errors import TillgateError

from .conftest import APPID, MCHID, NOW, PUBLIC_KEY_ID, TRANSFER_NO
from .test_request import check_signed

pytestmark = pytest.mark.fast

CODEC = WechatCodec()
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
BILL_NO = "1330000071100999991182020050700019480001"
BASE = "https://api.mch.weixin.qq.com/v3/fund-app/mch-transfer/transfer-bills"
REPORTS = '[{"info_type":"活动名称","info_content":"新会员有礼"}]'


def fields(state: str, **changes: object) -> dict:
    content = {
        "mch_id": MCHID,
        "appid": APPID,
        "out_bill_no": TRANSFER_NO,
        "transfer_bill_no": BILL_NO,
        "state": state,
        "transfer_amount": 5000,
        "update_time": "2026-11-22T22:30:04+08:00",
        **changes,
    }
    return {name: value for name, value in content.items() if value is not None}


def test_a_transfer_is_complete_and_signed(wechat) -> None:
    order = wechat.transfer()
    CODEC.check_transfer(order)
    account = wechat.account(transfer_scene_report_infos=REPORTS)
    request = CODEC.build_transfer(account, order, NOW)
    check_signed(wechat, request)
    assert (request.method, request.url) == ("POST", BASE)
    assert json.loads(request.body) == {
        "appid": APPID,
        "out_bill_no": TRANSFER_NO,
        "transfer_scene_id": "1000",
        "openid": OPENID,
        "transfer_amount": 5000,
        "transfer_remark": "货款",
        "notify_url": account.notify_url,
        "transfer_scene_report_infos": [{"info_type": "活动名称", "info_content": "新会员有礼"}],
    }
    assert CODEC.build_transfer(account, order, NOW) == request


def test_a_name_goes_sealed(wechat) -> None:
    order = wechat.transfer(amount=200_000, payee={"openid": OPENID, "name": "张三"})
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    for account, key, serial in (
        (wechat.account(), wechat.public_key, PUBLIC_KEY_ID),
        (wechat.certificate_account(), wechat.platform_key, wechat.platform_serial),
    ):
        request = CODEC.build_transfer(account, order, NOW)
        assert check_signed(wechat, request)["Wechatpay-Serial"] == serial
        assert "张三".encode() not in request.body
        sealed = base64.b64decode(json.loads(request.body)["user_name"])
        assert key.decrypt(sealed, oaep).decode() == "张三"
        assert CODEC.build_transfer(account, order, NOW) == request


def test_a_name_of_a_very_small_transfer_is_left_out(wechat) -> None:
    order = wechat.transfer(amount=29, payee={"openid": OPENID, "name": "张三"})
    assert "user_name" not in json.loads(CODEC.build_transfer(wechat.account(), order, NOW).body)


def test_without_a_key_no_name_leaves(wechat) -> None:
    order = wechat.transfer(payee={"openid": OPENID, "name": "张三"})
    account = wechat.account(wechat_public_key="", wechat_public_key_id="")
    with pytest.raises(TillgateError) as caught:
        CODEC.build_transfer(account, order, NOW)
    assert caught.value.code == "channel_unavailable"


def test_without_a_scene_nothing_leaves(wechat) -> None:
    with pytest.raises(TillgateError) as caught:
        CODEC.build_transfer(wechat.account(transfer_scene_id=""), wechat.transfer(), NOW)
    assert caught.value.code == "unsupported_method"


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"method": "alipay_transfer"}, "unsupported_method", "/method"),
        ({"currency": "USD"}, "unsupported_currency", "/currency"),
        ({"amount": 9}, "amount_below_minimum", "/amount"),
        ({"amount": 10_000_000_001}, "limit_exceeded", "/amount"),
        ({"purpose": ""}, "invalid_field", "/purpose"),
        ({"purpose": "长" * 33}, "invalid_field", "/purpose"),
        ({"purpose": "a\nb"}, "invalid_field", "/purpose"),
        ({"payee": {}}, "invalid_field", "/payee/openid"),
        ({"payee": {"openid": "a b"}}, "invalid_field", "/payee/openid"),
        ({"amount": 200_000}, "missing_field", "/payee/name"),
        ({"payee": {"openid": OPENID, "name": "长" * 51}}, "invalid_field", "/payee/name"),
        ({"payee": {"openid": OPENID, "name": "a\x00"}}, "invalid_field", "/payee/name"),
        ({"transfer_no": "a_b"}, "internal_error", None),
        ({"transfer_no": "a" * 33}, "internal_error", None),
    ],
)
def test_what_wechat_would_never_take(wechat, changes: dict, code: str, param: str) -> None:
    order = wechat.transfer(**changes)
    for attempt in (
        lambda: CODEC.check_transfer(order),
        lambda: CODEC.build_transfer(wechat.account(), order, NOW),
    ):
        with pytest.raises(TillgateError) as caught:
            attempt()
        assert (caught.value.code, caught.value.param) == (code, param)


def test_the_questions(wechat) -> None:
    query = CODEC.build_transfer_query(wechat.account(), wechat.transfer(), NOW)
    cancel = CODEC.build_transfer_cancel(wechat.account(), wechat.transfer(), NOW)
    check_signed(wechat, query)
    check_signed(wechat, cancel)
    assert (query.method, query.url) == ("GET", f"{BASE}/out-bill-no/{TRANSFER_NO}")
    assert (cancel.method, cancel.url) == ("POST", f"{BASE}/out-bill-no/{TRANSFER_NO}/cancel")
    assert cancel.body == b""


READERS = ("read_transfer", "read_transfer_query", "read_transfer_cancel")


def read(wechat, reader: str, content: dict) -> object:
    return getattr(CODEC, reader)(wechat.account(), wechat.transfer(), wechat.answer(content))


@pytest.mark.parametrize("reader", READERS)
def test_the_states(wechat, reader: str) -> None:
    for state in ("ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM", "TRANSFERING", "CANCELING"):
        assert read(wechat, reader, fields(state)) == TransferPending(BILL_NO)
    at = datetime(2026, 11, 22, 14, 30, 4, tzinfo=UTC)
    assert read(wechat, reader, fields("SUCCESS")) == Transferred(TRANSFER_NO, BILL_NO, at)
    assert read(wechat, reader, fields("CANCELLED")) == Returned("CANCELLED")
    failed = fields("FAIL", fail_reason="PAYEE_ACCOUNT_ABNORMAL")
    assert read(wechat, reader, failed) == Returned("PAYEE_ACCOUNT_ABNORMAL")
    assert read(wechat, reader, fields("FAIL")) == Returned("FAIL")
    for state in ("NEW", "", "success"):
        assert isinstance(read(wechat, reader, fields(state)), Unknown)


def test_the_payee_is_asked_to_confirm(wechat) -> None:
    content = fields("WAIT_USER_CONFIRM", package_info="affffddafdfafddffda==")
    params = {"mchId": MCHID, "appId": APPID, "package": "affffddafdfafddffda=="}
    expected = {"type": "app_params", "params": params}
    assert read(wechat, "read_transfer", content) == TransferPending(BILL_NO, expected)
    for package in ("", "a\nb", "x" * 2049, None):
        content = fields("WAIT_USER_CONFIRM", package_info=package)
        assert read(wechat, "read_transfer", content) == TransferPending(BILL_NO)
    over = fields("ACCEPTED", package_info="affff")
    assert read(wechat, "read_transfer", over) == TransferPending(BILL_NO)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "changes",
    [
        {"out_bill_no": None},
        {"out_bill_no": "other"},
        {"mch_id": "1900000110"},
        {"appid": "wx00"},
        {"transfer_amount": 4999},
        {"transfer_amount": "5000"},
    ],
)
def test_an_answer_about_another_transfer_says_nothing(wechat, reader, changes: dict) -> None:
    assert isinstance(read(wechat, reader, fields("SUCCESS", **changes)), Unknown)


def test_a_query_must_name_the_amount(wechat) -> None:
    content = fields("SUCCESS", transfer_amount=None)
    assert isinstance(read(wechat, "read_transfer_query", content), Unknown)
    assert isinstance(read(wechat, "read_transfer", content), Transferred)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "PARAM_ERROR", Refused),
        (401, "SIGN_ERROR", Refused),
        (403, "NOT_ENOUGH", Unknown),
        (403, "NO_AUTH", Unknown),
        (400, "INVALID_REQUEST", Unknown),
        (400, "ALREADY_EXISTS", Unknown),
        (429, "FREQUENCY_LIMITED", Unknown),
        (500, "SYSTEM_ERROR", Unknown),
        (404, "NOT_FOUND", Unknown),
        (400, "NEW_CODE", Unknown),
    ],
)
def test_a_refusal_of_a_transfer_proves_little(wechat, status, code, kind) -> None:
    answer = wechat.refusal(status, code)
    found = CODEC.read_transfer(wechat.account(), wechat.transfer(), answer)
    assert isinstance(found, kind) and found.channel_code == code


def test_a_transfer_that_is_not_there(wechat) -> None:
    arguments = wechat.account(), wechat.transfer()
    missing = wechat.refusal(404, "NOT_FOUND")
    assert CODEC.read_transfer_query(*arguments, missing) == NotFound()
    assert isinstance(CODEC.read_transfer_cancel(*arguments, missing), Unknown)
    refused = wechat.refusal(400, "PARAM_ERROR")
    assert isinstance(CODEC.read_transfer_query(*arguments, refused), Unknown)
    assert isinstance(CODEC.read_transfer_cancel(*arguments, refused), Unknown)
