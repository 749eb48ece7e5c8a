"""Deliveries: bodies that never change, receivers that are told apart, tries that are judged."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.domain import delivery, ids
from gateway.domain.delivery import Delivery, Sent
from gateway.domain.endpoint import WebhookEndpoint
from gateway.domain.errors import TillgateError
from gateway.domain.events import Event, encode
from gateway.domain.webhook import WebhookAnswer

pytestmark = pytest.mark.fast

AT = datetime(2026, 11, 22, 8, 0, 0, 123_000, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
MERCHANT = ids.make("mch", at_ms=AT_MS, bucket=7, random62=1)
PAYMENT = ids.make("pay", at_ms=AT_MS, bucket=7, random62=2)
ENDPOINT = ids.make("whe", at_ms=AT_MS, bucket=7, random62=3)


def event(type: str = "payment.created", *, sequence: int = 5, data: bytes = b"{}") -> Event:
    about_payment = type.startswith(("payment.", "refund."))
    return Event(
        id=ids.event_id(at_ms=AT_MS, bucket=7, sequence=sequence),
        merchant_id=MERCHANT,
        sequence=sequence,
        type=type,
        at=AT,
        object_id=ENDPOINT if type.startswith("webhook_endpoint.") else PAYMENT,
        object_version=1,
        actor="key",
        request_id=None,
        payment_id=PAYMENT if about_payment else None,
        data=data,
        personal=None,
    )


def endpoint(**more: object) -> WebhookEndpoint:
    made = WebhookEndpoint(
        merchant_id=MERCHANT,
        id=ENDPOINT,
        url="https://example.com/hook",
        events=("*",),
        description=None,
        status="enabled",
        fingerprint=b"",
        fingerprint_key=1,
        secret=b"",
        private_key=b"",
        created_at=AT,
    )
    return replace(made, **more)


def pending(**more: object) -> Delivery:
    made = Delivery(
        merchant_id=MERCHANT,
        id=ids.make("dlv", at_ms=AT_MS, bucket=7, random62=4),
        sequence=5,
        endpoint_id=ENDPOINT,
        target="t",
        url="https://old.example.com/",
        due_at=AT,
        created_at=AT,
    )
    return replace(made, **more)


# --- the body -----------------------------------------------------------------------------------


def test_the_body_holds_the_recorded_bytes() -> None:
    data = b'{"id":"pay_x","amount":1.0,"customer":null}'
    body = delivery.body(event(data=data), None)
    assert data in body
    assert json.loads(body)["sequence"] == 5 and json.loads(body)["id"] == event().id


def test_the_payer_takes_the_place_of_null_and_nothing_else_moves() -> None:
    data = encode(
        {
            "id": "pay_x",
            "metadata": {"customer": '"customer":null', "n": "1"},
            "customer": None,
            "amount": 10**11,
            "error": {"customer": None},
        }
    )
    body = delivery.body(event(data=data), {"name": "李"})
    assert (
        data.replace(b',"customer":null,"amount', ',"customer":{"name":"李"},"amount'.encode())
        in body
    )
    assert body == delivery.body(event(data=data), {"name": "李"})


def test_what_has_no_customer_gets_none() -> None:
    assert b"customer" not in delivery.body(event(data=b'{"id":"rfd_x"}'), {"name": "Li"})


# --- who gets it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receiver", "told", "expected"),
    [
        (endpoint(), event(), True),
        (endpoint(since_sequence=4), event(), True),
        (endpoint(since_sequence=5), event(), False),
        (endpoint(events=("refund.*",)), event(), False),
        (endpoint(status="disabled"), event(), False),
        (endpoint(status="deleted"), event(), False),
        (endpoint(), event("webhook_endpoint.created"), False),
        (endpoint(), event("webhook_endpoint.updated"), True),
    ],
)
def test_who_is_told(receiver: WebhookEndpoint, told: Event, expected: bool) -> None:
    assert delivery.is_for(receiver, told) is expected


def test_only_payments_and_refunds_go_to_notify_urls() -> None:
    assert delivery.goes_to_notify_url(event("refund.succeeded"))
    assert not delivery.goes_to_notify_url(event("webhook_endpoint.created"))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Example.com/a?b=1", "https://example.com:443"),
        ("https://example.com/other", "https://example.com:443"),
        ("https://example.com:8443/a", "https://example.com:8443"),
        ("http://127.0.0.1:80/", "http://127.0.0.1:80"),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]:443"),
    ],
)
def test_receivers_are_told_apart_by_origin(url: str, target: str) -> None:
    assert delivery.url_target(url) == target


def test_no_url_is_no_target() -> None:
    with pytest.raises(TillgateError):
        delivery.url_target("ftp://example.com/")


# --- after a try --------------------------------------------------------------------------------


def settled(before: Delivery, status: int | None, **more: object) -> Delivery:
    values = {"retry_after": None, "error": None if status else "timeout", "duration_s": 0.1}
    answer = WebhookAnswer(status=status, **(values | more))  # type: ignore[arg-type]
    return delivery.settled(
        before, answer, url="https://new.example.com/", now=AT, wall=AT, jitter=0.0
    )


def test_a_receipt_ends_it() -> None:
    after = settled(pending(tries=3), 204)
    assert (after.status, after.tries, after.due_at) == ("delivered", 4, None)
    assert after.finished_at == AT and after.url == "https://new.example.com/"


def test_410_ends_it_too() -> None:
    assert (settled(pending(), 410).status, settled(pending(), 410).due_at) == ("failed", None)


@pytest.mark.parametrize(("tries", "wait_s"), [(0, 5), (1, 300), (2, 1800), (8, 86400)])
def test_else_it_is_tried_again(tries: int, wait_s: int) -> None:
    for status in (500, 302, 404, None):
        after = settled(pending(tries=tries), status)
        assert after.status == "pending" and after.due_at == AT + timedelta(seconds=wait_s)
        assert after.last_error == (None if status else "timeout")


def test_the_tenth_try_is_the_last() -> None:
    after = settled(pending(tries=9), 500)
    assert (after.status, after.due_at, after.tries) == ("failed", None, 10)


def test_retry_after_lengthens_the_wait() -> None:
    assert settled(pending(), 503, retry_after="60").due_at == AT + timedelta(seconds=60)
    assert settled(pending(tries=1), 503, retry_after="60").due_at == AT + timedelta(seconds=300)


def test_giving_up_costs_no_try() -> None:
    after = delivery.abandoned(pending(tries=2), delivery.ERROR_DISABLED, AT)
    assert (after.status, after.tries, after.due_at) == ("failed", 2, None)
    assert after.last_error == "endpoint_disabled"


def test_the_view_names_the_event() -> None:
    view = delivery.view(Sent(pending(), "payment.created", AT))
    assert view["event_id"] == event().id and view["next_try_at"] == "2026-11-22T08:00:00.123Z"
