"""The search for the highest rate ends, near it, whatever the highest rate is."""

import pytest

from benchmarks.relay import CLOSE, STEP, next_rate

pytestmark = pytest.mark.fast

WANTED = 10_000.0


@pytest.mark.parametrize("limit", [210.0, 999.0, 2_345.0, 9_999.0, 50_000.0])
@pytest.mark.parametrize("first", [200.0, 1_000.0, WANTED])
def test_the_search_comes_near(limit: float, first: float) -> None:
    held: float | None = None
    broken: float | None = None
    rate: float | None = first
    tries = 0
    while rate is not None:
        tries += 1
        assert tries < 20, "the search does not end"
        assert rate <= WANTED
        if rate <= limit:
            held = rate
        else:
            broken = rate
        rate = next_rate(held, broken, wanted=WANTED)
    assert held is not None
    assert held <= limit
    assert held == WANTED or held * CLOSE * 1.001 >= min(limit, WANTED)


def test_who_holds_nothing_is_asked_for_less() -> None:
    assert next_rate(None, 900.0, wanted=WANTED) == 900.0 / STEP
    assert next_rate(None, None, wanted=WANTED) is None
