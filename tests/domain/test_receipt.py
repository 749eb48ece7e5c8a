"""Receipts: the whole amount, once, for what waits for it."""

from datetime import UTC, datetime

import pytest

from gateway.domain import chart
from gateway.domain.errors import TillgateError
from gateway.domain.outcome import Fresh
from gateway.domain.receipt import OfflineReceipt, check_repeat, give_back, receive
from gateway.domain.refund import Refund
from tests.domain.test_statement_line import CAC, MCH, NOW, attempt, payment

FRESH = Fresh("ent_1", "uxf_1")


def receipt(amount: int = 100, **changes) -> OfflineReceipt:
    content = {
        "merchant_id": MCH,
        "channel_account_id": CAC,
        "receipt_no": "0001",
        "payment_id": "pay_1",
        "refund_id": None,
        "amount": amount,
        "currency": "CNY",
        "created_at": NOW,
    }
    return OfflineReceipt(**content | changes)


def refund(**changes) -> Refund:
    content = {
        "merchant_id": MCH,
        "id": "rfd_1",
        "payment_id": "pay_1",
        "attempt_id": "att_1",
        "merchant_refund_no": "R-1",
        "fingerprint": b"",
        "fingerprint_key": 1,
        "channel": "offline",
        "channel_account_id": CAC,
        "amount": 40,
        "currency": "CNY",
        "status": "processing",
        "created_at": NOW,
        "sent_at": NOW,
        "due_at": None,
    }
    return Refund(**content | changes)


def offline(**changes):
    return attempt(**{"method": "offline", "channel": "offline"} | changes)


def test_a_receipt_pays_into_cash_in_transit() -> None:
    step = receive(payment(), offline(), receipt(), now=NOW, fresh=FRESH)
    assert (step.payment.status, step.payment.amount_captured) == ("succeeded", 100)
    (entry,) = step.entries
    assert entry.postings[0].debit == f"cash_in_transit:{CAC}"
    assert entry.postings[0].credit == chart.PENDING
    assert b'"offline_receipt":{"receipt_no":"0001","amount":100}' in step.lines[-1].data


@pytest.mark.parametrize("amount", [1, 99, 101])
def test_a_receipt_is_for_the_whole_amount(amount: int) -> None:
    with pytest.raises(TillgateError) as refused:
        receive(payment(), offline(), receipt(amount), now=NOW, fresh=FRESH)
    assert (refused.value.code, refused.value.status) == ("amount_mismatch", 422)


@pytest.mark.parametrize(
    ("paid", "tried"),
    [
        ({"status": "succeeded"}, {"status": "succeeded"}),
        ({"status": "canceled"}, {"status": "closed"}),
        ({"status": "closing"}, {"status": "closing"}),
        ({"attempt_id": "att_2"}, {}),
        ({"status": "processing"}, {"status": "submitted"}),
    ],
)
def test_only_what_waits_is_received(paid: dict, tried: dict) -> None:
    with pytest.raises(TillgateError) as refused:
        receive(payment(**paid), offline(**tried), receipt(), now=NOW, fresh=FRESH)
    assert refused.value.code == "invalid_state"


def test_a_refund_is_given_back_from_the_cash() -> None:
    before = payment(
        status="succeeded", amount_captured=100, amount_authorized=100, amount_refund_pending=40
    )
    step = give_back(before, refund(), receipt(40), now=NOW, entry_id="ent_2")
    assert step.refund.status == "succeeded" and step.payment is not None
    assert (step.payment.amount_refunded, step.payment.amount_refund_pending) == (40, 0)
    assert step.entries[0].postings[0].credit == f"cash_in_transit:{CAC}"
    assert b'"offline_receipt"' in step.lines[-1].data


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_a_refund_that_is_over_is_not_given_twice(status: str) -> None:
    with pytest.raises(TillgateError) as refused:
        give_back(payment(), refund(status=status), receipt(40), now=NOW, entry_id="e")
    assert refused.value.code == "invalid_state"


def test_a_refund_of_another_sum_is_refused() -> None:
    with pytest.raises(TillgateError) as refused:
        give_back(payment(), refund(), receipt(41), now=NOW, entry_id="e")
    assert refused.value.code == "amount_mismatch"


@pytest.mark.parametrize(
    "changes",
    [{"amount": 99}, {"payment_id": "pay_2"}, {"payment_id": None, "refund_id": "rfd_1"}],
)
def test_a_number_stands_for_one_receipt(changes: dict) -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    check_repeat(receipt(), receipt(created_at=later))
    with pytest.raises(TillgateError) as refused:
        check_repeat(receipt(), receipt(**changes))
    assert (refused.value.code, refused.value.param) == ("receipt_conflict", "/receipt_no")
