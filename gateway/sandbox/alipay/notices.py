"""What the pretend Alipay tells a merchant: the parameters of its notifications.

Law: the parameters are fixed when the thing happens and are the same at every repeat, `notify_id`
included; only `notify_time` and the signature belong to one sending. A payment is told as
TRADE_SUCCESS; a refund is told on the same URL, as TRADE_SUCCESS (part) or TRADE_CLOSED (all)
with `refund_fee`, `gmt_refund` and `out_biz_no`. Money held and let go is told as `fund_auth_*`.
Source: Alipay OpenAPI, "asynchronous notification".
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.sandbox import keys
from gateway.sandbox.alipay import wire
from gateway.sandbox.alipay.accounts import Account, random_digits
from gateway.sandbox.alipay.authority import Authority
from gateway.sandbox.alipay.call import CERTIFIED, HOLD_PREFIX, RETURN_URL
from gateway.sandbox.alipay.fields import yuan
from gateway.sandbox.alipay.hold_book import Hold, Release
from gateway.sandbox.alipay.magic import FIRST_NOTIFICATION_FAULTS
from gateway.sandbox.book import Notice, Order, Refund
from gateway.sandbox.moments import beijing_text
from gateway.sandbox.notifications import Outgoing

_CERTIFIED: Final = f"@{CERTIFIED}"
BUYER_ID: Final = "2088102146225135"
BUYER_LOGON_ID: Final = "pay***@sandbox.example"
SELLER_EMAIL: Final = "seller@sandbox.example"
ECHOED: Final = ("body", "passback_params")
"""Fields of the order that come back in its notifications."""

AMOUNT_PARAMETERS: Final = (
    "total_amount",
    "receipt_amount",
    "invoice_amount",
    "buyer_pay_amount",
    "refund_fee",
    "refund_amount",
    "amount",
    "total_freeze_amount",
    "total_pay_amount",
    "rest_amount",
    "trans_amount",
)
HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    "User-Agent": "Mozilla/4.0",
}


def payment_content(order: Order, account: Account) -> str:
    """The notification of a paid order, as JSON for the book."""
    return json.dumps(_trade_parameters(order, account, "TRADE_SUCCESS"), ensure_ascii=False)


def refund_content(order: Order, account: Account, refund: Refund) -> str:
    """The notification of a refund, as JSON for the book; `order` as it is after the refund."""
    closed = order.refunded == order.amount
    parameters = _trade_parameters(order, account, "TRADE_CLOSED" if closed else "TRADE_SUCCESS")
    parameters["refund_fee"] = yuan(order.refunded)
    parameters["gmt_refund"] = beijing_text(refund.created_at) + ".000"
    parameters["out_biz_no"] = refund.out_refund_no
    if closed:
        parameters["gmt_close"] = beijing_text(refund.created_at)
    return json.dumps(parameters, ensure_ascii=False)


def freeze_content(order: Order, account: Account, hold: Hold) -> str:
    """The notification of money that is held, as JSON for the book."""
    parameters = _hold_parameters(order, account, hold, "fund_auth_freeze") | {
        "operation_type": "FREEZE",
        "operation_id": hold.operation_id,
        "out_request_no": hold.out_request_no,
        "amount": yuan(hold.amount),
        "gmt_trans": beijing_text(hold.held_at or 0),
    }
    return json.dumps(parameters, ensure_ascii=False)


def release_content(
    order: Order, account: Account, hold: Hold, release: Release, notify_type: str
) -> str:
    """The notification of money that was let go, as JSON for the book."""
    parameters = _hold_parameters(order, account, hold, notify_type) | {
        "operation_type": "UNFREEZE",
        "operation_id": release.operation_id,
        "out_request_no": release.out_request_no,
        "amount": yuan(release.amount),
        "gmt_trans": beijing_text(release.created_at),
    }
    return json.dumps(parameters, ensure_ascii=False)


def compose(
    notice: Notice,
    *,
    key: rsa.RSAPrivateKey,
    authority: Authority,
    now_ms: int,
    fault: str | None,
) -> Outgoing:
    """One sending of a notification, signed (V1: without `sign` and `sign_type`).

    An order that came in certificate mode is told of in it: the message names the certificate.
    """
    parameters: dict[str, str] = json.loads(notice.content)
    if parameters.pop(_CERTIFIED, None):
        key, certificate = authority.present
        parameters["alipay_cert_sn"] = certificate.sn
    total = parameters.get("total_amount") or parameters.get("amount", "")
    if notice.sends == 0 and "refund_fee" not in parameters:
        fault = fault or FIRST_NOTIFICATION_FAULTS.get(int(total.replace(".", "")))
    if fault == "wrong_amount":
        parameters = falsified(parameters)
    parameters["notify_time"] = beijing_text(now_ms)
    sign = keys.sign(key, wire.notification_text(parameters))
    parameters["sign"] = keys.falsified(sign) if fault == "bad_signature" else sign
    return Outgoing(HEADERS, wire.form(parameters))


def way_back(order: Order, account: Account, *, key: rsa.RSAPrivateKey, now_ms: int) -> str | None:
    """The merchant's return address with signed parameters, once the order is paid; else None.

    For display only, in reality as here: whoever books from it books what a payer may show twice.
    """
    url = json.loads(order.content).get(f"@{RETURN_URL}")
    if url is None or order.paid_at is None:
        return None
    parameters = {
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "app_id": account.app_id,
        "auth_app_id": account.app_id,
        "seller_id": account.seller_id,
        "out_trade_no": order.out_trade_no,
        "trade_no": order.channel_order_no or "",
        "total_amount": yuan(order.amount),
        "timestamp": beijing_text(now_ms),
    }
    sign = keys.sign(key, wire.notification_text(parameters))
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}{urlencode(parameters | {'sign': sign})}"


def subject(order: Order) -> str:
    """What the order is for, as the merchant wrote it."""
    content = json.loads(order.content)
    return str(content.get("subject") or content["order_title"])


def falsified(node: Mapping[str, Any]) -> dict[str, Any]:
    """The same parameters or node with every amount of the trade one fen too high."""
    return {
        name: _one_fen_more(value) if name in AMOUNT_PARAMETERS else value
        for name, value in node.items()
    }


def _one_fen_more(amount: str) -> str:
    return yuan(int(amount.replace(".", "")) + 1)


def _trade_parameters(order: Order, account: Account, trade_status: str) -> dict[str, str]:
    content = json.loads(order.content)
    paid = yuan(order.amount)
    funds = [{"amount": paid, "fundChannel": "ALIPAYACCOUNT"}]
    parameters = {
        "notify_type": "trade_status_sync",
        "notify_id": beijing_text(order.paid_at or 0)[:10].replace("-", "") + random_digits(26),
        "app_id": account.app_id,
        "auth_app_id": account.app_id,
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "trade_no": order.channel_order_no or "",
        "out_trade_no": order.out_trade_no,
        "buyer_id": BUYER_ID,
        "buyer_logon_id": BUYER_LOGON_ID,
        "seller_id": account.seller_id,
        "seller_email": SELLER_EMAIL,
        "trade_status": trade_status,
        "total_amount": paid,
        "receipt_amount": paid,
        "invoice_amount": paid,
        "buyer_pay_amount": paid,
        "point_amount": "0.00",
        "subject": content["subject"],
        "gmt_create": beijing_text(order.scanned_at or order.created_at),
        "gmt_payment": beijing_text(order.paid_at or 0),
        "fund_bill_list": json.dumps(funds, separators=(",", ":")),
    }
    parameters.update({name: content[name] for name in ECHOED if content.get(name)})
    return parameters | _mode(content)


def _hold_parameters(
    order: Order, account: Account, hold: Hold, notify_type: str
) -> dict[str, str]:
    parameters = {
        "notify_type": notify_type,
        "notify_id": beijing_text(hold.held_at or 0)[:10].replace("-", "") + random_digits(26),
        "app_id": account.app_id,
        "auth_app_id": account.app_id,
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "auth_no": order.channel_order_no or "",
        "out_order_no": order.out_trade_no.removeprefix(HOLD_PREFIX),
        "payer_user_id": BUYER_ID,
        "payer_logon_id": BUYER_LOGON_ID,
        "payee_user_id": account.seller_id,
        "payee_logon_id": SELLER_EMAIL,
        "status": "SUCCESS",
        "total_freeze_amount": yuan(hold.amount),
        "total_unfreeze_amount": yuan(hold.released),
        "total_pay_amount": yuan(hold.captured),
        "rest_amount": yuan(hold.rest),
        "gmt_create": beijing_text(order.scanned_at or order.created_at),
    }
    return parameters | _mode(json.loads(order.content))


def _mode(content: Mapping[str, Any]) -> dict[str, str]:
    return {_CERTIFIED: "yes"} if content.get(_CERTIFIED) else {}
