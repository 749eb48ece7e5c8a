"""What the pretend WeChat Pay tells a merchant: notifications, sealed and signed.

Law: what is told is fixed when the thing happens and is the same at every repeat, `id` included;
the seal, the time stamp and the signature belong to one sending. A paid order, the end of a refund
and the end of a transfer are told; a payer's code is not. Source: WeChat Pay API v3,
"notifications".
"""

import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any, Final

from gateway.sandbox import keys
from gateway.sandbox.book import Notice, Order
from gateway.sandbox.moments import BEIJING, from_ms
from gateway.sandbox.notifications import Outgoing
from gateway.sandbox.wechat import wire
from gateway.sandbox.wechat.accounts import Account
from gateway.sandbox.wechat.fields import json_text
from gateway.sandbox.wechat.ledger import RefundRow, TransferRow
from gateway.sandbox.wechat.magic import FIRST_NOTIFICATION_FAULTS
from gateway.sandbox.wechat.platform import Signer, sealed

AMOUNTS: Final = frozenset(
    "total payer_total refund payer_refund settlement_refund settlement_total"
    " transfer_amount".split()
)
PAID_EVENT: Final = "TRANSACTION.SUCCESS"
RECEIVED_BY: Final = "支付用户零钱"


def payment_content(view: Mapping[str, Any], *, now_ms: int) -> str:
    """The notification of a paid order, as JSON for the book."""
    return _content(PAID_EVENT, "支付成功", "transaction", view, now_ms)


def refund_content(account: Account, order: Order, refund: RefundRow, *, now_ms: int) -> str:
    """The notification of a refund's end, as JSON for the book."""
    plain: dict[str, Any] = {
        "mchid": account.mchid,
        "transaction_id": order.channel_order_no,
        "out_trade_no": order.out_trade_no,
        "refund_id": refund.refund_no,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.status,
        "user_received_account": RECEIVED_BY,
        "amount": {
            "total": order.amount,
            "refund": refund.amount,
            "payer_total": order.amount,
            "payer_refund": refund.amount,
        },
    }
    if refund.status == "SUCCESS" and refund.finished_at is not None:
        plain["success_time"] = _rfc3339(refund.finished_at)
    summary = {"SUCCESS": "退款成功", "CLOSED": "退款关闭"}.get(refund.status, "退款异常")
    return _content(f"REFUND.{refund.status}", summary, "refund", plain, now_ms)


def transfer_content(account: Account, transfer: TransferRow, *, now_ms: int) -> str:
    """The notification of a transfer's end, as JSON for the book."""
    plain: dict[str, Any] = {
        "mch_id": account.mchid,
        "out_bill_no": transfer.out_bill_no,
        "transfer_bill_no": transfer.transfer_bill_no,
        "transfer_amount": transfer.amount,
        "state": transfer.state,
        "openid": transfer.openid,
        "create_time": _rfc3339(transfer.created_at),
        "update_time": _rfc3339(transfer.updated_at),
    }
    if transfer.fail_reason is not None:
        plain["fail_reason"] = transfer.fail_reason
    return _content(
        "MCHTRANSFER.BILL.FINISHED", "商家转账单据终态通知", "mch_payment", plain, now_ms
    )


def compose(
    notice: Notice, *, account: Account, signer: Signer, wall_s: int, fault: str | None
) -> Outgoing:
    """One sending of a notification; `wall_s` is real time in Unix seconds."""
    envelope = json.loads(notice.content)
    plain = envelope.pop("plain")
    if notice.sends == 0 and envelope["event_type"] == PAID_EVENT:
        fault = fault or FIRST_NOTIFICATION_FAULTS.get(plain["amount"]["total"])
    if fault == "wrong_amount":
        plain = falsified(plain)
    kind = envelope.pop("kind")
    resource = sealed(json_text(plain), account=account, associated=kind)
    body = json_text({**envelope, "resource": {**resource, "original_type": kind}})
    return Outgoing(signed_headers(body, signer, wall_s=wall_s, fault=fault), body)


def signed_headers(
    body: bytes, signer: Signer, *, wall_s: int, fault: str | None
) -> dict[str, str]:
    """The headers of an answer or a notification."""
    nonce = secrets.token_hex(16).upper()
    signature = keys.sign(signer.key, wire.message_text(wall_s, nonce, body))
    if fault == "bad_signature":
        signature = keys.falsified(signature)
    elif fault == "probe":
        signature = wire.PROBE + signature
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Request-ID": secrets.token_hex(16).upper(),
        "Wechatpay-Timestamp": str(wall_s),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": signer.serial,
        "Wechatpay-Signature": signature,
        "Wechatpay-Signature-Type": wire.SCHEME,
    }


def falsified(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same object with every amount one fen too high."""
    return {name: _one_more(name, value) for name, value in body.items()}


def _one_more(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return falsified(value)
    return value + 1 if name in AMOUNTS else value


def _content(event: str, summary: str, kind: str, plain: Mapping[str, Any], now_ms: int) -> str:
    envelope = {
        "id": str(uuid.uuid4()),
        "create_time": _rfc3339(now_ms),
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": summary,
        "kind": kind,
        "plain": plain,
    }
    return json.dumps(envelope, ensure_ascii=False)


def _rfc3339(ms: int) -> str:
    return from_ms(ms).astimezone(BEIJING).replace(microsecond=0).isoformat()
