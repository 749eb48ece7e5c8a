"""The control interface: strict input, faults in queues, accounts that are found again."""

from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


def pem(key: Any, kind: Any = serialization.PublicFormat.SubjectPublicKeyInfo) -> str:
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode())


FAULT = {"channel": "alipay", "operation": "query", "fault": "error", "times": 2}


async def test_health(control: Any) -> None:
    status, answer = await control("GET", "/healthz")
    assert (status, answer["status"]) == (200, "ok")
    assert {"alipay", "card"} <= set(answer["channels"])


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/payer/pay", "", "malformed_request"),
        ("/payer/pay", "[]", "malformed_request"),
        ("/payer/pay", '{"code":"a","code":"b"}', "malformed_request"),
        ("/payer/pay", '{"code":NaN}', "malformed_request"),
        ("/payer/pay", "\ufeff{}", "malformed_request"),
        ("/payer/pay", "[" * 10_000, "malformed_request"),
        ("/payer/pay", "{}", "missing_field"),
        ("/payer/pay", '{"code":1}', "invalid_field"),
        ("/payer/pay", '{"code":""}', "invalid_field"),
        ("/payer/pay", '{"code":"a","amount":"1"}', "invalid_field"),
        ("/payer/pay", '{"code":"a","amount":1.0}', "invalid_field"),
        ("/payer/pay", '{"code":"a","amount":true}', "invalid_field"),
        ("/payer/pay", '{"code":"a","amount":0}', "invalid_field"),
        ("/payer/pay", '{"code":"a","behaviour":"steal"}', "invalid_field"),
        ("/payer/pay", '{"code":"a","tip":1}', "unknown_field"),
        ("/faults", "{}", "missing_field"),
        ("/accounts", '{"channel":"alipay"}', "missing_field"),
        ("/accounts", '{"channel":"swift","merchant_public_key":"x"}', "invalid_field"),
        ("/accounts", '{"channel":"alipay","merchant_public_key":"x"}', "invalid_field"),
    ],
)
async def test_ill_formed_input_is_refused(
    sandbox: Any, http: aiohttp.ClientSession, path: str, body: str, code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    url = sandbox.url + path
    async with http.post(url, data=body.encode(), headers=headers) as response:
        answer = await response.json()
    assert (response.status, answer["code"]) == (400, code)
    assert set(answer) == {"code", "detail"}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
async def test_what_a_web_page_could_send_is_refused(
    sandbox: Any, http: aiohttp.ClientSession, kind: str
) -> None:
    for path in ("/payer/pay", "/faults", "/accounts"):
        headers = {"Content-Type": kind}
        async with http.post(sandbox.url + path, data=b"{}", headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (400, "malformed_request")


async def test_unknown_paths_wrong_methods_and_big_bodies(
    control: Any, sandbox: Any, http: aiohttp.ClientSession
) -> None:
    assert (await control("GET", "/nothing"))[0] == 404
    assert (await control("GET", "/book/swift"))[0] == 404
    async with http.put(sandbox.url + "/faults") as response:
        assert response.status == 405
        assert set(response.headers["Allow"].split(",")) >= {"GET", "POST", "DELETE"}
    big = {"code": "a" * 70_000}
    assert (await control("POST", "/payer/pay", big))[1]["code"].startswith("request_entity_too")


# Payer


async def test_the_payer_needs_a_code_that_exists(control: Any) -> None:
    status, answer = await control("POST", "/payer/pay", {"code": "https://qr.alipay.com/bax0"})
    assert (status, answer["code"]) == (404, "unknown_code")


async def test_a_code_is_paid_once(merchant: Any, control: Any, book: Any) -> None:
    code = await merchant.code("A_1")
    status, played = await control("POST", "/payer/pay", {"code": code, "amount": 1234})
    assert (status, played["result"]) == (200, "paid")
    status, refused = await control("POST", "/payer/pay", {"code": code})
    assert (status, refused["code"]) == (409, "already_paid")
    assert (await book())["orders"] == [
        {
            "out_trade_no": "A_1",
            "channel_order_no": played["channel_order_no"],
            "amount": 1234,
            "currency": "CNY",
            "status": "paid",
            "refunded": 0,
        }
    ]


async def test_a_code_names_its_amount(merchant: Any, control: Any, book: Any) -> None:
    code = await merchant.code("A_1")
    status, refused = await control("POST", "/payer/pay", {"code": code, "amount": 1233})
    assert (status, refused["code"]) == (400, "amount_mismatch")
    assert (await book())["orders"][0]["status"] == "open"


async def test_the_book_shows_what_nobody_scanned(merchant: Any, book: Any) -> None:
    await merchant.code("A_1")
    order = (await book())["orders"][0]
    assert (order["status"], order["channel_order_no"]) == ("open", None)
    assert (await book())["transfers"] == []


async def test_the_book_of_one_account(merchant: Any, control: Any) -> None:
    await merchant.code("A_1")
    own = await control("GET", f"/book/alipay?account_id={merchant.account['app_id']}")
    other = await control("GET", "/book/alipay?account_id=2021000000000000")
    assert (len(own[1]["orders"]), len(other[1]["orders"])) == (1, 0)


# Faults


async def test_faults_are_listed_and_cleared(control: Any) -> None:
    delay = FAULT | {"fault": "delay", "times": 1}
    assert await control("POST", "/faults", FAULT) == (200, FAULT)
    assert await control("POST", "/faults", delay) == (200, delay | {"delay_ms": 1000})
    status, left = await control("GET", "/faults")
    assert (status, left) == (200, {"faults": [FAULT, delay | {"delay_ms": 1000}]})
    assert await control("DELETE", "/faults") == (200, {"faults": []})
    assert await control("GET", "/faults") == (200, {"faults": []})


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "swift"},
        {"operation": "sell"},
        {"fault": "fire"},
        {"fault": "duplicate"},
        {"fault": "reorder"},
        {"times": 0},
        {"times": -1},
        {"times": "1"},
        {"delay_ms": 5},
        {"fault": "delay", "delay_ms": -1},
        {"fault": "delay", "delay_ms": 10_000_000},
        {"operation": "precreate", "fault": "wrong_amount"},
        {"operation": "close", "fault": "wrong_amount"},
        {"operation": "cancel", "fault": "wrong_amount"},
    ],
)
async def test_a_fault_without_meaning_is_refused(control: Any, change: Any) -> None:
    status, refused = await control("POST", "/faults", FAULT | change)
    assert (status, refused["code"]) == (400, "invalid_field")
    assert await control("GET", "/faults") == (200, {"faults": []})


# Accounts


async def test_an_account_is_found_again_by_its_key(
    control: Any, merchant_key: rsa.RSAPrivateKey
) -> None:
    kinds = serialization.PublicFormat
    texts = [pem(merchant_key, kinds.SubjectPublicKeyInfo), pem(merchant_key, kinds.PKCS1)]
    answers = [
        await control("POST", "/accounts", {"channel": "alipay", "merchant_public_key": text})
        for text in (*texts, texts[0].replace("\n", "\r\n"))
    ]
    assert answers[0][0] == 200
    assert answers[0] == answers[1] == answers[2]
    opened = answers[0][1]
    assert opened["channel"] == "alipay"
    assert opened["app_id"].isdigit() and len(opened["app_id"]) == 16
    assert opened["seller_id"].startswith("2088") and len(opened["seller_id"]) == 16
    assert opened["gateway_url"].endswith("/alipay/gateway.do")


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
    ],
)
async def test_a_key_of_another_kind_is_refused(control: Any, key: Any) -> None:
    wanted = {"channel": "alipay", "merchant_public_key": pem(key)}
    status, refused = await control("POST", "/accounts", wanted)
    assert (status, refused["code"]) == (400, "invalid_field")


async def test_a_private_key_is_refused(control: Any, merchant_key: rsa.RSAPrivateKey) -> None:
    text = merchant_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    wanted = {"channel": "alipay", "merchant_public_key": text}
    assert (await control("POST", "/accounts", wanted))[0] == 400
