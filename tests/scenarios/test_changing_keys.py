"""A channel that signs with a new key: learnt once, and what came meanwhile is read again."""

import pytest

from gateway.channels.codec import Paid
from tests.scenarios.trial import Trial

PAID = Paid("T-1", 100, "CNY")


async def test_an_answer_by_a_new_key_is_read_again_and_not_asked_for_again(trial: Trial) -> None:
    trial.channel.serial = "K2"
    trial.channel.keys = {"K2": "pem"}
    trial.channel.lay("pay", PAID)
    payment = await trial.pay("trial_card")
    assert payment["status"] == "succeeded"
    assert trial.channel.asked("keys") == [{"serial": "K2"}]
    assert len(trial.channel.asked("pay")) == 1


async def test_an_answer_whose_key_cannot_be_learnt_is_unknown(trial: Trial) -> None:
    trial.channel.serial = "K9"
    trial.channel.lay("pay", PAID)
    payment = await trial.pay("trial_card")
    assert payment["status"] == "processing" and len(trial.channel.asked("keys")) == 1
    await trial.chase(payment)
    assert len(trial.channel.asked("keys")) == 1  # at most one a minute
    assert await trial.entries() == []


async def test_a_callback_by_a_new_key_is_read_again(trial: Trial) -> None:
    payment = await trial.pay("trial_qr")
    trial.channel.keys = {"K2": "pem"}
    assert await trial.tell(payment, PAID, serial="K2") == 200
    assert (await trial.world.payment(payment["id"]))["status"] == "succeeded"
    assert trial.channel.asked("keys") == [{"serial": "K2"}]


@pytest.mark.parametrize("serial", ["K7", "old"])
async def test_callbacks_of_strangers_are_warned_of_and_ask_little(trial, serial, caplog) -> None:
    payment = await trial.pay("trial_qr")
    for _ in range(5):
        assert await trial.tell(payment, PAID, serial=serial) == 400
    assert len(trial.channel.asked("keys")) == (1 if serial == "K7" else 0)
    told = [each for each in caplog.records if each.getMessage() == "alarm: callback_refused"]
    assert len(told) == 5 and {each.levelname for each in told} == {"WARNING"}
    assert (await trial.world.payment(payment["id"]))["status"] == "requires_action"
