"""Our Alipay codec against the pretend Alipay, which third-party clients certify beside this file.

Neither knows the other's code. Every operation is played in both modes of an account.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from gateway.channels.alipay import AlipayCodec
from gateway.channels.alipay.signature import notification_canonical, parse_form
from gateway.channels.authorization import Captured, CaptureOrder
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
from gateway.channels.crypto import rsa_sha256_verify
from gateway.channels.statement import NoStatement, StatementReady
from gateway.channels.transfer import Returned, TransferOrder, TransferPending, Transferred
from gateway.channels.wire import CallbackRequest, HttpRequest, HttpResponse
from gateway.sandbox import Sandbox
from gateway.sandbox.moments import system_clock

CODEC = AlipayCodec()
NOTICE_WAIT_S = 20
AUTH_CODE = "28763443825664391"
MODES = ("public_key", "certificate")


class World:
    """A running sandbox with a clock of its own, one account of ours, and a server that is told."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http
        self.told: asyncio.Queue[bytes] = asyncio.Queue()
        self.notify_url = ""
        self.account: AccountView
        self.ahead = timedelta()

    def now(self) -> datetime:
        return system_clock() + self.ahead

    async def post(self, path: str, value: Any) -> dict[str, Any]:
        async with self.http.post(self.sandbox.url + path, json=value) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def open(self, mode: str) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        opened = await self.post(
            "/accounts", {"channel": "alipay", "merchant_public_key": public.decode()}
        )
        of_mode = {
            "public_key": ("alipay_public_key",),
            "certificate": ("app_cert", "alipay_cert", "alipay_root_cert"),
        }[mode]
        credentials = {name: opened[name] for name in ("app_id", "seller_id", *of_mode)}
        self.account = AccountView(
            account_id="cac_1",
            channel="alipay",
            gateway_url=opened["gateway_url"],
            notify_url=self.notify_url,
            credentials={**credentials, "merchant_private_key": private},
        )
        CODEC.check_account(self.account)

    async def send(self, request: HttpRequest | HandedOut | NoStatement | None) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        async with self.http.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body,
            headers=dict(request.headers),
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(response.status, headers, await response.read())

    async def ask(self, operation: str, subject: Any) -> Any:
        build: Callable = getattr(CODEC, f"build_{operation}")
        read: Callable = getattr(CODEC, f"read_{operation}")
        request = build(self.account, subject, self.now())
        return read(self.account, subject, await self.send(request))

    async def pay(self, code: str, behaviour: str = "pay") -> str:
        played = await self.post("/payer/pay", {"code": code, "behaviour": behaviour})
        return str(played["result"])

    async def arm(self, operation: str, fault: str) -> None:
        wanted = {"channel": "alipay", "operation": operation, "fault": fault, "times": 1}
        await self.post("/faults", wanted)

    async def notice(self) -> VerifiedCallback:
        return self.read(await self.body())

    async def body(self) -> bytes:
        return await asyncio.wait_for(self.told.get(), NOTICE_WAIT_S)

    def read(self, body: bytes) -> VerifiedCallback:
        request = CallbackRequest("POST", "/notify", {}, body)
        return CODEC.read_callback(self.account, request, self.now())

    def order(self, **changes: Any) -> PayOrder:
        now = self.now()
        content: dict[str, Any] = {
            "attempt_no": "A_1",
            "method": "alipay_qr",
            "amount": 1234,
            "currency": "CNY",
            "subject": "书 & +%=/\\ “q”",
            "created_at": now,
            "expires_at": now + timedelta(hours=1),
        }
        return PayOrder(**(content | changes))

    async def keep(self, request: web.Request) -> web.Response:
        self.told.put_nowait(await request.read())
        return web.Response(text="success")


@pytest.fixture(params=MODES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with aiohttp.ClientSession() as http:
        world = World(None, http)  # type: ignore[arg-type]
        world.sandbox = Sandbox(data=tmp_path / "data", clock=lambda: world.now())
        await world.sandbox.start()
        application = web.Application()
        application.router.add_post("/notify", world.keep)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.notify_url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
        await world.open(request.param)
        yield world
        await runner.cleanup()
        await world.sandbox.stop()


async def test_a_code_is_paid_told_queried_and_refunded(world: World) -> None:
    order = world.order()
    assert isinstance(await world.ask("query", order), NotFound)
    handed = await world.ask("pay", order)
    assert isinstance(await world.ask("query", order), NotFound)
    assert await world.pay(handed.next_action["qr_code"], "ignore") == "ignored"
    assert isinstance(await world.ask("query", order), Waiting)
    assert await world.pay(handed.next_action["qr_code"]) == "paid"
    paid = await world.ask("query", order)
    assert isinstance(paid, Paid) and paid.amount == 1234
    told = await world.notice()
    assert told.outcome == paid and told.attempt_no == "A_1"

    refund = RefundOrder("A_1", paid.channel_order_no, "R_1", 234, 1234, "CNY", "坏了")
    assert isinstance(await world.ask("refund_query", refund), NotFound)
    assert isinstance(await world.ask("refund", refund), Refunded)
    assert isinstance(await world.ask("refund", refund), RefundPending)  # a repeat says nothing
    assert isinstance(await world.ask("refund_query", refund), Refunded)
    told = await world.notice()
    assert isinstance(told.outcome, Refunded) and told.refund_no == "R_1"
    assert (await world.ask("query", order)).amount == 1234


async def test_close_and_cancel(world: World) -> None:
    order = world.order()
    handed = await world.ask("pay", order)
    assert isinstance(await world.ask("close", order), NotFound)
    async with world.http.post(
        world.sandbox.url + "/payer/pay", json={"code": handed.next_action["qr_code"]}
    ) as response:
        assert response.status == 409
    other = world.order(attempt_no="A_2")
    handed = await world.ask("pay", other)
    await world.pay(handed.next_action["qr_code"], "ignore")
    assert isinstance(await world.ask("close", other), Closed)
    assert isinstance(await world.ask("close", other), Unknown)
    assert isinstance(await world.ask("query", other), Closed)


@pytest.mark.parametrize("fault", ["error", "bad_signature"])
@pytest.mark.parametrize("operation", ["pay", "query", "refund", "refund_query"])
async def test_what_is_not_certain_is_unknown(world: World, operation: str, fault: str) -> None:
    order = world.order()
    handed = await world.ask("pay", order)
    await world.pay(handed.next_action["qr_code"])
    refund = RefundOrder("A_1", None, "R_1", 234, 1234, "CNY")
    await world.arm("precreate" if operation == "pay" else operation, fault)
    if operation == "pay":
        order = world.order(attempt_no="A_2")
    subject = refund if operation.startswith("refund") else order
    assert isinstance(await world.ask(operation, subject), Unknown)


async def test_a_page_is_paid_and_leads_back(world: World) -> None:
    for number, method in enumerate(("alipay_page", "alipay_wap")):
        back = "https://shop.example/back?x=1&y=%C3%BC"
        order = world.order(attempt_no=f"A_{number}", method=method, return_url=back)
        handed = CODEC.build_pay(world.account, order, world.now())
        assert isinstance(handed, HandedOut)
        action = dict(handed.next_action)
        if action["type"] == "redirect":
            request = HttpRequest("GET", str(action["url"]))
        else:
            raise AssertionError("a short order fits into a URL")
        assert isinstance(await world.ask("query", order), NotFound)
        opened = await world.send(request)
        assert opened.status == 302
        page = await world.send(HttpRequest("GET", world.sandbox.url + opened.headers["location"]))
        assert order.attempt_no in page.body.decode()
        assert isinstance(await world.ask("query", order), NotFound)  # nobody has begun to pay
        assert await world.pay(str(action["url"])) == "paid"
        paid = await world.ask("query", order)
        assert isinstance(paid, Paid) and paid.amount == 1234
        assert (await world.notice()).outcome == paid
        page = await world.send(HttpRequest("GET", world.sandbox.url + opened.headers["location"]))
        link = page.body.decode().split('href="')[1].split('"')[0].replace("&amp;", "&")
        assert link.startswith("https://shop.example/back?")
        if "alipay_public_key" in world.account.credentials:
            form = parse_form(urlsplit(link).query.removeprefix("x=1&y=%C3%BC&").encode())
            canonical = notification_canonical(form, keep_sign_type=False)
            key = world.account.credentials["alipay_public_key"]
            assert rsa_sha256_verify(key, canonical, form.get(b"sign") or b"")


async def test_a_long_order_goes_by_form(world: World) -> None:
    order = world.order(method="alipay_page", subject="长" * 256)
    handed = CODEC.build_pay(world.account, order, world.now())
    assert isinstance(handed, HandedOut)
    action: dict[str, Any] = dict(handed.next_action)
    assert action["type"] == "form"
    async with world.http.post(
        URL(action["url"], encoded=True), data=action["fields"], allow_redirects=False
    ) as response:
        assert response.status == 302


async def test_an_apps_order_string_is_paid(world: World) -> None:
    order = world.order(method="alipay_app")
    handed = CODEC.build_pay(world.account, order, world.now())
    assert isinstance(handed, HandedOut)
    string = str(handed.next_action["order_string"])
    assert dict(parse_qsl(string))["method"] == "alipay.trade.app.pay"
    assert await world.pay(string, "ignore") == "ignored"
    assert await world.pay("A_1") == "paid"
    paid = await world.ask("query", order)
    assert (await world.notice()).outcome == paid


async def test_a_payers_code_is_taken_at_once_or_waits_or_is_declined(world: World) -> None:
    order = world.order(method="alipay_barcode", method_options={"auth_code": AUTH_CODE})
    paid = await world.ask("pay", order)
    assert isinstance(paid, Paid) and paid.amount == 1234
    assert (await world.notice()).outcome == paid
    for number, (ending, expected) in enumerate(
        {
            "0003": {"type": "barcode_wait"},
            "0004": "payer_funds_short",
            "0005": "code_unusable",
        }.items()
    ):
        code = AUTH_CODE[:-4] + ending
        order = world.order(
            attempt_no=f"B_{number}", method="alipay_barcode", method_options={"auth_code": code}
        )
        outcome = await world.ask("pay", order)
        if isinstance(outcome, HandedOut):
            assert outcome.next_action == expected
            assert isinstance(await world.ask("query", order), Waiting)
            assert isinstance(await world.ask("cancel", order), Closed)
            assert isinstance(await world.ask("query", order), Closed)
        else:
            assert isinstance(outcome, Refused) and outcome.code == expected
            assert isinstance(await world.ask("query", order), NotFound)
            assert isinstance(await world.ask("cancel", order), NotFound)
    used = world.order(
        attempt_no="C_1", method="alipay_barcode", method_options={"auth_code": AUTH_CODE}
    )
    outcome = await world.ask("pay", used)
    assert isinstance(outcome, Refused) and outcome.channel_code == "ACQ.PAYMENT_AUTH_CODE_INVALID"


async def test_a_paid_code_is_cancelled_into_a_refund(world: World) -> None:
    order = world.order(method="alipay_barcode", method_options={"auth_code": AUTH_CODE})
    await world.ask("pay", order)
    assert isinstance(await world.ask("cancel", order), Closed)
    assert isinstance(await world.ask("cancel", order), Closed)
    book = await world.http.get(world.sandbox.url + "/book/alipay")
    assert [o["refunded"] for o in (await book.json())["orders"]] == [1234]


def capture(order: PayOrder, hold: Authorized, **changes: Any) -> CaptureOrder:
    content: dict[str, Any] = {
        "attempt_no": order.attempt_no,
        "channel_order_no": hold.channel_order_no,
        "capture_no": "C_1",
        "method": order.method,
        "amount": hold.amount,
        "amount_authorized": hold.amount,
        "currency": "CNY",
        "subject": order.subject,
        "created_at": order.created_at,
    }
    return CaptureOrder(**(content | changes))


async def hold(world: World, order: PayOrder) -> Authorized:
    handed = await world.ask("pay", order)
    assert isinstance(await world.ask("query", order), NotFound)
    assert await world.pay(handed.next_action["qr_code"]) == "paid"
    held = await world.ask("query", order)
    assert isinstance(held, Authorized)
    told = await world.notice()
    assert told.outcome == held and told.attempt_no == order.attempt_no
    return held


async def test_a_hold_is_captured_in_parts_and_refunded(world: World) -> None:
    order = world.order(method="alipay_preauth")
    held = await hold(world, order)
    first = capture(order, held, amount=1000, final=False)
    assert isinstance(await world.ask("capture_query", first), NotFound)
    captured = await world.ask("capture", first)
    assert isinstance(captured, Captured) and captured.amount == 1000
    assert await world.ask("capture_query", first) == captured
    assert isinstance(await world.ask("capture", first), Unknown)  # never twice
    assert isinstance(await world.ask("query", order), Authorized)
    over = capture(order, held, capture_no="C_2", amount=235)
    refused = await world.ask("capture", over)
    assert isinstance(refused, Refused) and refused.code == "amount_limit"
    assert isinstance(await world.ask("capture_query", over), NotFound)
    last = capture(order, held, capture_no="C_3", amount=200)
    assert isinstance(await world.ask("capture", last), Captured)
    assert isinstance(await world.ask("query", order), Unknown)  # a part was captured, none is left
    refund = RefundOrder("C_1", captured.channel_order_no, "R_1", 1000, 1000, "CNY")
    assert isinstance(await world.ask("refund", refund), Refunded)
    assert isinstance(await world.ask("capture_query", first), Captured)


async def test_what_is_left_of_a_hold_is_voided(world: World) -> None:
    order = world.order(method="alipay_preauth")
    held = await hold(world, order)
    await world.ask("capture", capture(order, held, amount=1000, final=False))
    rest = world.order(
        method="alipay_preauth", channel_order_no=held.channel_order_no, amount_captured=1000
    )
    assert isinstance(await world.ask("void", rest), Closed)
    assert isinstance(await world.ask("void", rest), Closed)  # one number, one void
    async with world.http.get(world.sandbox.url + "/book/alipay") as shown:
        assert [o["out_trade_no"] for o in (await shown.json())["orders"]] == ["C_1"]
    whole = world.order(attempt_no="A_2", method="alipay_preauth")
    held = await hold_after_void(world, whole)
    void = world.order(
        attempt_no="A_2", method="alipay_preauth", channel_order_no=held.channel_order_no
    )
    assert isinstance(await world.ask("void", void), Closed)
    assert isinstance(await world.ask("query", void), Closed)
    told = await world.notice()
    assert isinstance(told.outcome, Closed) and told.attempt_no == "A_2"


async def hold_after_void(world: World, order: PayOrder) -> Authorized:
    assert (await world.notice()).outcome is None  # the release after a capture decides nothing
    return await hold(world, order)


async def test_a_hold_is_closed_before_and_after_it_is_given(world: World) -> None:
    order = world.order(method="alipay_preauth")
    handed = await world.ask("pay", order)
    await world.pay(handed.next_action["qr_code"], "ignore")
    assert isinstance(await world.ask("query", order), Waiting)
    assert isinstance(await world.ask("close", order), Closed)
    assert isinstance(await world.ask("query", order), Closed)
    given = world.order(attempt_no="A_2", method="alipay_preauth")
    await hold(world, given)
    assert isinstance(await world.ask("cancel", given), Closed)
    assert isinstance(await world.ask("query", given), Closed)
    unscanned = world.order(attempt_no="A_3", method="alipay_preauth")
    await world.ask("pay", unscanned)
    assert isinstance(await world.ask("void", unscanned), NotFound)


async def test_a_hold_by_the_payers_code(world: World) -> None:
    order = world.order(method="alipay_preauth", method_options={"auth_code": AUTH_CODE})
    held = await world.ask("pay", order)
    assert isinstance(held, Authorized) and held.amount == 1234
    assert (await world.notice()).outcome == held
    slow = AUTH_CODE[:-4] + "0003"
    order = world.order(
        attempt_no="A_2", method="alipay_preauth", method_options={"auth_code": slow}
    )
    waits = await world.ask("pay", order)
    assert isinstance(waits, HandedOut) and waits.next_action == {"type": "barcode_wait"}
    assert isinstance(await world.ask("query", order), Waiting)
    assert await world.pay(slow) == "paid"
    assert isinstance(await world.ask("query", order), Authorized)
    short = AUTH_CODE[:-4] + "0004"
    order = world.order(
        attempt_no="A_3", method="alipay_preauth", method_options={"auth_code": short}
    )
    refused = await world.ask("pay", order)
    assert isinstance(refused, Refused) and refused.code == "payer_funds_short"


def transfer(number: str, amount: int) -> TransferOrder:
    payee = {"account": "2088102146225135", "name": "沙箱"}
    return TransferOrder(number, "alipay_transfer", amount, "CNY", "工资", payee)


async def test_transfers(world: World) -> None:
    if "alipay_public_key" in world.account.credentials:
        changed = {**world.account.credentials, "transfer_in_public_key_mode": "on"}
        world.account = AccountView(
            "cac_1", "alipay", world.account.gateway_url, world.notify_url, changed
        )
        refused = await world.ask("transfer", transfer("T_1", 1000))
        assert isinstance(refused, Refused) and refused.code == "channel_misconfigured"
        return
    plain = transfer("T_1", 1000)
    assert isinstance(await world.ask("transfer_query", plain), NotFound)
    sent = await world.ask("transfer", plain)
    assert isinstance(sent, Transferred)
    assert await world.ask("transfer_query", plain) == sent
    refused = await world.ask("transfer", transfer("T_2", 4_440_011))
    assert isinstance(refused, Refused) and refused.code == "channel_balance_short"
    slow, failing, returning = (
        transfer(f"T_{amount}", amount) for amount in (4_440_012, 4_440_013, 4_440_014)
    )
    assert isinstance(await world.ask("transfer", slow), TransferPending)
    assert isinstance(await world.ask("transfer", failing), TransferPending)
    assert isinstance(await world.ask("transfer", returning), Transferred)
    assert isinstance(await world.ask("transfer_query", slow), TransferPending)
    world.ahead = timedelta(minutes=1)
    assert isinstance(await world.ask("transfer_query", slow), Transferred)
    failed = await world.ask("transfer_query", failing)
    assert failed == Returned("PAYEE_ACCOUNT_STATUS_ERROR")
    assert await world.ask("transfer_query", returning) == Returned("REFUND")
    async with world.http.get(world.sandbox.url + "/book/alipay") as shown:
        statuses = {t["out_transfer_no"]: t["status"] for t in (await shown.json())["transfers"]}
    assert statuses == {
        "T_1": "succeeded",
        "T_4440012": "succeeded",
        "T_4440013": "failed",
        "T_4440014": "returned",
    }


async def statement(world: World, kind: str, day: date) -> Any:
    request = CODEC.build_statement(world.account, kind, day, world.now())
    if isinstance(request, NoStatement):
        return request
    found = CODEC.read_statement(world.account, kind, day, await world.send(request))
    if not isinstance(found, StatementReady):
        return found
    file = await world.send(found.download)
    assert file.status == 200
    return CODEC.read_file(world.account, kind, day, found, file.body)


async def test_bills(world: World) -> None:
    world.ahead = datetime(2030, 5, 1, 4, tzinfo=system_clock().tzinfo) - system_clock()
    day = date(2030, 5, 1)
    order = world.order(subject='"书", `b`')
    handed = await world.ask("pay", order)
    await world.pay(handed.next_action["qr_code"])
    await world.ask("refund", RefundOrder("A_1", None, "R_1", 234, 1234, "CNY"))
    if "app_cert" in world.account.credentials:
        await world.ask("transfer", transfer("T_1", 1000))
    assert await statement(world, "trade", day) == NoStatement(early=True)
    world.ahead += timedelta(days=1)
    lines = (await statement(world, "trade", day)).lines
    assert [(x.kind, x.number, x.amount, x.fee) for x in lines] == [
        ("payment", "A_1", 1234, 7),
        ("refund", "R_1", -234, 0),
    ]
    lines = (await statement(world, "signcustomer", day)).lines
    expected = [("payment", 1234), ("fee", -7), ("refund", -234)]
    if "app_cert" in world.account.credentials:
        expected.append(("transfer", -1000))
    assert sorted((x.kind, x.amount) for x in lines) == sorted(expected)
    assert await statement(world, "trade", date(2030, 4, 30)) == NoStatement()


async def test_a_new_certificate_is_fetched_and_believed(world: World) -> None:
    order = world.order()
    handed = await world.ask("pay", order)
    before = await world.ask("query", order)
    renewed = await world.post("/alipay/certificate", {})
    await world.pay(handed.next_action["qr_code"])
    body = await world.body()
    if "alipay_public_key" in world.account.credentials:
        assert isinstance(await world.ask("query", order), Paid)  # nothing changes for keys
        assert world.read(body).attempt_no == "A_1"
        return
    assert isinstance(before, NotFound)
    outcome = await world.ask("query", order)
    serial = renewed["alipay_cert_sn"]
    assert outcome == Unknown("unknown_serial", channel_code=serial)
    with pytest.raises(CallbackRefused) as caught:
        world.read(body)
    assert (caught.value.reason, caught.value.serial) == ("unknown_serial", serial)

    fetched = await world.send(CODEC.build_keys(world.account, serial, world.now()))
    keys = CODEC.read_keys(world.account, fetched, world.now())
    assert list(keys) == [serial]
    account = world.account
    world.account = AccountView(
        account.account_id,
        account.channel,
        account.gateway_url,
        account.notify_url,
        account.credentials,
        keys,
    )
    assert isinstance(await world.ask("query", order), Paid)
    assert world.read(body).attempt_no == "A_1"
