"""What we send: one signed request, complete to the byte.

Law: the signature covers path, query and body exactly as they leave. Every request of an account
in public key mode says so by `Wechatpay-Serial`, because WeChat answers with the kind of key that
is named there. The nonce is a hash of the operation, its number and the time: nothing is drawn.
"""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

import msgspec

from gateway.channels.codec import AccountView
from gateway.channels.wechat.dialect import unix_seconds
from gateway.channels.wechat.signature import authorization, nonce_of, request_message
from gateway.channels.wire import HttpRequest

USER_AGENT = "Tillgate"


def segment(number: str) -> str:
    """A number as one segment of a path."""
    return quote(number, safe="")


def signed_request(
    account: AccountView,
    method: str,
    path: str,
    now: datetime,
    *,
    operation: str,
    number: str,
    content: Mapping[str, object] | None = None,
    serial: str | None = None,
) -> HttpRequest:
    """A request to `path` (with its query) below the account's gateway. Raises `KeyUnusable`.

    `operation` and `number` say what it is about; `serial` names the key that a field of the
    content was encrypted with.
    """
    return signed_url(
        account,
        method,
        account.gateway_url.rstrip("/") + path,
        now,
        operation=operation,
        number=number,
        content=content,
        serial=serial,
    )


def signed_url(
    account: AccountView,
    method: str,
    url: str,
    now: datetime,
    *,
    operation: str,
    number: str,
    content: Mapping[str, object] | None = None,
    serial: str | None = None,
) -> HttpRequest:
    """As `signed_request`, to a whole URL that WeChat itself named."""
    credentials = account.credentials
    body = b"" if content is None else msgspec.json.encode(content)
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    timestamp, nonce = unix_seconds(now), nonce_of(operation, number, at=now)
    message = request_message(
        method=method, target=target, timestamp=timestamp, nonce=nonce, body=body
    )
    headers = [
        ("Accept", "application/json"),
        ("User-Agent", USER_AGENT),
        (
            "Authorization",
            authorization(
                credentials["merchant_private_key"],
                message,
                mchid=credentials["mchid"],
                serial=credentials["merchant_serial"],
                timestamp=timestamp,
                nonce=nonce,
            ),
        ),
    ]
    if method != "GET":
        headers.append(("Content-Type", "application/json"))
    named = serial or credentials.get("wechat_public_key_id")
    if named:
        headers.append(("Wechatpay-Serial", named))
    return HttpRequest(method=method, url=url, headers=tuple(headers), body=body)
