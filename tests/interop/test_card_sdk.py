"""The pretend Stripe, certified by Stripe's own client: stripe 16.

Its requests must be accepted, our answers must become its objects and its exceptions, and its
`construct_event` must accept our events and refuse every spoiled one; our codec must accept what
its `generate_signature_header` signs.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from stripe import StripeClient, WebhookSignature

from gateway.channels.card import CardCodec
from gateway.channels.codec import AccountView, CallbackRefused, Paid
from gateway.channels.wire import CallbackRequest
from gateway.sandbox import Sandbox

EVENT_WAIT_S = 20
PAY: dict[str, Any] = {
    "amount": 1234,
    "currency": "eur",
    "confirm": True,
    "payment_method": "pm_card_visa",
    "metadata": {"attempt_no": "A1", "text": "ä & 书"},
}


def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


class World:
    """A running sandbox, an account with a client, and a server that keeps what it is told."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http
        self.told: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.url = ""
        self.account: dict[str, str] = {}

    async def post(self, path: str, value: dict[str, Any]) -> dict[str, Any]:
        async with self.http.post(self.sandbox.url + path, json=value) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    def client(self, key: str | None = None, retries: int = 0) -> StripeClient:
        return StripeClient(
            key or self.account["secret_key"],
            base_addresses={"api": self.account["gateway_url"]},
            max_network_retries=retries,
        )

    async def keep(self, request: web.Request) -> web.Response:
        self.told.put_nowait((request.headers["Stripe-Signature"], await request.read()))
        return web.Response()

    async def event(self) -> tuple[str, bytes]:
        return await asyncio.wait_for(self.told.get(), EVENT_WAIT_S)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    sandbox = Sandbox(data=tmp_path / "data")
    await sandbox.start()
    async with aiohttp.ClientSession() as http:
        world = World(sandbox, http)
        world.account = await world.post(
            "/accounts", {"channel": "card", "merchant_public_key": pem()}
        )
        application = web.Application()
        application.router.add_post("/events", world.keep)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        yield world
        await runner.cleanup()
    await sandbox.stop()


async def ask(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The client blocks, so it works in a thread."""
    return await asyncio.to_thread(call, *args, **kwargs)


async def test_a_whole_payment_and_its_refunds(world: World) -> None:
    intents, refunds = world.client().v1.payment_intents, world.client().v1.refunds
    intent = await ask(intents.create, PAY | {"expand": ["latest_charge"]})
    assert (intent.status, intent.amount_received) == ("succeeded", 1234)
    assert intent.metadata["text"] == "ä & 书" and intent.latest_charge.captured is True
    again = await ask(intents.retrieve, intent.id)
    assert again.latest_charge == intent.latest_charge.id
    listed = await ask(intents.list, {"created": {"gte": intent.created}, "limit": 1})
    assert [each.id for each in listed.data] == [intent.id] and listed.has_more is False
    part = await ask(refunds.create, {"payment_intent": intent.id, "amount": 34})
    assert (part.status, part.payment_intent) == ("succeeded", intent.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await ask(refunds.create, {"payment_intent": intent.id, "amount": 1201})
    assert refused.value.code == "amount_too_large"
    assert (await ask(refunds.retrieve, part.id)).amount == 34
    found = await ask(world.client().v1.balance_transactions.list)
    assert [each.amount for each in found.data] == [-34, 1234]


async def test_pages_are_followed(world: World) -> None:
    intents = world.client().v1.payment_intents
    for _ in range(5):
        await ask(intents.create, PAY)

    def all_of_them() -> list[str]:
        return [each.id for each in intents.list({"limit": 2}).auto_paging_iter()]

    found = await asyncio.to_thread(all_of_them)
    assert len(set(found)) == len(found) == 5


async def test_a_hold_is_captured_or_canceled(world: World) -> None:
    intents = world.client().v1.payment_intents
    held = [await ask(intents.create, PAY | {"capture_method": "manual"}) for _ in range(2)]
    captured = await ask(intents.capture, held[0].id, {"amount_to_capture": 1000})
    assert (captured.status, captured.amount_received) == ("succeeded", 1000)
    canceled = await ask(intents.cancel, held[1].id, {"cancellation_reason": "abandoned"})
    assert canceled.status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await ask(intents.cancel, held[0].id)
    assert refused.value.error.payment_intent.status == "succeeded"


async def test_refusals_become_the_clients_exceptions(world: World) -> None:
    intents = world.client().v1.payment_intents
    with pytest.raises(stripe.CardError) as declined:
        await ask(intents.create, PAY | {"payment_method": "pm_card_chargeDeclined"})
    assert (declined.value.code, declined.value.error.decline_code) == (
        "card_declined",
        "generic_decline",
    )
    assert declined.value.error.payment_intent.status == "requires_payment_method"
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        await ask(intents.create, PAY | {"tip": 1})
    assert unknown.value.param == "tip"
    with pytest.raises(stripe.AuthenticationError):
        await ask(world.client("sk_test_nobody").v1.payment_intents.list)
    key = {"idempotency_key": "k1"}
    await ask(intents.create, PAY, key)
    with pytest.raises(stripe.IdempotencyError):
        await ask(intents.create, PAY | {"amount": 1}, key)


async def test_a_lost_answer_is_found_by_the_clients_own_retry(world: World) -> None:
    fault = {"channel": "card", "operation": "create", "fault": "drop_after_effect"}
    await world.post("/faults", fault)
    intent = await ask(world.client(retries=2).v1.payment_intents.create, PAY)
    assert intent.status == "succeeded"
    async with world.http.get(world.sandbox.url + "/book/card") as response:
        assert len((await response.json())["orders"]) == 1


async def test_three_d_secure_sends_the_payer_away_and_back(world: World) -> None:
    intents = world.client().v1.payment_intents
    wanted = {
        "payment_method": "pm_card_authenticationRequired",
        "return_url": "https://s.example/",
    }
    intent = await ask(intents.create, PAY | wanted)
    url = intent.next_action.redirect_to_url.url
    await world.post("/payer/pay", {"code": url})
    assert (await ask(intents.retrieve, intent.id)).status == "succeeded"


async def test_its_construct_event_takes_our_events_and_no_spoiled_one(world: World) -> None:
    wanted = {"url": world.url, "enabled_events": ["payment_intent.succeeded"]}
    endpoint = await ask(world.client().v1.webhook_endpoints.create, wanted)
    assert endpoint.secret == world.account["webhook_secret"]
    intent = await ask(world.client().v1.payment_intents.create, PAY)
    header, body = await world.event()
    event = stripe.Webhook.construct_event(body, header, endpoint.secret)
    assert (event.type, event.data.object.id) == ("payment_intent.succeeded", intent.id)
    other = await ask(world.client().v1.webhook_endpoints.create, wanted)
    spoiled = [
        (body.replace(b"1234", b"1235"), header, endpoint.secret),
        (body, header, other.secret),
        (body, header.replace("v1=", "v0="), endpoint.secret),
        (body, header[:-1] + ("0" if header[-1] != "0" else "1"), endpoint.secret),
    ]
    for each in spoiled:
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(*each)
    await world.post(
        "/faults", {"channel": "card", "operation": "notify", "fault": "bad_signature"}
    )
    await ask(world.client().v1.payment_intents.create, PAY)
    heard = [await world.event(), await world.event()]
    assert any(not _is_constructed(*each, (endpoint.secret, other.secret)) for each in heard)


def _is_constructed(header: str, body: bytes, secrets: tuple[str, ...]) -> bool:
    for secret in secrets:
        try:
            stripe.Webhook.construct_event(body, header, secret)
        except stripe.SignatureVerificationError:
            continue
        return True
    return False


def account(**credentials: str) -> AccountView:
    return AccountView(
        account_id="cac_1",
        channel="card",
        gateway_url="https://api.stripe.com",
        notify_url="https://pay.example.com/callbacks/card/cac_1",
        credentials={"secret_key": "sk_test_abcdefgh", **credentials},
    )


def test_our_codec_takes_what_the_client_signs_also_while_a_secret_is_changed() -> None:
    shown = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1234,
        "amount_received": 1234,
        "currency": "eur",
        "metadata": {"attempt_no": "A1"},
        "status": "succeeded",
    }
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": shown},
    }
    payload = json.dumps(event, ensure_ascii=False)
    now_s = int(time.time())
    now = datetime.fromtimestamp(now_s, UTC)
    secrets = {"webhook_secret": "whsec_new_secret", "webhook_secret_previous": "whsec_old_secret"}
    for signer, taken in (*((each, True) for each in secrets.values()), ("whsec_stranger", False)):
        header = WebhookSignature.generate_signature_header(payload, signer, now_s)
        request = CallbackRequest(
            method="POST",
            target="/callbacks/card/cac_1",
            headers={"stripe-signature": header},
            body=payload.encode(),
        )
        codec = CardCodec()
        if not taken:
            with pytest.raises(CallbackRefused, match="bad_signature"):
                codec.read_callback(account(**secrets), request, now)
            continue
        verified = codec.read_callback(account(**secrets), request, now)
        assert verified.outcome == Paid("pi_1", 1234, "EUR")
