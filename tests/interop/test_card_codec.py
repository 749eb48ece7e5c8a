"""Our card codec against the certified simulator: whole stories, lost answers among them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from gateway.channels.authorization import Captured, CaptureOrder
from gateway.channels.card import CardCodec
from gateway.channels.codec import (
    AccountView,
    Authorized,
    Closed,
    HandedOut,
    NotFound,
    Paid,
    PayOrder,
    Refunded,
    RefundOrder,
    RefundPending,
    Unknown,
    Waiting,
)
from gateway.channels.wire import CallbackRequest, HttpRequest, HttpResponse
from gateway.sandbox import Sandbox

EVENT_WAIT_S = 20
CODEC: Any = CardCodec()


def now() -> datetime:
    return datetime.now(UTC)


def order(number: str, **changes: Any) -> PayOrder:
    content: dict[str, Any] = {
        "attempt_no": number,
        "method": "card",
        "amount": 1234,
        "currency": "EUR",
        "subject": "一本书 & more",
        "created_at": now(),
        "expires_at": now(),
        "return_url": "https://shop.example/back",
        "method_options": {"payment_method": "pm_card_visa"},
    }
    return PayOrder(**(content | changes))


def card(name: str) -> dict[str, dict[str, str]]:
    return {"method_options": {"payment_method": f"pm_card_{name}"}}


class World:
    """A sandbox with an account, and the codec's requests carried to it."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http
        self.told: asyncio.Queue[CallbackRequest] = asyncio.Queue()
        self.url = ""
        self.account: AccountView

    async def control(self, path: str, value: dict[str, Any] | None = None) -> Any:
        method = "GET" if value is None else "POST"
        async with self.http.request(method, self.sandbox.url + path, json=value) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def fault(self, operation: str, fault: str) -> None:
        wanted = {"channel": "card", "operation": operation, "fault": fault}
        await self.control("/faults", wanted)

    async def send(self, request: HttpRequest) -> HttpResponse | None:
        url = URL(request.url, encoded=True)
        try:
            async with self.http.request(
                request.method, url, data=request.body or None, headers=request.headers
            ) as response:
                return HttpResponse(response.status, {}, await response.read())
        except (TimeoutError, aiohttp.ClientError):
            return None

    async def do(self, operation: str, subject: Any) -> Any:
        """The outcome of one operation; None where no answer came."""
        request = getattr(CODEC, f"build_{operation}")(self.account, subject, now())
        answer = await self.send(request)
        if answer is None:
            return None
        return getattr(CODEC, f"read_{operation}")(self.account, subject, answer)

    async def keep(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.told.put_nowait(CallbackRequest("POST", request.path, headers, body))
        return web.Response()

    async def callback(self) -> Any:
        request = await asyncio.wait_for(self.told.get(), EVENT_WAIT_S)
        return CODEC.read_callback(self.account, request, now())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    sandbox = Sandbox(data=tmp_path / "data")
    await sandbox.start()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    async with aiohttp.ClientSession() as http:
        world = World(sandbox, http)
        opened = await world.control("/accounts", {"channel": "card", "merchant_public_key": pem})
        world.account = AccountView(
            account_id="cac_1",
            channel="card",
            gateway_url=opened["gateway_url"],
            notify_url="http://127.0.0.1/callbacks/card/cac_1",
            credentials={name: opened[name] for name in ("secret_key", "webhook_secret")},
        )
        CODEC.check_account(world.account)
        application = web.Application()
        application.router.add_post("/events", world.keep)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        yield world
        await runner.cleanup()
    await sandbox.stop()


async def listen(world: World, *events: str) -> None:
    form = [("url", world.url), *(("enabled_events[]", event) for event in events)]
    key = world.account.credentials["secret_key"]
    async with world.http.post(
        world.account.gateway_url + "/v1/webhook_endpoints",
        data=form,
        headers={"Authorization": f"Bearer {key}"},
    ) as response:
        assert (await response.json())["secret"] == world.account.credentials["webhook_secret"]


async def test_paid_asked_and_refunded(world: World) -> None:
    await listen(world, "payment_intent.succeeded", "refund.created", "charge.refunded")
    paid = await world.do("pay", order("A1"))
    assert isinstance(paid, Paid) and paid.paid_at is not None
    known = order("A1", channel_order_no=paid.channel_order_no)
    assert await world.do("query", known) == paid
    assert await world.do("query", order("A1")) == Paid(paid.channel_order_no, 1234, "EUR")
    assert isinstance(await world.do("close", known), Paid)
    told = await world.callback()
    assert (told.attempt_no, told.outcome.amount) == ("A1", 1234)
    refund = RefundOrder("A1", paid.channel_order_no, "R1", 1000, 1234, "EUR", "zu groß")
    assert await world.do("refund_query", refund) == NotFound()
    done = await world.do("refund", refund)
    assert isinstance(done, Refunded)
    assert await world.do("refund", refund) == await world.do("refund_query", refund) == done
    told = [await world.callback(), await world.callback()]
    assert {each.refund_no for each in told} == {"R1", None}
    over = RefundOrder("A1", paid.channel_order_no, "R2", 235, 1234, "EUR")
    assert (await world.do("refund", over)).code == "refund_amount_refused"
    assert await world.do("refund_query", over) == NotFound()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("chargeDeclined", "card_declined"),
        ("chargeDeclinedInsufficientFunds", "payer_funds_short"),
        ("chargeDeclinedExpiredCard", "card_declined"),
        ("chargeDeclinedProcessingError", "channel_busy"),
        ("chargeDeclinedVelocityLimitExceeded", "payer_declined"),
        ("nobody", "code_unusable"),
    ],
)
async def test_refused_in_the_answer_and_in_the_query(world: World, name: str, code: str) -> None:
    refused = await world.do("pay", order("A1", **card(name)))
    assert refused.code == code
    asked = await world.do("query", order("A1"))
    assert asked == NotFound() if name == "nobody" else asked.code == code


async def test_an_answer_that_was_lost_is_found_by_our_number(world: World) -> None:
    await world.do("pay", order("A0"))
    await world.fault("create", "drop_after_effect")
    assert await world.do("pay", order("A1")) is None
    found = await world.do("query", order("A1"))
    assert isinstance(found, Paid)
    # A close finds the number used, and takes no second payment for the first.
    assert isinstance(await world.do("close", order("A1")), Unknown)
    assert len((await world.control("/book/card"))["orders"]) == 2


async def test_a_create_that_never_arrived_can_be_closed_for_ever(world: World) -> None:
    late = CODEC.build_pay(world.account, order("A1"), now())
    assert await world.do("query", order("A1")) == NotFound()
    closed = await world.do("close", order("A1"))
    assert isinstance(closed, Closed) and await world.do("close", order("A1")) == closed
    assert isinstance(await world.do("query", order("A1")), Closed)
    answer = await world.send(late)
    assert isinstance(CODEC.read_pay(world.account, order("A1"), answer), Unknown)
    shown = (await world.control("/book/card"))["orders"]
    assert [each["status"] for each in shown] == ["open"]


@pytest.mark.parametrize(
    ("operation", "fault"), [("create", "error"), ("create", "wrong_amount"), ("query", "error")]
)
async def test_a_spoiled_answer_is_unknown_and_the_next_question_tells(
    world: World, operation: str, fault: str
) -> None:
    await world.fault(operation, fault)
    first = await world.do("pay", order("A1"))
    asked = await world.do("query", order("A1"))
    if operation == "query":
        assert isinstance(first, Paid) and isinstance(asked, Unknown)
    else:
        assert isinstance(first, Unknown)
        assert isinstance(asked, NotFound if fault == "error" else Paid)
    again = await world.do("query", order("A1"))
    assert isinstance(again, NotFound if fault == "error" and operation == "create" else Paid)


async def test_three_d_secure(world: World) -> None:
    await listen(world, "payment_intent.succeeded", "payment_intent.payment_failed")
    secure = card("authenticationRequired")
    for number, behaviour in (("A1", "pay"), ("A2", "decline")):
        out = await world.do("pay", order(number, **secure))
        assert isinstance(out, HandedOut) and out.channel_order_no is not None
        waiting = await world.do("query", order(number))
        assert waiting == Waiting(out.channel_order_no)
        url = out.next_action["url"]
        await world.control("/payer/pay", {"code": url, "behaviour": behaviour})
        asked = await world.do("query", order(number, channel_order_no=out.channel_order_no))
        told = await world.callback()
        assert told.attempt_no == number and type(told.outcome) is type(asked)
        assert isinstance(asked, Paid) or asked.code == "authentication_failed"
    out = await world.do("pay", order("A3", **secure))
    known = order("A3", channel_order_no=out.channel_order_no)
    assert await world.do("close", known) == Closed(out.channel_order_no)
    assert await world.do("close", known) == Closed(out.channel_order_no)
    refused = await world.do("pay", order("A4", return_url=None, **secure))
    assert refused.code == "authentication_failed"


async def test_holds(world: World) -> None:
    await listen(world, "payment_intent.amount_capturable_updated", "payment_intent.canceled")
    held = await world.do("pay", order("A1", capture_method="manual"))
    assert isinstance(held, Authorized) and held.capture_before is not None
    told = await world.callback()
    assert told.outcome == Authorized(held.channel_order_no, 1234, "EUR")
    known = order("A1", channel_order_no=held.channel_order_no, capture_method="manual")
    assert await world.do("query", known) == held
    capture = CaptureOrder(
        attempt_no="A1",
        channel_order_no=held.channel_order_no,
        capture_no="C1",
        method="card",
        amount=1000,
        amount_authorized=1234,
        currency="EUR",
        subject="s",
        created_at=now(),
    )
    assert await world.do("capture_query", capture) == NotFound()
    await world.fault("capture", "drop_after_effect")
    assert await world.do("capture", capture) is None
    assert await world.do("capture_query", capture) == Captured("C1", 1000)
    assert await world.do("capture", capture) == Captured("C1", 1000)
    assert isinstance(await world.do("void", known), Unknown)
    other = await world.do("pay", order("A2", capture_method="manual"))
    voided = order("A2", channel_order_no=other.channel_order_no, capture_method="manual")
    assert await world.do("void", voided) == Closed(other.channel_order_no)
    kinds = [type((await world.callback()).outcome) for _ in range(2)]
    assert sorted(kind.__name__ for kind in kinds) == ["Authorized", "Closed"]


async def test_a_pending_refund_is_pending(world: World) -> None:
    paid = await world.do("pay", order("A1", **card("pendingRefund")))
    refund = RefundOrder("A1", paid.channel_order_no, "R1", 1000, 1234, "EUR")
    assert await world.do("refund", refund) == RefundPending()
    assert await world.do("refund_query", refund) == RefundPending()


async def test_a_key_that_is_not_taken_has_no_effect(world: World) -> None:
    right = world.account
    stolen = dict(right.credentials) | {"secret_key": "sk_test_somebody_else"}
    world.account = AccountView("cac_2", "card", right.gateway_url, "", stolen)
    assert (await world.do("pay", order("A1"))).code == "channel_misconfigured"
    assert isinstance(await world.do("query", order("A1")), Unknown)
    assert (await world.control("/book/card"))["orders"] == []
