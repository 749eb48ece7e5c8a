"""Holds: money of the payer's that is held, captured, let go; given too late, or in another sum."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.channels.codec import Authorized, Closed, HandedOut, NotFound, Paid, Waiting
from tests.scenarios.trial import SILENCE, Trial

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
QR = HandedOut({"type": "qr_code", "qr_code": "https://trial.example/hold"})


def held(amount: int = 100, currency: str = "CNY", **more) -> Authorized:
    return Authorized("H-1", amount, currency, **more)


async def test_a_hold_waits_for_its_capture_and_books_nothing(trial: Trial) -> None:
    trial.channel.lay("pay", held(capture_before=SOON))
    payment = await trial.pay("trial_card", capture_method="manual")
    assert payment["status"] == "requires_capture" and payment["channel_order_no"] == "H-1"
    assert (payment["amount_authorized"], payment["amount_capturable"]) == (100, 100)
    assert payment["amount_captured"] == 0 and payment["next_action"] == {"type": "none"}
    assert payment["capture_before"] == SOON.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert await trial.types(payment) == ["created", "authorized"]
    assert await trial.entries() == []
    row = await trial.attempt()
    assert row["status"] == "authorized" and row["held"]


async def test_a_hold_that_its_channel_captured_is_paid(trial: Trial) -> None:
    trial.channel.lay("pay", held())
    payment = await trial.pay("trial_card", capture_method="manual")
    assert await trial.tell(payment, Paid("H-1", 100, "CNY")) == 200
    paid = await trial.world.payment(payment["id"])
    assert paid["status"] == "succeeded" and paid["amount_captured"] == 100
    assert paid["amount_capturable"] == 0 and await trial.entries() == ["captured"]


@pytest.mark.parametrize(
    ("method", "manual", "status"),
    [("trial_card", True, 201), ("trial_preauth", False, 201), ("trial_qr", True, 422)],
)
async def test_only_ways_that_hold_are_captured_by_hand(trial, method, manual, status) -> None:
    trial.channel.lay("pay", held() if status == 201 else QR)
    order = {
        "merchant_order_no": "A-1",
        "amount": 100,
        "currency": "CNY",
        "subject": "tea",
        "method": method,
        "capture_method": "manual" if manual else "automatic",
    }
    answer = await trial.world.merchant.post("/v1/payments", order)
    assert answer.status == status
    if status == 422:
        assert answer.body["code"] == "unsupported_method"
        assert trial.channel.calls == []


async def test_cancel_lets_the_hold_go(trial: Trial) -> None:
    trial.channel.lay("pay", held())
    payment = await trial.pay("trial_card", capture_method="manual")
    canceled = await trial.post(payment, "cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")
    assert canceled.body["amount_capturable"] == 0
    (voided,) = trial.channel.asked("void")
    assert voided["channel_order_no"] == "H-1" and trial.channel.asked("close") == []
    assert await trial.types(payment) == ["created", "authorized", "closing", "canceled"]


async def test_a_void_whose_answer_is_lost_is_asked_about_and_sent_again(trial: Trial) -> None:
    trial.channel.lay("pay", held())
    payment = await trial.pay("trial_card", capture_method="manual")
    trial.channel.lay("void", SILENCE)
    trial.channel.lay("query", held())  # the void did not take
    closing = await trial.post(payment, "cancel")
    assert closing.body["status"] == "closing"
    trial.channel.lay("void", SILENCE)
    trial.channel.lay("query", Closed())  # this one did
    canceled = await trial.chase(payment)
    assert canceled["status"] == "canceled" and len(trial.channel.asked("void")) == 2


async def test_a_hold_that_was_captured_while_it_was_voided_is_paid(trial: Trial) -> None:
    trial.channel.lay("pay", held())
    payment = await trial.pay("trial_card", capture_method="manual")
    trial.channel.lay("void", Paid("H-1", 100, "CNY"))
    answer = await trial.post(payment, "cancel")
    assert (answer.status, answer.body["payment_status"]) == (409, "succeeded")
    assert await trial.entries() == ["captured"]


async def test_a_hold_given_while_closing_is_voided(trial: Trial) -> None:
    payment = await trial.pay("trial_preauth")
    assert payment["status"] == "requires_action"
    trial.channel.lay("close", SILENCE)
    trial.channel.lay("query", held())  # the payer was faster
    canceled = await trial.post(payment, "cancel")
    assert canceled.body["status"] == "canceled"
    assert [name for name, _ in trial.channel.calls] == ["pay", "close", "query", "void"]
    assert "authorized" not in await trial.types(payment)


async def test_a_hold_told_while_closing_is_voided_by_the_chase(trial: Trial) -> None:
    payment = await trial.pay("trial_preauth")
    trial.channel.lay("close", SILENCE)
    trial.channel.lay("query", SILENCE)
    assert (await trial.post(payment, "cancel")).body["status"] == "closing"
    assert await trial.tell(payment, held()) == 200
    assert (await trial.chase(payment))["status"] == "canceled"
    assert len(trial.channel.asked("void")) == 1


@pytest.mark.parametrize("wrong", [held(99), held(101), held(100, "USD")])
async def test_a_hold_of_another_sum_is_voided_and_a_person_told(trial, wrong, caplog) -> None:
    trial.channel.lay("pay", wrong)
    payment = await trial.pay("trial_preauth")
    assert payment["status"] == "processing" and payment["amount_authorized"] == 0
    back = await trial.chase(payment)
    assert back["status"] == "requires_payment_method"
    assert back["error"]["code"] == "amount_mismatch" and back["amount_authorized"] == 0
    assert len(trial.channel.asked("void")) == 1 and await trial.entries() == []
    assert "alarm: hold_of_other_amount" in [each.getMessage() for each in caplog.records]


async def test_a_callback_of_another_sum_is_refused_and_asked_about(trial, caplog) -> None:
    payment = await trial.pay("trial_preauth")
    trial.channel.lay("query", held())
    assert await trial.tell(payment, held(1)) == 400
    await trial.world.until(payment["id"], "requires_capture")
    assert "alarm: callback_other_amount" in [each.getMessage() for each in caplog.records]


async def test_a_hold_for_an_attempt_that_has_ended_is_voided(trial: Trial, caplog) -> None:
    payment = await trial.pay("trial_preauth")
    assert (await trial.post(payment, "cancel")).body["status"] == "canceled"
    trial.channel.lay("void", SILENCE)
    assert await trial.tell(payment, held()) == 400
    assert await trial.tell(payment, held()) == 200
    assert [each["channel_order_no"] for each in trial.channel.asked("void")] == ["H-1", "H-1"]
    assert (await trial.world.payment(payment["id"]))["status"] == "canceled"
    assert "alarm: hold_after_end" in [each.getMessage() for each in caplog.records]


@pytest.mark.parametrize(("over", "status"), [(True, "expired"), (False, "canceled")])
async def test_a_hold_that_its_channel_let_go_ends_the_payment(trial, over, status) -> None:
    trial.channel.lay("pay", held(capture_before=SOON))
    payment = await trial.pay("trial_preauth")
    if over:
        await trial.world.sql("update payments set capture_before = now() - interval '1 s'")
    trial.channel.lay("query", Closed())
    ended = await trial.chase(payment)
    assert ended["status"] == status
    assert await trial.types(payment) == ["created", "authorized", "closing", status]


async def test_an_open_hold_stays_whatever_a_query_does_not_know(trial: Trial) -> None:
    trial.channel.lay("pay", held())
    payment = await trial.pay("trial_preauth")
    for word in (Waiting(), NotFound(), NotFound(), SILENCE, held()):
        await trial.later(600)
        trial.channel.lay("query", word)
        assert (await trial.chase(payment))["status"] == "requires_capture"
    row = await trial.attempt()
    assert row["due_at"] - datetime.now(UTC) > timedelta(hours=23)


async def test_time_ends_a_hold_but_not_the_time_to_pay(trial: Trial) -> None:
    trial.channel.lay("pay", held(capture_before=SOON))
    payment = await trial.pay("trial_preauth")
    await trial.world.sql("update payments set expires_at = now() - interval '1 s'")
    mch = trial.world.merchant.mch
    still = await trial.world.core.close.expire(mch, payment["id"], actor="test")
    assert still.status == "requires_capture"
    async with trial.world.worker():
        await trial.world.sql("update payments set capture_before = now()")
        expired = await trial.world.until(payment["id"], "expired", 20)
    assert expired["expired_at"] and len(trial.channel.asked("void")) == 1


async def test_part_of_a_hold_taken_by_another_hand_lets_the_rest_go(trial: Trial) -> None:
    trial.channel.lay("pay", held())
    payment = await trial.pay("trial_preauth")
    trial.channel.lay("query", Paid("H-1", 60, "CNY"))
    closing = await trial.chase(payment)
    assert closing["status"] == "closing" and await trial.entries() == ["funds_unexpected"]
    ended = await trial.chase(payment)
    assert ended["status"] == "canceled" and len(trial.channel.asked("void")) == 1
    (funds,) = await trial.world.sql("select amount, cause from unexpected_funds")
    assert tuple(funds) == (60, "amount_mismatch")
