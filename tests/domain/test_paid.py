"""The view of a paid payment: the bytes of the step that is decided on the rows, or none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain import outcome as outcomes
from gateway.domain.attempt import Attempt
from gateway.domain.events import encode
from gateway.domain.outcome import Fresh, Money
from gateway.domain.paid import AwaitedPayment, paid_view, payment_id_of
from gateway.domain.payment import Payment, view
from tests.domain.test_payment_view import amounts, generated, texts

pytestmark = pytest.mark.fast

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AMOUNT = 4_200
UNPAID = {
    "status": "requires_action",
    "capture_method": "automatic",
    "amount_authorized": 0,
    "amount_captured": 0,
    "amount_refunded": 0,
    "amount_refund_pending": 0,
    "amount_received": 0,
    "payer_amount": None,
    "discount_amount": None,
    "error": None,
    "succeeded_at": None,
    "canceled_at": None,
    "expired_at": None,
    "customer": None,
}
# Members of the view in the hands of merchants and channels, who may write what they like.
tricky = st.sampled_from(
    [
        '","status":"requires_action","',
        ',"channel_order_no":',
        "status",
        "cashier_url",
        "succeeded_at",
        "version",
        "error",
        '\\","error":null}',
    ]
)
words = st.dictionaries(tricky | texts, tricky | texts, max_size=3)
actions = st.none() | st.dictionaries(
    tricky | texts, tricky | texts | st.integers(0, 9) | st.none() | words, max_size=3
)
waiting = st.builds(
    lambda payment, subject, metadata, action: replace(
        payment, subject=subject, metadata=metadata, next_action=action, **UNPAID
    ),
    generated,
    tricky | texts,
    words,
    actions,
)
moments = st.integers(0, 2**42).map(lambda at_ms: (at_ms, EPOCH + timedelta(milliseconds=at_ms)))
maybe = st.none() | amounts


def attempt_of(payment: Payment) -> Attempt:
    assert payment.attempt_id is not None
    return Attempt(
        merchant_id=payment.merchant_id,
        id=payment.attempt_id,
        payment_id=payment.id,
        number=1,
        method="alipay_qr",
        method_options={},
        channel="alipay",
        channel_account_id="cac_1",
        amount=AMOUNT,
        currency="CNY",
        status="pending_user",
        created_at=EPOCH,
        expires_at=EPOCH,
        due_at=None,
    )


def awaited(payment: Payment) -> AwaitedPayment:
    return AwaitedPayment(1, payment.version, 1, AMOUNT, "CNY", encode(view(payment)).decode())


@given(waiting, texts, maybe, maybe, moments)
def test_it_is_the_view_of_the_step_on_the_rows(
    payment: Payment, number: str, payer: int | None, discount: int | None, moment: Any
) -> None:
    assume(payment.attempt_id is not None)
    paid_ms, now = moment
    step = outcomes.paid(
        payment,
        attempt_of(payment),
        Money(number, AMOUNT, "CNY", payer, discount),
        now=now,
        fresh=Fresh("ent_1", "uxf_1"),
        known=None,
    )
    told = paid_view(
        awaited(payment),
        channel_order_no=number,
        payer_amount=payer,
        discount_amount=discount,
        paid_ms=paid_ms,
    )
    assert told is not None
    assert told.encode() == step.lines[0].data == encode(view(step.payment))


def told_or_none(payment: Payment) -> str | None:
    return paid_view(
        awaited(payment),
        channel_order_no="1",
        payer_amount=None,
        discount_amount=None,
        paid_ms=0,
    )


@given(generated, st.data())
def test_a_payment_that_waits_for_something_else_is_decided_on_its_rows(
    payment: Payment, data: st.DataObject
) -> None:
    open_still = replace(payment, **UNPAID)
    name = data.draw(st.sampled_from(sorted(set(UNPAID) - {"customer"})))
    other = replace(open_still, **{name: getattr(payment, name)})
    assume(getattr(payment, name) != UNPAID[name])
    assert told_or_none(open_still) is not None
    assert told_or_none(other) is None


def test_a_view_of_another_version_is_none() -> None:
    payment = replace(PAYMENT, **UNPAID)
    seen = awaited(payment)
    assert told_or_none(payment) is not None
    for version in (payment.version + 1, 0, payment.version * 10):
        other = seen._replace(payment_version=version)
        assert (
            paid_view(
                other, channel_order_no="1", payer_amount=None, discount_amount=None, paid_ms=0
            )
            is None
        )


def test_what_is_no_view_is_none() -> None:
    told = awaited(replace(PAYMENT, **UNPAID)).told
    for end in range(len(told)):
        seen = AwaitedPayment(1, PAYMENT.version, 1, AMOUNT, "CNY", told[:end])
        assert (
            paid_view(
                seen, channel_order_no="1", payer_amount=None, discount_amount=None, paid_ms=0
            )
            is None
        )


def test_the_id_is_read_of_the_view() -> None:
    assert payment_id_of(awaited(PAYMENT).told) == PAYMENT.id


PAYMENT = Payment(
    merchant_id="mch_1",
    id="pay_01jd3x0000e00802000000000a",
    merchant_order_no="A-1",
    fingerprint=b"",
    fingerprint_key=1,
    amount=AMOUNT,
    currency="CNY",
    subject="tea",
    status="requires_action",
    livemode=True,
    capture_method="automatic",
    created_at=EPOCH,
    expires_at=EPOCH,
    attempt_id="att_01jd3x0000e00802000000000a",
    version=3,
)
