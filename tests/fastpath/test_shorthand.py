"""Both twins of `fastpath.shorthand`: any text comes back, views come back short."""

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpath import shorthand as door
from fastpath._row_terms import GROUP, NULL, UNIT
from fastpath._shorthand_terms import BEGINNING, PHRASES

pytestmark = pytest.mark.fast

CREATED = (
    '{"id":"pay_01m82mxysbehkr958xrd962g6w","object":"payment","merchant_order_no":"A-1"'
    ',"amount":1,"currency":"CNY","subject":"茶","status":"requires_payment_method","method":null'
    ',"channel":null,"channel_account_id":null,"attempt_id":null,"channel_order_no":null'
    ',"capture_method":"automatic","amount_authorized":0,"amount_capturable":0,"amount_captured":0'
    ',"amount_refunded":0,"amount_refund_pending":0,"amount_received":0,"amount_disputed":0'
    ',"fee_amount":0,"payer_amount":null,"discount_amount":null,"next_action":{"type":"none"}'
    ',"cashier_url":null,"return_url":null,"notify_url":null,"customer":null'
    ',"metadata":{"cart":"0"},"expires_at":"2026-11-23T00:09:51.915Z","capture_before":null'
    ',"created_at":"2026-11-22T22:09:51.915Z","succeeded_at":null,"canceled_at":null'
    ',"expired_at":null,"version":1,"livemode":true,"error":null}'
)
SHORT = (
    '{"id":"pay_01m82mxysbehkr958xrd962g6w"\x01A-1","amount":1,"currency":"CNY","subject":"茶"'
    ',"status":"requires_payment_method"\x02\x03none"}\x04null\x05"cart":"0"}'
    ',"expires_at":"2026-11-23T00:09:51.915Z"\x062026-11-22T22:09:51.915Z"\x071\x08'
)

phrases = st.sampled_from(sorted(PHRASES.values()))
pieces = st.one_of(
    phrases,
    phrases.flatmap(lambda phrase: st.integers(0, len(phrase)).map(lambda end: phrase[:end])),
    st.text(st.characters(min_codepoint=0x20), max_size=8),
    st.sampled_from([",", '"', ',"', ',",', "\ud800"]),
)
texts = st.lists(pieces, max_size=12).map("".join)


def test_a_view_is_written_short(shorthand: ModuleType) -> None:
    assert shorthand.shorten(CREATED) == SHORT
    assert shorthand.lengthen(SHORT) == CREATED
    assert 3 * len(SHORT) < len(CREATED)


@given(texts)
def test_any_text_comes_back(shorthand: ModuleType, text: str) -> None:
    stored = shorthand.shorten(text)
    assert shorthand.lengthen(stored) == text
    assert not any(phrase in stored for phrase in PHRASES.values())


@pytest.mark.parametrize("text", ["", "{}", ",", ',"', "x" * 5000, "茶" * 3000, "\ud800", "\n"])
def test_what_holds_no_phrase_is_stored_as_it_is(shorthand: ModuleType, text: str) -> None:
    assert shorthand.shorten(text) == text
    assert shorthand.lengthen(text) == text


@pytest.mark.parametrize("tail", ["", "茶", "\ud800"])
def test_long_texts(shorthand: ModuleType, tail: str) -> None:
    text = CREATED * 20 + tail
    assert shorthand.shorten(text) == SHORT * 20 + tail
    assert shorthand.lengthen(SHORT * 20 + tail) == text


@pytest.mark.parametrize("wrong", [b"{}", None, 1])
def test_only_texts_are_taken(shorthand: ModuleType, wrong: object) -> None:
    for function in (shorthand.shorten, shorthand.lengthen):
        with pytest.raises(TypeError, match="must be str"):
            function(wrong)


def test_signs_stand_in_no_other_text() -> None:
    assert door.PHRASES is PHRASES
    assert len(set(PHRASES.values())) == len(PHRASES)
    taken = {UNIT, NULL, GROUP, *"\x00\t\n\v\f\r"}
    for sign, phrase in PHRASES.items():
        assert len(sign) == 1 and sign < " " and sign not in taken
        assert phrase.startswith(BEGINNING) and phrase.isascii() and phrase.isprintable()
        for name in ("status", "amount", "currency"):
            assert f'"{name}"' not in phrase
        assert not any(other.startswith(phrase) for other in PHRASES.values() if other != phrase)
