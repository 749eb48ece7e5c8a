"""Notifications as Alipay writes them: a payer has paid, signed with RSA-2048.

Law: made from the published protocol alone, with nothing of the codec that reads it or of the
simulator that also writes it. Parameters are signed in the order of their names without `sign` and
`sign_type` (version 1 of the notification's signature). Source: Alipay OpenAPI, "asynchronous
notification".
"""

import base64
import json
import time
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

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
