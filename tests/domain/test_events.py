"""Events: how moments are told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.events import rfc3339, rfc3339_or_none

pytestmark = pytest.mark.fast

MOMENTS = st.datetimes(
    datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999), timezones=st.just(UTC)
)


@given(MOMENTS)
def test_a_moment_is_told_as_python_tells_it_with_a_z(moment: datetime) -> None:
    told = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert rfc3339(moment) == rfc3339_or_none(moment) == told


def test_digits_are_never_rounded_up() -> None:
    last = datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)
    assert rfc3339(last) == "2026-12-31T23:59:59.999Z"


def test_no_moment_is_none() -> None:
    assert rfc3339_or_none(None) is None
