"""Text: card numbers, control characters, lengths."""

import pytest

from gateway.domain.errors import TillgateError
from gateway.domain.text import (
    check_business_no,
    check_metadata,
    check_text,
    has_card_number,
)

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4242424242424242", True),
        ("card 4242 4242 4242 4242 thanks", True),
        ("4242-4242-4242-4242", True),
        ("5555555555554444", True),
        ("378282246310005", True),
        ("6011111111111117", True),
        ("3530111333300000", True),
        ("6200000000000005", True),
        ("4242424242424241", False),  # Luhn
        ("4242  4242 4242 4242", False),  # two spaces end a run
        ("order 20261122000000001", False),
        ("9999999999999995", False),  # no network begins so
        ("424242424242", False),
        ("42424242424242424242", False),  # twenty digits are no card
        ("x4242424242424242y", True),
    ],
)
def test_card_numbers(text: str, found: bool) -> None:
    assert has_card_number(text) is found


@pytest.mark.parametrize("text", ["", "a" * 256, "a\x00b", "a\nb", "a\x7fb", "a\u2028b", "\ud800"])
def test_text_that_may_not_be_stored(text: str) -> None:
    with pytest.raises(TillgateError) as refused:
        check_text(text, param="/reason")
    assert refused.value.code == "invalid_field" and refused.value.param == "/reason"


@pytest.mark.parametrize("text", ["a", "a" * 255, "中文 подарок 🎁", "1234567890123"])
def test_text_that_may(text: str) -> None:
    assert check_text(text, param="/reason") == text


@pytest.mark.parametrize("number", ["A-1", "a|b*c.d:e/f_g", "x" * 64])
def test_business_numbers(number: str) -> None:
    assert check_business_no(number, param="/n") == number


@pytest.mark.parametrize("number", ["", "x" * 65, "a b", "a\n", "ä", "a%"])
def test_no_business_numbers(number: str) -> None:
    with pytest.raises(TillgateError):
        check_business_no(number, param="/n")


@pytest.mark.parametrize(
    "metadata",
    [
        {str(n): "x" for n in range(21)},
        {"": "x"},
        {"k" * 41: "x"},
        {"a b": "x"},
        {"k": "v" * 501},
        {"k": "a\x00"},
    ],
)
def test_metadata_limits(metadata: dict) -> None:
    with pytest.raises(TillgateError):
        check_metadata(metadata)
