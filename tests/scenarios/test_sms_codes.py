"""Codes by SMS: counted before they leave, never sent twice, never kept."""

import asyncio

import pytest

from gateway.channels.codec import Closed, HandedOut, NotFound, Paid, Refused, Waiting
from tests.scenarios.trial import SILENCE, Trial

ASKED = HandedOut({"type": "sms_code"})
WRONG = Refused("sms_code_wrong", "wrong", "77", retryable=True)
PAID = Paid("S-1", 100, "CNY")
CODE = "481516"


def code(text: str = CODE, method: str = "trial_sms") -> dict:
    return {"method": method, "method_options": {"sms_code": text}}


async def asked(trial: Trial) -> dict:
    trial.channel.lay("pay", ASKED)
    payment = await trial.pay("trial_sms")
    assert payment["next_action"] == {"type": "sms_code"}
    return payment


async def test_the_right_code_pays(trial: Trial, caplog) -> None:
    payment = await asked(trial)
    trial.channel.lay("answer", PAID)
    paid = await trial.post(payment, "confirm", code())
    assert (paid.status, paid.body["status"]) == (200, "succeeded")
    assert paid.body["attempt_id"] == payment["attempt_id"]
    assert trial.channel.asked("answer")[0]["sms_code"] == CODE
    assert await trial.types(payment) == ["created", "requires_action", "processing", "succeeded"]
    for table in ("attempts", "payments", "journal"):
        rows = await trial.world.sql(f"select to_jsonb(t)::text as text from {table} t")
        assert not any(CODE in row["text"] for row in rows)
    steps = await trial.world.merchant.get(f"/v1/payments/{payment['id']}/timeline")
    assert CODE not in str(steps) and CODE not in caplog.text


async def test_five_wrong_codes_and_no_sixth(trial: Trial) -> None:
    payment = await asked(trial)
    trial.channel.by_default["answer"] = WRONG
    for number in range(1, 6):
        answer = await trial.post(payment, "confirm", code())
        assert (answer.status, answer.body["code"]) == (422, "sms_code_wrong")
        assert answer.body["channel_code"] == "77" and CODE not in str(answer.body)
        row = await trial.attempt()
        assert (row["answers"], row["status"]) == (number, "pending_user")
        open_again = await trial.world.payment(payment["id"])
        assert open_again["next_action"] == {"type": "sms_code"}
    trial.channel.by_default["answer"] = PAID
    answer = await trial.post(payment, "confirm", code())
    assert (answer.status, answer.body["code"]) == (422, "sms_code_wrong")
    assert len(trial.channel.asked("answer")) == 5
    canceled = await trial.post(payment, "cancel")
    assert canceled.body["status"] == "canceled"


async def test_a_wrong_code_then_the_right_one(trial: Trial) -> None:
    payment = await asked(trial)
    trial.channel.lay("answer", WRONG, PAID)
    assert (await trial.post(payment, "confirm", code("0000"))).status == 422
    assert (await trial.post(payment, "confirm", code())).body["status"] == "succeeded"


async def test_an_answer_in_doubt_is_asked_about_and_never_sent_again(trial: Trial) -> None:
    payment = await asked(trial)
    trial.channel.lay("answer", SILENCE)
    answer = await trial.post(payment, "confirm", code())
    assert (answer.status, answer.body["status"]) == (200, "processing")
    again = await trial.post(payment, "confirm", code())
    assert (again.status, again.body["code"]) == (409, "attempt_unknown")
    trial.channel.lay("query", Waiting(), SILENCE, PAID)
    for status in ("processing", "processing", "succeeded"):
        assert (await trial.chase(payment))["status"] == status
    assert len(trial.channel.asked("answer")) == 1 and len(trial.channel.asked("pay")) == 1


@pytest.mark.parametrize(
    ("word", "status"), [(PAID, "succeeded"), (Waiting(), "processing"), (SILENCE, "processing")]
)
async def test_an_answer_that_was_taken_is_asked_about_at_once(trial, word, status) -> None:
    payment = await asked(trial)
    trial.channel.lay("answer", Waiting())
    trial.channel.lay("query", word)
    answer = await trial.post(payment, "confirm", code())
    assert (answer.status, answer.body["status"]) == (200, status)


async def test_not_found_after_an_answer_needs_a_quiet_minute_since_then(trial: Trial) -> None:
    payment = await asked(trial)
    await trial.later(600)
    trial.channel.lay("answer", SILENCE)
    await trial.post(payment, "confirm", code())
    trial.channel.by_default["query"] = NotFound()
    for _ in range(3):
        assert (await trial.chase(payment))["status"] == "processing"
    await trial.later(61)
    assert (await trial.chase(payment))["status"] == "requires_payment_method"


async def test_an_answer_refused_for_another_reason_ends_the_attempt(trial: Trial) -> None:
    payment = await asked(trial)
    trial.channel.lay("answer", Refused("payer_funds_short", "no", "51"))
    answer = await trial.post(payment, "confirm", code())
    assert (answer.status, answer.body["status"]) == (200, "requires_payment_method")
    assert answer.body["error"]["code"] == "payer_funds_short"


async def test_ten_codes_at_once_leave_one_by_one(trial: Trial) -> None:
    payment = await asked(trial)
    begun = asyncio.Event()
    more = asyncio.Event()

    async def slowly(_) -> Paid:
        begun.set()
        await more.wait()
        return PAID

    trial.channel.lay("answer", slowly)
    first = asyncio.ensure_future(trial.post(payment, "confirm", code()))
    await begun.wait()
    others = await asyncio.gather(*(trial.post(payment, "confirm", code()) for _ in range(9)))
    more.set()
    assert {other.body["code"] for other in others} == {"attempt_unknown"}
    assert (await first).body["status"] == "succeeded" and len(trial.channel.asked("answer")) == 1


async def test_a_cancel_overtakes_a_wrong_code(trial: Trial) -> None:
    payment = await asked(trial)

    async def meanwhile(_) -> Refused:
        await trial.post(payment, "cancel")
        return WRONG

    trial.channel.lay("answer", meanwhile)
    assert (await trial.post(payment, "confirm", code())).status == 422
    ended = await trial.world.payment(payment["id"])
    assert ended["status"] == "canceled" and ended["next_action"] == {"type": "none"}


@pytest.mark.parametrize(
    ("body", "status", "refusal"),
    [
        (code("1"), 400, "invalid_field"),
        (code("12 34"), 400, "invalid_field"),
        (code() | {"version": 99}, 409, "stale_version"),
        (code(method="trial_qr"), 409, "invalid_state"),
        ({"method": "trial_sms", "method_options": {"sms_code": "1234", "x": "y"}}, 400, None),
    ],
)
async def test_what_is_no_answer_is_refused_before_it_counts(trial, body, status, refusal) -> None:
    payment = await asked(trial)
    answer = await trial.post(payment, "confirm", body)
    assert answer.status == status and answer.body["code"] == (refusal or "invalid_field")
    assert (await trial.attempt())["answers"] == 0 and trial.channel.asked("answer") == []


async def test_a_code_that_nobody_asked_for_is_refused(trial: Trial) -> None:
    order = {"merchant_order_no": "A-1", "amount": 100, "currency": "CNY", "subject": "tea"}
    with_code = order | {"method": "trial_sms", "method_options": {"sms_code": CODE}}
    refused = await trial.world.merchant.post("/v1/payments", with_code)
    assert (refused.status, refused.body["param"]) == (400, "/method_options/sms_code")
    waiting = await trial.pay("trial_qr", "A-2")
    answer = await trial.post(waiting, "confirm", code(method="trial_qr"))
    assert (answer.status, answer.body["code"]) == (409, "invalid_state")
    trial.channel.lay("close", Closed())
    await trial.post(waiting, "cancel")
    answer = await trial.post(waiting, "confirm", code(method="trial_qr"))
    assert answer.body["code"] == "invalid_state"
