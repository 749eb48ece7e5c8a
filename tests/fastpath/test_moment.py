"""Both twins of `fastpath.moment` against Python's own texts and readings of moments."""

from datetime import UTC, date, datetime, timedelta, timezone
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytestmark = pytest.mark.fast


@given(st.datetimes(timezones=st.just(UTC)))
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
@example(datetime(999, 1, 1, tzinfo=UTC))
def test_a_moment_is_told_as_python_tells_it_with_a_z(
    moment_twin: ModuleType, moment: datetime
) -> None:
    told = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert moment_twin.rfc3339(moment) == told
    assert len(told) == 24


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC), "2026-12-31T23:59:59.999Z"),
        (datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29T00:00:00.000Z"),
        (datetime(1, 2, 3, 4, 5, 6, 7_000, UTC), "0001-02-03T04:05:06.007Z"),
    ],
)
def test_known_texts(moment_twin: ModuleType, moment: datetime, told: str) -> None:
    assert moment_twin.rfc3339(moment) == told


def test_the_zone_is_not_looked_at(moment_twin: ModuleType) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901)
    told = "2026-01-02T03:04:05.678Z"
    for zone in (None, UTC, timezone(timedelta(hours=8))):
        assert moment_twin.rfc3339(moment.replace(tzinfo=zone)) == told


def test_a_subclass_is_told_like_its_base(moment_twin: ModuleType) -> None:
    class Stamp(datetime):
        pass

    assert moment_twin.rfc3339(Stamp(2026, 1, 2)) == "2026-01-02T00:00:00.000Z"


@pytest.mark.parametrize("wrong", [None, 0, "2026-01-02T00:00:00Z", date(2026, 1, 2)])
def test_other_types_are_refused(moment_twin: ModuleType, wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"^moment must be datetime, not {type(wrong).__name__}$"):
        moment_twin.rfc3339(wrong)


@given(st.datetimes(), st.integers(0, 14))
@example(datetime.min, 0)
@example(datetime.min, 14)
@example(datetime.max, 14)
@example(datetime(2024, 3, 1, 7, 59, 59), 8)
@example(datetime(2026, 3, 1, 7, 59, 59), 8)
@example(datetime(2000, 3, 1), 1)
@example(datetime(1900, 3, 1), 1)
@example(datetime(2026, 1, 1), 1)
@example(datetime(2026, 5, 1), 1)
def test_a_wall_time_is_the_moment_that_python_reads(
    moment_twin: ModuleType, shown: datetime, hours_east: int
) -> None:
    try:
        moment = shown.replace(tzinfo=timezone(timedelta(hours=hours_east))).astimezone(UTC)
    except OverflowError:
        moment = None
    text = shown.isoformat(" ")
    read = moment_twin.read_wall(text, hours_east)
    assert read == moment
    assert read is None or read.tzinfo is UTC
    whole = moment_twin.read_wall(text[:19], hours_east)
    assert whole == (moment and moment.replace(microsecond=0))


@pytest.mark.parametrize(
    ("decimals", "microsecond"),
    [(".5", 500_000), (".536", 536_000), (".000001", 1), (".999999", 999_999), (".0", 0)],
)
def test_decimals_of_a_second_are_read(
    moment_twin: ModuleType, decimals: str, microsecond: int
) -> None:
    read = moment_twin.read_wall(f"2026-11-22 20:05:00{decimals}", 8)
    assert read == datetime(2026, 11, 22, 12, 5, 0, microsecond, UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-11-22", "2026-11-22 20:05", "2026-11-22T20:05:00", "2026-11-22 20:05:00."),
        *("2026-11-22 20:05:00.1234567", "2026-11-22 20:05:00,1", "2026-11-22 20:05:00 "),
        *(" 2026-11-22 20:05:00", "2026-11-22 20:05:00+08:00", "2026-11-22 20:05:00Z"),
        *(
            "2026/11/22 20:05:00",
            "2026-11-22 20-05-00",
            "2026-11-22 20:05:0x",
            "2026-11-22 20:05:0",
        ),
        *("2026-1-022 20:05:00", "-026-11-22 20:05:00", "2026-11-22 20:05:00.-1"),
        *("0000-11-22 20:05:00", "2026-00-22 20:05:00", "2026-13-22 20:05:00"),
        *("2026-11-00 20:05:00", "2026-11-31 20:05:00", "2026-02-29 20:05:00"),
        *("2100-02-29 20:05:00", "2026-12-32 20:05:00", "2026-11-22 24:00:00"),
        *("2026-11-22 20:60:00", "2026-11-22 20:05:60", "２026-11-22 20:05:00"),
        *("2026-11-22 20:05:00\n", "2026-11-22 20:05:00.1\0", "2026-11-22 20:05:0\ud800"),
    ],
)
def test_what_is_no_wall_time_is_none(moment_twin: ModuleType, text: str) -> None:
    assert moment_twin.read_wall(text, 8) is None


def test_walls_hang_nowhere_else(moment_twin: ModuleType) -> None:
    for hours in (-1, 15, 10**30):
        with pytest.raises(ValueError, match=r"^hours_east must be 0 to 14$"):
            moment_twin.read_wall("2026-11-22 20:05:00", hours)
    for text, wrong in ((b"2026-11-22 20:05:00", 8), (None, 8), ("", True), ("", 8.0), ("", None)):
        with pytest.raises(TypeError, match="must be"):
            moment_twin.read_wall(text, wrong)
