"""The pretend Alipay, certified by a third-party client: python-alipay-sdk 3.4.0.

Its requests must be accepted, its verification of our answers must pass, and its
`AliPay.verify()` must accept our notifications and refuse every spoiled one. `AliPay` is of public
key mode, `DCAliPay` of certificate mode.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web
from alipay import AliPay, DCAliPay
from alipay.exceptions import AliPayException, AliPayValidationError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from gateway.sandbox import Sandbox

NOTICE_WAIT_S = 20


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


class World:
    """A running sandbox, a server that keeps what it is told, and SDK clients."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http
        self.told: asyncio.Queue[bytes] = asyncio.Queue()
        self.notify_url = ""

    async def post(self, path: str, value: dict[str, Any]) -> dict[str, Any]:
        async with self.http.post(self.sandbox.url + path, json=value) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def client(self) -> AliPay:
        private, public = pem_pair()
        account = await self.post("/accounts", {"channel": "alipay", "merchant_public_key": public})
        client = AliPay(
            appid=account["app_id"],
            app_notify_url=self.notify_url,
            app_private_key_string=private,
            alipay_public_key_string=account["alipay_public_key"],
        )
        client._gateway = account["gateway_url"]
        return client

    async def certified(self) -> DCAliPay:
        """A client of certificate mode, configured with the texts that the account was given."""
        private, public = pem_pair()
        account = await self.post("/accounts", {"channel": "alipay", "merchant_public_key": public})
        client = DCAliPay(
            appid=account["app_id"],
            app_notify_url=self.notify_url,
            app_private_key_string=private,
            app_public_key_cert_string=account["app_cert"],
            alipay_public_key_cert_string=account["alipay_cert"],
            alipay_root_cert_string=account["alipay_root_cert"],
        )
        client._gateway = account["gateway_url"]
        assert client.app_cert_sn == account["app_cert_sn"]
        assert client.alipay_root_cert_sn == account["alipay_root_cert_sn"]
        assert client.get_cert_sn(account["alipay_cert"]) == account["alipay_cert_sn"]
        return client

    async def pay(self, code: str, behaviour: str = "pay") -> str:
        played = await self.post("/payer/pay", {"code": code, "behaviour": behaviour})
        return str(played["result"])

    async def keep(self, request: web.Request) -> web.Response:
        self.told.put_nowait(await request.read())
        return web.Response(text="success")

    async def notice(self) -> dict[str, str]:
        body = await asyncio.wait_for(self.told.get(), NOTICE_WAIT_S)
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    sandbox = Sandbox(data=tmp_path / "data")
    await sandbox.start()
    async with aiohttp.ClientSession() as http:
        world = World(sandbox, http)
        application = web.Application()
        application.router.add_post("/notify", world.keep)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.notify_url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
        yield world
        await runner.cleanup()
    await sandbox.stop()


async def ask(call: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The SDK blocks, so it works in a thread; it raises unless our signature is right."""
    return await asyncio.to_thread(call, *args, **kwargs)


async def test_a_whole_payment_and_its_refunds(world: World) -> None:
    client = await world.client()
    subject = '书 & "quotes" /slashes\\ +%= 🙂'
    made = await ask(client.api_alipay_trade_precreate, subject, "A-1", "12.30")
    assert made["code"] == "10000"
    again = await ask(client.api_alipay_trade_precreate, subject, "A-1", 12.3)
    assert again["qr_code"] == made["qr_code"]
    early = await ask(client.api_alipay_trade_query, out_trade_no="A-1")
    assert early["sub_code"] == "ACQ.TRADE_NOT_EXIST"

    played = await world.post("/payer/pay", {"code": made["qr_code"]})
    paid = await ask(client.api_alipay_trade_query, trade_no=played["channel_order_no"])
    assert (paid["trade_status"], paid["total_amount"]) == ("TRADE_SUCCESS", "12.30")
    closed = await ask(client.api_alipay_trade_close, out_trade_no="A-1")
    assert closed["sub_code"] == "ACQ.TRADE_STATUS_ERROR"

    refund = client.api_alipay_trade_refund
    part = await ask(refund, "2.30", out_trade_no="A-1", out_request_no="R-1")
    assert (part["fund_change"], part["refund_fee"]) == ("Y", "2.30")
    repeat = await ask(refund, "2.30", out_trade_no="A-1", out_request_no="R-1")
    assert (repeat["fund_change"], repeat["refund_fee"]) == ("N", "2.30")
    over = await ask(refund, "10.01", out_trade_no="A-1", out_request_no="R-2")
    assert over["code"] == "40004"
    query = client.api_alipay_trade_fastpay_refund_query
    known = await ask(query, "R-1", out_trade_no="A-1")
    assert (known["refund_status"], known["refund_amount"]) == ("REFUND_SUCCESS", "2.30")
    assert "refund_status" not in await ask(query, "R-2", out_trade_no="A-1")

    for expected in ({}, {"refund_fee": "2.30", "out_biz_no": "R-1"}):
        notice = await world.notice()
        assert notice["subject"] == subject
        assert expected.items() <= notice.items()
        assert client.verify(notice, notice.pop("sign"))


async def test_close_and_cancel(world: World) -> None:
    client = await world.client()
    for number in ("A-1", "A-2", "A-3"):
        made = await ask(client.api_alipay_trade_precreate, "s", number, "1.00")
        behaviour = "pay" if number == "A-3" else "ignore"
        await world.post("/payer/pay", {"code": made["qr_code"], "behaviour": behaviour})
    assert (await ask(client.api_alipay_trade_close, "A-1"))["code"] == "10000"
    assert (await ask(client.api_alipay_trade_cancel, "A-2"))["action"] == "close"
    assert (await ask(client.api_alipay_trade_cancel, "A-3"))["action"] == "refund"
    states = [
        (await ask(client.api_alipay_trade_query, number))["trade_status"]
        for number in ("A-1", "A-2", "A-3")
    ]
    assert states == ["TRADE_CLOSED"] * 3


async def test_every_spoiled_notification_is_refused(world: World) -> None:
    client = await world.client()
    made = await ask(client.api_alipay_trade_precreate, "书", "A-1", "12.30", passback_params="p")
    await world.post("/payer/pay", {"code": made["qr_code"]})
    notice = await world.notice()
    sign = notice.pop("sign")
    assert client.verify(dict(notice), sign)
    signed = [name for name in notice if name != "sign_type"]
    assert len(signed) >= 20
    for name in signed:
        flipped = chr(ord(notice[name][0]) ^ 1) + notice[name][1:]
        assert not client.verify(notice | {name: flipped}, sign), name
        without = {k: v for k, v in notice.items() if k != name}
        assert not client.verify(without, sign), name
    assert not client.verify(notice | {"refund_fee": "1.00"}, sign)
    assert not client.verify(dict(notice), ("B" if sign[0] == "A" else "A") + sign[1:])


async def test_another_sandboxs_signature_is_refused(world: World) -> None:
    client = await world.client()
    stranger = AliPay(
        appid=client.appid,
        app_private_key_string=client._app_private_key_string,
        alipay_public_key_string=pem_pair()[1],
    )
    stranger._gateway = client._gateway
    with pytest.raises(AliPayValidationError):
        await ask(stranger.api_alipay_trade_query, "A-1")


async def test_a_false_signature_is_seen_by_the_client(world: World) -> None:
    client = await world.client()
    await world.post(
        "/faults",
        {"channel": "alipay", "operation": "query", "fault": "bad_signature", "times": 1},
    )
    with pytest.raises(AliPayValidationError):
        await ask(client.api_alipay_trade_query, "A-1")
    assert (await ask(client.api_alipay_trade_query, "A-1"))["code"] == "40004"


async def test_the_client_meets_unsigned_refusals(world: World) -> None:
    client = await world.client()
    client._app_private_key_string = pem_pair()[0]
    client._load_key()
    with pytest.raises(AliPayException, match=r"isv\.invalid-signature"):
        await ask(client.api_alipay_trade_query, "A-1")
    client._appid = "2021000000000000"
    with pytest.raises(AliPayException, match=r"isv\.invalid-app-id"):
        await ask(client.api_alipay_trade_query, "A-1")
    client._sign_type = "RSA"
    with pytest.raises(AliPayException):
        await ask(client.api_alipay_trade_query, "A-1")


AUTH_CODE = "28763443825664391"


@pytest.mark.parametrize("mode", ["client", "certified"])
async def test_pages_and_order_strings(world: World, mode: str) -> None:
    client = await getattr(world, mode)()
    back = "https://shop.example/back?x=1"
    made = {
        "A-1": client.api_alipay_trade_page_pay("书", "A-1", "12.30", return_url=back),
        "A-2": client.api_alipay_trade_wap_pay("书", "A-2", "12.30", return_url=back),
    }
    for number, query in made.items():
        url = f"{client._gateway}?{query}"
        async with world.http.get(URL(url, encoded=True), allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            location = world.sandbox.url + response.headers["Location"]
        assert await world.pay(url) == "paid"
        async with world.http.get(location) as response:
            link = (await response.text()).split('href="')[1].split('"')[0].replace("&amp;", "&")
        returned = dict(parse_qsl(urlsplit(link).query))
        assert returned.pop("x") == "1"
        if mode == "client":
            assert client.verify(returned, returned.pop("sign"))
        paid = await ask(client.api_alipay_trade_query, number)
        assert paid["trade_status"] == "TRADE_SUCCESS"
    string = client.api_alipay_trade_app_pay("书", "A-3", "12.30")
    assert await world.pay(string, "ignore") == "ignored"
    assert await world.pay("A-3") == "paid"
    for number in ("A-1", "A-2", "A-3"):
        notice = await world.notice()
        assert notice["out_trade_no"] == number
        assert ("alipay_cert_sn" in notice) == (mode == "certified")
        assert client.verify(notice, notice.pop("sign"))


@pytest.mark.parametrize("mode", ["client", "certified"])
async def test_a_payers_code(world: World, mode: str) -> None:
    client = await getattr(world, mode)()
    pay = client.api_alipay_trade_pay
    paid = await ask(pay, "A-1", "bar_code", AUTH_CODE, "书", total_amount="12.30")
    assert (paid["code"], paid["total_amount"]) == ("10000", "12.30")
    slow = AUTH_CODE[:-4] + "0003"
    waits = await ask(pay, "A-2", "bar_code", slow, "书", total_amount="12.30")
    assert waits["code"] == "10003"
    state = await ask(client.api_alipay_trade_query, "A-2")
    assert state["trade_status"] == "WAIT_BUYER_PAY"
    assert await world.pay(slow) == "paid"
    cancelled = await ask(client.api_alipay_trade_cancel, "A-2")
    assert (cancelled["retry_flag"], cancelled["action"]) == ("N", "refund")


@pytest.mark.parametrize("mode", ["client", "certified"])
async def test_a_hold_is_given_captured_and_let_go(world: World, mode: str) -> None:
    client = await getattr(world, mode)()
    call = client.server_api
    names = {"out_order_no": "A-1", "out_request_no": "A-1"}
    wanted = {"order_title": "押金", "amount": "12.34", "product_code": "PREAUTH_PAY"}
    frozen = await ask(
        call,
        "alipay.fund.auth.order.freeze",
        names | wanted | {"auth_code": AUTH_CODE, "auth_code_type": "bar_code"},
        notify_url=world.notify_url,
    )
    assert (frozen["code"], frozen["status"]) == ("10000", "SUCCESS")
    notice = await world.notice()
    assert (notice["notify_type"], notice["rest_amount"]) == ("fund_auth_freeze", "12.34")
    assert client.verify(notice, notice.pop("sign"))
    capture = {
        "out_trade_no": "C-1",
        "auth_no": frozen["auth_no"],
        "auth_confirm_mode": "COMPLETE",
        "total_amount": "10.00",
        "subject": "房费",
        "product_code": "PREAUTH_PAY",
    }
    assert (await ask(call, "alipay.trade.pay", capture))["total_amount"] == "10.00"
    held = await ask(call, "alipay.fund.auth.operation.detail.query", names)
    assert (held["order_status"], held["total_pay_amount"]) == ("FINISH", "10.00")


async def test_transfers_in_certificate_mode(world: World) -> None:
    client = await world.certified()
    send = client.api_alipay_fund_trans_uni_transfer
    sent = await ask(send, "T-1", "ALIPAY_USER_ID", "2088102146225135", "1.00")
    assert (sent["code"], sent["status"]) == ("10000", "SUCCESS")
    again = await ask(send, "T-1", "ALIPAY_USER_ID", "2088102146225135", "1.00")
    assert again["order_id"] == sent["order_id"]
    other = await ask(send, "T-1", "ALIPAY_USER_ID", "2088102146225135", "2.00")
    assert other["sub_code"] == "PAYMENT_INFO_INCONSISTENCY"
    low = await ask(send, "T-2", "ALIPAY_USER_ID", "2088102146225135", "0.09")
    assert low["sub_code"] == "EXCEED_LIMIT_SM_MIN_AMOUNT"
    unnamed = await ask(send, "T-3", "ALIPAY_LOGON_ID", "a@b.example", "1.00")
    assert unnamed["sub_code"] == "INVALID_PARAMETER"
    named = await ask(send, "T-3", "ALIPAY_LOGON_ID", "a@b.example", "1.00", name="张三")
    assert named["status"] == "SUCCESS"
    asked = {
        "out_biz_no": "T-1",
        "product_code": "TRANS_ACCOUNT_NO_PWD",
        "biz_scene": "DIRECT_TRANSFER",
    }
    found = await ask(client.server_api, "alipay.fund.trans.common.query", asked)
    assert (found["status"], found["trans_amount"]) == ("SUCCESS", "1.00")


async def test_a_certificate_is_downloaded_and_another_ones_is_not_taken(world: World) -> None:
    client = await world.certified()
    own = client.get_cert_sn(client._alipay_public_key_cert_string)
    query = client.api_alipay_open_app_alipaycert_download(own)
    async with world.http.get(URL(f"{client._gateway}?{query}", encoded=True)) as response:
        text = await response.text()
    node = client._verify_and_return_sync_response(
        text, "alipay_open_app_alipaycert_download_response"
    )
    downloaded = base64.b64decode(node["alipay_cert_content"]).decode()
    assert downloaded == client._alipay_public_key_cert_string

    client._app_cert_sn = "0" * 32
    with pytest.raises(AliPayException, match="app_cert_sn"):
        await ask(client.api_alipay_trade_query, "A-1")
    client._app_cert_sn = client.get_cert_sn(client._app_public_key_cert_string)
    client._alipay_root_cert_sn = "0" * 32
    with pytest.raises(AliPayException, match="alipay_root_cert_sn"):
        await ask(client.api_alipay_trade_query, "A-1")


async def test_a_renewed_certificate_is_not_verified_by_the_old_one(world: World) -> None:
    client = await world.certified()
    assert (await ask(client.api_alipay_trade_query, "A-1"))["code"] == "40004"
    await world.post("/alipay/certificate", {})
    with pytest.raises(AliPayValidationError):
        await ask(client.api_alipay_trade_query, "A-1")
    assert (await ask((await world.certified()).api_alipay_trade_query, "A-1"))["code"] == "40004"
