"""The search for the highest rate ends, near it, whatever the highest rate is."""

import pytest

from benchmarks.load import Round
from benchmarks.relay import CLOSE, STEP, bare_notes, capacity_of, next_rate
from benchmarks.relayed import Trial

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


def answers(p99_ms: float) -> Round:
    return Round(requests=1, seconds=1, rate=1, p50_ms=1, p99_ms=p99_ms, cpu_us=1)


def trial(
    *,
    lag: float = 1.0,
    callback: float = 1.0,
    create: float = 1.0,
    busy: tuple[float, float] = (0.5, 0.5),
) -> Trial:
    return Trial(
        rate=100.0,
        seconds=1.0,
        callbacks=answers(callback),
        creates=answers(create),
        lag_p50_ms=1.0,
        lag_p99_ms=lag,
        lag_max_ms=lag,
        cpu_us=(300.0, 500.0, 400.0, 80.0, 20.0),
        busy=busy,
    )


@pytest.mark.parametrize("late", ["lag", "callback", "create"])
def test_a_rate_is_held_if_nothing_is_late(late: str) -> None:
    assert trial().holds
    assert trial(**{late: 999.0}).holds  # type: ignore[arg-type]
    assert not trial(**{late: 1_001.0}).holds  # type: ignore[arg-type]


def test_the_busier_core_is_what_limits() -> None:
    assert capacity_of(trial()) == 1_250.0  # 800 us on the one core, 500 on the other
    assert trial(busy=(0.99, 0.6)).limit.startswith("the core of gateway and worker")
    assert trial(busy=(0.6, 0.99)).limit.startswith("the core of Postgres and load")
    assert trial(busy=(0.99, 0.98)).limit.startswith("both cores")


def test_what_the_bare_exchanges_cannot_hold_is_said() -> None:
    (held,) = bare_notes([trial()], reached=50.0, wanted=99.0)
    assert "alone hold 100/s" in held and "0.50 of it" in held
    _, beyond = bare_notes([trial()], reached=50.0, wanted=101.0)
    assert "101/s" in beyond and "is beyond the bare exchanges" in beyond
    assert len(bare_notes([], reached=50.0, wanted=101.0)) == 1
