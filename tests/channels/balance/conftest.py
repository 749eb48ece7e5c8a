"""A wallet service's side of the wire, with signing code of its own."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from gateway.channels.authorization import CaptureOrder
from gateway.channels.codec import AccountView, PayOrder, RefundOrder
from gateway.channels.wire import HttpResponse

KEY = bytes(range(32))
NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
ATTEMPT = "01kb8mz3q8f7wv9t2n4x6c0r5a"


def account(**credentials: str) -> AccountView:
    return AccountView(
        account_id="cac_1",
        channel="balance",
        gateway_url="",
        notify_url="https://pay.example.com/callbacks/balance/cac_1",
        credentials={
            "client_id": "shop",
            "service_key": base64.b64encode(KEY).decode(),
            "service_url": "https://wallets.example.com/api",
            **credentials,
        },
    )


def order(**changes: Any) -> PayOrder:
    content: dict[str, Any] = {
        "attempt_no": ATTEMPT,
        "method": "balance",
        "amount": 1_234,
        "currency": "CNY",
        "subject": "一杯茶",
        "created_at": NOW,
        "expires_at": NOW,
        "method_options": {"wallet_id": "w1"},
    }
    return PayOrder(**content | changes)


def refund(**changes: Any) -> RefundOrder:
    content: dict[str, Any] = {
        "attempt_no": ATTEMPT,
        "channel_order_no": "wtx1",
        "refund_no": "r1",
        "amount": 1_000,
        "amount_total": 1_234,
        "currency": "CNY",
    }
    return RefundOrder(**content | changes)


def capture(**changes: Any) -> CaptureOrder:
    content: dict[str, Any] = {
        "attempt_no": ATTEMPT,
        "channel_order_no": "wtx1",
        "capture_no": "c1",
        "method": "balance",
        "amount": 1_000,
        "amount_authorized": 1_234,
        "currency": "CNY",
        "subject": "tea",
        "created_at": NOW,
    }
    return CaptureOrder(**content | changes)


def debit(**changes: Any) -> dict[str, Any]:
    content = {
        "operation": "debit",
        "number": ATTEMPT,
        "wallet_id": "w1",
        "reference": "wtx1",
        "amount": 1_234,
        "captured": 1_234,
        "refunded": 0,
        "currency": "CNY",
        "status": "done",
        "at": "2026-11-22T12:00:00+00:00",
        "until": None,
    }
    merged = content | changes
    return {name: value for name, value in merged.items() if value is not ...}


def mac(message: bytes, key: bytes = KEY) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def answer(
    value: Any,
    status: int = 200,
    *,
    key: bytes = KEY,
    ts: int = int(NOW.timestamp()),
    received_at: datetime | None = NOW,
) -> HttpResponse:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    sig = mac(f"WALLET1 answer\n{status}\n{ts}\n".encode() + body + b"\n", key)
    return HttpResponse(
        status=status,
        headers={"wallet-signature": f'ts="{ts}",sig="{sig}"'},
        body=body,
        received_at=received_at,
    )
