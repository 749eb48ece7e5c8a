"""Refunds: reserved first, never more than was captured, resent only when provably unexecuted."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain import refund as refunds
from gateway.domain.errors import TillgateError
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
MERCHANT = "mch_01h455vb4pex5vsknk084sn02q"
ENTRY = "ent_01h455vb4pex5vsknk084sn02q"


def payment(captured: int = 100, refunded: int = 0, pending: int = 0) -> Payment:
    return Payment(
        merchant_id=MERCHANT,
        id="pay_01h455vb4pex5vsknk084sn02q",
        merchant_order_no="A-1",
        fingerprint=b"",
        fingerprint_key=1,
        amount=100,
        currency="CNY",
        subject="tea",
        status="succeeded" if captured else "requires_action",
        livemode=False,
        capture_method="automatic",
        created_at=NOW,
        expires_at=NOW,
        amount_captured=captured,
        amount_refunded=refunded,
        amount_refund_pending=pending,
    )


def refund(amount: int = 40) -> Refund:
    return Refund(
        merchant_id=MERCHANT,
        id="rfd_01h455vb4pex5vsknk084sn02q",
        payment_id="pay_01h455vb4pex5vsknk084sn02q",
        attempt_id="att_01h455vb4pex5vsknk084sn02q",
        merchant_refund_no="R-1",
        fingerprint=b"",
        fingerprint_key=1,
        channel="alipay",
        channel_account_id="cac_01h455vb4pex5vsknk084sn02q",
        amount=amount,
        currency="CNY",
        status="processing",
        created_at=NOW,
        sent_at=NOW,
        due_at=NOW,
    )


@given(
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(1, 400), st.sampled_from(["succeed", "fail", "wait"]))),
)
def test_refunds_done_and_under_way_never_exceed_the_capture(captured, wishes) -> None:
    present = payment(captured)
    for amount, ending in wishes:
        wish = refund(amount)
        try:
            step = refunds.reserve(present, wish, entry_id=ENTRY)
        except TillgateError as refused:
            assert refused.code == "refund_exceeds_captured"
            left = captured - present.amount_refunded - present.amount_refund_pending
            assert amount > left
            continue
        present = step.payment
        if ending == "succeed":
            present = refunds.succeeded(present, step.refund, now=NOW, entry_id=ENTRY).payment
        elif ending == "fail":
            present = refunds.failed(
                present, step.refund, {"code": "x"}, now=NOW, entry_id=ENTRY
            ).payment
        assert 0 <= present.amount_refunded + present.amount_refund_pending <= captured
        assert present.amount_refund_pending >= 0


def test_nothing_captured_is_an_invalid_state() -> None:
    with pytest.raises(TillgateError) as refused:
        refunds.reserve(payment(0), refund(), entry_id=ENTRY)
    assert refused.value.code == "invalid_state"


def test_a_refund_ends_once() -> None:
    step = refunds.reserve(payment(), refund(), entry_id=ENTRY)
    done = refunds.succeeded(step.payment, step.refund, now=NOW, entry_id=ENTRY)
    assert done.refund.status == "succeeded" and done.entries[0].reason == "refund_paid"
    for again in (
        refunds.succeeded(done.payment, done.refund, now=NOW, entry_id=ENTRY),
        refunds.failed(done.payment, done.refund, {}, now=NOW, entry_id=ENTRY),
        refunds.waited(done.refund, NOW),
        refunds.not_found(done.payment, done.refund, now=NOW, entry_id=ENTRY),
    ):
        assert again.rows == (done.refund,) and again.entries == () and not again.resend


def test_not_found_resends_the_same_number_after_a_quiet_minute_and_two_answers() -> None:
    present, wish = payment(pending=40), refund()
    soon = refunds.not_found(present, wish, now=NOW + timedelta(seconds=30), entry_id=ENTRY)
    assert not soon.resend and soon.refund.not_found == 1
    late = refunds.not_found(present, soon.refund, now=NOW + timedelta(seconds=61), entry_id=ENTRY)
    assert late.resend and late.refund.sends == 2 and late.refund.refund_no == wish.refund_no
    worn = replace(soon.refund, sends=3)
    given_up = refunds.not_found(present, worn, now=NOW + timedelta(seconds=61), entry_id=ENTRY)
    assert given_up.refund.status == "failed" and given_up.payment.amount_refund_pending == 0
    assert given_up.entries[0].reason == "refund_released"
