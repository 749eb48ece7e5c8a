"""The UnionPay codec against the pretend UnionPay: two signing codes that share nothing.

No third-party server or client of acp 5.1.0 can be run here, so the published vectors certify the
codec (tests/channels/unionpay) and the two sides certify each other.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec.structs import replace

from gateway.channels.authorization import Captured, CaptureOrder, CapturePending
from gateway.channels.codec import (
    AccountView,
    Authorized,
    CallbackRefused,
    Closed,
    HandedOut,
    NotFound,
    Paid,
    PayOrder,
    Refunded,
    RefundOrder,
    RefundPending,
    Refused,
    Unknown,
    VerifiedCallback,
    Waiting,
)
from gateway.channels.statement import NoStatement, StatementReady
from gateway.channels.unionpay import UnionPayCodec
from gateway.channels.wire import CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.ids import make, number_of
from gateway.sandbox import Sandbox

CODEC = UnionPayCodec()
NOTICE_WAIT_S = 20
START = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC)


def pem_pair() -> tuple[str, str]:
    """(private, public) PEM of a new RSA key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def number() -> str:
    """A new number of ours."""
    at_ms = int(START.timestamp() * 1000)
    return number_of(make("att", at_ms=at_ms, bucket=7, random62=secrets.randbits(62)))


class World:
    """A running sandbox with a clock that moves when told, an account, and a callback's door."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.now = START
        self.told: asyncio.Queue[CallbackRequest] = asyncio.Queue()
        self.account = AccountView("cac_1", "unionpay", "", "", {})
        self.sandbox_url = ""

    async def post(self, path: str, value: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        async with self.http.post(self.sandbox_url + path, json=value) as response:
            return response.status, dict(await response.json())

    async def arm(self, operation: str, fault: str) -> None:
        wanted = {"channel": "unionpay", "operation": operation, "fault": fault, "times": 1}
        assert (await self.post("/faults", wanted))[0] == 200

    async def send(self, request: object) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        async with self.http.request(
            request.method, request.url, data=request.body, headers=request.headers
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(response.status, headers, await response.read(), self.now)

    async def keep(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.raw_path
        self.told.put_nowait(CallbackRequest(request.method, target, headers, body))
        return web.Response(text="ok")

    async def callback(self) -> VerifiedCallback:
        request = await asyncio.wait_for(self.told.get(), NOTICE_WAIT_S)
        return CODEC.read_callback(self.account, request, self.now)

    def order(self, method: str, **changes: Any) -> PayOrder:
        content: dict[str, Any] = {
            "attempt_no": number(),
            "method": method,
            "amount": 1234,
            "currency": "CNY",
            "subject": "一本书 & 50% off",
            "created_at": START,
            "expires_at": START + timedelta(hours=2),
        }
        order = PayOrder(**(content | changes))
        CODEC.check_order(order)
        return order

    async def pay(self, order: PayOrder) -> Any:
        built = CODEC.build_pay(self.account, order, self.now)
        if isinstance(built, HandedOut):
            return built
        return CODEC.read_pay(self.account, order, await self.send(built))

    async def query(self, order: PayOrder) -> Any:
        request = CODEC.build_query(self.account, order, self.now)
        return CODEC.read_query(self.account, order, await self.send(request))

    async def close(self, order: PayOrder) -> Any:
        request = CODEC.build_close(self.account, order, self.now)
        return CODEC.read_close(self.account, order, await self.send(request))

    async def code(self, outcome: Any) -> str:
        """What the payer goes by: the QR text, or the page at the end of the form."""
        assert isinstance(outcome, HandedOut)
        action: dict[str, Any] = dict(outcome.next_action)
        if action["type"] == "qr_code":
            return str(action["qr_code"])
        async with self.http.post(action["url"], data=action["fields"]) as response:
            assert response.status == 200
            return response.url.query["code"]

    async def play(self, outcome: Any, behaviour: str = "pay") -> dict[str, Any]:
        wanted = {"code": await self.code(outcome), "behaviour": behaviour}
        status, played = await self.post("/payer/pay", wanted)
        assert status == 200
        return played

    async def held(self) -> PayOrder:
        """A hold whose number we know."""
        order = self.order("unionpay_preauth")
        await self.play(await self.pay(order))
        found = (await self.callback()).outcome
        assert isinstance(found, Authorized)
        return replace(order, channel_order_no=found.channel_order_no)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    private, public = pem_pair()
    async with aiohttp.ClientSession() as http:
        world = World(http)
        sandbox = Sandbox(data=tmp_path / "data", clock=lambda: world.now)
        await sandbox.start()
        world.sandbox_url = sandbox.url
        application = web.Application()
        application.router.add_post("/callbacks/unionpay/cac_1", world.keep)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        wanted = {"channel": "unionpay", "merchant_public_key": public}
        _, opened = await world.post("/accounts", wanted)
        names = CODEC.credential_names | CODEC.option_names
        credentials = {name: text for name, text in opened.items() if name in names}
        world.account = AccountView(
            account_id="cac_1",
            channel="unionpay",
            gateway_url=opened["gateway_url"],
            notify_url=f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks/unionpay/cac_1?own=1",
            credentials={**credentials, "merchant_private_key": private},
        )
        CODEC.check_account(world.account)
        yield world
        await sandbox.stop()
        await runner.cleanup()


@pytest.mark.parametrize("method", ["unionpay_web", "unionpay_qr"])
async def test_a_payment_and_its_refunds(world: World, method: str) -> None:
    order = world.order(method)
    assert await world.query(order) == NotFound()
    handed = await world.pay(order)
    played = await world.play(handed)
    told = await world.callback()
    paid = told.outcome
    assert isinstance(paid, Paid) and told.attempt_no == order.attempt_no
    assert (paid.amount, paid.currency, paid.paid_at) == (1234, "CNY", START)
    assert paid.channel_order_no == played["channel_order_no"]
    assert await world.query(order) == paid == await world.close(order)

    refund = RefundOrder(
        order.attempt_no, paid.channel_order_no, number(), 1000, 1234, "CNY", "坏了"
    )
    ask = CODEC.build_refund_query(world.account, refund, world.now)
    assert CODEC.read_refund_query(world.account, refund, await world.send(ask)) == NotFound()
    request = CODEC.build_refund(world.account, refund, world.now)
    answer = await world.send(request)
    assert CODEC.read_refund(world.account, refund, answer) == RefundPending()
    again = CODEC.read_refund(world.account, refund, await world.send(request))
    assert isinstance(again, Unknown) and again.channel_code == "12"
    done = CODEC.read_refund_query(world.account, refund, await world.send(ask))
    assert done == Refunded(refund.refund_no, refunded_at=START)
    callback = await world.callback()
    assert (callback.attempt_no, callback.refund_no) == (order.attempt_no, refund.refund_no)
    assert callback.outcome == done
    over = replace(refund, refund_no=number(), amount=235)
    request = CODEC.build_refund(world.account, over, world.now)
    assert isinstance(CODEC.read_refund(world.account, over, await world.send(request)), Unknown)


async def test_an_order_that_nobody_pays_ends_with_its_time(world: World) -> None:
    opened, declined, unseen = (world.order("unionpay_web") for _ in range(3))
    await world.code(await world.pay(opened))
    await world.play(await world.pay(declined), "decline")
    await world.pay(unseen)
    for order in (opened, declined):
        assert isinstance(await world.query(order), Waiting)
        assert isinstance(await world.close(order), Unknown)
    world.now += timedelta(hours=2, minutes=5)
    assert isinstance(await world.query(opened), Closed)
    assert isinstance(await world.close(declined), Closed)
    assert await world.close(unseen) == NotFound()


async def test_a_hold_is_captured_in_part_and_refunded(world: World) -> None:
    order = await world.held()
    capture = CaptureOrder(
        attempt_no=order.attempt_no,
        channel_order_no=order.channel_order_no or "",
        capture_no=number(),
        method=order.method,
        amount=1000,
        amount_authorized=1234,
        currency="CNY",
        subject=order.subject,
        created_at=world.now,
    )
    request = CODEC.build_capture(world.account, capture, world.now)
    answer = await world.send(request)
    assert CODEC.read_capture(world.account, capture, answer) == CapturePending()
    ask = CODEC.build_capture_query(world.account, capture, world.now)
    done = CODEC.read_capture_query(world.account, capture, await world.send(ask))
    assert isinstance(done, Captured) and done.amount == 1000
    callback = await world.callback()
    assert (callback.attempt_no, callback.outcome) == (order.attempt_no, None)
    refund = RefundOrder(order.attempt_no, done.channel_order_no, number(), 10, 1000, "CNY")
    request = CODEC.build_refund(world.account, refund, world.now)  # type: ignore[assignment]
    outcome = CODEC.read_refund(world.account, refund, await world.send(request))
    assert outcome == RefundPending()


async def test_a_void_is_sent_until_it_is_proven(world: World) -> None:
    order = await world.held()
    outcomes = []
    for _ in range(2):
        request = CODEC.build_void(world.account, order, world.now)
        outcomes.append(CODEC.read_void(world.account, order, await world.send(request)))
        world.now += timedelta(seconds=1)
    assert isinstance(outcomes[0], Unknown)
    assert outcomes[1] == Closed(order.channel_order_no)
    callback = await world.callback()
    assert (callback.attempt_no, callback.outcome) == (order.attempt_no, Closed())


@pytest.mark.parametrize(
    "options",
    [
        {"phone": "13800138000"},
        {"token": "6235240000012345678"},
        {"token": "6235240000012345678", "phone": "13800138000"},
    ],
)
async def test_quick_pay_and_its_void(world: World, options: dict[str, str]) -> None:
    order = world.order("unionpay_quick", method_options=options)
    assert await world.pay(order) == HandedOut({"type": "sms_code"})
    answers = []
    for code in ("222222", "111111"):
        request = CODEC.build_answer(world.account, order, {"sms_code": code}, world.now)
        answers.append(CODEC.read_answer(world.account, order, await world.send(request)))
    assert isinstance(answers[0], Refused) and answers[0].code == "sms_code_wrong"
    assert isinstance(answers[1], Waiting)
    paid = (await world.callback()).outcome
    assert isinstance(paid, Paid) and paid.channel_order_no == answers[1].channel_order_no
    assert await world.query(order) == paid
    order = replace(order, channel_order_no=paid.channel_order_no)
    for expected in (Unknown, Closed):
        request = CODEC.build_cancel(world.account, order, world.now)
        outcome = CODEC.read_cancel(world.account, order, await world.send(request))
        assert isinstance(outcome, expected)
        world.now += timedelta(seconds=1)


async def test_a_short_card_is_refused_at_once(world: World) -> None:
    order = world.order("unionpay_quick", method_options={"phone": "13800138000"}, amount=4_440_005)
    await world.pay(order)
    request = CODEC.build_answer(world.account, order, {"sms_code": "111111"}, world.now)
    outcome = CODEC.read_answer(world.account, order, await world.send(request))
    assert isinstance(outcome, Refused) and outcome.code == "payer_funds_short"
    assert await world.query(order) == outcome


async def test_disturbed_answers_are_unknown(world: World) -> None:
    order = world.order("unionpay_qr")
    for fault in ("bad_signature", "error"):
        await world.arm("qr", fault)
        assert isinstance(await world.pay(order), Unknown)
    await world.play(await world.pay(order))
    for fault in ("bad_signature", "error"):
        await world.arm("query", fault)
        assert isinstance(await world.query(order), Unknown)
    await world.arm("query", "wrong_amount")
    assert (await world.query(order)).amount == 1235
    assert (await world.query(order)).amount == 1234


async def test_a_false_callback_is_refused(world: World) -> None:
    await world.arm("notify", "bad_signature")
    await world.play(await world.pay(world.order("unionpay_qr")))
    with pytest.raises(CallbackRefused, match="bad_signature"):
        await world.callback()


async def test_another_sandboxs_certificate_is_not_believed(world: World, tmp_path: Path) -> None:
    other = Sandbox(data=tmp_path / "other", clock=lambda: world.now)
    await other.start()
    try:
        wanted = {"channel": "unionpay", "merchant_public_key": pem_pair()[1]}
        async with world.http.post(f"{other.url}/accounts", json=wanted) as response:
            foreign = await response.json()
    finally:
        await other.stop()
    names = ("root_certificate", "middle_certificate")
    credentials = {**world.account.credentials, **{name: foreign[name] for name in names}}
    order = world.order("unionpay_qr")
    handed = await world.pay(order)
    world.account = replace(world.account, credentials=credentials)
    assert isinstance(await world.query(order), Unknown)
    await world.play(handed)
    with pytest.raises(CallbackRefused, match="bad_signature"):
        await world.callback()


async def test_the_daily_file_holds_what_moved(world: World) -> None:
    orders = [world.order("unionpay_qr", amount=amount) for amount in (1234, 10_000)]
    for order in orders:
        await world.play(await world.pay(order))
        await world.callback()
    await world.held()
    day = START.date()

    async def ask() -> Any:
        request = CODEC.build_statement(world.account, "trade", day, world.now)
        return CODEC.read_statement(world.account, "trade", day, await world.send(request))

    assert await ask() == NoStatement(early=True)
    world.now += timedelta(days=1)
    ready = await ask()
    assert isinstance(ready, StatementReady)
    content = (await world.send(ready.download)).body
    statement = CODEC.read_file(world.account, "trade", day, ready, content)
    found = [(line.kind, line.number, line.amount, line.fee) for line in statement.lines]
    assert found == [
        ("payment", orders[0].attempt_no, 1234, 7),
        ("payment", orders[1].attempt_no, 10_000, 60),
    ]
