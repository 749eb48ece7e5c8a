"""Both twins of `fastpath.amount`: exact, ASCII only, nothing guessed."""

import pickle
from decimal import Decimal
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpath.amount import AMOUNT_MINOR_MAX, REASONS, TEXT_CHARS_MAX, AmountInvalid

pytestmark = pytest.mark.fast

MAX = 999_999_999_999


class SubclassedInt(int):
    """An int to isinstance, and still refused."""


class SubclassedText(str):
    """A str to isinstance, and still refused."""


class SubclassedBytes(bytes):
    """A bytes to isinstance, and still refused."""


def test_limits() -> None:
    assert AMOUNT_MINOR_MAX == MAX
    assert TEXT_CHARS_MAX == 32


# --- check_minor -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 2, 100, 2**31, 2**32, MAX - 1, MAX])
def test_minor_is_given_back(amount: ModuleType, value: int) -> None:
    assert amount.check_minor(value) is value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0, "too_small"),
        (-1, "too_small"),
        (-(2**63), "too_small"),
        (-(2**63) - 1, "too_small"),
        (-(10**400), "too_small"),
        (MAX + 1, "too_large"),
        (2**63 - 1, "too_large"),
        (2**63, "too_large"),
        (2**64 + 1, "too_large"),  # 1 if it were cut to 64 bits
        (10**5000, "too_large"),
        (True, "not_an_integer"),
        (False, "not_an_integer"),
        (1.0, "not_an_integer"),
        (float("nan"), "not_an_integer"),
        (float("inf"), "not_an_integer"),
        (1e400, "not_an_integer"),
        (-0.0, "not_an_integer"),
        ("1", "not_an_integer"),
        (b"1", "not_an_integer"),
        ("١٢٣", "not_an_integer"),
        (Decimal(1), "not_an_integer"),
        (1 + 0j, "not_an_integer"),
        (None, "not_an_integer"),
        ([1], "not_an_integer"),
        (SubclassedInt(1), "not_an_integer"),
        (int, "not_an_integer"),
    ],
    ids=lambda value: str(value)[:40] if not isinstance(value, int) else hex(value)[:20],
)
def test_minor_is_refused(amount: ModuleType, value: object, reason: str) -> None:
    with pytest.raises(AmountInvalid) as caught:
        amount.check_minor(value)
    assert caught.value.reason == reason
    assert str(caught.value) == REASONS[reason]


# --- parse_decimal -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "exponent", "minor"),
    [
        ("0", 0, 0),
        ("0", 2, 0),
        ("0.0", 2, 0),
        ("0.00", 2, 0),
        ("1", 0, 1),
        ("1", 2, 100),
        ("88.8", 2, 8880),
        ("88.80", 2, 8880),
        ("88.88", 2, 8888),
        ("0.01", 2, 1),
        ("0.1", 2, 10),
        ("0.10", 2, 10),
        ("10.05", 2, 1005),
        ("500", 0, 500),
        ("1.234", 3, 1234),
        ("1.2", 3, 1200),
        ("0.001", 3, 1),
        ("0.0001", 4, 1),
        ("12.3456", 4, 123456),
        ("999999999999", 0, MAX),
        ("9999999999.99", 2, MAX),
        ("99999999.9999", 4, MAX),
        ("4611686018.42", 2, 461168601842),
    ],
)
def test_decimal_is_read(amount: ModuleType, text: str, exponent: int, minor: int) -> None:
    for given_text in (text, text.encode()):
        read = amount.parse_decimal(given_text, exponent)
        assert read == minor
        assert type(read) is int


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "1.", ".5", "1..2", "1.2.3", "1.2.", ".1.", "00", "01", "00.5", "000",
        "01.50", "-1", "+1", "-0", "--1", " 1", "1 ", "1 2", "\t1", "1\n", "1\r\n", "1.5\n",
        "1\x00", "\x001", "1_000", "1,000", "1,5", "1e3", "1E3", "1.5e1", "0x10", "0b1", "nan",
        "NaN", "inf", "Infinity", "¥1", "$1", "1元", "1.0f", "1/2", "'1'", '"1"', "(1)", "1%",
        "١٢٣", "１２", "1．5", "²", "१", "1\u2007", "\ufeff1", "1\u200b", "\ud800", "1.\udfff",
        # an ASCII digit first, another kind after it; digits if they were cut to one byte
        "1٢", "1２", "1.٢", "10.５", "\u0131", "1\u0130", "1\u012e5", "0.\U00010035",
        "𝟏", "½", "1" * 33, "0." + "0" * 31, "0" * 33,
    ],
    ids=ascii,
)  # fmt: skip
def test_decimal_is_malformed(amount: ModuleType, text: str) -> None:
    texts: list[str | bytes] = [text]
    texts.append(text.encode("utf-8", "surrogatepass"))
    for given_text in texts:
        for exponent in range(5):
            with pytest.raises(AmountInvalid) as caught:
                amount.parse_decimal(given_text, exponent)
            assert caught.value.reason == "malformed"
            assert str(caught.value) == REASONS["malformed"]


@pytest.mark.parametrize(
    ("text", "exponent", "reason"),
    [
        ("1.0", 0, "too_precise"),
        ("100.5", 0, "too_precise"),
        ("1.000", 2, "too_precise"),
        ("1.001", 2, "too_precise"),
        ("0.000", 2, "too_precise"),
        ("1.0000", 3, "too_precise"),
        ("1.00000", 4, "too_precise"),
        ("0." + "0" * 30, 4, "too_precise"),
        ("9999999999999.999", 2, "too_precise"),  # before too_large
        ("1000000000000", 0, "too_large"),
        ("10000000000", 2, "too_large"),
        ("10000000000.00", 2, "too_large"),
        ("9999999999.999", 3, "too_large"),
        ("100000000", 4, "too_large"),
        ("18446744073709551617", 0, "too_large"),  # 2**64 + 1
        ("9" * 32, 0, "too_large"),
        ("9" * 29 + ".99", 2, "too_large"),
        ("9" * 29 + ".9x", 2, "malformed"),  # before too_large
        ("9.99x", 1, "malformed"),  # before too_precise
    ],
)
def test_decimal_is_refused(amount: ModuleType, text: str, exponent: int, reason: str) -> None:
    for given_text in (text, text.encode()):
        with pytest.raises(AmountInvalid) as caught:
            amount.parse_decimal(given_text, exponent)
        assert caught.value.reason == reason
        assert str(caught.value) == REASONS[reason]


@pytest.mark.parametrize("exponent", [-1, 5, 100, 2**31, 2**32 + 2, 2**64 + 2, -(2**64)])
def test_exponent_is_refused(amount: ModuleType, exponent: int) -> None:
    for call in (
        lambda: amount.parse_decimal("not even a number", exponent),
        lambda: amount.format_decimal(1, exponent),
    ):
        with pytest.raises(ValueError, match=r"^exponent must be 0 to 4$") as caught:
            call()
        assert type(caught.value) is ValueError


@pytest.mark.parametrize("exponent", [None, "2", 2.0, True, SubclassedInt(2), Decimal(2)])
def test_exponent_is_an_int(amount: ModuleType, exponent: object) -> None:
    wanted = f"^exponent must be int, not {type(exponent).__name__}$"
    for call in (
        lambda: amount.parse_decimal("1", exponent),
        lambda: amount.parse_decimal(b"1", exponent),
        lambda: amount.format_decimal(1, exponent),
    ):
        with pytest.raises(TypeError, match=wanted):
            call()


@pytest.mark.parametrize(
    "text",
    [None, 1, 1.5, True, Decimal("1.5"), bytearray(b"1"), memoryview(b"1"), ["1"],
     SubclassedText("1"), SubclassedBytes(b"1")],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_text_is_str_or_bytes(amount: ModuleType, text: object) -> None:
    wanted = f"^text must be str or bytes, not {type(text).__name__}$"
    for exponent in (2, 9, None):  # the text is looked at first
        with pytest.raises(TypeError, match=wanted):
            amount.parse_decimal(text, exponent)


# --- format_decimal ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minor", "exponent", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (0, 4, "0.0000"),
        (1, 0, "1"),
        (1, 2, "0.01"),
        (1, 4, "0.0001"),
        (10, 2, "0.10"),
        (99, 2, "0.99"),
        (100, 2, "1.00"),
        (8880, 2, "88.80"),
        (1005, 2, "10.05"),
        (1234, 3, "1.234"),
        (10, 1, "1.0"),
        (9, 1, "0.9"),
        (MAX, 0, "999999999999"),
        (MAX, 2, "9999999999.99"),
        (MAX, 4, "99999999.9999"),
    ],
)
def test_decimal_is_written(amount: ModuleType, minor: int, exponent: int, text: str) -> None:
    assert amount.format_decimal(minor, exponent) == text


@pytest.mark.parametrize(
    ("minor", "reason"),
    [
        (-1, "too_small"),
        (-(2**64) + 1, "too_small"),
        (MAX + 1, "too_large"),
        (2**64 + 1, "too_large"),
        (True, "not_an_integer"),
        (1.0, "not_an_integer"),
        ("1", "not_an_integer"),
        (None, "not_an_integer"),
        (SubclassedInt(1), "not_an_integer"),
    ],
)
def test_decimal_is_not_written(amount: ModuleType, minor: object, reason: str) -> None:
    for exponent in (2, 9, None):  # the amount is looked at first
        with pytest.raises(AmountInvalid) as caught:
            amount.format_decimal(minor, exponent)
        assert caught.value.reason == reason


@given(minor=st.integers(0, MAX), exponent=st.integers(0, 4))
def test_text_and_amount_are_one(amount: ModuleType, minor: int, exponent: int) -> None:
    text = amount.format_decimal(minor, exponent)
    assert Decimal(text).scaleb(exponent) == minor
    assert amount.parse_decimal(text, exponent) == minor
    assert amount.parse_decimal(text.encode(), exponent) == minor


@given(
    text=st.text(alphabet="0123456789.", max_size=14) | st.text(max_size=8),
    exponent=st.integers(0, 4),
)
def test_what_is_read_is_what_it_says(amount: ModuleType, text: str, exponent: int) -> None:
    """Decimal is the judge of every text that is taken; it takes far more than we do."""
    try:
        minor = amount.parse_decimal(text, exponent)
    except AmountInvalid:
        return
    assert text.isascii()
    assert Decimal(text).scaleb(exponent) == minor
    assert 0 <= minor <= MAX


@pytest.mark.parametrize("reason", REASONS)
def test_error_survives_pickling(reason: str) -> None:
    """Worker processes send their errors to one another."""
    again = pickle.loads(pickle.dumps(AmountInvalid(reason)))
    assert (type(again), again.reason, str(again)) == (AmountInvalid, reason, REASONS[reason])
