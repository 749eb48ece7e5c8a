"""Deliveries: one event on its way to one receiver, and what each try makes of it.

Law: pure. A delivery names its event by merchant and sequence and never holds a body: the body is
composed from the journal row, so that every try and every resend carry the same bytes. What shares
a receiver shares a `target`, and only what shares a target can slow each other.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import ids, webhook
from gateway.domain.endpoint import WebhookEndpoint
from gateway.domain.events import Event, rfc3339, rfc3339_or_none
from gateway.domain.urls import parse_url
from gateway.domain.webhook import Judgement, WebhookAnswer

ERROR_DISABLED = "endpoint_disabled"
# The status of a delivery that a judgement brings to its end.
_ENDED_BY: Mapping[Judgement, str] = {"delivered": "delivered", "gone": "failed"}

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Delivery(Struct, frozen=True, kw_only=True):
    """An event on its way to one receiver. `endpoint_id` is None for a payment's notify_url.

    `due_at` (business time) is when it is tried again, None once it has come to its end;
    `last_status` and `last_error` are what the last try brought.
    """

    merchant_id: str
    id: str
    sequence: int
    endpoint_id: str | None
    target: str
    url: str
    status: str = "pending"  # pending | delivered | failed
    tries: int = 0
    due_at: datetime | None
    last_status: int | None = None
    last_error: str | None = None
    created_at: datetime
    finished_at: datetime | None = None


class Sent(Struct, frozen=True):
    """A delivery as a merchant sees it: with the event that it carries."""

    delivery: Delivery
    event_type: str
    event_at: datetime


class Ahead(Struct, frozen=True):
    """What lies before the relay of one merchant's events: those of (`read`, `until`] that
    somebody may want, each with its payment's notify URL. `head` is the last event there is."""

    merchant_id: str
    read: int
    until: int
    head: int
    wanted: list[tuple[Event, str | None]]


class Parcel(Struct, frozen=True):
    """A claimed delivery with its event and the receiver as it is now: ready to be sent."""

    delivery: Delivery
    event_id: str
    body: bytes


def endpoint_target(endpoint_id: str) -> str:
    """What an endpoint's deliveries share: the digits of its id."""
    return ids.to_hex(endpoint_id)


def url_target(url: str) -> str:
    """What deliveries to notify URLs of one receiver share: scheme, host and port.

    Raises `url_not_allowed` for what is no web URL.
    """
    scheme, host, port = parse_url(url)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def body(event: Event, customer: Mapping[str, str] | None) -> bytes:
    """The JSON of an event as `GET /v1/events/{id}` and every webhook show it.

    `customer` is what was opened of `event.personal`; it takes the place of the `null` with which
    the object was recorded. The same arguments give the same bytes for ever.
    """
    data = event.data
    if customer is not None:
        members = _decode_members(data)
        if "customer" in members:
            members["customer"] = msgspec.Raw(_encode(customer))
            data = _encode(members)
    return webhook.event_body(
        event_id=event.id,
        sequence=event.sequence,
        type=event.type,
        created_at=event.at,
        object_id=event.object_id,
        object_version=event.object_version,
        data=data,
    )


def is_for(endpoint: WebhookEndpoint, event: Event) -> bool:
    """Whether an enabled endpoint receives an event.

    An endpoint begins behind `since_sequence`, and never hears of its own creation.
    """
    if event.sequence <= endpoint.since_sequence or endpoint.status != "enabled":
        return False
    if event.type == "webhook_endpoint.created" and event.object_id == endpoint.id:
        return False
    return webhook.wants(endpoint.events, event.type)


def goes_to_notify_url(event: Event) -> bool:
    """Whether an event belongs to a payment's own URL: those of the payment and its refunds."""
    return event.payment_id is not None and event.type.startswith(("payment.", "refund."))


def settled(
    delivery: Delivery,
    answer: WebhookAnswer,
    *,
    url: str,
    now: datetime,
    wall: datetime,
    jitter: float,
) -> Delivery:
    """The delivery after one more try.

    `now` is business time, `wall` real time (Retry-After may name a date), `jitter` 0..1.
    """
    tries = delivery.tries + 1
    judgement = webhook.judge(answer.status)
    tried = replace(
        delivery,
        url=url,
        tries=tries,
        status=_ENDED_BY.get(judgement, delivery.status),
        due_at=None,
        last_status=answer.status,
        last_error=answer.error,
        finished_at=None if judgement == "retry" else now,
    )
    if judgement != "retry":
        return tried
    due_at = webhook.next_retry(
        tries=tries,
        now=now,
        jitter=jitter,
        retry_after_s=webhook.retry_after_s(answer.retry_after, now=wall),
    )
    if due_at is None:
        return replace(tried, status="failed", due_at=None, finished_at=now)
    return replace(tried, due_at=due_at)


def abandoned(delivery: Delivery, reason: str, now: datetime) -> Delivery:
    """The delivery given up without a try."""
    return replace(delivery, status="failed", due_at=None, last_error=reason, finished_at=now)


def view(sent: Sent) -> dict[str, object]:
    """The delivery object of the API."""
    d = sent.delivery
    return {
        "id": d.id,
        "object": "delivery",
        "endpoint_id": d.endpoint_id,
        "event_id": ids.event_id(
            at_ms=int(sent.event_at.timestamp() * 1000),
            bucket=ids.bucket_of(d.merchant_id),
            sequence=d.sequence,
        ),
        "event_type": sent.event_type,
        "sequence": d.sequence,
        "url": d.url,
        "status": d.status,
        "tries": d.tries,
        "last_status": d.last_status,
        "last_error": d.last_error,
        "next_try_at": rfc3339_or_none(d.due_at),
        "created_at": rfc3339(d.created_at),
        "finished_at": rfc3339_or_none(d.finished_at),
    }
