"""Answers: what gets through, and the many that do not."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.codec import Unknown
from gateway.channels.wechat.answer import Answer, open_answer
from gateway.channels.wire import HttpResponse

from .conftest import NOW, PUBLIC_KEY_ID, WechatSide, certificate_of, new_key

pytestmark = pytest.mark.fast

SIDE = WechatSide(new_key(), new_key(), new_key())
ACCOUNT = SIDE.account()


def test_a_signed_answer_is_opened(wechat) -> None:
    answer = open_answer(wechat.account(), wechat.answer({"code_url": "weixin://x"}))
    assert answer == Answer(200, "", {"code_url": "weixin://x"}, NOW.replace(microsecond=0))
    assert answer.is_success
    assert answer.text("code_url") == "weixin://x"
    assert answer.text("prepay_id") is None


def test_an_empty_signed_answer_is_opened(wechat) -> None:
    answer = open_answer(wechat.account(), wechat.answer(None, status=204))
    assert isinstance(answer, Answer) and answer.is_success and answer.fields == {}


def test_a_signed_refusal_is_opened(wechat) -> None:
    answer = open_answer(wechat.account(), wechat.refusal(403, "NO_AUTH"))
    assert isinstance(answer, Answer) and not answer.is_success
    assert (answer.status, answer.code) == (403, "NO_AUTH")


def test_both_kinds_of_keys_are_taken_at_once(wechat) -> None:
    account = wechat.account(keys={wechat.platform_serial: wechat.certificate})
    for serial in (PUBLIC_KEY_ID, wechat.platform_serial, wechat.platform_serial.lower()):
        assert isinstance(open_answer(account, wechat.answer({}, serial=serial)), Answer)


def test_an_unknown_serial_is_said_with_its_name(wechat) -> None:
    answer = wechat.answer({}, serial=wechat.platform_serial)
    expected = Unknown("unknown_serial", wechat.platform_serial)
    assert open_answer(wechat.account(), answer) == expected
    over = certificate_of(
        wechat.platform_key, int(wechat.platform_serial, 16), ends=NOW - timedelta(seconds=1)
    )
    account = wechat.account(keys={wechat.platform_serial: over})
    assert open_answer(account, answer) == expected


@pytest.mark.parametrize("status", [200, 204, 400, 500])
def test_an_unsigned_answer_says_nothing(wechat, status: int) -> None:
    body = json.dumps({"code": "PARAM_ERROR", "code_url": "weixin://x"}).encode()
    found = open_answer(wechat.account(), HttpResponse(status, {}, body, NOW))
    assert isinstance(found, Unknown) and found.channel_code == "PARAM_ERROR"


def test_a_stale_answer_says_nothing_and_its_maker_may_vouch(wechat) -> None:
    late = wechat.answer({}, received_at=NOW + timedelta(seconds=301))
    assert isinstance(open_answer(wechat.account(), late), Unknown)
    vouched = wechat.answer({}, received_at=None, at=NOW - timedelta(days=3))
    assert isinstance(open_answer(wechat.account(), vouched), Answer)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"1", b'"x"', b"[" * 5000])
def test_what_is_no_object_says_nothing(wechat, body: bytes) -> None:
    answer = HttpResponse(200, wechat.headers(body), body, NOW)
    assert isinstance(open_answer(wechat.account(), answer), Unknown)


def test_a_refusal_without_a_usable_code_says_nothing(wechat) -> None:
    for content in ({}, {"code": 7}, {"code": "a b"}, {"code": ""}, {"code": "x" * 65}):
        answer = wechat.answer(content, status=400)
        assert isinstance(open_answer(wechat.account(), answer), Unknown)


def test_a_success_with_a_code_is_no_success(wechat) -> None:
    answer = open_answer(wechat.account(), wechat.answer({"code": "PARAM_ERROR"}))
    assert isinstance(answer, Answer) and not answer.is_success


def test_an_answer_has_a_size(wechat) -> None:
    body = b'{"a":"' + b"x" * 262_144 + b'"}'
    answer = HttpResponse(200, wechat.headers(body), body, NOW)
    assert open_answer(wechat.account(), answer) == Unknown("the answer is too large")


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["wechatpay-signature", "wechatpay-nonce", "x"]), st.text()),
    st.binary(),
)
def test_nothing_raises_and_nothing_unsigned_gets_through(status, headers, body) -> None:
    complete = {
        "wechatpay-timestamp": str(int(NOW.timestamp())),
        "wechatpay-serial": PUBLIC_KEY_ID,
        **headers,
    }
    answer = HttpResponse(status, complete, body, NOW)
    assert isinstance(open_answer(ACCOUNT, answer), Unknown)
