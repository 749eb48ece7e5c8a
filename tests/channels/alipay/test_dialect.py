"""Money and time as Alipay spells them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.channels.alipay.dialect import (
    beijing_text,
    fen_of,
    moment_of,
    payer_share,
    yuan_of,
)

pytestmark = pytest.mark.fast


def test_moments_are_beijing_wall_time() -> None:
    moment = datetime(2026, 12, 31, 16, 0, 1, 999_999, tzinfo=UTC)
    assert beijing_text(moment) == "2027-01-01 00:00:01"
    assert beijing_text(moment.astimezone(timezone(timedelta(hours=-5)))) == "2027-01-01 00:00:01"
    with pytest.raises(ValueError):
        beijing_text(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-01 00:00:01", datetime(2026, 12, 31, 16, 0, 1, tzinfo=UTC)),
        ("2025-05-15 17:38:48.536", datetime(2025, 5, 15, 9, 38, 48, 536_000, tzinfo=UTC)),
        ("2027-13-01 00:00:01", None),
        ("0001-01-01 00:00:00", None),
        ("2027-01-01T00:00:01", None),
        ("2027-01-01 00:00:01+08:00", None),
        ("２027-01-01 00:00:01", None),
        ("2027-01-01 00:00:01\n", None),
        ("", None),
        (None, None),
        (20270101, None),
    ],
)
def test_a_wall_time_is_read_exactly_or_not_at_all(text: object, moment: datetime | None) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("0.01", 1),
        ("88.88", 8888),
        ("100000000.00", 10_000_000_000),
        ("0.00", 0),
        ("1.005", None),
        ("-1.00", None),
        ("1e2", None),
        (" 1.00", None),
        ("１.00", None),
        ("", None),
        (88.88, None),
        (8888, None),
        (True, None),
        (None, None),
    ],
)
def test_an_amount_is_exact_text_or_none(text: object, fen: int | None) -> None:
    assert fen_of(text) == fen


def test_amounts_are_written_with_two_places() -> None:
    assert [yuan_of(fen) for fen in (1, 10, 1234, 10_000_000_000)] == [
        "0.01",
        "0.10",
        "12.34",
        "100000000.00",
    ]


@pytest.mark.parametrize(
    ("buyer_pay", "receipt", "share"),
    [
        (1200, 1234, (1200, 34)),
        (1234, 1234, (1234, 0)),
        (1234, None, (1234, 0)),
        (0, 1234, (0, 1234)),
        (0, 0, (None, None)),
        (0, None, (None, None)),
        (None, 1234, (None, None)),
        (1235, 1234, (None, None)),
    ],
)
def test_the_payers_share_is_told_only_where_alipay_reports_it(
    buyer_pay: int | None, receipt: int | None, share: tuple
) -> None:
    assert payer_share(total=1234, buyer_pay=buyer_pay, receipt=receipt) == share
