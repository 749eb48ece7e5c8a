"""Cursors belong to merchant, path and filter."""

import pytest

from gateway.domain import cursor
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast

KEY = b"k" * 32
PLACE = {"merchant_id": "mch_a", "path": "/v1/payments", "filters": "None"}


def test_a_cursor_gives_back_where_the_page_ended() -> None:
    text = cursor.make(KEY, last="pay_x", **PLACE)
    assert cursor.read(KEY, text, **PLACE) == "pay_x"


@pytest.mark.parametrize("change", [{"merchant_id": "mch_b"}, {"path": "/x"}, {"filters": "y"}])
def test_it_is_no_cursor_of_another_list(change: dict) -> None:
    text = cursor.make(KEY, last="pay_x", **PLACE)
    with pytest.raises(TillgateError) as refused:
        cursor.read(KEY, text, **(PLACE | change))
    assert refused.value.code == "invalid_cursor"


@pytest.mark.parametrize("text", ["", "x", "!!!!", "é", "A" * 400])
def test_nonsense_is_no_cursor(text: str) -> None:
    with pytest.raises(TillgateError):
        cursor.read(KEY, text, **PLACE)


def test_no_bit_of_a_cursor_can_be_flipped() -> None:
    text = cursor.make(KEY, last="pay_x", **PLACE)
    for index in range(len(text) - 1):
        for letter in "AZaz09":
            if letter != text[index]:
                with pytest.raises(TillgateError):
                    cursor.read(KEY, text[:index] + letter + text[index + 1 :], **PLACE)
