"""Events of the pretend Stripe: who hears of what, signed with which secret, how often."""

import json
from typing import Any

import pytest

from tests.sandbox.card.conftest import is_signed

SECURE = {"return_url": "https://shop.example/back"}


async def kinds(listener: Any, secret: str, count: int) -> list[str]:
    return [(await listener.event(secret))["type"] for _ in range(count)]


async def test_the_first_endpoint_signs_with_the_accounts_secret(
    client: Any, listener: Any
) -> None:
    first = await client.listen(listener.url, "payment_intent.succeeded")
    assert first["secret"] == client.account["webhook_secret"]
    second = await client.listen(listener.url, "payment_intent.succeeded")
    assert second["secret"] != first["secret"]
    intent = await client.paid()
    messages = [await listener.raw(), await listener.raw()]
    for secret in (first["secret"], second["secret"]):
        assert sorted(is_signed(*message, secret) for message in messages) == [False, True]
    event = json.loads(messages[0][1])
    assert event["object"] == "event" and event["livemode"] is False
    assert event["data"]["object"] == intent
    await client.call("DELETE", f"/webhook_endpoints/{first['id']}")
    third = await client.listen(listener.url)
    assert third["secret"] not in (first["secret"], second["secret"])


async def test_endpoints_can_be_read_changed_and_taken_away(client: Any, listener: Any) -> None:
    made = await client.listen("http://127.0.0.1:1/old", "payment_intent.succeeded")
    path = f"/webhook_endpoints/{made['id']}"
    shown = (await client.call("GET", path)).body
    assert "secret" not in shown and shown["status"] == "enabled"
    assert (await client.call("GET", "/webhook_endpoints")).body["data"] == [shown]
    moved = await client.call("POST", path, {"url": listener.url, "description": "mine"})
    assert moved.body == shown | {"url": listener.url, "description": "mine"}
    await client.paid()
    assert (await listener.event(made["secret"]))["type"] == "payment_intent.succeeded"
    await client.call("POST", path, {"disabled": "true"})
    await client.paid()
    await client.call("POST", path, {"disabled": "false"})
    gone = await client.call("DELETE", path)
    assert gone.body == {"id": made["id"], "object": "webhook_endpoint", "deleted": True}
    await client.paid()
    assert (await client.call("GET", path)).status == 404
    assert listener.got.empty()


@pytest.mark.parametrize(
    "raw",
    [
        "enabled_events[]=*",
        "url=http%3A%2F%2F127.0.0.1%2F",
        "url=ftp%3A%2F%2Fh&enabled_events[]=*",
        "url=http%3A%2F%2F127.0.0.1%2F&enabled_events[]=payment.paid",
        "url=http%3A%2F%2F127.0.0.1%2F&enabled_events[]=*&connect=true",
    ],
)
async def test_an_ill_formed_endpoint_is_refused(client: Any, raw: str) -> None:
    assert (await client.call("POST", "/webhook_endpoints", raw=raw)).status == 400
    assert (await client.call("GET", "/webhook_endpoints")).body["data"] == []


async def test_the_story_of_a_hold_and_its_refund(client: Any, listener: Any) -> None:
    secret = (await client.listen(listener.url))["secret"]
    held = (await client.pay(capture_method="manual")).body
    assert sorted(await kinds(listener, secret, 2)) == [
        "payment_intent.amount_capturable_updated",
        "payment_intent.created",
    ]
    await client.call("POST", f"/payment_intents/{held['id']}/capture")
    assert await kinds(listener, secret, 1) == ["payment_intent.succeeded"]
    await client.call("POST", "/refunds", {"payment_intent": held["id"], "amount": 34})
    told = [await listener.event(secret), await listener.event(secret)]
    by_kind = {event["type"]: event["data"]["object"] for event in told}
    assert by_kind["refund.created"]["amount"] == 34
    assert by_kind["charge.refunded"]["amount_refunded"] == 34
    assert listener.got.empty()


async def test_the_story_of_a_failed_authentication(
    client: Any, listener: Any, control: Any
) -> None:
    wanted = ("payment_intent.requires_action", "payment_intent.payment_failed")
    secret = (await client.listen(listener.url, *wanted))["secret"]
    intent = (await client.pay("pm_card_authenticationRequired", **SECURE)).body
    assert await kinds(listener, secret, 1) == [wanted[0]]
    url = intent["next_action"]["redirect_to_url"]["url"]
    await control("POST", "/payer/pay", {"code": url, "behaviour": "decline"})
    event = await listener.event(secret)
    assert event["type"] == wanted[1]
    assert event["data"]["object"]["status"] == "requires_payment_method"


async def test_a_disputed_charge(client: Any, listener: Any) -> None:
    secret = (await client.listen(listener.url, "charge.dispute.created"))["secret"]
    intent = await client.paid("pm_card_createDispute")
    event = await listener.event(secret)
    assert event["data"]["object"]["payment_intent"] == intent["id"]


async def test_an_event_is_repeated_unchanged_until_it_is_accepted(
    client: Any, listener: Any, clock: Any, sandbox: Any
) -> None:
    secret = (await client.listen(listener.url, "payment_intent.succeeded"))["secret"]
    listener.script = [500, 302, 204]
    await client.paid()
    first = await listener.event(secret)
    for seconds in (1, 2):
        await sandbox.run_due()
        clock.advance(seconds=seconds)
        await sandbox.run_due()
        assert await listener.event(secret) == first
    clock.advance(days=1)
    await sandbox.run_due()
    assert listener.got.empty()


async def test_faults_spoil_one_sending(
    client: Any, listener: Any, clock: Any, sandbox: Any, arm: Any
) -> None:
    secret = (await client.listen(listener.url, "payment_intent.succeeded"))["secret"]
    listener.script = [400, 400]
    await arm("notify", "bad_signature")
    await arm("notify", "wrong_amount")
    await client.paid()
    assert not is_signed(*(await listener.raw()), secret)
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    wrong = (await listener.event(secret))["data"]["object"]
    assert wrong["amount"] == wrong["amount_received"] == 1235
    clock.advance(seconds=2)
    await sandbox.run_due()
    assert (await listener.event(secret))["data"]["object"]["amount"] == 1234
    await arm("notify", "duplicate")
    await client.paid()
    assert await listener.event(secret) == await listener.event(secret)


@pytest.mark.parametrize(("amount", "signed", "told"), [(4440003, 0, 0), (4440004, 1, 1)])
async def test_magic_amounts_spoil_the_first_event(
    client: Any, listener: Any, clock: Any, sandbox: Any, amount: int, signed: int, told: int
) -> None:
    secret = (await client.listen(listener.url, "payment_intent.succeeded"))["secret"]
    listener.script = [400]
    await client.paid(amount=str(amount))
    message = await listener.raw()
    assert is_signed(*message, secret) is bool(signed)
    assert json.loads(message[1])["data"]["object"]["amount"] == amount + told
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert (await listener.event(secret))["data"]["object"]["amount"] == amount


async def test_only_loopback_is_ever_called(client: Any, sandbox: Any, listener: Any) -> None:
    secret = (await client.listen("https://example.com/events"))["secret"]
    assert secret == client.account["webhook_secret"]
    await client.paid()
    assert [ran.what for ran in await sandbox.run_due()] == []
