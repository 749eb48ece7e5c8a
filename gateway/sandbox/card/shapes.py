"""How the pretend Stripe shows what it has: its JSON objects.

Law: pure, and the same object in an answer and in an event. Moments become Unix seconds here.
Source: Stripe API reference, "The PaymentIntent object", "The Charge object", "The Refund object".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.sandbox.card.store import Charge, Endpoint, Intent, RefundRow

API_VERSION: Final = "2026-10-28.endive"
FEE_PARTS_PER_THOUSAND: Final = 29
AMOUNTS: Final = ("amount", "amount_received", "amount_capturable", "amount_captured")


def intent_shape(intent: Intent, *, expand_charge: bool = False) -> dict[str, Any]:
    """A payment intent; with `expand_charge` its charge is shown whole."""
    charge = intent.charge
    shown: Any = None
    if charge is not None:
        shown = charge_shape(intent, charge) if expand_charge else charge.id
    action = None
    if intent.status == "requires_action":
        action = _next_action(intent)
    held = intent.status == "requires_capture"
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount if held else 0,
        "amount_received": intent.amount_received,
        "canceled_at": seconds(intent.canceled_at),
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": seconds(intent.created),
        "currency": intent.currency,
        "customer": None,
        "description": intent.description,
        "last_payment_error": intent.failure,
        "latest_charge": shown,
        "livemode": False,
        "metadata": intent.metadata,
        "next_action": action,
        "payment_method": intent.payment_method,
        "payment_method_types": ["card"],
        "status": intent.status,
    }


def _next_action(intent: Intent) -> dict[str, Any]:
    """Without a way back there is no redirect: a page with Stripe's script would go on."""
    if intent.return_url is None:
        script = {"type": "three_d_secure_redirect", "stripe_js": intent.redirect_url}
        return {"type": "use_stripe_sdk", "use_stripe_sdk": script}
    redirect = {"url": intent.redirect_url, "return_url": intent.return_url}
    return {"type": "redirect_to_url", "redirect_to_url": redirect}


def charge_shape(intent: Intent, charge: Charge) -> dict[str, Any]:
    """The charge of an intent."""
    card = {"brand": "visa", "capture_before": seconds(charge.capture_before)}
    return {
        "id": charge.id,
        "object": "charge",
        "amount": intent.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded,
        "captured": charge.captured,
        "created": seconds(charge.created),
        "currency": intent.currency,
        "livemode": False,
        "metadata": intent.metadata,
        "paid": charge.status == "succeeded",
        "payment_intent": intent.id,
        "payment_method": intent.payment_method,
        "payment_method_details": {"type": "card", "card": card},
        "refunded": charge.amount_refunded == intent.amount_received > 0,
        "status": charge.status,
    }


def refund_shape(refund: RefundRow) -> dict[str, Any]:
    """A refund."""
    shown = {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": refund.charge_id,
        "created": seconds(refund.created),
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.intent_id,
        "reason": refund.reason,
        "status": refund.status,
    }
    if refund.failure_reason is not None:
        shown["failure_reason"] = refund.failure_reason
    return shown


def endpoint_shape(endpoint: Endpoint, *, with_secret: bool = False) -> dict[str, Any]:
    """A webhook endpoint; its secret is shown once, when it is made."""
    shown = {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "created": seconds(endpoint.created),
        "description": endpoint.description,
        "enabled_events": list(endpoint.enabled_events),
        "livemode": False,
        "metadata": endpoint.metadata,
        "status": endpoint.status,
        "url": endpoint.url,
    }
    return shown | {"secret": endpoint.secret} if with_secret else shown


def transaction_shape(
    number: str, *, kind: str, source: str, amount: int, currency: str, created: int
) -> dict[str, Any]:
    """A movement of the balance: money in with its fee, or money back without."""
    fee = amount * FEE_PARTS_PER_THOUSAND // 1_000 if amount > 0 else 0
    return {
        "id": number,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": seconds(created),
        "created": seconds(created),
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source,
        "status": "available",
        "type": kind,
    }


def list_shape(url: str, data: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page."""
    return {"object": "list", "url": url, "has_more": has_more, "data": list(data)}


def falsified(shown: Any) -> Any:
    """The same object with every amount one minor unit too high."""
    if isinstance(shown, list):
        return [falsified(each) for each in shown]
    if not isinstance(shown, dict):
        return shown
    return {
        name: value + 1 if name in AMOUNTS and type(value) is int and value else falsified(value)
        for name, value in shown.items()
    }


def seconds(moment_ms: int | None) -> int | None:
    """Whole Unix seconds."""
    return None if moment_ms is None else moment_ms // 1_000
