"""The ways to pay with WeChat: one line of `WAYS` for each method of the API.

Law: a way says where its orders go, which options it needs, what they contain and how the answer is
read; everything after that (query, close, refund, callback) is the same for all ways. What an order
contains depends on the order alone, never on the time, so that a repeat is equal.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote

from gateway.channels.codec import (
    AccountView,
    HandedOut,
    Paid,
    PayOrder,
    PayOutcome,
    Unknown,
    Waiting,
)
from gateway.channels.wechat import codes
from gateway.channels.wechat.answer import MISSING, Answer
from gateway.channels.wechat.dialect import beijing_text, cut_bytes, unix_seconds
from gateway.channels.wechat.signature import nonce_of, sign_app, sign_jsapi
from gateway.channels.wechat.trade import number_of, read_trade
from gateway.domain.errors import TillgateError

DESCRIPTION_BYTES_MAX = 127
LIFETIME_MIN = timedelta(minutes=1)
LIFETIME_MAX = timedelta(days=7)
URL_CHARS_MAX = 2048

_OPENID = re.compile(r"[0-9A-Za-z_-]{1,128}")
_AUTH_CODE = re.compile(r"1[0-5][0-9]{16}")

Content = dict[str, object]


class Way(NamedTuple):
    """One way to pay: its path, the option it needs, what it adds to an order, and its answer.

    `option` raises `missing_field` or `invalid_field`.
    """

    path: str
    option: Callable[[PayOrder], str] | None
    extend: Callable[[AccountView, PayOrder], Content]
    read: Callable[[AccountView, PayOrder, Answer], PayOutcome]
    refusals: codes.Refusals
    is_prepaid: bool = True  # made first, paid by the payer later


def content_of(account: AccountView, order: PayOrder) -> Content:
    """The whole content of an order."""
    way = WAYS[order.method]
    content: Content = {
        "appid": account.credentials["appid"],
        "mchid": account.credentials["mchid"],
        "description": cut_bytes(order.subject, DESCRIPTION_BYTES_MAX),
        "out_trade_no": order.attempt_no,
        "amount": {"total": order.amount, "currency": order.currency},
    }
    if way.is_prepaid:
        earliest, latest = order.created_at + LIFETIME_MIN, order.created_at + LIFETIME_MAX
        ends_at = min(max(order.expires_at, earliest), latest)
        content["time_expire"] = beijing_text(ends_at)
        content["notify_url"] = account.notify_url
    return content | way.extend(account, order)


# --- options ------------------------------------------------------------------------------------


def _option(order: PayOrder, name: str, is_good: Callable[[str], bool], what: str) -> str:
    value = order.method_options.get(name)
    param = f"/method_options/{name}"
    if not value:
        detail = f"{order.method} needs method_options.{name}: {what}."
        raise TillgateError("missing_field", detail, param=param)
    if not is_good(value):
        raise TillgateError("invalid_field", f"{name} must be {what}.", param=param)
    return value


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _openid(order: PayOrder) -> str:
    what = "the payer's openid for this application"
    return _option(order, "openid", lambda text: bool(_OPENID.fullmatch(text)), what)


def _payer_ip(order: PayOrder) -> str:
    return _option(order, "payer_ip", _is_address, "the payer's IP address")


def _auth_code(order: PayOrder) -> str:
    what = "the 18 digits of the payer's code, beginning with 10 to 15"
    return _option(order, "auth_code", lambda text: bool(_AUTH_CODE.fullmatch(text)), what)


# --- contents -----------------------------------------------------------------------------------


def _nothing(account: AccountView, order: PayOrder) -> Content:
    return {}


def _jsapi(account: AccountView, order: PayOrder) -> Content:
    return {"payer": {"openid": _openid(order)}}


def _h5(account: AccountView, order: PayOrder) -> Content:
    scene = {"payer_client_ip": _payer_ip(order), "h5_info": {"type": "Wap"}}
    return {"scene_info": scene}


def _codepay(account: AccountView, order: PayOrder) -> Content:
    store = account.credentials.get("store_id") or account.credentials["mchid"]
    return {
        "payer": {"auth_code": _auth_code(order)},
        "scene_info": {"store_info": {"out_id": store}},
    }


# --- answers ------------------------------------------------------------------------------------


def _url(answer: Answer, name: str) -> str | None:
    url = answer.text(name)
    return url if url and len(url) <= URL_CHARS_MAX and url.isprintable() else None


def _read_native(account: AccountView, order: PayOrder, answer: Answer) -> PayOutcome:
    code_url = _url(answer, "code_url")
    if code_url is None:
        return Unknown(reason=MISSING + "code_url")
    return HandedOut(next_action={"type": "qr_code", "qr_code": code_url})


def _read_h5(account: AccountView, order: PayOrder, answer: Answer) -> PayOutcome:
    url = _url(answer, "h5_url")
    if url is None or not url.startswith(("https://", "http://")):
        return Unknown(reason=MISSING + "h5_url")
    if order.return_url is not None:
        url += f"{'&' if '?' in url else '?'}redirect_url={quote(order.return_url, safe='')}"
    return HandedOut(next_action={"type": "redirect", "url": url})


def _read_jsapi(account: AccountView, order: PayOrder, answer: Answer) -> PayOutcome:
    """The parameters of `WeixinJSBridge` and `wx.requestPayment`, dated by the answer itself."""
    prepay_id = number_of(answer.fields, "prepay_id")
    if prepay_id is None:
        return Unknown(reason=MISSING + "prepay_id")
    appid = account.credentials["appid"]
    timestamp = unix_seconds(answer.sent_at)
    nonce = nonce_of("jsapi_call", prepay_id, at=answer.sent_at)
    signature = sign_jsapi(
        account.credentials["merchant_private_key"],
        appid=appid,
        timestamp=timestamp,
        nonce=nonce,
        prepay_id=prepay_id,
    )
    params = {
        "appId": appid,
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": f"prepay_id={prepay_id}",
        "signType": "RSA",
        "paySign": signature,
    }
    return HandedOut(next_action={"type": "app_params", "params": params})


def _read_app(account: AccountView, order: PayOrder, answer: Answer) -> PayOutcome:
    """The parameters of the app's `PayReq`, dated by the answer itself."""
    prepay_id = number_of(answer.fields, "prepay_id")
    if prepay_id is None:
        return Unknown(reason=MISSING + "prepay_id")
    appid = account.credentials["appid"]
    timestamp = unix_seconds(answer.sent_at)
    nonce = nonce_of("app_call", prepay_id, at=answer.sent_at)
    signature = sign_app(
        account.credentials["merchant_private_key"],
        appid=appid,
        timestamp=timestamp,
        nonce=nonce,
        prepay_id=prepay_id,
    )
    params = {
        "appid": appid,
        "partnerid": account.credentials["mchid"],
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": str(timestamp),
        "sign": signature,
    }
    return HandedOut(next_action={"type": "app_params", "params": params})


def _read_codepay(account: AccountView, order: PayOrder, answer: Answer) -> PayOutcome:
    """Paid, or waiting for the payer's password; a bare `USERPAYING` names no order."""
    if answer.fields.get("trade_state") == codes.USERPAYING:
        named = answer.fields.get("out_trade_no", order.attempt_no)
        if named != order.attempt_no:
            return Unknown(reason="the answer is about another out_trade_no")
        return HandedOut(next_action={"type": "barcode_wait"})
    outcome = read_trade(account, answer.fields, order.attempt_no)
    if isinstance(outcome, Waiting):
        return HandedOut(next_action={"type": "barcode_wait"})
    if isinstance(outcome, Paid | Unknown):
        return outcome
    return Unknown(reason="the trade state does not belong to a new order")


WAYS: Mapping[str, Way] = {
    "wechat_native": Way("/v3/pay/transactions/native", None, _nothing, _read_native, codes.PREPAY),
    "wechat_jsapi": Way("/v3/pay/transactions/jsapi", _openid, _jsapi, _read_jsapi, codes.PREPAY),
    "wechat_h5": Way("/v3/pay/transactions/h5", _payer_ip, _h5, _read_h5, codes.PREPAY),
    "wechat_app": Way("/v3/pay/transactions/app", None, _nothing, _read_app, codes.PREPAY),
    "wechat_codepay": Way(
        "/v3/pay/transactions/codepay",
        _auth_code,
        _codepay,
        _read_codepay,
        codes.CODEPAY,
        is_prepaid=False,
    ),
}
