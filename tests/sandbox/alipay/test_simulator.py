"""The door of the pretend Alipay: who is let in, what is refused, and how faults look."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

GOOD = {"out_trade_no": "A_1", "total_amount": "12.34", "subject": "一本书"}


def altered(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


@pytest.mark.parametrize("way", ["both", "body", "query", "get"])
async def test_parameters_are_taken_from_wherever_a_client_puts_them(
    merchant: Any, way: str
) -> None:
    answer = await merchant.send(merchant.parameters("precreate", GOOD), way=way)
    name, node, right = merchant.read(answer)
    assert (name, node["code"], right) == ("alipay_trade_precreate_response", "10000", True)
    assert node["qr_code"].startswith("https://qr.alipay.com/bax")
    assert "https:\\/\\/qr.alipay.com" in answer


@pytest.mark.parametrize("content", ['{"out_trade_no": "\\u4e66"}', '{"out_trade_no": "书"}'])
async def test_the_signature_is_over_the_content_as_sent(merchant: Any, content: str) -> None:
    node = await merchant.call("query", content)
    assert node["sub_code"] == "ACQ.INVALID_PARAMETER"


UNSIGNED = [
    ({"app_id": None}, "40001", "isv.missing-app-id"),
    ({"app_id": "2021000000000000"}, "40002", "isv.invalid-app-id"),
    ({"charset": None}, "40002", "isv.invalid-charset"),
    ({"charset": "gbk"}, "40002", "isv.invalid-charset"),
    ({"sign_type": None}, "40001", "isv.missing-signature-type"),
    ({"sign_type": "RSA"}, "40002", "isv.invalid-signature-type"),
    ({"sign": ""}, "40001", "isv.missing-signature"),
    ({"sign": "AAAA"}, "40002", "isv.invalid-signature"),
    ({"sign": "not base64!"}, "40002", "isv.invalid-signature"),
    ({"sign": "é"}, "40002", "isv.invalid-signature"),
    ({"encrypt_type": "AES"}, "40002", "isv.invalid-encrypt-type"),
]


@pytest.mark.parametrize(("changes", "code", "sub_code"), UNSIGNED)
async def test_an_unproved_sender_is_refused_without_a_signature(
    merchant: Any, book: Any, changes: dict[str, str], code: str, sub_code: str
) -> None:
    answer = await merchant.send(merchant.parameters("precreate", GOOD, **changes))
    name, node, right = merchant.read(answer)
    assert (node["code"], node["sub_code"], right) == (code, sub_code, None)
    assert name == "alipay_trade_precreate_response"
    assert (await book())["orders"] == []


@pytest.mark.parametrize("name", ["sign", "biz_content", "timestamp", "notify_url", "method"])
async def test_one_changed_character_breaks_the_signature(merchant: Any, name: str) -> None:
    parameters = merchant.parameters("query", GOOD, notify_url="http://127.0.0.1/n")
    if name == "biz_content":
        parameters[name] = parameters[name].replace("A_1", "A_2")
    elif name == "method":
        parameters[name] = "alipay.trade.close"
    else:
        parameters[name] = altered(parameters[name])
    _, node, right = merchant.read(await merchant.send(parameters))
    assert (node["sub_code"], right) == ("isv.invalid-signature", None)


async def test_a_parameter_that_was_not_signed_is_refused(merchant: Any) -> None:
    parameters = merchant.parameters("query", GOOD) | {"notify_url": "http://127.0.0.1/n"}
    _, node, _ = merchant.read(await merchant.send(parameters))
    assert node["sub_code"] == "isv.invalid-signature"


async def test_sha1_is_not_a_signature(merchant: Any) -> None:
    parameters = merchant.parameters("query", GOOD)
    text = "&".join(f"{k}={v}" for k, v in sorted(parameters.items()) if k != "sign")
    raw = merchant.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA1())
    parameters["sign"] = base64.b64encode(raw).decode()
    _, node, _ = merchant.read(await merchant.send(parameters))
    assert node["sub_code"] == "isv.invalid-signature"


async def test_another_merchants_key_is_not_a_signature(
    merchant: Any, sandbox: Any, enrol: Any
) -> None:
    other = await enrol(sandbox.url, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert other.account["app_id"] != merchant.account["app_id"]
    parameters = other.parameters("query", GOOD, app_id=merchant.account["app_id"])
    _, node, _ = merchant.read(await merchant.send(parameters))
    assert node["sub_code"] == "isv.invalid-signature"


SIGNED = [
    ({"method": None}, "40001", "isv.missing-method"),
    ({"method": "alipay.trade.sell"}, "40002", "isv.invalid-method"),
    ({"timestamp": None}, "40001", "isv.missing-timestamp"),
    ({"timestamp": "2026-11-22T12:00:00Z"}, "40002", "isv.invalid-timestamp"),
    ({"timestamp": "2026-02-30 12:00:00"}, "40002", "isv.invalid-timestamp"),
    ({"timestamp": "2026-11-22 12:00"}, "40002", "isv.invalid-timestamp"),
    ({"timestamp": "1700000000"}, "40002", "isv.invalid-timestamp"),
    ({"version": None}, "40001", "isv.missing-version"),
    ({"version": "2.0"}, "40002", "isv.invalid-version"),
    ({"format": "XML"}, "40002", "isv.invalid-format"),
    ({"app_auth_token": "t"}, "20001", "aop.invalid-app-auth-token"),
    ({"notify_url": "ftp://127.0.0.1/"}, "40002", "isv.invalid-parameter"),
    ({"notify_url": "not a url"}, "40002", "isv.invalid-parameter"),
    ({"notify_url": "http://h/" + "n" * 256}, "40002", "isv.invalid-parameter"),
    ({"biz_content": None}, "40001", "isv.missing-parameter"),
    ({"biz_content": "{"}, "40002", "isv.invalid-parameter"),
    ({"biz_content": "[]"}, "40002", "isv.invalid-parameter"),
    ({"biz_content": '{"a":NaN}'}, "40002", "isv.invalid-parameter"),
    ({"biz_content": '{"a":1,"a":2}'}, "40002", "isv.invalid-parameter"),
    ({"biz_content": '{"subject":"\\ud800"}'}, "40002", "isv.invalid-parameter"),
    ({"biz_content": "[" * 20_000}, "40002", "isv.invalid-parameter"),
]


@pytest.mark.parametrize(("changes", "code", "sub_code"), SIGNED)
async def test_a_proved_sender_is_refused_with_a_signature(
    merchant: Any, book: Any, changes: dict[str, str], code: str, sub_code: str
) -> None:
    answer = await merchant.send(merchant.parameters("precreate", GOOD, **changes))
    name, node, right = merchant.read(answer)
    assert (node["code"], node["sub_code"], right) == (code, sub_code, True)
    unknown = "method" in changes
    assert name == ("error_response" if unknown else "alipay_trade_precreate_response")
    assert (await book())["orders"] == []


async def test_the_same_key_twice_is_refused(merchant: Any, http: aiohttp.ClientSession) -> None:
    parameters = merchant.parameters("query", GOOD)
    url = merchant.account["gateway_url"]
    for target in (url, f"{url}?app_id={parameters['app_id']}"):
        body = list(parameters.items()) + ([("version", "1.0")] if target == url else [])
        async with http.post(target, data=body) as response:
            _, node, right = merchant.read(await response.text())
        assert (node["sub_code"], right) == ("isv.invalid-parameter", None)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"a=%ff", "application/x-www-form-urlencoded"),
        (b"no pair", "application/x-www-form-urlencoded"),
        ("a=书".encode(), "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_no_form_is_refused(
    merchant: Any, http: aiohttp.ClientSession, body: bytes, kind: str
) -> None:
    url = merchant.account["gateway_url"]
    async with http.post(url, data=body, headers={"Content-Type": kind}) as response:
        _, node, _ = merchant.read(await response.text())
    assert node["sub_code"] == "isv.invalid-parameter"


async def test_an_unknown_parameter_is_part_of_the_signature_and_otherwise_ignored(
    merchant: Any,
) -> None:
    node = await merchant.call("precreate", GOOD, prod_code="x", empty="")
    assert node["code"] == "10000"


# Faults


async def test_timeout_has_no_effect_and_no_answer(merchant: Any, arm: Any, book: Any) -> None:
    await arm("precreate", "timeout")
    impatient = aiohttp.ClientTimeout(total=0.3)
    url = merchant.account["gateway_url"]
    with pytest.raises(TimeoutError):
        await merchant.http.post(
            url, data=merchant.parameters("precreate", GOOD), timeout=impatient
        )
    assert (await book())["orders"] == []
    assert await merchant.code("A_1")


async def test_drop_after_effect_takes_effect_and_answers_nothing(
    merchant: Any, arm: Any, book: Any
) -> None:
    await arm("precreate", "drop_after_effect")
    with pytest.raises(aiohttp.ClientError):
        await merchant.send(merchant.parameters("precreate", GOOD))
    assert [o["out_trade_no"] for o in (await book())["orders"]] == ["A_1"]
    assert (await merchant.call("precreate", GOOD))["code"] == "10000"


async def test_error_is_signed_unknown_and_without_effect(
    merchant: Any, arm: Any, book: Any
) -> None:
    await arm("precreate", "error")
    node = await merchant.call("precreate", GOOD)
    assert (node["code"], node["sub_code"]) == ("20000", "ACQ.SYSTEM_ERROR")
    assert (await book())["orders"] == []


async def test_delay_takes_effect_although_the_caller_went_away(
    merchant: Any, arm: Any, book: Any
) -> None:
    await arm("precreate", "delay", delay_ms=1_500)
    with pytest.raises(TimeoutError):
        await merchant.http.post(
            merchant.account["gateway_url"],
            data=merchant.parameters("precreate", GOOD),
            timeout=aiohttp.ClientTimeout(total=0.1),
        )
    assert (await book())["orders"] == []
    async with asyncio.timeout(20):
        while not (await book())["orders"]:
            pass


async def test_bad_signature_takes_effect(merchant: Any, arm: Any, book: Any) -> None:
    await arm("precreate", "bad_signature")
    answer = await merchant.send(merchant.parameters("precreate", GOOD))
    _, node, right = merchant.read(answer)
    assert (node["code"], right) == ("10000", False)
    assert len((await book())["orders"]) == 1


@pytest.mark.parametrize(
    ("operation", "biz", "name", "wrong", "right"),
    [
        ("query", {}, "total_amount", "12.35", "12.34"),
        ("refund", {"refund_amount": "2", "out_request_no": "R"}, "refund_fee", "2.01", "2.00"),
        ("refund_query", {"out_request_no": "R0"}, "refund_amount", "1.01", "1.00"),
    ],
)
async def test_wrong_amount_is_in_one_answer_only(
    merchant: Any, pay: Any, arm: Any, book: Any, operation: str, biz: Any, name: str,
    wrong: str, right: str,
) -> None:  # fmt: skip
    await pay(await merchant.code("A_1"))
    if operation == "refund_query":
        await merchant.call(
            "refund", {"out_trade_no": "A_1", "refund_amount": "1", "out_request_no": "R0"}
        )
    method = {"refund_query": "fastpay.refund.query"}.get(operation, operation)
    await arm(operation, "wrong_amount")
    assert (await merchant.call(method, {"out_trade_no": "A_1", **biz}))[name] == wrong
    assert (await merchant.call(method, {"out_trade_no": "A_1", **biz}))[name] == right
    assert (await book())["orders"][0]["amount"] == 1234


async def test_each_message_takes_one_fault_in_order(merchant: Any, arm: Any) -> None:
    await arm("query", "error", times=2)
    await arm("query", "bad_signature")
    seen = []
    for _ in range(4):
        answer = await merchant.send(merchant.parameters("query", {"out_trade_no": "A_1"}))
        _, node, right = merchant.read(answer)
        seen.append((node["sub_code"], right))
    unknown = "ACQ.TRADE_NOT_EXIST"
    assert seen == [
        ("ACQ.SYSTEM_ERROR", True), ("ACQ.SYSTEM_ERROR", True), (unknown, False), (unknown, True)
    ]  # fmt: skip


async def test_a_forged_request_uses_up_no_fault(merchant: Any, arm: Any, control: Any) -> None:
    await arm("query", "error")
    await merchant.send(merchant.parameters("query", GOOD, sign="AAAA"))
    assert (await control("GET", "/faults"))[1]["faults"][0]["times"] == 1


@pytest.mark.parametrize(
    "operation", ["precreate", "query", "close", "cancel", "refund", "refund_query"]
)
async def test_every_operation_has_the_faults_of_a_request(
    merchant: Any, pay: Any, arm: Any, book: Any, operation: str
) -> None:
    method = {"refund_query": "fastpay.refund.query"}.get(operation, operation)
    await merchant.code("A_1")
    biz = GOOD | {"refund_amount": "1", "out_request_no": "R"}
    await arm(operation, "error")
    assert (await merchant.call(method, biz))["sub_code"] == "ACQ.SYSTEM_ERROR"
    await arm(operation, "bad_signature")
    assert merchant.read(await merchant.send(merchant.parameters(method, biz)))[2] is False
    await arm(operation, "drop_after_effect")
    with pytest.raises(aiohttp.ClientError):
        await merchant.send(merchant.parameters(method, biz))


# Magic amounts


async def test_magic_precreate_is_declined(merchant: Any, book: Any) -> None:
    node = await merchant.call("precreate", GOOD | {"total_amount": "44400.01"})
    assert (node["code"], node["sub_code"]) == ("40004", "ACQ.TOTAL_FEE_EXCEED")
    assert (await book())["orders"] == []


async def test_magic_precreate_is_cut_once_after_its_effect(merchant: Any, book: Any) -> None:
    biz = GOOD | {"total_amount": "44400.02"}
    with pytest.raises(aiohttp.ClientError):
        await merchant.send(merchant.parameters("precreate", biz))
    assert len((await book())["orders"]) == 1
    assert (await merchant.call("precreate", biz))["code"] == "10000"


@pytest.mark.parametrize(
    ("amount", "signed", "told"), [("44400.03", False, "44400.03"), ("44400.04", True, "44400.05")]
)
async def test_magic_first_notification_is_wrong_and_its_repeat_right(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any, clock: Any, amount: str, signed: bool,
    told: str,
) -> None:  # fmt: skip
    receiver.answer(200, "fail")
    await pay(await merchant.code("A_1", amount, notify_url=receiver.url))
    first = dict(parse_qsl((await receiver.next()).decode()))
    assert (merchant.is_notice_signed(first), first["total_amount"]) == (signed, told)
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert merchant.read_notice(await receiver.next())["total_amount"] == amount


async def test_magic_payer_is_declined(merchant: Any, pay: Any, book: Any) -> None:
    played = await pay(await merchant.code("A_1", "44400.05"))
    assert played["result"] == "declined"
    assert (await book())["orders"][0]["status"] == "open"


async def test_answers_are_html_by_name_as_alipays_are(
    merchant: Any, http: aiohttp.ClientSession
) -> None:
    async with http.get(merchant.account["gateway_url"]) as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert json.loads(await response.text())["error_response"]["code"] == "40001"
