"""The WeChat codec against the certified simulator, over real HTTP, in both modes of keys."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.adapters.http.client import ChannelHttp
from gateway.channels.codec import (
    AccountView,
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
    Waiting,
)
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.statement import StatementReady
from gateway.channels.transfer import Returned, TransferOrder, TransferPending, Transferred
from gateway.channels.wechat import WechatCodec
from gateway.channels.wire import CallbackRequest, ChannelSilent, HttpRequest
from gateway.sandbox import Sandbox

CODEC = WechatCodec()
NOTICE_WAIT_S = 20
OPTIONS = {
    "wechat_native": {},
    "wechat_jsapi": {"openid": "o1"},
    "wechat_h5": {"payer_ip": "127.0.0.1"},
    "wechat_app": {},
    "wechat_codepay": {"auth_code": "134567890123456789"},
}


@dataclass
class House:
    """One account at the simulator, our client, and the address that WeChat calls."""

    sandbox: Sandbox
    http: aiohttp.ClientSession
    channel: ChannelHttp
    account: AccountView
    clock: "ShiftedClock"
    told: asyncio.Queue[CallbackRequest] = field(default_factory=asyncio.Queue)

    async def post(self, path: str, value: dict[str, Any]) -> dict[str, Any]:
        async with self.http.post(self.sandbox.url + path, json=value) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def spoil(self, operation: str, fault: str) -> None:
        wanted = {"channel": "wechat", "operation": operation, "fault": fault, "times": 1}
        await self.post("/faults", wanted)

    async def play(self, code: object, behaviour: str = "pay") -> str:
        played = await self.post("/payer/pay", {"code": code, "behaviour": behaviour})
        return str(played["result"])

    def order(self, number: str, method: str = "wechat_native", **changes: Any) -> PayOrder:
        now = datetime.now(UTC)
        content: dict[str, Any] = {
            "attempt_no": number,
            "method": method,
            "amount": 1234,
            "currency": "CNY",
            "subject": "一杯咖啡",
            "created_at": now,
            "expires_at": now + timedelta(hours=2),
            "method_options": OPTIONS[method],
        }
        return PayOrder(**(content | changes))

    async def ask(self, operation: str, *subject: Any) -> Any:
        """Build, send, read; keys are fetched once where a serial is unknown."""
        build = getattr(CODEC, f"build_{operation}")
        read = getattr(CODEC, f"read_{operation}")
        answer = await self.channel.send(build(self.account, *subject, datetime.now(UTC)))
        found = read(self.account, *subject, answer)
        if isinstance(found, Unknown) and found.reason == UNKNOWN_SERIAL:
            await self.fetch_keys(found.channel_code)
            found = read(self.account, *subject, answer)
        return found

    async def fetch_keys(self, serial: str | None) -> None:
        request = CODEC.build_keys(self.account, serial, datetime.now(UTC))
        assert isinstance(request, HttpRequest)
        answer = await self.channel.send(request)
        keys = CODEC.read_keys(self.account, answer, datetime.now(UTC))
        assert keys
        self.account = AccountView(
            **{name: getattr(self.account, name) for name in _PARTS},
            keys={**self.account.keys, **keys},
        )

    async def notice(self) -> Any:
        request = await asyncio.wait_for(self.told.get(), NOTICE_WAIT_S)
        try:
            return CODEC.read_callback(self.account, request, datetime.now(UTC))
        except CallbackRefused as refused:
            if refused.reason != UNKNOWN_SERIAL:
                raise
            await self.fetch_keys(refused.serial)
            return CODEC.read_callback(self.account, request, datetime.now(UTC))


_PARTS = ("account_id", "channel", "gateway_url", "notify_url", "credentials")


class ShiftedClock:
    """Business time: real time and what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture(scope="module")
def merchant_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, merchant_key: rsa.RSAPrivateKey) -> Path:
    """A data folder in which WeChat's keys are made already: making them takes its time."""
    folder = tmp_path_factory.mktemp("wechat")
    public = merchant_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    async def make() -> None:
        sandbox = Sandbox(data=folder)
        await sandbox.start()
        wanted = {"channel": "wechat", "merchant_public_key": public.decode()}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{sandbox.url}/accounts", json=wanted) as response,
        ):
            assert response.status == 200
        await sandbox.stop()

    asyncio.run(make())
    return folder


@pytest.fixture(params=["public_key", "certificate"])
async def house(
    request: pytest.FixtureRequest,
    seeded: Path,
    tmp_path: Path,
    merchant_key: rsa.RSAPrivateKey,
) -> AsyncIterator[House]:
    clock = ShiftedClock()
    data = Path(shutil.copytree(seeded, tmp_path / "sandbox"))
    sandbox = Sandbox(data=data, clock=clock)
    await sandbox.start()
    async with aiohttp.ClientSession() as http, ChannelHttp() as channel:
        house = House(sandbox, http, channel, AccountView("", "", "", "", {}), clock)

        async def keep(call: web.Request) -> web.Response:
            headers = {name.lower(): value for name, value in call.headers.items()}
            body = await call.read()
            house.told.put_nowait(CallbackRequest("POST", call.path_qs, headers, body))
            return web.Response(status=204)

        application = web.Application()
        application.router.add_post("/callback", keep)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        notify_url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
        house.account = await opened(house, merchant_key, notify_url, request.param)
        CODEC.check_account(house.account)
        yield house
        await runner.cleanup()
    await sandbox.stop()


async def opened(house: House, key: rsa.RSAPrivateKey, notify_url: str, mode: str) -> AccountView:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    wanted = {"channel": "wechat", "merchant_public_key": public.decode()}
    told = await house.post("/accounts", wanted)
    names = CODEC.credential_names | CODEC.option_names
    credentials = {name: told[name] for name in names if name in told}
    credentials |= {"merchant_private_key": private.decode(), "transfer_scene_id": "1000"}
    if mode == "certificate":
        del credentials["wechat_public_key"], credentials["wechat_public_key_id"]
    return AccountView("cac_1", "wechat", told["gateway_url"], notify_url, credentials)


async def handed_out(house: House, order: PayOrder) -> Any:
    CODEC.check_order(order)
    found = await house.ask("pay", order)
    assert isinstance(found, HandedOut), found
    return found.next_action


@pytest.mark.parametrize("method", ["wechat_native", "wechat_jsapi", "wechat_h5", "wechat_app"])
async def test_a_payment_from_code_to_refund(house: House, method: str) -> None:
    order = house.order("A1", method, return_url="https://shop.example/a")
    action = await handed_out(house, order)
    code = action.get("qr_code") or action.get("url")
    if code is None:
        code = action["params"].get("prepayid") or action["params"]["package"]
    assert await house.ask("query", order) == Waiting()
    assert await house.play(code) == "paid"
    paid = await house.ask("query", order)
    assert isinstance(paid, Paid) and (paid.amount, paid.currency) == (1234, "CNY")
    told = await house.notice()
    assert (told.attempt_no, told.outcome) == ("A1", paid)
    assert isinstance(await house.ask("close", order), Unknown)

    refund = RefundOrder("A1", paid.channel_order_no, "R1", 1000, 1234, "CNY", "坏了")
    done = await house.ask("refund", refund)
    assert isinstance(done, Refunded)
    assert await house.ask("refund", refund) == done
    assert await house.ask("refund_query", refund) == done
    told = await house.notice()
    assert (told.refund_no, told.outcome) == ("R1", done)
    over = RefundOrder("A1", None, "R2", 235, 1234, "CNY")
    assert isinstance(await house.ask("refund", over), Unknown)
    assert await house.ask("refund_query", over) == NotFound()


async def test_an_order_that_is_closed(house: House) -> None:
    order = house.order("A1")
    assert await house.ask("query", order) == NotFound()
    assert await house.ask("close", order) == NotFound()
    await handed_out(house, order)
    assert await house.ask("close", order) == Closed()
    assert await house.ask("close", order) == Closed()
    assert await house.ask("query", order) == Closed()


async def test_a_payers_code(house: House) -> None:
    small = house.order("A1", "wechat_codepay")
    assert isinstance(await house.ask("pay", small), Paid)
    assert await house.ask("cancel", small) == Closed()
    assert await house.ask("query", small) == Closed(await paid_no(house, "A1"))
    used = house.order("A2", "wechat_codepay")
    refused = await house.ask("pay", used)
    assert isinstance(refused, Refused) and refused.code == "code_unusable"
    code = {"auth_code": "104567890123456789"}
    great = house.order("A3", "wechat_codepay", amount=100_000, method_options=code)
    assert await house.ask("pay", great) == HandedOut({"type": "barcode_wait"})
    assert await house.ask("query", great) == Waiting()
    assert await house.play(code["auth_code"], "decline") == "declined"
    assert await house.ask("query", great) == Waiting()
    assert await house.ask("close", great) == Closed()
    assert await house.ask("query", great) == Closed()
    code = {"auth_code": "114567890123456789"}
    short = house.order("A4", "wechat_codepay", amount=4_440_005, method_options=code)
    refused = await house.ask("pay", short)
    assert isinstance(refused, Refused) and refused.code == "payer_funds_short"


async def paid_no(house: House, number: str) -> str | None:
    async with house.http.get(f"{house.sandbox.url}/book/wechat") as response:
        orders = (await response.json())["orders"]
    return next(o["channel_order_no"] for o in orders if o["out_trade_no"] == number)


@pytest.mark.parametrize(
    ("total", "end"), [(4_440_007, Refunded), (4_440_008, Unknown), (4_440_009, Refused)]
)
async def test_a_refund_that_takes_its_time(house: House, total: int, end: type) -> None:
    order = house.order("A1", amount=total)
    await house.play((await handed_out(house, order))["qr_code"])
    await house.notice()
    refund = RefundOrder("A1", None, "R1", 1000, total, "CNY")
    assert await house.ask("refund", refund) == RefundPending()
    house.clock.ahead = timedelta(seconds=5)
    await house.sandbox.run_due()
    found = await house.ask("refund_query", refund)
    assert isinstance(found, end)
    told = await house.notice()
    assert told.refund_no == "R1"
    assert told.outcome == (found if end is Refunded else None)


async def test_transfers(house: House) -> None:
    if not house.account.credentials.get("wechat_public_key"):
        await house.fetch_keys(None)
    payee = {"openid": "o1", "name": "张三"}
    order = TransferOrder("T1", "wechat_transfer", 200_000, "CNY", "货款", payee)
    assert await house.ask("transfer_query", order) == NotFound()
    made = await house.ask("transfer", order)
    assert isinstance(made, TransferPending) and made.next_action is not None
    assert isinstance(await house.ask("transfer_query", order), TransferPending)
    await house.play(made.next_action["params"]["package"])  # type: ignore[index]
    done = await house.ask("transfer_query", order)
    assert isinstance(done, Transferred) and done.channel_order_no == made.channel_order_no
    assert (await house.notice()).dedupe_key == "transfer|T1|SUCCESS"
    back = TransferOrder("T2", "wechat_transfer", 50, "CNY", "货款", {"openid": "o1"})
    await house.ask("transfer", back)
    assert await house.ask("transfer_cancel", back) == Returned("CANCELLED")
    assert await house.ask("transfer_query", back) == Returned("CANCELLED")
    short = TransferOrder("T3", "wechat_transfer", 4_440_011, "CNY", "货款", payee)
    assert isinstance(await house.ask("transfer", short), Unknown)
    assert await house.ask("transfer_query", short) == NotFound()


async def test_bills(house: House) -> None:
    day = (house.clock() + timedelta(hours=8)).date()
    order = house.order("A1", subject="书,`本")
    await house.play((await handed_out(house, order))["qr_code"])
    await house.ask("refund", RefundOrder("A1", None, "R1", 1000, 1234, "CNY"))
    house.clock.ahead = timedelta(days=2)
    expected = {
        "trade": [("payment", 1234, 7, "A1"), ("refund", -1000, -6, "R1")],
        "fundflow": [("payment", 1234, 0, "A1"), ("fee", -7, 0, "A1"), ("refund", -994, 0, "R1")],
    }
    for kind in sorted(CODEC.statements):
        ready = await house.ask("statement", kind, day)
        assert isinstance(ready, StatementReady)
        answer = await house.channel.send(ready.download)
        assert answer.status == 200 and "wechatpay-signature" not in answer.headers
        found = CODEC.read_file(house.account, kind, day, ready, answer.body)
        lines = [(line.kind, line.amount, line.fee, line.number) for line in found.lines]
        assert lines == expected[kind]


async def test_both_kinds_of_keys_in_turn_and_a_new_certificate(house: House) -> None:
    if not house.account.credentials.get("wechat_public_key"):
        await house.post("/wechat/keys", {"callbacks": "certificate"})
    else:
        await house.post("/wechat/keys", {"callbacks": "mixed"})
    for number in ("A1", "A2", "A3"):
        action = await handed_out(house, house.order(number))
        await house.play(action["qr_code"])
        assert (await house.notice()).attempt_no == number
    callbacks = "certificate"
    await house.post("/wechat/keys", {"callbacks": callbacks, "rotate": 1})
    action = await handed_out(house, house.order("A4"))
    await house.play(action["qr_code"])
    assert (await house.notice()).attempt_no == "A4"
    assert len(house.account.keys) == 2


async def test_a_probe_is_refused_and_the_real_one_taken(house: House) -> None:
    action = await handed_out(house, house.order("A1", amount=4_440_006))
    if not house.account.keys and not house.account.credentials.get("wechat_public_key"):
        await house.fetch_keys(None)
    await house.play(action["qr_code"])
    with pytest.raises(CallbackRefused, match="bad_signature"):
        await house.notice()


@pytest.mark.parametrize("operation", ["native", "query", "close", "refund", "refund_query"])
async def test_what_is_spoiled_is_unknown(house: House, operation: str) -> None:
    order = house.order("A1")
    action = await handed_out(house, order)
    if operation.startswith("refund"):
        await house.play(action["qr_code"])
    refund = RefundOrder("A1", None, "R1", 1000, 1234, "CNY")
    name = {"native": "pay"}.get(operation, operation)
    subject = refund if operation.startswith("refund") else order
    for fault in ("bad_signature", "error"):
        await house.spoil(operation, fault)
        assert isinstance(await house.ask(name, subject), Unknown)
    await house.spoil(operation, "drop_after_effect")
    with pytest.raises(ChannelSilent):
        await house.ask(name, subject)


async def test_wrong_amounts_are_seen(house: House) -> None:
    order = house.order("A1")
    await house.play((await handed_out(house, order))["qr_code"])
    await house.spoil("query", "wrong_amount")
    wrong = await house.ask("query", order)
    assert isinstance(wrong, Paid) and wrong.amount == 1235  # the books compare
    await house.spoil("refund", "wrong_amount")
    refund = RefundOrder("A1", None, "R1", 1000, 1234, "CNY")
    assert isinstance(await house.ask("refund", refund), Unknown)
    assert isinstance(await house.ask("refund_query", refund), Refunded)
