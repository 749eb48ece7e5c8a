"""Both twins of `fastpath.moment` against Python's own texts of moments."""

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
