"""The pretend WeChat Pay, certified by a third-party client: wechatpayv3 2.0.4.

Its requests must be accepted, its verification of our answers must pass, and its `callback()` must
verify and open our notifications and refuse every spoiled one, in both modes: certificate, and
WeChat Pay public key. It does not look at the clock.
"""

import asyncio
import gzip
import hashlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from wechatpayv3 import WeChatPay, WeChatPayType

from gateway.channels.wechat.signature import sign_app, sign_jsapi
from gateway.sandbox import Sandbox

NOTICE_WAIT_S = 20
MODES = ("public_key", "certificate")


class World:
    """A running sandbox, a server that keeps what it is told, and clients of both modes."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession, folder: Path) -> None:
        self.sandbox = sandbox
        self.http = http
        self.folder = folder
        self.told: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()
        self.notify_url = ""
        self.account: dict[str, str] = {}

    async def post(self, path: str, value: dict[str, Any]) -> dict[str, Any]:
        async with self.http.post(self.sandbox.url + path, json=value) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def client(self, mode: str, key: rsa.RSAPrivateKey) -> WeChatPay:
        """A client of one mode; the certificate is laid where it looks first."""
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        wanted = {"channel": "wechat", "merchant_public_key": public.decode()}
        account = self.account = await self.post("/accounts", wanted)
        more: dict[str, Any] = {
            "public_key": account["platform_public_key"],
            "public_key_id": account["public_key_id"],
        }
        if mode == "certificate":
            self.folder.mkdir(exist_ok=True)
            pem = self.folder / f"{account['platform_serial']}.pem"
            pem.write_text(account["platform_certificate"], encoding="utf-8")
            more = {"cert_dir": str(self.folder)}
        client = WeChatPay(
            wechatpay_type=WeChatPayType.NATIVE,
            mchid=account["mchid"],
            private_key=private.decode(),
            cert_serial_no=account["merchant_serial"],
            appid=account["appid"],
            apiv3_key=account["apiv3_key"],
            notify_url=self.notify_url,
            **more,
        )
        client._core._gate_way = account["gateway_url"]
        return client

    async def notice(self) -> tuple[dict[str, str], bytes]:
        return await asyncio.wait_for(self.told.get(), NOTICE_WAIT_S)

    async def pay(self, code: str, behaviour: str = "pay") -> dict[str, Any]:
        return await self.post("/payer/pay", {"code": code, "behaviour": behaviour})


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


class ShiftedClock:
    """Business time: real time and what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def world(seeded: Path, tmp_path: Path, clock: ShiftedClock) -> AsyncIterator[World]:
    data = Path(shutil.copytree(seeded, tmp_path / "sandbox"))
    sandbox = Sandbox(data=data, clock=clock)
    await sandbox.start()
    async with aiohttp.ClientSession() as http:
        world = World(sandbox, http, tmp_path / "certificates")

        async def keep(request: web.Request) -> web.Response:
            world.told.put_nowait((dict(request.headers), await request.read()))
            return web.Response(status=204)

        application = web.Application()
        application.router.add_post("/notify", keep)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.notify_url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
        yield world
        await runner.cleanup()
    await sandbox.stop()


async def ask(method: Callable[..., tuple[int, str]], *args: Any, **fields: Any) -> Any:
    """(status, content) of a verified answer; the client is not asynchronous."""
    status, text = await asyncio.to_thread(method, *args, **fields)
    return status, json.loads(text) if text else None


@pytest.mark.parametrize("mode", MODES)
async def test_a_payment_from_code_to_refund(
    world: World, merchant_key: rsa.RSAPrivateKey, mode: str
) -> None:
    client = await world.client(mode, merchant_key)
    amount = {"total": 1234, "currency": "CNY"}
    status, made = await ask(client.pay, "一本书 “书”", "A-1", amount)
    assert status == 200 and made["code_url"].startswith("weixin://")
    status, found = await ask(client.query, out_trade_no="A-1")
    assert (status, found["trade_state"]) == (200, "NOTPAY")

    await world.pay(made["code_url"])
    status, found = await ask(client.query, out_trade_no="A-1")
    assert (found["trade_state"], found["amount"]["total"]) == ("SUCCESS", 1234)
    by_id = await ask(client.query, transaction_id=found["transaction_id"])
    assert by_id == (200, found)
    notice = client.callback(*await world.notice())
    assert notice["event_type"] == "TRANSACTION.SUCCESS"
    assert notice["resource"] == found

    refund = {"refund": 1000, "total": 1234, "currency": "CNY"}
    status, back = await ask(client.refund, "R-1", refund, out_trade_no="A-1", reason="坏了")
    assert (status, back["status"], back["amount"]["refund"]) == (200, "SUCCESS", 1000)
    assert await ask(client.query_refund, "R-1") == (200, back)
    notice = client.callback(*await world.notice())
    assert notice["event_type"] == "REFUND.SUCCESS"
    assert notice["resource"]["out_refund_no"] == "R-1"
    status, refused = await ask(client.refund, "R-2", refund, out_trade_no="A-1")
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("mode", MODES)
async def test_every_way_and_every_end(
    world: World, merchant_key: rsa.RSAPrivateKey, mode: str
) -> None:
    client = await world.client(mode, merchant_key)
    amount = {"total": 1}
    kinds = WeChatPayType
    jsapi = await ask(client.pay, "书", "A-1", amount, payer={"openid": "o1"}, pay_type=kinds.JSAPI)
    app = await ask(client.pay, "书", "A-2", amount, pay_type=kinds.APP)
    assert jsapi[1]["prepay_id"] != app[1]["prepay_id"]
    scene = {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}
    h5 = await ask(client.pay, "书", "A-3", amount, scene_info=scene, pay_type=kinds.H5)
    assert h5[1]["h5_url"].startswith("http")
    code = {"auth_code": "134567890123456789"}
    store = {"store_info": {"out_id": "S1"}}
    charged = await ask(
        client.pay, "书", "A-4", amount, payer=code, scene_info=store, pay_type=kinds.CODEPAY
    )
    assert (charged[0], charged[1]["trade_state"]) == (200, "SUCCESS")
    assert await ask(client.close, "A-1") == (204, None)
    assert (await ask(client.query, out_trade_no="A-1"))[1]["trade_state"] == "CLOSED"
    assert (await ask(client.close, "A-9"))[1]["code"] == "ORDER_NOT_EXIST"


@pytest.mark.parametrize("mode", MODES)
async def test_transfers(world: World, merchant_key: rsa.RSAPrivateKey, mode: str) -> None:
    client = await world.client(mode, merchant_key)
    reports = [{"info_type": "活动名称", "info_content": "新会员有礼"}]
    fields = {"user_name": "张三", "transfer_scene_report_infos": reports}
    status, made = await ask(
        client.mch_transfer_bills, "T1", "1000", "o1", 200_000, "货款", **fields
    )
    assert (status, made["state"]) == (200, "WAIT_USER_CONFIRM")
    await world.pay(made["package_info"])
    status, found = await ask(client.mch_transfer_bills_query, out_bill_no="T1")
    assert (status, found["state"]) == (200, "SUCCESS")
    notice = client.callback(*await world.notice())
    assert notice["event_type"] == "MCHTRANSFER.BILL.FINISHED"
    await ask(client.mch_transfer_bills, "T2", "1000", "o1", 50, "货款")
    status, cancelled = await ask(client.mch_transfer_bills_cancel, "T2")
    assert (status, cancelled["state"]) == (200, "CANCELLED")


@pytest.mark.parametrize("mode", MODES)
async def test_bills(
    world: World, merchant_key: rsa.RSAPrivateKey, clock: ShiftedClock, mode: str
) -> None:
    client = await world.client(mode, merchant_key)
    _, made = await ask(client.pay, "书", "A-1", {"total": 1234})
    await world.pay(made["code_url"])
    day = (clock() + timedelta(hours=8)).date().isoformat()
    clock.ahead = timedelta(days=2)
    for method in (client.trade_bill, client.fundflow_bill):
        status, said = await ask(method, day)
        assert (status, said["hash_type"]) == (200, "SHA1")
        status, packed = await asyncio.to_thread(client.download_bill, said["download_url"])
        plain = gzip.decompress(packed)
        assert hashlib.sha1(plain).hexdigest() == said["hash_value"]
        assert "`12.34" in plain.decode()


async def test_certificates_are_fetched_and_opened(
    world: World, merchant_key: rsa.RSAPrivateKey
) -> None:
    client = await world.client("certificate", merchant_key)
    client._core._certificates.clear()
    assert (await ask(client.query, out_trade_no="A-1"))[1]["code"] == "ORDER_NOT_EXIST"
    assert (await ask(client.pay, "书", "A-1", {"total": 1}))[0] == 200  # fetched for this one
    old = world.account["platform_serial"]
    new = (await world.post("/wechat/keys", {"rotate": 1}))["platform_serial"]
    assert (await ask(client.query, out_trade_no="A-1"))[0] == 200
    serials = {f"{each.serial_number:X}" for each in client._core._certificates}
    assert serials == {old, new}


@pytest.mark.parametrize("mode", MODES)
async def test_every_spoiled_notification_is_refused(
    world: World, merchant_key: rsa.RSAPrivateKey, mode: str
) -> None:
    client = await world.client(mode, merchant_key)
    _, made = await ask(client.pay, "书", "A-1", {"total": 1234})
    await world.pay(made["code_url"])
    headers, body = await world.notice()
    assert client.callback(headers, body)
    for at in range(0, len(body), 7):
        spoiled = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert not client.callback(headers, spoiled), at
    for name in ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature"):
        other = headers | {name: ("B" if headers[name][0] == "A" else "A") + headers[name][1:]}
        assert not client.callback(other, body), name


async def test_a_probe_and_a_false_signature_are_seen_by_the_client(
    world: World, merchant_key: rsa.RSAPrivateKey
) -> None:
    client = await world.client("public_key", merchant_key)
    _, made = await ask(client.pay, "书", "A-1", {"total": 4_440_006})
    await world.pay(made["code_url"])
    assert not client.callback(*await world.notice())
    await world.post(
        "/faults",
        {"channel": "wechat", "operation": "query", "fault": "bad_signature", "times": 1},
    )
    with pytest.raises(Exception, match="failed to verify the signature"):
        await ask(client.query, out_trade_no="A-1")
    assert (await ask(client.query, out_trade_no="A-1"))[0] == 200


async def test_the_clients_call_of_the_app_is_what_the_codec_signs(
    world: World, merchant_key: rsa.RSAPrivateKey
) -> None:
    client = await world.client("public_key", merchant_key)
    private = merchant_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    timestamp = int(time.time())
    fields = {"appid": "wx1", "timestamp": timestamp, "nonce": "n", "prepay_id": "wx2"}
    lines = ["wx1", str(timestamp), "n"]
    assert sign_jsapi(private, **fields) == client.sign([*lines, "prepay_id=wx2"])
    assert sign_app(private, **fields) == client.sign([*lines, "wx2"])
