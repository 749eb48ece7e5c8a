"""The pretend Stripe's events: made when something happens, signed when they are sent.

Law: an event is made inside the change that it tells about, one notice for each endpoint that wants
it, with the object as it is then; id and content stay the same at every repeat, and only time and
signature belong to one sending. The time in the signature is real time, because a receiver compares
it with its own clock. Source: Stripe, "Verify webhook signatures manually".
"""

import hashlib
import hmac
import json
from typing import Any, Final

from gateway.sandbox.book import Book, Notice
from gateway.sandbox.card.accounts import new_id
from gateway.sandbox.card.cards import FIRST_EVENT_FAULTS
from gateway.sandbox.card.shapes import (
    API_VERSION,
    charge_shape,
    falsified,
    intent_shape,
    refund_shape,
    seconds,
)
from gateway.sandbox.card.store import Endpoint, Intent, RefundRow, Store
from gateway.sandbox.moments import Clock, system_clock, to_ms
from gateway.sandbox.notifications import Outgoing, Postman

EVENTS: Final = (
    "payment_intent.created",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "charge.dispute.created",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
TOLD_OF_MONEY: Final = ("payment_intent.succeeded", "payment_intent.amount_capturable_updated")


class Events:
    """Makes and sends events."""

    def __init__(self, *, book: Book, store: Store, postman: Postman, clock: Clock) -> None:
        self._book = book
        self._store = store
        self._postman = postman
        self._clock = clock

    def of_intent(self, kind: str, intent: Intent) -> None:
        """Something happened to an intent."""
        self._tell(f"payment_intent.{kind}", intent, intent_shape(intent))

    def of_dispute(self, intent: Intent) -> None:
        """The payer disputes a charge."""
        if intent.charge is not None:
            dispute = {
                "id": new_id("du"),
                "object": "dispute",
                "amount": intent.amount_received,
                "charge": intent.charge.id,
                "currency": intent.currency,
                "payment_intent": intent.id,
                "reason": "fraudulent",
                "status": "needs_response",
            }
            self._tell("charge.dispute.created", intent, dispute)

    def of_refund(self, kind: str, refund: RefundRow, intent: Intent) -> None:
        """Something happened to a refund; the charge tells it too, once money went back."""
        self._tell(f"refund.{kind}", intent, refund_shape(refund))
        if refund.status == "succeeded" and intent.charge is not None:
            self._tell("charge.refunded", intent, charge_shape(intent, intent.charge))

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """One sending, signed with its endpoint's secret."""
        content = json.loads(notice.content)
        event = content["event"]
        if notice.sends == 0 and event["type"] in TOLD_OF_MONEY:
            fault = fault or FIRST_EVENT_FAULTS.get(event["data"]["object"]["amount"])
        if fault == "wrong_amount":
            event = event | {"data": {"object": falsified(event["data"]["object"])}}
        body = json.dumps(event, ensure_ascii=False, indent=2).encode()
        sent_s = to_ms(system_clock()) // 1_000
        secret = self._store.endpoint(content["endpoint"]).secret
        signature = signed(secret, sent_s=sent_s, body=body)
        if fault == "bad_signature":
            signature = ("1" if signature[0] == "0" else "0") + signature[1:]
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": f"t={sent_s},v1={signature}",
        }
        return Outgoing(headers, body)

    def _tell(self, kind: str, intent: Intent, shown: dict[str, Any]) -> None:
        order = self._book.order_by_id(intent.order_id)
        for endpoint in self._store.endpoints(intent.account_id):
            if _wants(endpoint, kind):
                event = {
                    "id": new_id("evt"),
                    "object": "event",
                    "api_version": API_VERSION,
                    "created": seconds(to_ms(self._clock())),
                    "data": {"object": shown},
                    "livemode": False,
                    "pending_webhooks": 1,
                    "request": {"id": None, "idempotency_key": None},
                    "type": kind,
                }
                content = json.dumps({"endpoint": endpoint.id, "event": event}, ensure_ascii=False)
                self._postman.post(order, url=endpoint.url, content=content)


def signed(secret: str, *, sent_s: int, body: bytes) -> str:
    """The `v1` signature of a body: HMAC-SHA-256, hexadecimal."""
    message = str(sent_s).encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _wants(endpoint: Endpoint, kind: str) -> bool:
    wanted = kind in endpoint.enabled_events or "*" in endpoint.enabled_events
    return wanted and endpoint.status == "enabled"
