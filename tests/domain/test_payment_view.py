"""The payment as it is told: the same bytes as an object written down name by name."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import payment as payments
from gateway.domain.lifecycle import PAYMENT
from gateway.domain.outcome import UnexpectedFunds, unexpected_line
from gateway.domain.payment import Payment

pytestmark = pytest.mark.fast

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
amounts = st.integers(0, 10**12)
moments = st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))
words = st.dictionaries(texts, texts, max_size=3)
objects = st.dictionaries(texts, texts | st.integers(0, 9) | st.none() | st.booleans(), max_size=3)

generated = st.builds(
    Payment,
    **dict.fromkeys(("merchant_id", "id", "merchant_order_no", "currency", "subject"), texts),
    **dict.fromkeys(("return_url", "notify_url", "method", "channel"), st.none() | texts),
    **dict.fromkeys(("channel_account_id", "attempt_id", "channel_order_no"), st.none() | texts),
    fingerprint=st.binary(max_size=4),
    fingerprint_key=st.just(1),
    status=st.sampled_from(sorted(PAYMENT)),
    livemode=st.booleans(),
    capture_method=st.sampled_from(["automatic", "manual"]),
    **dict.fromkeys(("amount", "amount_authorized", "amount_captured", "amount_received"), amounts),
    **dict.fromkeys(("amount_refunded", "amount_refund_pending", "attempts"), amounts),
    **dict.fromkeys(("payer_amount", "discount_amount"), st.none() | amounts),
    **dict.fromkeys(("next_action", "error"), st.none() | objects),
    metadata=words,
    customer=st.none() | st.binary(max_size=8),
    **dict.fromkeys(("created_at", "expires_at"), moments),
    **dict.fromkeys(("succeeded_at", "canceled_at", "expired_at"), st.none() | moments),
    capture_before=st.none() | moments,
    version=st.integers(1, 99),
)


def told(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def by_name(p: Payment, customer: object = None) -> dict[str, Any]:
    held = p.amount_authorized - p.amount_captured
    return {
        "id": p.id,
        "object": "payment",
        "merchant_order_no": p.merchant_order_no,
        "amount": p.amount,
        "currency": p.currency,
        "subject": p.subject,
        "status": p.status,
        "method": p.method,
        "channel": p.channel,
        "channel_account_id": p.channel_account_id,
        "attempt_id": p.attempt_id,
        "channel_order_no": p.channel_order_no,
        "capture_method": p.capture_method,
        "amount_authorized": p.amount_authorized,
        "amount_capturable": held if p.status == "requires_capture" else 0,
        "amount_captured": p.amount_captured,
        "amount_refunded": p.amount_refunded,
        "amount_refund_pending": p.amount_refund_pending,
        "amount_received": p.amount_received,
        "amount_disputed": 0,
        "fee_amount": 0,
        "payer_amount": p.payer_amount,
        "discount_amount": p.discount_amount,
        "next_action": p.next_action or {"type": "none"},
        "cashier_url": None,
        "return_url": p.return_url,
        "notify_url": p.notify_url,
        "customer": customer,
        "metadata": p.metadata,
        "expires_at": told(p.expires_at),
        "capture_before": told(p.capture_before),
        "created_at": told(p.created_at),
        "succeeded_at": told(p.succeeded_at),
        "canceled_at": told(p.canceled_at),
        "expired_at": told(p.expired_at),
        "version": p.version,
        "livemode": p.livemode,
        "error": p.error,
    }


@given(generated)
def test_a_line_tells_every_member_under_its_name(payment: Payment) -> None:
    line = payments.line(payment, "succeeded")
    assert line.data == msgspec.json.encode(by_name(payment))
    assert (line.type, line.object_id, line.object_version) == (
        "payment.succeeded",
        payment.id,
        payment.version,
    )
    assert line.payment_id == payment.id and line.personal == payment.customer


@given(generated, st.none() | objects)
def test_the_payer_is_told_to_whoever_may_read_it(payment: Payment, customer: Any) -> None:
    view = payments.view(payment, customer=customer)
    assert msgspec.json.encode(view) == msgspec.json.encode(by_name(payment, customer))


@given(generated, moments)
def test_what_is_told_beside_a_payment_follows_it(payment: Payment, at: datetime) -> None:
    funds = UnexpectedFunds(
        merchant_id=payment.merchant_id,
        id="uxf_1",
        channel_account_id="cac_1",
        cause="late",
        status="open",
        payment_id=payment.id,
        attempt_id=None,
        channel_order_no="1",
        amount=1,
        currency="CNY",
        created_at=at,
    )
    data = unexpected_line(payment, funds).data
    whole = msgspec.json.encode(by_name(payment))
    assert data.startswith(whole[:-1] + b',"unexpected_funds":{') and data.endswith(b"}}")


def test_no_two_members_can_be_swapped_unseen() -> None:
    names = "payer_amount discount_amount amount amount_captured amount_refunded version".split()
    names += ["amount_authorized", "amount_refund_pending", "amount_received"]
    stamps = "expires_at capture_before created_at succeeded_at canceled_at expired_at".split()
    words = "id merchant_order_no currency subject method channel channel_account_id".split()
    words += "attempt_id channel_order_no capture_method return_url notify_url".split()
    fields: dict[str, Any] = {name: 7 * place**2 + 5 for place, name in enumerate(names)}
    fields |= {name: datetime(2001 + place, 1, 1, tzinfo=UTC) for place, name in enumerate(stamps)}
    fields |= {name: name for name in words}
    payment = Payment(
        merchant_id="mch",
        fingerprint=b"",
        fingerprint_key=0,
        status="requires_capture",
        livemode=True,
        next_action={"type": "x"},
        error={"code": "y"},
        metadata={"z": "z"},
        **fields,
    )
    members = list(map(str, by_name(payment).values()))
    assert sorted({each for each in members if members.count(each) > 1}) == ["0", "None"]
    assert payments.line(payment, "succeeded").data == msgspec.json.encode(by_name(payment))
