"""The doors of the pretend WeChat Pay: who is let in, what is refused, and how faults look."""

import asyncio
import base64
import time
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes

PAY = "/v3/pay/transactions"
CERTIFICATES = "/v3/certificates"


@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("body", ['{"mchid": "%s"}', '{"mchid":"%s","x":"\\u4e66"}'])
async def test_the_signature_is_over_what_was_sent(shop: Any, mounted: bool, body: str) -> None:
    await shop.native("A-1")
    content = (body % shop.account["mchid"]).encode()
    path = f"{PAY}/out-trade-no/A-1/close"
    answer = await shop.send("POST", path, content, mounted=mounted)
    assert (answer.status, answer.right) == (204, True)


UNPROVED: list[dict[str, str]] = [
    {"mchid": "1900000000"},
    {"serial_no": "AB12"},
    {"signature": "AAAA"},
    {"signature": "no base64"},
    {"signature": ""},
    {"signature": "A" * 1_401},
    {"timestamp": "1700000000"},
    {"timestamp": "soon"},
    {"nonce_str": "short"},
    {"other": "part"},
]


@pytest.mark.parametrize("parts", UNPROVED)
async def test_an_unproved_sender_is_refused_without_a_signature(
    shop: Any, ledger: Any, parts: dict[str, str]
) -> None:
    answer = await shop.send("POST", f"{PAY}/native", shop.order("A-1"), **parts)
    assert (answer.status, answer.json["code"], answer.right) == (401, "SIGN_ERROR", None)
    assert (await ledger())["orders"] == []


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer x",
        "WECHATPAY2-SM2-WITH-SM3 a",
        "WECHATPAY2-SHA256-RSA2048",
        'WECHATPAY2-SHA256-RSA2048 mchid="1",mchid="1"',
        "WECHATPAY2-SHA256-RSA2048 mchid=1",
    ],
)
async def test_a_header_that_is_none(shop: Any, header: str | None) -> None:
    answer = await shop.send("GET", CERTIFICATES, headers={"Authorization": header})
    assert (answer.status, answer.right) == (401, None)


async def test_the_parts_may_come_in_any_order_with_spaces(shop: Any) -> None:
    header = shop.authorization("GET", f"/wechat{CERTIFICATES}", b"")
    scheme, _, rest = header.partition(" ")
    turned = f"{scheme} " + " , ".join(reversed(rest.split(",")))
    answer = await shop.send("GET", CERTIFICATES, headers={"Authorization": turned})
    assert (answer.status, answer.right) == (200, True)


@pytest.mark.parametrize("offset_s", [-299, 299, -301, 301])
async def test_a_request_is_good_for_five_minutes(shop: Any, clock: Any, offset_s: int) -> None:
    clock.advance(days=30)  # business time is another thing
    timestamp = str(int(time.time()) + offset_s)
    answer = await shop.send("GET", CERTIFICATES, timestamp=timestamp)
    assert answer.status == (200 if abs(offset_s) < 300 else 401)


async def test_one_changed_byte_breaks_the_signature(shop: Any) -> None:
    path = f"{PAY}/out-trade-no/A-1"
    query = f"{path}?mchid={shop.account['mchid']}"
    good = shop.authorization("GET", f"/wechat{query}", b"")
    for other in (f"{path}0?mchid={shop.account['mchid']}", f"{query}0", f"{query}&a=b", path):
        answer = await shop.send("GET", other, headers={"Authorization": good})
        assert (answer.status, answer.right) == (401, None)
    close = f"{path}/close"
    header = shop.authorization("POST", f"/wechat{close}", b'{"mchid":"1"}')
    answer = await shop.send("POST", close, b'{"mchid":"2"}', headers={"Authorization": header})
    assert answer.status == 401
    answer = await shop.send("POST", query, headers={"Authorization": good})
    assert answer.status == 405


async def test_sha1_and_another_merchants_key_are_no_signature(
    shop: Any, sandbox: Any, wechat_enrol: Any, stranger_key: Any
) -> None:
    head = f"GET\n/wechat{CERTIFICATES}\n{int(time.time())}\nnoncenonce\n\n"
    sha1 = shop.sign(head.encode(), hashes.SHA1())
    now = str(int(time.time()))
    answer = await shop.send(
        "GET", CERTIFICATES, timestamp=now, nonce_str="noncenonce", signature=sha1
    )
    assert answer.status == 401
    other = await wechat_enrol(sandbox.url, stranger_key)
    assert other.account["mchid"] != shop.account["mchid"]
    theirs = {name: shop.account[name] for name in ("mchid",)}
    serial = shop.account["merchant_serial"]
    answer = await other.send("GET", CERTIFICATES, serial_no=serial, **theirs)
    assert answer.status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": None},
        {"Accept": None},
        {"Accept": "text/html"},
        {"Content-Type": None},
        {"Content-Type": "text/plain"},
    ],
)
async def test_every_request_says_what_it_is(shop: Any, headers: dict) -> None:
    answer = await shop.send("POST", f"{PAY}/native", shop.order("A-1"), headers=headers)
    assert (answer.status, answer.json["code"], answer.right) == (400, "PARAM_ERROR", True)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"a":NaN}',
        b'{"a":1.0}',
        b'{"a":1,"a":2}',
        b'{"a":"\\ud800"}',
        b"[" * 20_000,
        b"",
    ],
)
async def test_a_body_that_is_no_object(shop: Any, body: bytes) -> None:
    answer = await shop.send("POST", f"{PAY}/native", body)
    assert (answer.status, answer.json["code"], answer.right) == (400, "PARAM_ERROR", True)


async def test_an_unknown_door(shop: Any) -> None:
    assert (await shop.send("GET", "/v3/none")).status == 404


# --- faults -------------------------------------------------------------------------------------


async def test_timeout_has_no_effect(shop: Any, spoil: Any, ledger: Any) -> None:
    await spoil("native", "timeout")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await shop.native("A-1")
    assert (await ledger())["orders"] == []
    await shop.native("A-1")


async def test_drop_after_effect_has_one(shop: Any, spoil: Any, ledger: Any) -> None:
    await spoil("native", "drop_after_effect")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.native("A-1")
    assert len((await ledger())["orders"]) == 1
    assert (await shop.query("A-1"))["trade_state"] == "NOTPAY"


async def test_error_is_signed_and_without_effect(shop: Any, spoil: Any, ledger: Any) -> None:
    await spoil("native", "error")
    found = await shop.code("POST", f"{PAY}/native", shop.order("A-1"))
    assert found == (500, "SYSTEM_ERROR")
    assert (await ledger())["orders"] == []


async def test_delay_takes_effect_later(shop: Any, spoil: Any) -> None:
    await spoil("native", "delay", delay_ms=1)
    assert await shop.native("A-1")


async def test_bad_signature_takes_effect(shop: Any, spoil: Any, ledger: Any) -> None:
    await spoil("native", "bad_signature")
    answer = await shop.send("POST", f"{PAY}/native", shop.order("A-1"))
    assert (answer.status, answer.right) == (200, False)
    assert len((await ledger())["orders"]) == 1
    await spoil("close", "bad_signature")
    content = {"mchid": shop.account["mchid"]}
    answer = await shop.send("POST", f"{PAY}/out-trade-no/A-1/close", content)
    assert (answer.status, answer.right) == (204, False)


async def test_wrong_amount_spoils_the_answer_only(shop: Any, pay: Any, spoil: Any) -> None:
    await pay(await shop.native("A-1"))
    await spoil("query", "wrong_amount")
    assert (await shop.query("A-1"))["amount"]["total"] == 1235
    assert (await shop.query("A-1"))["amount"]["total"] == 1234
    await spoil("refund", "wrong_amount")
    content = shop.refunding("A-1", "R-1", 10, 1234)
    refund = await shop.call("POST", "/v3/refund/domestic/refunds", content)
    assert refund["amount"]["refund"] == 11
    refund = await shop.call("GET", "/v3/refund/domestic/refunds/R-1")
    assert refund["amount"]["refund"] == 10


@pytest.mark.parametrize(
    ("operation", "fault"), [("native", "wrong_amount"), ("query", "duplicate"), ("none", "error")]
)
async def test_a_fault_without_meaning_is_refused(
    shop: Any, control: Any, operation: str, fault: str
) -> None:
    wanted = {"channel": "wechat", "operation": operation, "fault": fault}
    assert (await control("POST", "/faults", wanted))[0] == 400


async def test_a_false_signature_differs_in_one_bit(shop: Any, spoil: Any) -> None:
    await spoil("certificates", "bad_signature")
    answer = await shop.send("GET", CERTIFICATES)
    assert answer.right is False
    assert len(base64.b64decode(answer.headers["wechatpay-signature"])) == 256
