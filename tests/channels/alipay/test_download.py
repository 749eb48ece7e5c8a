"""Certificates learnt while running: only those that a chain proves, under their own number."""

import base64
import json

import pytest

from gateway.channels.alipay import AlipayCodec
from gateway.channels.alipay.certificate import cert_sn
from gateway.channels.codec import CallbackRefused, Paid, Unknown
from gateway.channels.wire import HttpResponse
from tests.channels.alipay.conftest import NOW, ORDER_NO, TRADE_NO

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
NODE = "alipay_open_app_alipaycert_download_response"
PAID = {
    "code": "10000",
    "out_trade_no": ORDER_NO,
    "trade_no": TRADE_NO,
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "12.34",
}


def answer(pem: str, **changes: object) -> HttpResponse:
    content = base64.b64encode(pem.encode()).decode()
    node = {"code": "10000", "alipay_cert_content": content, **changes}
    return HttpResponse(200, {}, json.dumps({NODE: node}).encode())


def signed(authorities, alipay, serial: str | None) -> HttpResponse:
    body = alipay.raw_answer("alipay_trade_query_response", json.dumps(PAID)).body
    named = f'"alipay_cert_sn":"{serial}","sign"'.encode() if serial else b'"sign"'
    return HttpResponse(200, {}, body.replace(b'"sign"', named))


def test_what_is_asked(authorities, alipay) -> None:
    account = authorities.account()
    request = CODEC.build_keys(account, "0a" * 16, NOW)
    assert request is not None and b"0a0a" in request.body
    assert CODEC.build_keys(account, None, NOW) is None
    for serial in ("", "0A" * 16, "0a" * 17, '"}', "0a" * 16 + "\n"):
        assert CODEC.build_keys(account, serial, NOW) is None
    assert CODEC.build_keys(alipay.account(), "0a" * 16, NOW) is None


def test_a_proven_certificate_is_kept_under_its_own_number(authorities) -> None:
    pem = authorities.middle.issue(authorities.new_key, "Alipay", serial=9).pem
    assert CODEC.read_keys(authorities.account(), answer(pem), NOW) == {cert_sn(pem): pem.strip()}


def test_everything_else_teaches_nothing(authorities, alipay) -> None:
    account = authorities.account()
    pem = authorities.middle.issue(authorities.new_key, "Alipay", serial=9).pem
    good = answer(pem)
    bad = [
        answer(authorities.app.pem),
        answer(pem, code="40002"),
        answer(pem, alipay_cert_content=pem),
        answer(pem, alipay_cert_content=5),
        answer("no certificate"),
        HttpResponse(500, {}, good.body),
        HttpResponse(200, {}, good.body[:-1]),
        HttpResponse(200, {}, b""),
        HttpResponse(200, {}, good.body.replace(b"alipay_open", b"alipay_other")),
    ]
    assert CODEC.read_keys(account, good, NOW)
    for response in bad:
        assert CODEC.read_keys(account, response, NOW) == {}
    assert CODEC.read_keys(alipay.account(), good, NOW) == {}


def test_an_answer_is_held_against_the_certificate_that_it_names(authorities, alipay) -> None:
    order = alipay.order()
    own = cert_sn(authorities.alipay.pem)

    def read(serial: str | None, **keys: str):
        account = authorities.account(keys=keys)
        return CODEC.read_query(account, order, signed(authorities, alipay, serial))

    assert isinstance(read(None), Paid)
    assert isinstance(read(own), Paid)
    assert read("0a" * 16) == Unknown("unknown_serial", channel_code="0a" * 16)
    assert isinstance(read("k", k=authorities.alipay.pem), Paid)
    other = authorities.middle.issue(authorities.new_key, "Alipay", serial=9).pem
    assert read("k", k=other).reason == "the answer is wrongly signed"
    assert isinstance(read(None, k=other), Paid)
    elsewhere = authorities.account(alipay_cert=other)
    answer = signed(authorities, alipay, None)
    assert isinstance(CODEC.read_query(elsewhere, order, answer), Unknown)
    learnt = authorities.account(keys={"k": authorities.alipay.pem}, alipay_cert=other)
    assert isinstance(CODEC.read_query(learnt, order, answer), Paid)
    unsigned = HttpResponse(200, {}, json.dumps({"alipay_trade_query_response": PAID}).encode())
    outcome = CODEC.read_query(authorities.account(), order, unsigned)
    assert isinstance(outcome, Unknown) and outcome.reason == "the answer is unsigned"


def test_a_notification_is_held_against_the_certificate_that_it_names(authorities, alipay) -> None:
    for serial, reason in ((cert_sn(authorities.alipay.pem), None), ("0a" * 16, "unknown_serial")):
        body = alipay.body(alipay.notification(alipay_cert_sn=serial))
        request = alipay.callback(body)
        if reason is None:
            found = CODEC.read_callback(authorities.account(), request, NOW)
            assert isinstance(found.outcome, Paid)
            continue
        with pytest.raises(CallbackRefused) as caught:
            CODEC.read_callback(authorities.account(), request, NOW)
        assert (caught.value.reason, caught.value.serial) == (reason, serial)
