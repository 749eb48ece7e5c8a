"""Requests: signed over exactly what leaves."""

import base64
import re
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.channels.wechat.request import segment, signed_request, signed_url
from gateway.channels.wire import HttpRequest

from .conftest import MCHID, MERCHANT_SERIAL, NOW, PUBLIC_KEY_ID

pytestmark = pytest.mark.fast


def check_signed(wechat, request: HttpRequest) -> dict[str, str]:
    """The headers of a request whose signature is right."""
    headers = dict(request.headers)
    assert len(headers) == len(request.headers)
    scheme, _, rest = headers["Authorization"].partition(" ")
    parts = dict(re.findall(r'([a-z_]+)="([^"]*)"', rest))
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    assert parts["mchid"] == MCHID and parts["serial_no"] == MERCHANT_SERIAL
    assert parts["timestamp"] == str(int(NOW.timestamp()))
    url = urlsplit(request.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    head = f"{request.method}\n{target}\n{parts['timestamp']}\n{parts['nonce_str']}\n"
    wechat.merchant_key.public_key().verify(
        base64.b64decode(parts["signature"]),
        head.encode() + request.body + b"\n",
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    return headers


@pytest.mark.parametrize("gateway", ["https://api.mch.weixin.qq.com", "http://127.0.0.1:1/wechat/"])
def test_a_request_is_complete_and_signed(wechat, gateway: str) -> None:
    account = wechat.account(gateway_url=gateway)
    arguments = {"operation": "query", "number": "A-1"}
    get = signed_request(account, "GET", "/v3/x?mchid=1", NOW, **arguments)
    assert get.url == gateway.rstrip("/") + "/v3/x?mchid=1" and get.body == b""
    headers = check_signed(wechat, get)
    assert headers["Accept"] == "application/json" and headers["User-Agent"] == "Tillgate"
    assert "Content-Type" not in headers
    post = signed_request(account, "POST", "/v3/x", NOW, content={"书": 1}, **arguments)
    assert post.body == '{"书":1}'.encode()
    assert check_signed(wechat, post)["Content-Type"] == "application/json"
    assert signed_request(account, "POST", "/v3/x", NOW, content={"书": 1}, **arguments) == post


def test_the_key_that_shall_answer_is_named(wechat) -> None:
    arguments = {"operation": "query", "number": "A-1"}

    def named(account, **more: str) -> str | None:
        request = signed_request(account, "GET", "/v3/x", NOW, **arguments, **more)
        return check_signed(wechat, request).get("Wechatpay-Serial")

    assert named(wechat.account()) == PUBLIC_KEY_ID
    assert named(wechat.certificate_account()) is None
    assert named(wechat.certificate_account(), serial="AB12") == "AB12"


def test_a_whole_url_is_signed_with_its_query(wechat) -> None:
    url = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=a-_b"
    request = signed_url(wechat.account(), "GET", url, NOW, operation="file", number="x")
    assert request.url == url
    check_signed(wechat, request)


def test_a_number_is_one_segment() -> None:
    assert segment("a|b*c/d?e") == "a%7Cb%2Ac%2Fd%3Fe"
