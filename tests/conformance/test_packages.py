"""Profiles of installed packages: found by entry point, or told why not."""

import sys
import types
from importlib.metadata import EntryPoint

import pytest

from gateway.conformance import Profile, load_profiles
from gateway.conformance.packages import ENTRY_POINT_GROUP, ProfileUnusable

MINE = Profile(channel="mine", ways=())
NO_PROFILE = "text"


def point(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{attribute}", ENTRY_POINT_GROUP)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This very module under the name that the entry points give."""
    module = types.ModuleType(__name__)
    module.__dict__.update(MINE=MINE, NO_PROFILE=NO_PROFILE)
    monkeypatch.setitem(sys.modules, __name__, module)


def test_an_installed_profile_stands_beside_the_built_in_ones() -> None:
    profiles = load_profiles([point("mine", "MINE")])
    assert profiles["mine"] == [MINE] and "alipay" in profiles


@pytest.mark.parametrize(
    ("points", "word"),
    [
        ([point("other", "MINE")], "no profile of that channel"),
        ([point("mine", "NO_PROFILE")], "no profile"),
        ([point("mine", "ABSENT")], "does not load"),
        ([point("mine", "MINE"), point("mine", "MINE")], "two packages"),
    ],
)
def test_an_unusable_profile_is_told(points: list[EntryPoint], word: str) -> None:
    with pytest.raises(ProfileUnusable, match=word):
        load_profiles(points)
