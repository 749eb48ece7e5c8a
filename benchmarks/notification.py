"""Notifications as Alipay writes them: a payer has paid, signed with RSA-2048.

Law: made from the published protocol alone, with nothing of the codec that reads it or of the
simulator that also writes it. Parameters are signed in the order of their names without `sign` and
`sign_type` (version 1 of the notification's signature). Source: Alipay OpenAPI, "asynchronous
notification".

    python -m benchmarks.notification WANTED.json FILE

writes a file of requests (`requests.py`): `wanted` are the arguments of `paid` with the `path` of
each, `key` is the private key.
"""

import argparse
import base64
import json
import time
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from benchmarks import requests
from benchmarks.requests import Request

MEDIA_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
BEIJING_S = 8 * 3600
_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()


def paid(
    *, app_id: str, seller_id: str, order_no: str, trade_no: str, amount_fen: int, subject: str
) -> dict[str, str]:
    """The parameters of a paid order, without the signature."""
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + BEIJING_S))
    yuan = f"{amount_fen // 100}.{amount_fen % 100:02d}"
    funds = json.dumps([{"amount": yuan, "fundChannel": "ALIPAYACCOUNT"}], separators=(",", ":"))
    return {
        "notify_type": "trade_status_sync",
        "notify_id": f"{now[:10].replace('-', '')}{trade_no[-26:]}",
        "notify_time": now,
        "app_id": app_id,
        "auth_app_id": app_id,
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "trade_no": trade_no,
        "out_trade_no": order_no,
        "buyer_id": "2088102146225135",
        "buyer_logon_id": "pay***@sandbox.example",
        "seller_id": seller_id,
        "seller_email": "seller@sandbox.example",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": yuan,
        "receipt_amount": yuan,
        "invoice_amount": yuan,
        "buyer_pay_amount": yuan,
        "point_amount": "0.00",
        "subject": subject,
        "gmt_create": now,
        "gmt_payment": now,
        "fund_bill_list": funds,
    }


def signed_form(parameters: dict[str, str], key: rsa.RSAPrivateKey) -> bytes:
    """The body of the notification, with its signature."""
    names = sorted(name for name in parameters if name != "sign_type")
    text = "&".join(f"{name}={parameters[name]}" for name in names)
    signature = base64.b64encode(key.sign(text.encode(), _PADDING, _SHA256)).decode("ascii")
    return urlencode({**parameters, "sign": signature}).encode("ascii")


def posted(path: str, body: bytes) -> Request:
    """The request that brings a notification, which is answered with `success`."""
    raw = requests.plain("POST", path, body, media_type=MEDIA_TYPE)
    return Request(raw, 200, b"success")


def main() -> None:
    """Write a file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wanted", type=Path)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    asked = json.loads(given.wanted.read_text("utf-8"))
    key = load_pem_private_key(asked["key"].encode("ascii"), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        parser.error("the key must be an RSA key")
    requests.write(
        given.file,
        (posted(each.pop("path"), signed_form(paid(**each), key)) for each in asked["wanted"]),
    )


if __name__ == "__main__":
    main()
