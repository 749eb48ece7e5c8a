"""Accounts: a merchant as the load tests make one, by the administration's published contract.

Law: standard library and `cryptography` only; every refusal of the system under test is an error.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

ASK_S_MAX = 30.0
SCOPES = ("payments.read", "payments.write", "refunds.write", "reports.read", "webhooks.write")
CHANNEL, METHOD = "alipay", "alipay_qr"


class Account(NamedTuple):
    """A merchant's id and key; `secret` is the key's."""

    merchant_id: str
    key_id: str
    secret: bytes

    def authorization(self, method: str, target: str, body: bytes) -> str:
        """The value of the Authorization header, scheme TILL1 with HMAC-SHA-256."""
        ts, nonce = str(int(time.time())), secrets.token_urlsafe(24)
        message = f"{method}\n{target}\n{ts}\n{nonce}\n".encode() + body + b"\n"
        signature = base64.b64encode(hmac.digest(self.secret, message, hashlib.sha256)).decode()
        return (
            f'TILL1-HMAC-SHA256 mch="{self.merchant_id}",key="{self.key_id}",'
            f'ts="{ts}",nonce="{nonce}",sig="{signature}"'
        )

    def ask(self, base_url: str, method: str, target: str, value: object = None) -> Any:
        """A signed request; its answer. Raises RuntimeError unless it succeeds."""
        body = b"" if value is None else json.dumps(value).encode()
        return ask(
            method, base_url + target, body, authorization=self.authorization(method, target, body)
        )


def ask(method: str, url: str, body: bytes, *, authorization: str | None = None) -> Any:
    """A request; its answer. Raises RuntimeError unless it succeeds."""
    headers = {"Content-Type": "application/json"} if body else {}
    if authorization is not None:
        headers["Authorization"] = authorization
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=ASK_S_MAX) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {url}: {error.code} {error.read()[:500]!r}") from None


def open_account(ready: dict[str, Any], *, name: str) -> Account:
    """A new merchant with a key and an account at the simulator. Raises RuntimeError."""
    base_url = ready["base_url"]
    admin = Account(
        ready["admin_merchant_id"],
        ready["admin_key_id"],
        base64.b64decode(ready["admin_key_secret"]),
    )
    place = "/admin/v1/merchants"
    merchant = admin.ask(base_url, "POST", place, {"name": name})
    place = f"{place}/{merchant['id']}"
    wanted = {"algorithm": "hmac-sha256", "scopes": list(SCOPES)}
    key = admin.ask(base_url, "POST", f"{place}/keys", wanted)
    private_pem, public_pem = _key_pair()
    content = {"channel": CHANNEL, "merchant_public_key": public_pem}
    opened = ask("POST", f"{ready['sandbox_url']}/accounts", json.dumps(content).encode())
    credentials = {name: opened[name] for name in ("app_id", "seller_id", "alipay_public_key")} | {
        "merchant_private_key": private_pem
    }
    registration = {"channel": CHANNEL, "methods": [METHOD], "credentials": credentials}
    admin.ask(base_url, "POST", f"{place}/channel_accounts", registration)
    return Account(merchant["id"], key["id"], base64.b64decode(key["secret"]))


def _key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode("ascii"), public.decode("ascii")
