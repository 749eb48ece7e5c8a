"""Packages: where profiles come from, built in or installed.

Law: one channel, one source. An installed package gives its own by an entry point of the group
`tillgate.conformance`, named like the channel: a `Profile`, or a sequence of them for its modes.
One that cannot be loaded is told, not passed over.
"""

from collections.abc import Iterable, Sequence
from importlib import metadata

from gateway.conformance.profile import Profile
from gateway.conformance.profiles import BUILT_IN

ENTRY_POINT_GROUP = "tillgate.conformance"


class ProfileUnusable(Exception):
    """A profile cannot be loaded, or two packages describe one channel."""


def load_profiles(
    entry_points: Iterable[metadata.EntryPoint] | None = None,
) -> dict[str, Sequence[Profile]]:
    """The profiles by channel, one for each mode: built-in ones and those of installed packages.

    Raises `ProfileUnusable`, naming the entry point.
    """
    if entry_points is None:
        entry_points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    profiles: dict[str, Sequence[Profile]] = {}
    for profile in BUILT_IN:
        profiles[profile.channel] = [*profiles.get(profile.channel, ()), profile]
    for point in entry_points:
        if point.name in profiles:
            raise ProfileUnusable(f"two packages describe the channel {point.name}")
        profiles[point.name] = _load(point)
    return profiles


def _load(point: metadata.EntryPoint) -> Sequence[Profile]:
    try:
        found = point.load()
    except Exception as error:  # a stranger's import may raise anything
        raise ProfileUnusable(f"profile {point.name} ({point.value}) does not load") from error
    profiles = [found] if isinstance(found, Profile) else found
    if not isinstance(profiles, Sequence) or not profiles:
        raise ProfileUnusable(f"entry point {point.name} holds no profile")
    if any(not isinstance(each, Profile) or each.channel != point.name for each in profiles):
        raise ProfileUnusable(f"entry point {point.name} holds no profile of that channel")
    return profiles
