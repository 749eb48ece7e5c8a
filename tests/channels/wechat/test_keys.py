"""WeChat's keys: which one a serial names, and when a fetched certificate is believed."""

import json
from datetime import timedelta

import pytest

from gateway.channels.wechat import keys
from gateway.channels.wire import HttpResponse

from .conftest import (
    APIV3_KEY,
    NOW,
    PUBLIC_KEY_ID,
    certificate_of,
    new_key,
    public_pem,
    resource_of,
)

pytestmark = pytest.mark.fast


def item(pem: str, serial: str, *, key: str = APIV3_KEY, associated: str = "certificate") -> dict:
    return {
        "serial_no": serial,
        "effective_time": "2026-11-12T22:30:05+08:00",
        "expire_time": "2026-12-02T22:30:05+08:00",
        "encrypt_certificate": resource_of(pem.encode(), key=key, associated=associated),
    }


def fresh(wechat):
    """An account that has learnt nothing yet."""
    return wechat.account(wechat_public_key="", wechat_public_key_id="")


def test_certificates_are_learnt(wechat) -> None:
    account = fresh(wechat)
    request = keys.build_keys(account, None, NOW)
    assert request is not None and request.url.endswith("/v3/certificates")
    answer = wechat.answer(
        {"data": [item(wechat.certificate, wechat.platform_serial)]},
        serial=wechat.platform_serial,
    )
    learnt = keys.read_keys(account, answer, NOW)
    assert learnt == {wechat.platform_serial: wechat.certificate}
    learned_account = wechat.account(keys=learnt, wechat_public_key="", wechat_public_key_id="")
    assert keys.key_of(learned_account, wechat.platform_serial, NOW) == wechat.certificate


def test_a_second_certificate_is_learnt_beside_the_first(wechat) -> None:
    other = new_key()
    pem = certificate_of(other, 0x0A0B)
    data = [item(wechat.certificate, wechat.platform_serial), item(pem, "0A0B")]
    answer = wechat.answer({"data": data}, serial=wechat.platform_serial)
    learnt = keys.read_keys(wechat.certificate_account(), answer, NOW)
    assert learnt == {wechat.platform_serial: wechat.certificate, "A0B": pem}
    account = wechat.account(keys=learnt)
    for spelling in ("0A0B", "a0b", "A0B", "000a0B"):
        assert keys.key_of(account, spelling, NOW) == pem


def test_an_answer_signed_by_the_public_key_proves_certificates_too(wechat) -> None:
    answer = wechat.answer({"data": [item(wechat.certificate, wechat.platform_serial)]})
    assert keys.read_keys(wechat.account(), answer, NOW).keys() == {wechat.platform_serial}
    assert keys.read_keys(fresh(wechat), answer, NOW) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"key": APIV3_KEY[::-1]},
        {"serial": "7132D72A03E93CDDF8C03BBD1F37EEDE"},
        {"pem": "no certificate"},
        {"pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
    ],
)
def test_a_certificate_that_is_not_proven_is_not_learnt(wechat, change: dict) -> None:
    arguments = {"pem": wechat.certificate, "serial": wechat.platform_serial, **change}
    pem, serial = arguments.pop("pem"), arguments.pop("serial")
    answer = wechat.answer({"data": [item(pem, serial, **arguments)]})
    assert keys.read_keys(wechat.account(), answer, NOW) == {}


def test_a_bare_public_key_is_no_certificate(wechat) -> None:
    answer = wechat.answer({"data": [item(public_pem(wechat.platform_key), "AB")]})
    assert keys.read_keys(wechat.account(), answer, NOW) == {}


@pytest.mark.parametrize(
    ("begins", "ends"),
    [(timedelta(days=-2), timedelta(days=-1)), (timedelta(days=1), timedelta(days=2))],
)
def test_a_certificate_out_of_date_is_not_learnt(wechat, begins, ends) -> None:
    pem = certificate_of(wechat.platform_key, 0xAB, begins=NOW + begins, ends=NOW + ends)
    answer = wechat.answer({"data": [item(pem, "AB")]})
    assert keys.read_keys(wechat.account(), answer, NOW) == {}
    account = wechat.account(keys={"AB": pem})
    assert keys.key_of(account, "AB", NOW) is None
    assert keys.key_of(account, "AB", NOW + (begins + ends) / 2) == pem


def test_the_answer_itself_must_be_signed_and_fresh(wechat) -> None:
    content = {"data": [item(wechat.certificate, wechat.platform_serial)]}
    account = wechat.account()
    good = wechat.answer(content)
    assert keys.read_keys(account, good, NOW)
    assert keys.read_keys(account, good, NOW + timedelta(seconds=301)) == {}
    assert keys.read_keys(account, HttpResponse(200, {}, good.body), NOW) == {}
    assert keys.read_keys(account, HttpResponse(500, good.headers, good.body), NOW) == {}
    spoiled = good.headers | {"wechatpay-nonce": "other"}
    assert keys.read_keys(account, HttpResponse(200, spoiled, good.body), NOW) == {}


@pytest.mark.parametrize(
    "content",
    [{}, {"data": None}, {"data": {}}, {"data": [7]}, {"data": [{}]}, {"data": [{"serial_no": 1}]}],
)
def test_what_is_no_list_of_certificates_proves_nothing(wechat, content: dict) -> None:
    assert keys.read_keys(wechat.account(), wechat.answer(content), NOW) == {}
    body = json.dumps(content).encode()[:-1]
    broken = HttpResponse(200, wechat.headers(body), body)
    assert keys.read_keys(wechat.account(), broken, NOW) == {}


def test_a_public_key_is_never_fetched(wechat) -> None:
    assert keys.build_keys(wechat.account(), PUBLIC_KEY_ID, NOW) is None
    assert keys.build_keys(wechat.account(), "AB12", NOW) is not None
    assert keys.build_keys(wechat.account(), None, NOW) is not None


def test_a_public_key_is_known_by_its_own_id_only(wechat) -> None:
    account = wechat.account()
    assert keys.key_of(account, PUBLIC_KEY_ID, NOW) == public_pem(wechat.public_key)
    assert keys.key_of(account, PUBLIC_KEY_ID.lower(), NOW) is None
    assert keys.key_of(fresh(wechat), PUBLIC_KEY_ID, NOW) is None
    assert keys.key_of(fresh(wechat), "", NOW) is None


def test_names_are_sealed_with_the_public_key_or_the_certificate_that_ends_last(wechat) -> None:
    old = certificate_of(new_key(), 0xA1, ends=NOW + timedelta(days=1))
    new = certificate_of(new_key(), 0xB2, ends=NOW + timedelta(days=9))
    over = certificate_of(new_key(), 0xC3, ends=NOW - timedelta(days=1))
    learnt = {"A1": old, "B2": new, "C3": over}
    expected = (PUBLIC_KEY_ID, public_pem(wechat.public_key))
    assert keys.newest_key(wechat.account(keys=learnt), NOW) == expected
    account = wechat.account(keys=learnt, wechat_public_key="", wechat_public_key_id="")
    assert keys.newest_key(account, NOW) == ("B2", new)
    assert keys.newest_key(fresh(wechat), NOW) is None
