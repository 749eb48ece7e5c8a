"""Stripe's events (its webhooks, our callbacks): from a raw POST to a `VerifiedCallback`.

Law: signature first, then time, then the key's mode, then shape; nothing is read before it is
verified. Events come twice, late and out of order, so an effect is named by object and state, never
by the event's own id, and an event is read by the state of the object in it.

| type | outcome |
|---|---|
| payment_intent.succeeded | Paid; None where a hold was captured (the capture's answer books it) |
| payment_intent.amount_capturable_updated | Authorized |
| payment_intent.payment_failed | Refused |
| payment_intent.canceled | Closed |
| refund.created, refund.updated, refund.failed | Refunded, Refused; None while pending |
| anything else, charge.refunded and charge.dispute.created among it | None |
"""

import re
from datetime import datetime
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.channels.card.account import is_live
from gateway.channels.card.answer import Intent, RefundObject
from gateway.channels.card.dialect import moment_of, unix_s
from gateway.channels.card.intent import read_intent
from gateway.channels.card.refunds import refusal_of
from gateway.channels.card.signature import HEADER, is_fresh, is_signed, parse_header
from gateway.channels.codec import (
    AccountView,
    Authorized,
    CallbackRefused,
    Closed,
    Paid,
    Refunded,
    Refused,
    VerifiedCallback,
)
from gateway.channels.wire import CallbackRequest

# The state that an intent must be in for its event to be what it says.
INTENT_STATES = {
    "payment_intent.succeeded": "succeeded",
    "payment_intent.amount_capturable_updated": "requires_capture",
    "payment_intent.payment_failed": "requires_payment_method",
    "payment_intent.canceled": "canceled",
}
REFUND_EVENTS = frozenset(
    {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
)

T = TypeVar("T")

_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ID = re.compile(r"[0-9A-Za-z_]{1,255}")


class _Data(Struct, frozen=True):
    object: msgspec.Raw


class _Event(Struct, frozen=True):
    id: str
    object: Literal["event"]
    type: str
    livemode: bool
    data: _Data
    created: int | None = None


def read_event(account: AccountView, request: CallbackRequest, now: datetime) -> VerifiedCallback:
    """Verify and read one event. Raises `CallbackRefused` and nothing else."""
    _verify(account, request, now)
    event = _decoded(request.body, _Event)
    if not _ID.fullmatch(event.id):
        raise CallbackRefused("malformed")
    live = is_live(account)
    if live is not None and live != event.livemode:
        raise CallbackRefused("wrong_application")
    if event.type in INTENT_STATES:
        return _read_intent(event)
    if event.type in REFUND_EVENTS:
        return _read_refund(event)
    return _nothing(event)


def _verify(account: AccountView, request: CallbackRequest, now: datetime) -> None:
    if request.method != "POST":
        raise CallbackRefused("malformed")
    header = parse_header(request.headers.get(HEADER, ""))
    if header is None:
        raise CallbackRefused("malformed")
    names = ("webhook_secret", "webhook_secret_previous")
    secrets = [secret for name in names if (secret := account.credentials.get(name))]
    if not is_signed(header, request.body, secrets):
        raise CallbackRefused("bad_signature")
    if not is_fresh(header, unix_s(now)):
        raise CallbackRefused("stale")


def _read_intent(event: _Event) -> VerifiedCallback:
    intent = _decoded(event.data.object, Intent)
    number = _number(intent.metadata.get("attempt_no"))
    if number is None:
        return _nothing(event)  # an intent of another program on the same Stripe account
    if intent.status != INTENT_STATES[event.type]:
        raise CallbackRefused("malformed")
    outcome = read_intent(intent)
    booked_otherwise = intent.status == "succeeded" and intent.capture_method == "manual"
    if not isinstance(outcome, Paid | Authorized | Refused | Closed) or booked_otherwise:
        return _nothing(event, number)
    if isinstance(outcome, Paid):
        outcome = replace(outcome, paid_at=outcome.paid_at or moment_of(event.created))
    return VerifiedCallback(
        dedupe_key=f"{intent.id}|{intent.status}|{_sum_of(intent)}",
        attempt_no=number,
        outcome=outcome,
    )


def _read_refund(event: _Event) -> VerifiedCallback:
    refund = _decoded(event.data.object, RefundObject)
    attempt_no = _number(refund.metadata.get("attempt_no"))
    refund_no = _number(refund.metadata.get("refund_no"))
    if attempt_no is None or refund_no is None:
        return _nothing(event)
    outcome: Refunded | Refused
    if refund.status == "succeeded":
        outcome = Refunded(refund_no=refund_no, refunded_at=moment_of(refund.created))
    elif refund.status in ("failed", "canceled"):
        outcome = refusal_of(refund.failure_reason, refund.status)
    else:
        return _nothing(event, attempt_no)
    return VerifiedCallback(
        dedupe_key=f"{refund.id}|{refund.status}",
        attempt_no=attempt_no,
        outcome=outcome,
        refund_no=refund_no,
    )


def _nothing(event: _Event, attempt_no: str | None = None) -> VerifiedCallback:
    """Genuine, and nothing to do: acknowledged."""
    return VerifiedCallback(
        dedupe_key=f"event|{event.id}", attempt_no=attempt_no, outcome=None, refund_no=None
    )


def _sum_of(intent: Intent) -> int:
    """The amount that the state is about, so that a false one never hides the right one."""
    if intent.status == "requires_capture":
        return intent.amount if intent.amount_capturable is None else intent.amount_capturable
    return intent.amount


def _number(text: str | None) -> str | None:
    return text if text is not None and _NUMBER.fullmatch(text) else None


def _decoded(content: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise CallbackRefused("malformed") from None
