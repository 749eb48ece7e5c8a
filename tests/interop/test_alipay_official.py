"""The pretend Alipay, certified by Alipay's own client: alipay-sdk-python 3.7 (public key mode).

Its requests are built from its own models and must be accepted; it verifies every answer that it
hands on. It knows no certificate mode, which python-alipay-sdk certifies (`test_alipay_sdk`).
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "build/interop/alipay-sdk-python"
DRIVER = ROOT / "tests/interop/alipay_official.py"
ANSWER_WAIT_S = 60
AUTH_CODE = "28763443825664391"


class Client:
    """The client's process, and the sandbox's controls."""

    def __init__(self, process: asyncio.subprocess.Process, http: aiohttp.ClientSession) -> None:
        self.process = process
        self.http = http
        self.sandbox_url = ""

    async def line(self, asked: dict[str, Any]) -> dict[str, str]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        found = await asyncio.wait_for(self.process.stdout.readline(), ANSWER_WAIT_S)
        assert found, "the client's process has ended"
        return dict(json.loads(found))

    async def text(self, interface: str, content: dict[str, Any], mode: str, **beside: str) -> str:
        asked = {"interface": interface, "content": content, "mode": mode, **beside}
        found = await self.line(asked)
        assert "text" in found, found
        return found["text"]

    async def ask(self, interface: str, content: dict[str, Any]) -> dict[str, Any]:
        return dict(json.loads(await self.text(interface, content, "execute")))

    async def post(self, path: str, value: Any) -> dict[str, Any]:
        async with self.http.post(self.sandbox_url + path, json=value) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def pay(self, code: str, behaviour: str = "pay") -> str:
        played = await self.post("/payer/pay", {"code": code, "behaviour": behaviour})
        return str(played["result"])


def bare(pem: bytes) -> str:
    """The base64 body of a PEM, as the client wants keys."""
    return base64.b64encode(base64.b64decode(b"".join(pem.splitlines()[1:-1]))).decode()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    assert (CLIENT / ".installed").exists(), f"make {CLIENT.relative_to(ROOT)}/.installed"
    sandbox = Sandbox(data=tmp_path / "data")
    await sandbox.start()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(DRIVER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1"},
        limit=1 << 20,
    )
    async with aiohttp.ClientSession() as http:
        client = Client(process, http)
        client.sandbox_url = sandbox.url
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        opened = await client.post(
            "/accounts", {"channel": "alipay", "merchant_public_key": public.decode()}
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        settings = {
            "gateway_url": opened["gateway_url"],
            "app_id": opened["app_id"],
            "private_key": bare(private),
            "alipay_public_key": bare(opened["alipay_public_key"].encode()),
        }
        assert await client.line({"configure": settings}) == {"text": "configured"}
        yield client
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
    await sandbox.stop()


ORDER = {"out_trade_no": "A_1", "total_amount": "12.34", "subject": '书 & "q" /s\\ +%= 🙂'}


async def test_a_code_is_paid_and_refunded(client: Client) -> None:
    product = {"product_code": "QR_CODE_OFFLINE"}
    made = await client.ask("alipay.trade.precreate", ORDER | product)
    assert made["code"] == "10000"
    early = await client.ask("alipay.trade.query", {"out_trade_no": "A_1"})
    assert early["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert await client.pay(made["qr_code"]) == "paid"
    paid = await client.ask("alipay.trade.query", {"out_trade_no": "A_1"})
    assert (paid["trade_status"], paid["total_amount"]) == ("TRADE_SUCCESS", "12.34")
    refund = {"out_trade_no": "A_1", "refund_amount": "2.34", "out_request_no": "R_1"}
    assert (await client.ask("alipay.trade.refund", refund))["fund_change"] == "Y"
    query = {"out_trade_no": "A_1", "out_request_no": "R_1"}
    found = await client.ask("alipay.trade.fastpay.refund.query", query)
    assert found["refund_status"] == "REFUND_SUCCESS"
    closed = await client.ask("alipay.trade.close", {"out_trade_no": "A_1"})
    assert closed["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


async def test_pages_and_order_strings(client: Client) -> None:
    for number, (interface, product_code, mode) in enumerate(
        [
            ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY", "page"),
            ("alipay.trade.wap.pay", "QUICK_WAP_PAY", "page"),
            ("alipay.trade.app.pay", "QUICK_MSECURITY_PAY", "sdk"),
        ]
    ):
        order = ORDER | {"out_trade_no": f"A_{number}", "product_code": product_code}
        back = {"return_url": "https://shop.example/back?x=1"} if mode == "page" else {}
        text = await client.text(interface, order, mode, **back)
        assert await client.pay(text) == "paid", interface
        paid = await client.ask("alipay.trade.query", {"out_trade_no": f"A_{number}"})
        assert paid["trade_status"] == "TRADE_SUCCESS"


async def test_a_payers_code(client: Client) -> None:
    order = ORDER | {"scene": "bar_code", "product_code": "FACE_TO_FACE_PAYMENT"}
    paid = await client.ask("alipay.trade.pay", order | {"auth_code": AUTH_CODE})
    assert (paid["code"], paid["total_amount"]) == ("10000", "12.34")
    waiting = order | {"out_trade_no": "A_2", "auth_code": AUTH_CODE[:-4] + "0003"}
    assert (await client.ask("alipay.trade.pay", waiting))["code"] == "10003"
    cancelled = await client.ask("alipay.trade.cancel", {"out_trade_no": "A_2"})
    assert (cancelled["retry_flag"], cancelled["action"]) == ("N", "close")


async def test_a_hold_is_given_captured_and_let_go(client: Client) -> None:
    names = {"out_order_no": "A_1", "out_request_no": "A_1"}
    voucher = await client.ask(
        "alipay.fund.auth.order.voucher.create",
        names | {"order_title": "押金", "amount": "12.34", "product_code": "PREAUTH_PAY"},
    )
    assert await client.pay(voucher["code_value"]) == "paid"
    held = await client.ask("alipay.fund.auth.operation.detail.query", names)
    assert (held["status"], held["order_status"], held["rest_amount"]) == (
        "SUCCESS",
        "AUTHORIZED",
        "12.34",
    )
    capture = {
        "out_trade_no": "C_1",
        "auth_no": held["auth_no"],
        "auth_confirm_mode": "NOT_COMPLETE",
        "total_amount": "10.00",
        "subject": "房费",
        "product_code": "PREAUTH_PAY",
    }
    assert (await client.ask("alipay.trade.pay", capture))["total_amount"] == "10.00"
    release = {
        "auth_no": held["auth_no"],
        "out_request_no": "V_1",
        "amount": "2.34",
        "remark": "x",
    }
    released = await client.ask("alipay.fund.auth.order.unfreeze", release)
    assert released["status"] == "SUCCESS"
    held = await client.ask("alipay.fund.auth.operation.detail.query", names)
    assert (held["order_status"], held["rest_amount"]) == ("FINISH", "0.00")
    other = {"out_order_no": "A_2", "out_request_no": "A_2"}
    frozen = await client.ask(
        "alipay.fund.auth.order.freeze",
        other
        | {
            "order_title": "押金",
            "amount": "1.00",
            "product_code": "PREAUTH_PAY",
            "auth_code": AUTH_CODE,
            "auth_code_type": "bar_code",
        },
    )
    assert (frozen["code"], frozen["status"]) == ("10000", "SUCCESS")
    cancelled = await client.ask("alipay.fund.auth.operation.cancel", other | {"remark": "x"})
    assert cancelled["action"] == "unfreeze"


async def test_what_needs_certificates_is_refused_signed(client: Client) -> None:
    transfer = {
        "out_biz_no": "T_1",
        "trans_amount": "1.00",
        "product_code": "TRANS_ACCOUNT_NO_PWD",
        "biz_scene": "DIRECT_TRANSFER",
        "payee_info": {"identity": "2088102146225135", "identity_type": "ALIPAY_USER_ID"},
    }
    refused = await client.ask("alipay.fund.trans.uni.transfer", transfer)
    assert (refused["code"], refused["sub_code"]) == ("40006", "isv.insufficient-isv-permissions")


async def test_a_day_without_movements_has_no_bill(client: Client) -> None:
    asked = {"bill_type": "trade", "bill_date": "2026-01-01"}
    found = await client.ask("alipay.data.dataservice.bill.downloadurl.query", asked)
    assert found["sub_code"] == "isp.bill_not_exist"


async def test_a_false_signature_is_seen_by_the_client(client: Client) -> None:
    fault = {"channel": "alipay", "operation": "query", "fault": "bad_signature", "times": 1}
    await client.post("/faults", fault)
    asked = {"interface": "alipay.trade.query", "content": {"out_trade_no": "A_1"}}
    found = await client.line(asked | {"mode": "execute"})
    assert "sign verify failed" in found["error"]
    assert "text" in await client.line(asked | {"mode": "execute"})
