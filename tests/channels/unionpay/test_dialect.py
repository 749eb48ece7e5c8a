"""Time, money and numbers as UnionPay spells them."""

from datetime import UTC, datetime

import pytest

from gateway.channels.unionpay.dialect import (
    beijing_text,
    currency_of,
    fen_of,
    moment_of,
    time_of_number,
    trace_moment,
)
from gateway.domain.ids import make, number_of

pytestmark = pytest.mark.fast


def test_moments_are_beijing_wall_time() -> None:
    moment = datetime(2026, 11, 22, 16, 30, 1, 999_999, tzinfo=UTC)
    assert beijing_text(moment) == "20261123003001"
    assert moment_of("20261123003001") == moment.replace(microsecond=0)
    with pytest.raises(ValueError, match="zone"):
        beijing_text(datetime(2026, 11, 22))


@pytest.mark.parametrize("text", ["", "20261123", "20261323003001", "2026112300300１", None, 5])
def test_what_is_no_moment_is_none(text: object) -> None:
    assert moment_of(text) is None


def test_a_trace_time_takes_its_year_from_the_trade() -> None:
    assert trace_moment("1122223005", "20261122223000") == moment_of("20261122223005")
    assert trace_moment("0101000003", "20261231235959") == moment_of("20270101000003")
    for trace, begun in ((None, "20261122223000"), ("1122", "20261122223000"), ("1122223005", "")):
        assert trace_moment(trace, begun) is None


def test_our_numbers_carry_their_time() -> None:
    moment = datetime(2026, 11, 22, 14, 30, 0, 123_000, tzinfo=UTC)
    at_ms = int(moment.timestamp() * 1000)
    number = number_of(make("rfd", at_ms=at_ms, bucket=4095, random62=(1 << 62) - 1))
    assert time_of_number(number) == moment
    for text in ("", "R-1", number.upper(), number[:-1], "z" * 26, "7" + "z" * 25):
        assert time_of_number(text) is None


@pytest.mark.parametrize(
    ("text", "fen"), [("0", 0), ("1", 1), ("012", 12), ("9" * 12, 999_999_999_999)]
)
def test_money_is_whole_fen(text: str, fen: int) -> None:
    assert fen_of(text) == fen


@pytest.mark.parametrize("text", ["", "-1", "1.0", " 1", "1 ", "１", "9" * 13, None, 1])
def test_what_is_no_money_is_none(text: object) -> None:
    assert fen_of(text) is None


def test_another_currency_stays_a_number() -> None:
    assert currency_of("156") == "CNY"
    assert currency_of("840") == "840"
