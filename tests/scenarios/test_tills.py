"""At the till: codes that are used once, payers who take their time, and taking back in doubt."""

import asyncio

import pytest

from gateway.channels.codec import Closed, HandedOut, NotFound, Paid, Refused, Unknown, Waiting
from tests.scenarios.trial import SILENCE, Trial

CODE = "281234567890"
WAIT = HandedOut({"type": "barcode_wait"})
PAID = Paid("T-1", 100, "CNY")
DECLINED = Refused("payer_funds_short", "no money", "E1", retryable=True)


async def test_a_code_pays_at_once(trial: Trial) -> None:
    trial.channel.lay("pay", PAID)
    payment = await trial.till()
    assert payment["status"] == "succeeded" and await trial.entries() == ["captured"]


async def test_the_code_is_sent_once_and_kept_nowhere(trial: Trial, caplog) -> None:
    trial.channel.lay("pay", SILENCE)
    payment = await trial.till()
    assert payment["status"] == "processing"
    assert trial.channel.asked("pay")[0]["auth_code"] == CODE
    await trial.chase(payment)
    await trial.later(50)
    await trial.chase(payment)
    assert len(trial.channel.asked("pay")) == 1
    for table in ("attempts", "payments", "journal"):
        rows = await trial.world.sql(f"select to_jsonb(t)::text as text from {table} t")
        assert rows and not any(CODE in row["text"] for row in rows)
    steps = (await trial.world.merchant.get(f"/v1/payments/{payment['id']}/timeline")).body
    assert CODE not in str(steps) and CODE not in caplog.text


async def test_a_code_makes_any_way_single_shot(trial: Trial) -> None:
    trial.channel.lay("pay", Unknown("x"))
    payment = await trial.pay("trial_preauth", method_options={"auth_code": CODE})
    await trial.chase(payment)
    assert len(trial.channel.asked("pay")) == 1


async def test_a_refused_code_fails_the_payment(trial: Trial) -> None:
    trial.channel.lay("pay", DECLINED)
    payment = await trial.till()
    assert payment["status"] == "failed" and payment["error"]["code"] == "payer_funds_short"
    assert await trial.types(payment) == ["created", "failed"]


async def test_a_payer_with_a_password_to_type_is_asked_about_often(trial: Trial) -> None:
    trial.channel.lay("pay", WAIT)
    payment = await trial.till()
    assert payment["status"] == "requires_action"
    assert payment["next_action"] == {"type": "barcode_wait"}
    trial.channel.lay("query", Waiting(), PAID)
    async with trial.world.worker():
        await trial.world.until(payment["id"], "succeeded", 30)
    assert trial.channel.asked("cancel") == []


@pytest.mark.parametrize("first", [WAIT, SILENCE])
async def test_without_a_final_word_it_is_taken_back(trial: Trial, first) -> None:
    trial.channel.lay("pay", first)
    payment = await trial.till()
    await trial.later(44)
    await trial.chase(payment)
    assert trial.channel.asked("cancel") == [] and len(trial.channel.asked("query")) == 1
    await trial.later(1)
    ended = await trial.chase(payment)
    assert ended["status"] == "failed" and ended["error"]["code"] == "channel_timeout"
    assert len(trial.channel.asked("cancel")) == 1


async def test_taking_back_is_repeated_until_it_is_known(trial: Trial) -> None:
    trial.channel.lay("pay", SILENCE)
    payment = await trial.till()
    await trial.later(46)
    trial.channel.lay("cancel", SILENCE, Unknown("again"), NotFound(), Closed())
    for _ in range(3):
        assert (await trial.chase(payment))["status"] == "processing"
    assert (await trial.chase(payment))["status"] == "failed"
    # never a query in between: it might say paid of money that is on its way back
    assert [name for name, _ in trial.channel.calls] == ["pay", *["cancel"] * 4]


async def test_not_found_is_believed_after_a_quiet_minute_and_two_answers(trial: Trial) -> None:
    trial.channel.lay("pay", SILENCE)
    payment = await trial.till()
    trial.channel.by_default["cancel"] = NotFound()
    await trial.later(61)
    assert (await trial.chase(payment))["status"] == "processing"
    ended = await trial.chase(payment)
    assert ended["status"] == "failed" and ended["error"]["code"] == "channel_timeout"


async def test_money_told_while_it_is_taken_back_is_not_ours_yet(trial: Trial) -> None:
    trial.channel.lay("pay", WAIT)
    payment = await trial.till()
    await trial.later(46)
    told: list[int] = []

    async def meanwhile(_) -> Closed:
        told.append(await trial.tell(payment, PAID))  # paid, and given back a moment later
        return Closed()

    trial.channel.lay("cancel", meanwhile)
    ended = await trial.chase(payment)
    assert told == [200] and ended["status"] == "failed" and await trial.entries() == []
    # the channel's word about the payment comes once more, late
    assert await trial.tell(payment, PAID) == 200
    trial.channel.lay("query", Closed())
    assert await trial.tell(payment, PAID, key="other") == 200
    assert await trial.entries() == []


async def test_money_that_remains_after_taking_back_is_booked_to_suspense(trial: Trial) -> None:
    trial.channel.lay("pay", SILENCE)
    payment = await trial.till()
    await trial.later(46)
    assert (await trial.chase(payment))["status"] == "failed"
    trial.channel.lay("query", SILENCE, PAID)
    assert await trial.tell(payment, PAID) == 400
    assert await trial.tell(payment, PAID) == 200
    assert await trial.entries() == ["funds_unexpected"]


@pytest.mark.parametrize("by_query", [True, False])
async def test_what_cannot_be_taken_back_is_paid(trial: Trial, by_query) -> None:
    trial.channel.lay("pay", WAIT)
    payment = await trial.till()
    await trial.later(46)
    if by_query:
        trial.channel.lay("cancel", Refused("channel_refused", "too late", "E2"))
        trial.channel.lay("query", PAID)
    else:
        trial.channel.lay("cancel", PAID)
    assert (await trial.chase(payment))["status"] == "succeeded"
    assert await trial.entries() == ["captured"]


async def test_the_merchant_takes_a_waiting_code_back(trial: Trial) -> None:
    trial.channel.lay("pay", WAIT)
    payment = await trial.till()
    canceled = await trial.post(payment, "cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")
    assert trial.channel.asked("close") == [] and len(trial.channel.asked("cancel")) == 1


async def test_another_way_takes_the_waiting_code_back_first(trial: Trial) -> None:
    trial.channel.lay("pay", WAIT)
    payment = await trial.till()
    other = await trial.post(payment, "confirm", {"method": "trial_qr"})
    assert (other.status, other.body["method"]) == (200, "trial_qr")
    assert other.body["status"] == "requires_action" and other.body["error"] is None
    assert [name for name, _ in trial.channel.calls] == ["pay", "cancel", "pay"]


async def test_two_hands_take_it_back_once(trial: Trial) -> None:
    trial.channel.lay("pay", WAIT)
    payment = await trial.till()
    await trial.later(46)
    begun = asyncio.Event()

    async def slowly(_) -> Closed:
        begun.set()
        await asyncio.sleep(0)
        return Closed()

    trial.channel.lay("cancel", slowly)
    both = await asyncio.gather(*(trial.chase(payment) for _ in range(5)))
    assert begun.is_set() and len(trial.channel.asked("cancel")) == 1
    assert (await trial.world.payment(payment["id"]))["status"] == "failed", both


async def test_a_card_in_doubt_is_asked_about_and_fails_when_it_never_arrived(trial) -> None:
    trial.channel.lay("pay", SILENCE)
    payment = await trial.pay("trial_card")
    trial.channel.by_default["query"] = NotFound()
    await trial.later(61)
    assert (await trial.chase(payment))["status"] == "processing"
    ended = await trial.chase(payment)
    assert ended["status"] == "failed" and ended["error"]["code"] == "channel_silent"
    assert len(trial.channel.asked("pay")) == 1


async def test_a_refusal_by_callback_ends_the_attempt(trial: Trial) -> None:
    trial.channel.lay("pay", Unknown("x"))
    payment = await trial.pay("trial_card")
    assert await trial.tell(payment, DECLINED) == 200
    failed = await trial.world.payment(payment["id"])
    assert failed["status"] == "failed" and failed["error"]["channel_code"] == "E1"


async def test_what_is_said_of_a_refund_is_not_said_of_the_payment(trial: Trial) -> None:
    trial.channel.lay("pay", PAID)
    payment = await trial.pay("trial_card")
    trial.channel.lay("refund", Unknown("x"))
    body = {"payment_id": payment["id"], "merchant_refund_no": "R-1", "amount": 10}
    refund = (await trial.world.merchant.post("/v1/refunds", body)).body
    assert refund["status"] == "processing"
    number = refund["id"].removeprefix("rfd_")
    trial.channel.lay("refund_query", Refused("refund_not_allowed", "no", "E3"))
    assert await trial.tell(payment, DECLINED, refund_no=number) == 200
    assert (await trial.world.payment(payment["id"]))["status"] == "succeeded"
    found = (await trial.world.merchant.get(f"/v1/refunds/{refund['id']}")).body
    assert found["status"] == "failed" and found["error"]["channel_code"] == "E3"


async def test_a_page_asks_nobody_and_waits_for_its_payer(trial: Trial) -> None:
    payment = await trial.pay("trial_page")
    assert payment["status"] == "requires_action" and trial.channel.calls == []
    assert payment["next_action"] == {"type": "redirect", "url": "https://trial.example/tea"}
    assert await trial.tell(payment, PAID) == 200
    assert (await trial.world.payment(payment["id"]))["status"] == "succeeded"
