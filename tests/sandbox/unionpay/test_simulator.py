"""The doors of the pretend UnionPay: who is let in, what is refused, and how faults look."""

import asyncio
import base64
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.sandbox import Sandbox
from tests.sandbox.unionpay.conftest import ORDER, read_raw, text_of

QR = "01.07.000000"


def altered(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


async def test_an_account_is_what_a_client_is_configured_with(
    merchant: Any, sandbox: Sandbox, enrol: Any
) -> None:
    account = merchant.account
    certificate = x509.load_pem_x509_certificate(account["merchant_certificate"].encode())
    assert account["cert_id"] == str(certificate.serial_number)
    assert account["gateway_url"] == f"{sandbox.url}/unionpay/gateway/api/"
    assert len(account["mer_id"]) == 15
    assert certificate.public_key() == merchant.key.public_key()
    again = await enrol(sandbox.url, merchant.key)
    assert again.account == account
    other = await enrol(sandbox.url, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert other.account["mer_id"] != account["mer_id"]
    assert other.account["root_certificate"] == account["root_certificate"]


async def test_the_signing_certificate_carries_unionpays_name(merchant: Any) -> None:
    answer = await merchant.query()
    leaf = x509.load_pem_x509_certificate(answer["signPubKeyCert"].encode())
    name = str(leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    assert name.split("@")[2] == "中国银联股份有限公司"
    assert "\r\n" in answer["signPubKeyCert"]


UNSIGNED = [
    ({"merId": None}, "10"),
    ({"merId": "777290000000000"}, "10"),
    ({"version": "5.0.0"}, "10"),
    ({"encoding": "GBK"}, "10"),
    ({"signMethod": "02"}, "10"),
    ({"certId": "1"}, "11"),
    ({"signature": ""}, "11"),
    ({"signature": "AAAA"}, "11"),
    ({"signature": "not base64!"}, "11"),
    ({"signature": "é"}, "11"),
]


@pytest.mark.parametrize(("changes", "code"), UNSIGNED)
async def test_an_unproved_sender_is_refused_without_a_signature(
    merchant: Any, book: Any, changes: dict[str, str], code: str
) -> None:
    answer = read_raw(await merchant.raw("backTransReq.do", merchant.money(QR, **changes)))
    assert answer["respCode"] == code
    assert set(answer) == {"respCode", "respMsg"}
    assert (await book())["orders"] == []


@pytest.mark.parametrize("name", ["signature", "txnAmt", "orderId", "backUrl", "txnTime"])
async def test_one_changed_character_breaks_the_signature(merchant: Any, name: str) -> None:
    fields = merchant.money(QR)
    fields[name] = altered(fields[name])
    answer = read_raw(await merchant.raw("backTransReq.do", fields))
    assert answer["respCode"] == "11"


async def test_a_field_that_was_not_signed_is_refused(merchant: Any) -> None:
    fields = merchant.money(QR) | {"reqReserved": "x"}
    assert read_raw(await merchant.raw("backTransReq.do", fields))["respCode"] == "11"


async def test_signing_once_or_with_sha1_is_no_signature(merchant: Any) -> None:
    fields = merchant.money(QR)
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if k != "signature").encode()
    once = merchant.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    sha1 = merchant.key.sign(text_of(fields), padding.PKCS1v15(), hashes.SHA1())
    for raw in (once, sha1):
        fields["signature"] = base64.b64encode(raw).decode()
        assert read_raw(await merchant.raw("backTransReq.do", fields))["respCode"] == "11"


SIGNED = [
    ({"txnType": None}, "13"),
    ({"txnType": "99"}, "10"),
    ({"txnSubType": "99"}, "10"),
    ({"bizType": None}, "13"),
    ({"bizType": "000201"}, "10"),
    ({"accessType": "1"}, "10"),
    ({"channelType": None}, "13"),
    ({"channelType": "99"}, "10"),
    ({"orderId": None}, "13"),
    ({"orderId": "A-000001"}, "10"),
    ({"orderId": "A000001"}, "10"),
    ({"txnTime": None}, "13"),
    ({"txnTime": "20261122"}, "10"),
    ({"txnTime": "20261322120000"}, "10"),
    ({"txnAmt": None}, "13"),
    ({"txnAmt": "0"}, "10"),
    ({"txnAmt": "012"}, "10"),
    ({"txnAmt": "-1"}, "10"),
    ({"txnAmt": "1.00"}, "10"),
    ({"txnAmt": "１"}, "10"),
    ({"txnAmt": "9" * 13}, "10"),
    ({"currencyCode": "840"}, "10"),
    ({"backUrl": None}, "13"),
    ({"backUrl": "ftp://127.0.0.1/"}, "10"),
    ({"backUrl": "http://h/" + "n" * 256}, "10"),
    ({"payTimeout": "20261122115959"}, "10"),
    ({"payTimeout": "20261399000000"}, "10"),
    ({"reqReserved": "r" * 1025}, "10"),
]


@pytest.mark.parametrize(("changes", "code"), SIGNED)
async def test_a_proved_sender_is_refused_with_a_signature(
    merchant: Any, book: Any, changes: dict[str, str], code: str
) -> None:
    answer = await merchant.back(merchant.money(QR, **changes))
    assert answer["respCode"] == code
    assert (await book())["orders"] == []


async def test_a_door_takes_only_its_own_kinds(merchant: Any) -> None:
    wrong = await merchant.back(merchant.money(QR), "queryTrans.do")
    assert wrong["respCode"] == "10"
    status, _ = await merchant.page(merchant.money(QR, frontUrl="http://127.0.0.1/"))
    assert status == 400


async def test_a_form_that_is_none_is_refused(merchant: Any, http: aiohttp.ClientSession) -> None:
    url = merchant.account["gateway_url"] + "backTransReq.do"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"a", b"a=1&a=2", b"a=%ff", b"a=1&" * 100):
        async with http.post(url, data=body, headers=headers) as response:
            assert read_raw(await response.text())["respCode"] == "10"
    async with http.post(url, json={}) as response:
        assert read_raw(await response.text())["respCode"] == "10"


async def test_a_browsers_form_leads_to_the_payers_page(merchant: Any, http: Any) -> None:
    form = merchant.money("01.01.000201", frontUrl="http://127.0.0.1/back", orderDesc="一本书 <&>")
    status, code = await merchant.page(form)
    assert status == 302 and code
    assert await merchant.page(form) == (302, code)
    url = merchant.account["gateway_url"] + "frontTransReq.do"
    async with http.post(url, data=form) as response:
        page = await response.text()
        assert (response.status, response.url.path) == (200, "/payer")
        assert "一本书 &lt;&amp;&gt;" in page
    spoiled = form | {"txnAmt": "1"}
    async with http.post(url, data=spoiled) as response:
        assert response.status == 400
        assert response.content_type == "text/html"
    other = merchant.money("01.01.000201", 999, frontUrl="http://127.0.0.1/back")
    assert (await merchant.page(other))[0] == 400


# --- faults -----------------------------------------------------------------------------------


async def test_a_lost_answer_took_effect(merchant: Any, arm: Any, book: Any) -> None:
    await arm("qr", "drop_after_effect")
    with pytest.raises(aiohttp.ClientError):
        await merchant.qr()
    assert len((await book())["orders"]) == 1
    assert (await merchant.qr()).startswith("https://qr.95516.com/")


async def test_a_timeout_has_no_effect(
    merchant: Any, arm: Any, book: Any, http: aiohttp.ClientSession
) -> None:
    await arm("qr", "timeout")
    url = merchant.account["gateway_url"] + "backTransReq.do"
    limit = aiohttp.ClientTimeout(total=0.2)
    with pytest.raises(TimeoutError):
        await http.post(url, data=merchant.money(QR), timeout=limit)
    assert (await book())["orders"] == []


async def test_an_error_says_that_the_outcome_is_not_known(
    merchant: Any, arm: Any, book: Any
) -> None:
    await arm("qr", "error")
    assert (await merchant.back(merchant.money(QR)))["respCode"] == "04"
    assert (await book())["orders"] == []
    await arm("web", "error")
    form = merchant.money("01.01.000201", frontUrl="http://127.0.0.1/")
    assert (await merchant.page(form))[0] == 400


async def test_a_false_signature_and_a_wrong_amount(merchant: Any, arm: Any, pay: Any) -> None:
    await pay(await merchant.qr())
    await arm("query", "bad_signature")
    fields = merchant.fields("00.00.000000")
    assert not merchant.is_signed(read_raw(await merchant.raw("queryTrans.do", fields)))
    await arm("query", "wrong_amount")
    assert (await merchant.query())["txnAmt"] == "1235"
    assert (await merchant.query())["txnAmt"] == "1234"


async def test_a_delay_takes_effect_later(merchant: Any, arm: Any) -> None:
    await arm("query", "delay", delay_ms=1)
    assert (await merchant.query())["respCode"] == "34"


async def test_a_fault_without_meaning_is_refused(control: Any) -> None:
    for operation, fault in (("web", "bad_signature"), ("qr", "wrong_amount"), ("close", "error")):
        wanted = {"channel": "unionpay", "operation": operation, "fault": fault, "times": 1}
        assert (await control("POST", "/faults", wanted))[0] == 400


# --- notifications ----------------------------------------------------------------------------


async def test_a_payment_is_told_until_the_merchant_answers_200(
    merchant: Any, receiver: Any, sandbox: Any, clock: Any, pay: Any
) -> None:
    receiver.answer(500, "no", times=2)
    played = await pay(await merchant.qr(reqReserved="mine"))
    first = merchant.read_notice(await receiver.next())
    facts = {
        "txnType": "01",
        "respCode": "00",
        "orderId": ORDER,
        "txnAmt": "1234",
        "currencyCode": "156",
        "queryId": played["channel_order_no"],
        "reqReserved": "mine",
        "traceTime": "1122120000",
        "settleDate": "1122",
    }
    assert facts.items() <= first.items()
    for seconds in (1, 2):
        await sandbox.run_due()
        clock.advance(seconds=seconds)
        await sandbox.run_due()
        assert merchant.read_notice(await receiver.next()) == first
    await sandbox.run_due()
    clock.advance(hours=1)
    assert await sandbox.run_due() == []
    assert receiver.got.empty()


async def test_spoiled_notifications_are_right_when_repeated(
    merchant: Any, receiver: Any, sandbox: Any, clock: Any, pay: Any, arm: Any
) -> None:
    receiver.answer(400, "failure", times=2)
    await arm("notify", "bad_signature")
    await arm("notify", "wrong_amount")
    await pay(await merchant.qr())
    fields = read_notice(await receiver.next())
    assert not merchant.is_signed(fields)
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert merchant.read_notice(await receiver.next())["txnAmt"] == "1235"
    clock.advance(seconds=2)
    await sandbox.run_due()
    assert merchant.read_notice(await receiver.next())["txnAmt"] == "1234"


async def test_a_declined_payment_is_not_told(
    merchant: Any, receiver: Any, sandbox: Any, pay: Any
) -> None:
    code = await merchant.qr()
    assert (await pay(code, "decline"))["result"] == "declined"
    assert await sandbox.run_due() == []
    assert (await pay(code))["result"] == "paid"
    await asyncio.wait_for(receiver.got.get(), 20)


def read_notice(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


async def test_a_restart_forgets_nothing(
    merchant: Any, sandbox: Sandbox, data: Any, clock: Any, pay: Any, enrol: Any
) -> None:
    await pay(await merchant.qr())
    before = await merchant.query()
    await sandbox.stop()
    again = Sandbox(data=data, clock=clock)
    await again.start()
    try:
        same = await enrol(again.url, merchant.key)
        assert same.account | {"gateway_url": ""} == merchant.account | {"gateway_url": ""}
        after = await same.query()
        assert after["queryId"] == before["queryId"]
        assert after["signPubKeyCert"] == before["signPubKeyCert"]
    finally:
        await again.stop()
