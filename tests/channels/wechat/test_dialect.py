"""WeChat's spelling of money, time and text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.wechat import dialect

pytestmark = pytest.mark.fast


def test_times_are_written_in_beijing() -> None:
    moment = datetime(2026, 11, 22, 16, 30, 0, 999_999, tzinfo=UTC)
    assert dialect.beijing_text(moment) == "2026-11-23T00:30:00+08:00"
    with pytest.raises(ValueError):
        dialect.beijing_text(datetime(2026, 11, 22))


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T00:30:00+08:00", "2026-11-22T16:30:00Z", "2026-11-22T16:30:00.000+00:00"],
)
def test_times_are_read_in_any_zone(text: str) -> None:
    assert dialect.moment_of(text) == datetime(2026, 11, 22, 16, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23 00:30:00",
        "2026-11-23T00:30:00",
        "2026-02-30T00:30:00Z",
        "2026-11-23T25:30:00Z",
        "20261123T003000Z",
        "2026-11-23T00:30:00Z\n",
        "0001-01-01T00:00:00+08:00",
        "",
        None,
        1_700_000_000,
    ],
)
def test_what_is_no_time(text: object) -> None:
    assert dialect.moment_of(text) is None


@pytest.mark.parametrize("text", ["2026-11-23 00:30:00", "2026-11-23  00:30:00"])
def test_bills_have_times_of_their_own(text: str) -> None:
    assert dialect.bill_moment_of(text) == datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
    for wrong in ("2026-11-23T00:30:00", "2026-13-23 00:30:00", "", "2026-11-23"):
        assert dialect.bill_moment_of(wrong) is None


def test_seconds_and_microseconds_are_exact() -> None:
    moment = datetime(2026, 11, 22, 22, 30, 5, 123_456, tzinfo=timezone(timedelta(hours=8)))
    assert dialect.unix_seconds(moment) == 1_795_357_805
    assert dialect.unix_microseconds(moment) == 1_795_357_805_123_456
    assert dialect.from_unix_seconds(1_795_357_805) == moment.replace(microsecond=0)
    assert dialect.from_unix_seconds(10**12) is None


@pytest.mark.parametrize(
    ("value", "fen"),
    [(0, 0), (1234, 1234), (-1, None), (True, None), (1.0, None), ("1", None), (None, None)],
)
def test_the_apis_amounts_are_integers(value: object, fen: int | None) -> None:
    assert dialect.fen_of(value) == fen


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("12.34", 1234),
        ("0.00", 0),
        ("-0.07", -7),
        ("5", 500),
        ("1.234", None),
        ("1e2", None),
        ("--1", None),
        ("+1", None),
        ("", None),
        ("１.00", None),
        (" 1.00", None),
    ],
)
def test_bills_amounts(text: str, fen: int | None) -> None:
    assert dialect.bill_fen_of(text) == fen


@given(st.integers(min_value=-(10**10), max_value=10**10))
def test_bills_amounts_are_exact(fen: int) -> None:
    sign = "-" if fen < 0 else ""
    assert dialect.bill_fen_of(f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}") == fen


@pytest.mark.parametrize(
    ("text", "units", "fen"),
    [
        ("0.07000", 7000, 7),
        ("7.79000", 779_000, 779),
        ("-0.07000", -7000, -7),
        ("0.00000", 0, 0),
        ("0.05940", 5940, 6),
        ("-0.05940", -5940, -6),
        ("0.00499", 499, 0),
        ("3", 300_000, 300),
    ],
)
def test_fees_have_five_decimals(text: str, units: int, fen: int) -> None:
    assert dialect.fee_units_of(text) == units
    assert dialect.fen_of_fee_units(units) == fen


@pytest.mark.parametrize("text", ["", "0.000001", "1,5", "1e2", "٣", "--1", "1" * 13, ".5", "5."])
def test_what_is_no_fee(text: str) -> None:
    assert dialect.fee_units_of(text) is None


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))), st.integers(0, 20))
def test_texts_are_cut_between_characters(text: str, size: int) -> None:
    cut = dialect.cut_bytes(text, size)
    assert text.startswith(cut)
    assert len(cut.encode()) <= size
    rest = text[len(cut) :]
    assert not rest or len((cut + rest[0]).encode()) > size


def test_texts_have_no_control_characters() -> None:
    assert dialect.is_text("一杯咖啡")
    assert not any(map(dialect.is_text, ["a\n", "\x00", "\x7f", "\ud800"]))
