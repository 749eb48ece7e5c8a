"""Stripe's side of the wire: what it answers and sends, with signing of its own."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.authorization import CaptureOrder
from gateway.channels.codec import AccountView, PayOrder, RefundOrder
from gateway.channels.wire import CallbackRequest, HttpResponse

ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
CAPTURE_NO = "01kb8n1111f7wv9t2n4x6c0cap"
INTENT_NO = "pi_3MtwBwLkdIwHu7ix28a3tqPa"
NOW = datetime(2026, 11, 22, 14, 30, 5, tzinfo=UTC)
CREATED = datetime(2026, 11, 22, 14, 30, 0, tzinfo=UTC)
SECRET = "whsec_4f1d8ec09a6c4b6e"
VECTORS = Path(__file__).parents[2] / "vectors" / "card.json"


class StripeSide:
    """Makers of what Stripe answers and sends."""

    def account(self, **credentials: str) -> AccountView:
        return AccountView(
            account_id="cac_1",
            channel="card",
            gateway_url="https://api.stripe.com",
            notify_url="https://pay.example.com/callbacks/card/cac_1",
            credentials={
                "secret_key": "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
                "webhook_secret": SECRET,
                **credentials,
            },
        )

    def order(self, **changes: Any) -> PayOrder:
        content: dict[str, Any] = {
            "attempt_no": ORDER_NO,
            "method": "card",
            "amount": 1234,
            "currency": "EUR",
            "subject": "Ein Buch & mehr",
            "created_at": CREATED,
            "expires_at": datetime(2026, 11, 22, 16, 30, 0, tzinfo=UTC),
            "return_url": "https://shop.example/back",
            "method_options": {"payment_method": "pm_card_visa"},
        }
        return PayOrder(**(content | changes))

    def capture(self, **changes: Any) -> CaptureOrder:
        content: dict[str, Any] = {
            "attempt_no": ORDER_NO,
            "channel_order_no": INTENT_NO,
            "capture_no": CAPTURE_NO,
            "method": "card",
            "amount": 1000,
            "amount_authorized": 1234,
            "currency": "EUR",
            "subject": "Ein Buch",
            "created_at": CREATED,
        }
        return CaptureOrder(**(content | changes))

    def refund(self, **changes: Any) -> RefundOrder:
        content: dict[str, Any] = {
            "attempt_no": ORDER_NO,
            "channel_order_no": INTENT_NO,
            "refund_no": REFUND_NO,
            "amount": 1000,
            "amount_total": 1234,
            "currency": "EUR",
            "reason": "broken",
        }
        return RefundOrder(**(content | changes))

    def intent(self, status: str = "succeeded", **changes: Any) -> dict[str, Any]:
        """A payment intent, as much of it as tells states apart."""
        content = {
            "id": INTENT_NO,
            "object": "payment_intent",
            "amount": 1234,
            "amount_capturable": 1234 if status == "requires_capture" else 0,
            "amount_received": 1234 if status == "succeeded" else 0,
            "capture_method": "automatic",
            "client_secret": f"{INTENT_NO}_secret_x",
            "created": 1795357801,
            "currency": "eur",
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": {"attempt_no": ORDER_NO},
            "next_action": None,
            "status": status,
        }
        return content | changes

    def refund_object(self, status: str = "succeeded", **changes: Any) -> dict[str, Any]:
        content = {
            "id": "re_1Nispe2eZvKYlo2Cd31jOCgZ",
            "object": "refund",
            "amount": 1000,
            "created": 1795357900,
            "currency": "eur",
            "metadata": {"refund_no": REFUND_NO, "attempt_no": ORDER_NO},
            "payment_intent": INTENT_NO,
            "status": status,
        }
        return content | changes

    def page(self, *data: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
        return {"object": "list", "url": "/v1/x", "has_more": has_more, "data": list(data)}

    def answer(self, body: object, status: int = 200) -> HttpResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HttpResponse(status=status, headers={}, body=raw)

    def error(self, status: int, **error: Any) -> HttpResponse:
        content = {"type": "invalid_request_error", "message": "no"} | error
        return self.answer({"error": content}, status)

    def declined(self, code: str, decline_code: str | None = None, **more: Any) -> HttpResponse:
        failed = self.intent("requires_payment_method")
        error = {"type": "card_error", "code": code, "payment_intent": failed} | more
        if decline_code is not None:
            error["decline_code"] = decline_code
        return self.error(402, **error)

    def event(self, kind: str, shown: object, **changes: Any) -> bytes:
        content = {
            "id": "evt_1",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": 1795357803,
            "data": {"object": shown},
            "livemode": False,
            "type": kind,
        }
        return json.dumps(content | changes, indent=2).encode()

    def sign(self, body: bytes, *, secret: str = SECRET, at: datetime = NOW) -> str:
        sent = str(int(at.timestamp()))
        return hmac.new(secret.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()

    def header(self, body: bytes, *, secret: str = SECRET, at: datetime = NOW) -> str:
        return f"t={int(at.timestamp())},v1={self.sign(body, secret=secret, at=at)}"

    def callback(
        self, body: bytes, header: str | None = None, method: str = "POST"
    ) -> CallbackRequest:
        signed = self.header(body) if header is None else header
        headers = {"content-type": "application/json", "stripe-signature": signed}
        return CallbackRequest(
            method=method,
            target="/callbacks/card/cac_1",
            headers={name: value for name, value in headers.items() if value},
            body=body,
        )


@pytest.fixture(scope="session")
def stripe() -> StripeSide:
    return StripeSide()


@pytest.fixture(scope="session")
def vector() -> dict[str, str]:
    return dict(json.loads(VECTORS.read_text("utf-8"))["stripe_webhook_v1"])
