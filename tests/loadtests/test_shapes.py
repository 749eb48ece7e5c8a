"""Shapes of a load test: what they promise at every moment."""

import pytest

from loadtests.shapes import SHAPES, users_at

pytestmark = pytest.mark.fast

PARTS = [n / 100 for n in range(101)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("users", [1, 7, 200])
def test_there_is_always_somebody_and_never_too_many(shape: str, users: int) -> None:
    numbers = [users_at(shape, part, users=users) for part in PARTS]
    assert min(numbers) >= 1 and max(numbers) <= users


def test_a_ramp_only_rises_and_reaches_all() -> None:
    numbers = [users_at("ramp", part, users=80) for part in PARTS]
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[-1], len(set(numbers))) == (10, 80, 8)


def test_a_spike_comes_suddenly_and_goes() -> None:
    assert [users_at("spike", part, users=50) for part in (0.0, 0.39, 0.4, 0.59, 0.6, 1.0)] == [
        10,
        10,
        50,
        50,
        10,
        10,
    ]


def test_steady_is_all_and_soak_is_half() -> None:
    assert {users_at("steady", part, users=50) for part in PARTS} == {50}
    assert {users_at("soak", part, users=50) for part in PARTS} == {25}
