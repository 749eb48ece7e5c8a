"""The pretend wallet service: strict with signatures, exact with money, one effect per number."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import aiohttp
import pytest

from gateway.sandbox.balance import magic
from tests.sandbox.conftest import pem_of


def mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


class Shop:
    """A client of the service that signs and verifies on its own."""

    def __init__(self, account: dict[str, Any], http: Any, control: Any) -> None:
        self.account = account
        self.key = base64.b64decode(account["service_key"])
        self.http = http
        self.control = control

    def header(self, method: str, target: str, body: bytes, **changes: str) -> str:
        said = {
            "client": self.account["client_id"],
            "ts": str(int(time.time())),
            "nonce": secrets.token_hex(16),
        } | changes
        message = f"WALLET1 request\n{method}\n{target}\n{said['ts']}\n{said['nonce']}\n".encode()
        said.setdefault("sig", mac(self.key, message + body + b"\n"))
        pairs = ",".join(f'{name}="{said[name]}"' for name in ("client", "ts", "nonce", "sig"))
        return f"WALLET1-HMAC-SHA256 {pairs}"

    async def raw(self, method: str, path: str, value: Any = None, **changes: str) -> Any:
        """(status, signed or not, value)"""
        body = b"" if value is None else json.dumps(value).encode()
        header = changes.pop("authorization", None) or self.header(
            method, "/balance" + path, body, **changes
        )
        url = self.account["gateway_url"] + path
        headers = {"Authorization": header}
        async with self.http.request(method, url, data=body or None, headers=headers) as answer:
            text = await answer.read()
            said = answer.headers.get("Wallet-Signature", "")
            ts = said[4:14]
            right = mac(
                self.key, f"WALLET1 answer\n{answer.status}\n{ts}\n".encode() + text + b"\n"
            )
            return answer.status, said == f'ts="{ts}",sig="{right}"', json.loads(text)

    async def call(self, method: str, path: str, value: Any = None) -> tuple[int, Any]:
        status, is_signed, answer = await self.raw(method, path, value)
        assert is_signed
        return status, answer

    async def wallet(self, balance: int = 1_000, **more: Any) -> str:
        status, made = await self.control("POST", "/balance/wallets", {"balance": balance} | more)
        assert status == 200
        return made["wallet_id"]

    async def money(self, wallet_id: str) -> tuple[int, int]:
        _, wallet = await self.control("GET", f"/balance/wallets/{wallet_id}")
        return wallet["available"], wallet["held"]

    async def debit(
        self, wallet_id: str, number: str = "d1", amount: int = 400, **more: Any
    ) -> Any:
        body = {
            "number": number,
            "wallet_id": wallet_id,
            "amount": amount,
            "currency": "CNY",
            "subject": "茶",
            "hold": False,
        }
        return await self.call("POST", "/v1/debits", body | more)


@pytest.fixture
async def shop(control: Any, merchant_key: Any, http: Any) -> Shop:
    wanted = {"channel": "balance", "merchant_public_key": pem_of(merchant_key)}
    status, account = await control("POST", "/accounts", wanted)
    assert status == 200
    assert await control("POST", "/accounts", wanted) == (200, account)
    return Shop(account, http, control)


async def test_a_debit_takes_once_and_gives_back_no_more_than_it_took(shop: Shop) -> None:
    wallet = await shop.wallet()
    status, first = await shop.debit(wallet)
    assert (status, first["status"], first["captured"]) == (200, "done", 400)
    assert (first["operation"], first["number"]) == ("debit", "d1")
    assert await shop.debit(wallet) == (200, first)
    assert await shop.call("GET", "/v1/debits/d1") == (200, first)
    assert (await shop.debit(wallet, amount=401))[1]["code"] == "number_conflict"
    assert await shop.money(wallet) == (600, 0)
    credit = {"number": "c1", "debit": "d1", "amount": 300, "currency": "CNY"}
    status, given = await shop.call("POST", "/v1/credits", credit)
    assert (status, given["operation"], given["debit"]) == (200, "credit", "d1")
    assert await shop.call("POST", "/v1/credits", credit) == (200, given)
    assert await shop.call("GET", "/v1/credits/c1") == (200, given)
    over = await shop.call("POST", "/v1/credits", credit | {"number": "c2", "amount": 101})
    assert (over[0], over[1]["code"]) == (422, "credit_exceeds")
    assert await shop.money(wallet) == (900, 0)
    _, book = await shop.control("GET", "/book/balance")
    assert [(o["out_trade_no"], o["status"], o["refunded"]) for o in book["orders"]] == [
        ("d1", "paid", 300)
    ]
    assert [r["amount"] for r in book["refunds"]] == [300]


async def test_refusals_of_debits(shop: Shop) -> None:
    wallet = await shop.wallet()
    for code, refused in (
        ("funds_short", await shop.debit(wallet, amount=1_001)),
        ("funds_short", await shop.debit(wallet, amount=magic.FUNDS_SHORT_FEN)),
        ("wallet_unknown", await shop.debit("w0")),
        ("wallet_frozen", await shop.debit(await shop.wallet(status="frozen"))),
        ("wallet_closed", await shop.debit(await shop.wallet(status="closed"))),
        ("currency_mismatch", await shop.debit(wallet, currency="EUR")),
        ("amount_limit", await shop.debit(wallet, amount=0)),
        ("malformed", await shop.debit(wallet, amount="1")),
        ("malformed", await shop.debit(wallet, hold=1)),
        ("malformed", await shop.debit(wallet, colour="red")),
        ("malformed", await shop.debit(wallet, number="a b")),
    ):
        assert refused[1]["code"] == code and refused[0] in (400, 422)
    assert await shop.money(wallet) == (1_000, 0)
    missing = await shop.call("GET", "/v1/debits/d1")
    assert (missing[0], missing[1]["code"]) == (404, "not_found")


async def test_a_closed_number_takes_nothing_any_more(shop: Shop) -> None:
    wallet = await shop.wallet()
    assert (await shop.call("POST", "/v1/debits/d1/close"))[1]["status"] == "closed"
    assert (await shop.debit(wallet))[1]["status"] == "closed"
    assert await shop.money(wallet) == (1_000, 0)
    await shop.debit(wallet, "d2")
    assert (await shop.call("POST", "/v1/debits/d2/close"))[1]["status"] == "done"
    assert (await shop.call("POST", "/v1/debits/d2/reverse"))[1]["status"] == "reversed"
    assert (await shop.call("POST", "/v1/debits/d2/reverse"))[1]["status"] == "reversed"
    assert (await shop.debit(wallet, "d2"))[1]["status"] == "reversed"
    assert (await shop.call("POST", "/v1/debits/d3/reverse"))[1]["status"] == "closed"
    assert await shop.money(wallet) == (1_000, 0)


async def test_holds_are_captured_in_parts_and_let_go(shop: Shop) -> None:
    wallet = await shop.wallet()
    _, held = await shop.debit(wallet, hold=True)
    assert (held["status"], held["captured"]) == ("held", 0) and held["until"]
    assert await shop.money(wallet) == (600, 400)
    part = {"number": "p1", "amount": 150, "currency": "CNY", "final": False}
    _, taken = await shop.call("POST", "/v1/debits/d1/captures", part)
    assert (taken["operation"], taken["amount"]) == ("capture", 150)
    assert (await shop.call("POST", "/v1/debits/d1/captures", part))[1] == taken
    over = part | {"number": "p2", "amount": 251}
    assert (await shop.call("POST", "/v1/debits/d1/captures", over))[1]["code"] == "capture_exceeds"
    last = part | {"number": "p3", "amount": 100, "final": True}
    await shop.call("POST", "/v1/debits/d1/captures", last)
    assert await shop.money(wallet) == (750, 0)
    assert (await shop.call("GET", "/v1/debits/d1"))[1]["status"] == "done"
    late = part | {"number": "p4", "amount": 1}
    assert (await shop.call("POST", "/v1/debits/d1/captures", late))[1]["code"] == "hold_over"
    await shop.debit(wallet, "d2", hold=True)
    assert (await shop.call("POST", "/v1/debits/d2/void"))[1]["status"] == "closed"
    assert await shop.money(wallet) == (750, 0)
    assert (await shop.call("GET", "/v1/captures/p1"))[1] == taken
    assert (await shop.call("GET", "/v1/captures/p9"))[0] == 404


async def test_who_is_not_proved_learns_nothing(shop: Shop) -> None:
    wallet = await shop.wallet()
    await shop.debit(wallet)
    stale = str(int(time.time()) - 301)
    for changes in (
        {"sig": mac(shop.key, b"x")},
        {"client": "nobody"},
        {"ts": stale},
        {"nonce": "short"},
        {"authorization": "Bearer x"},
        {"authorization": shop.header("GET", "/balance/v1/debits/d2", b"")},
        {"authorization": shop.header("GET", "/balance/v1/debits/d1", b"") + ',x="y"'},
    ):
        status, is_signed, said = await shop.raw("GET", "/v1/debits/d1", **changes)
        assert (status, is_signed, said) == (401, False, {"code": "unauthenticated"}), changes


async def test_faults_and_magic_amounts(shop: Shop, control: Any) -> None:
    wallet = await shop.wallet(10**9)

    async def arm(operation: str, fault: str) -> None:
        body = {"channel": "balance", "operation": operation, "fault": fault}
        assert (await control("POST", "/faults", body))[0] == 200

    await arm("debit", "error")
    assert (await shop.debit(wallet))[1]["code"] == "busy"
    assert (await shop.call("GET", "/v1/debits/d1"))[0] == 404
    await arm("debit", "wrong_amount")
    assert (await shop.debit(wallet))[1]["amount"] == 401
    await arm("query", "bad_signature")
    assert (await shop.raw("GET", "/v1/debits/d1"))[1] is False
    assert (await shop.call("GET", "/v1/debits/d1"))[1]["amount"] == 400
    await arm("credit", "drop_after_effect")
    credit = {"number": "c1", "debit": "d1", "amount": 400, "currency": "CNY"}
    with pytest.raises(aiohttp.ClientError):
        await shop.call("POST", "/v1/credits", credit)
    assert (await shop.call("GET", "/v1/credits/c1"))[0] == 200
    with pytest.raises(aiohttp.ClientError):
        await shop.debit(wallet, "d2", magic.CUT_FEN)
    assert (await shop.debit(wallet, "d2", magic.CUT_FEN))[1]["status"] == "done"
    body = {
        "number": "d3",
        "wallet_id": wallet,
        "amount": magic.FALSE_FEN,
        "currency": "CNY",
        "subject": "x",
        "hold": False,
    }
    assert (await shop.raw("POST", "/v1/debits", body))[1] is False
    assert (await shop.raw("POST", "/v1/debits", body))[1] is True


async def test_wallets_are_made_strictly(shop: Shop, control: Any) -> None:
    for body in ({"balance": -1}, {"balance": 1, "currency": "cny"}, {"balance": 1, "x": 1}):
        assert (await control("POST", "/balance/wallets", body))[0] == 400
    assert (await control("GET", "/balance/wallets/w0"))[0] == 404
    assert (await control("POST", "/payer/pay", {"code": "w0", "amount": 1}))[0] == 404
