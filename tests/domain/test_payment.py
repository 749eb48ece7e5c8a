"""Payments and attempts: every decision, as pure values."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import asdict, replace

from gateway.domain import attempt as attempts
from gateway.domain import outcome as outcomes
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt, Way
from gateway.domain.errors import TillgateError
from gateway.domain.lifecycle import ATTEMPT, PAYMENT, IllegalTransition, advance
from gateway.domain.outcome import Fresh, Money
from gateway.domain.payment import Payment

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
MERCHANT = "mch_01h455vb4pex5vsknk084sn02q"
ACCOUNT = "cac_01h455vb4pex5vsknk084sn02q"
QR = {"type": "qr_code", "qr_code": "https://qr.alipay.com/x"}
ERROR = {"code": "channel_refused", "message": "no", "channel_code": "ACQ.X", "retryable": False}
FRESH = Fresh("ent_01h455vb4pex5vsknk084sn02q", "uxf_01h455vb4pex5vsknk084sn02q")


def rows(payment_status: str = "processing", attempt_status: str = "submitted", **attempt):
    attempt = Attempt(
        merchant_id=MERCHANT,
        id="att_01h455vb4pex5vsknk084sn02q",
        payment_id="pay_01h455vb4pex5vsknk084sn02q",
        number=1,
        method="alipay_qr",
        method_options={},
        channel="alipay",
        channel_account_id=ACCOUNT,
        amount=100,
        currency="CNY",
        status=attempt_status,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=2),
        due_at=None,
        **attempt,
    )
    payment = Payment(
        merchant_id=MERCHANT,
        id=attempt.payment_id,
        merchant_order_no="A-1",
        fingerprint=b"f" * 32,
        fingerprint_key=1,
        amount=100,
        currency="CNY",
        subject="tea",
        status=payment_status,
        livemode=False,
        capture_method="automatic",
        created_at=NOW,
        expires_at=NOW + timedelta(hours=2),
        attempt_id=attempt.id,
        attempts=1,
        channel="alipay",
        channel_account_id=ACCOUNT,
        closing_to="canceled" if payment_status == "closing" else None,
    )
    return payment, attempt


def money(amount: int = 100, currency: str = "CNY") -> Money:
    return Money("2026112222001", amount, currency)


def paid(payment: Payment, attempt: Attempt, what: Money, known=None) -> outcomes.Step:
    return outcomes.paid(payment, attempt, what, now=LATER, fresh=FRESH, known=known)


def test_a_handed_out_code_asks_the_payer_to_act() -> None:
    step = outcomes.handed_out(*rows(), QR, NOW)
    assert step.payment.status == "requires_action" and step.payment.next_action == QR
    assert step.attempt.status == "pending_user" and step.attempt.handed_out
    assert [line.type for line in step.lines] == ["payment.requires_action"]
    assert step.payment.version == 2
    assert step.attempt.due_at == NOW + timedelta(seconds=60)


def test_a_code_that_comes_while_closing_is_never_shown() -> None:
    step = outcomes.handed_out(*rows("closing", "closing"), QR, NOW)
    assert step.payment.next_action is None and step.payment.status == "closing"
    assert step.attempt.handed_out and step.lines == ()


@pytest.mark.parametrize(
    ("payment_status", "attempt_status"),
    [
        ("processing", "submitted"),
        ("processing", "unknown"),
        ("requires_action", "pending_user"),
        ("closing", "closing"),
    ],
)
def test_money_that_is_waited_for_is_captured_once(payment_status, attempt_status) -> None:
    step = paid(*rows(payment_status, attempt_status), money())
    assert step.payment.status == "succeeded" and step.attempt.status == "succeeded"
    assert step.payment.amount_captured == 100 and step.payment.amount_received == 100
    (entry,) = step.entries
    assert entry.reason == "captured" and entry.postings[0].amount == 100
    again = paid(step.payment, step.attempt, money())
    assert again.entries == () and again.lines == () and again.payment is step.payment


@pytest.mark.parametrize(
    ("payment_status", "attempt_status"),
    [
        ("canceled", "closed"),
        ("expired", "closed"),
        ("requires_payment_method", "failed"),
        ("requires_payment_method", "closed"),
        ("succeeded", "closed"),
    ],
)
def test_late_money_goes_to_suspense_and_is_told(payment_status, attempt_status) -> None:
    step = paid(*rows(payment_status, attempt_status), money())
    assert step.payment.status == payment_status and step.payment.amount_captured == 0
    assert step.unexpected.cause == "late" and step.unexpected.amount == 100
    assert step.entries[0].reason == "funds_unexpected"
    assert step.lines[-1].type == "payment.unexpected_funds"
    again = paid(step.payment, step.attempt, money(), known=step.unexpected)
    assert again.entries == () and again.unexpected is None


@pytest.mark.parametrize("what", [money(99), money(101), money(100, "USD")])
def test_another_amount_is_never_captured(what: Money) -> None:
    step = paid(*rows("requires_action", "pending_user"), what)
    assert step.payment.status == "requires_payment_method"
    assert step.payment.amount_captured == 0 and step.attempt.status == "failed"
    assert step.unexpected.cause == "amount_mismatch"
    assert step.entries[0].postings[0].amount == what.amount
    assert step.entries[0].postings[0].currency == what.currency


def test_money_for_an_attempt_that_another_one_replaced_is_unexpected() -> None:
    payment, attempt = rows("requires_action", "pending_user")
    payment = replace(payment, attempt_id="att_01h455vb4pex5vsknk084sn02r")
    step = paid(payment, attempt, money())
    assert step.payment.status == "requires_action" and step.unexpected.cause == "late"


def test_a_refusal_gives_the_payment_back_to_the_payer() -> None:
    payment, attempt = rows()
    step = outcomes.refused(payment, attempt, ERROR, now=NOW)
    assert step.payment.status == "requires_payment_method" and step.payment.error == ERROR
    assert step.attempt.status == "failed"
    step = outcomes.refused(payment, attempt, ERROR, now=NOW, way=Way(single_shot=True))
    assert step.payment.status == "failed" and step.lines[0].type == "payment.failed"


def test_cancel_without_a_living_attempt_ends_at_once() -> None:
    payment, attempt = rows("requires_payment_method", "failed")
    step = outcomes.begin_close(payment, attempt, to="canceled", now=NOW)
    assert step.payment.status == "canceled" and step.payment.canceled_at == NOW


def test_cancel_with_a_living_attempt_waits_for_the_channels_word() -> None:
    payment, attempt = rows("requires_action", "pending_user", handed_out=True)
    step = outcomes.begin_close(payment, attempt, to="expired", now=NOW)
    assert (step.payment.status, step.attempt.status) == ("closing", "closing")
    assert step.attempt.due_at == NOW + attempts.ENDING_DUE  # its own caller asks first
    ended = outcomes.closed(step.payment, step.attempt, LATER)
    assert ended.payment.status == "expired" and ended.payment.expired_at == LATER
    assert ended.attempt.status == "closed"


@pytest.mark.parametrize("status", ["succeeded", "failed", "expired"])
def test_a_terminal_payment_cannot_be_canceled(status: str) -> None:
    payment, attempt = rows(status, "failed")
    with pytest.raises(TillgateError) as refused:
        outcomes.begin_close(payment, attempt, to="canceled", now=NOW)
    assert refused.value.code == "invalid_state"
    assert refused.value.extra == {"payment_status": status}


def test_not_found_is_believed_at_once_for_a_handed_out_code_that_is_closing() -> None:
    payment, attempt = rows("closing", "closing", handed_out=True)
    assert outcomes.not_found(payment, attempt, NOW).payment.status == "canceled"


def test_not_found_in_the_air_needs_a_quiet_minute_and_two_answers() -> None:
    payment, attempt = rows("closing", "closing")
    first = outcomes.not_found(payment, attempt, NOW + timedelta(seconds=61))
    assert first.attempt.status == "closing" and first.attempt.not_found == 1
    early = outcomes.not_found(payment, first.attempt, NOW + timedelta(seconds=59))
    assert early.attempt.status == "closing"
    second = outcomes.not_found(payment, first.attempt, NOW + timedelta(seconds=62))
    assert second.payment.status == "canceled" and second.attempt.status == "closed"


def test_not_found_of_an_unscanned_code_means_nothing_while_it_is_open() -> None:
    payment, attempt = rows("requires_action", "pending_user", handed_out=True)
    step = outcomes.not_found(payment, attempt, NOW + timedelta(hours=1))
    assert step.payment is payment and step.attempt.status == "pending_user"


def test_queries_slow_down_and_end_with_a_person() -> None:
    _, attempt = rows("processing", "unknown")
    waits = []
    for _ in range(12):
        waits.append((attempts.next_query(attempt, NOW) - NOW).total_seconds())
        attempt = attempts.waited(attempt, NOW)
    assert waits == [2, 5, 10, 20, 40, 60, 120, 300, 900, 3600, 3600, 3600]
    assert attempts.next_query(attempt, NOW + timedelta(days=4)) is None


def test_the_view_is_the_contract() -> None:
    view = asdict(payments.view(rows()[0]))
    assert (
        list(view)
        == (
            "id object merchant_order_no amount currency subject status method channel "
            "channel_account_id attempt_id channel_order_no capture_method amount_authorized "
            "amount_capturable amount_captured amount_refunded amount_refund_pending "
            "amount_received amount_disputed "
            "fee_amount payer_amount discount_amount next_action cashier_url "
            "return_url notify_url customer metadata expires_at capture_before created_at "
            "succeeded_at canceled_at expired_at version livemode error"
        ).split()
    )
    assert view["next_action"] == {"type": "none"} and view["created_at"] == (
        "2026-11-22T08:00:00.000Z"
    )
    assert msgspec.json.decode(msgspec.json.encode(view)) == view


@pytest.mark.parametrize("table", [PAYMENT, ATTEMPT])
def test_unlisted_transitions_are_illegal(table) -> None:
    for state, followers in table.items():
        assert followers <= set(table)
        for target in table:
            if target in followers:
                assert advance(table, state, target) == target
            else:
                with pytest.raises(IllegalTransition):
                    advance(table, state, target)
