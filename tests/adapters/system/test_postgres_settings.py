"""Settings: defaults, overrides, and those that are the supervisor's own."""

from pathlib import Path

import pytest

from gateway.adapters.system.postgres_settings import (
    DEFAULT_SETTINGS,
    SUPERVISED_SETTINGS,
    check_settings,
    server_options,
)


def options_of(settings: dict[str, str]) -> dict[str, str]:
    options = server_options(settings, sockets=Path("/tmp/tillgate-1"))
    assert set(options[::2]) == {"-c"}
    return dict(option.split("=", 1) for option in options[1::2])


@pytest.mark.parametrize("name", sorted(SUPERVISED_SETTINGS))
def test_the_supervisors_own_cannot_be_changed(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        check_settings({"work_mem": "8MB", name: "*"})


def test_durability_is_the_default_and_may_be_overridden() -> None:
    options = options_of({**DEFAULT_SETTINGS})
    assert [options[name] for name in ("fsync", "synchronous_commit", "full_page_writes")] == [
        "on"
    ] * 3
    assert options["listen_addresses"] == ""
    assert options["unix_socket_directories"] == "/tmp/tillgate-1"
    assert options_of({**DEFAULT_SETTINGS, "fsync": "off"})["fsync"] == "off"
    assert (
        options_of({"dynamic_shared_memory_type": "sysv"})["dynamic_shared_memory_type"] == "sysv"
    )


def test_nothing_lies_in_shared_memory_that_a_kill_would_leave_there() -> None:
    assert options_of({})["dynamic_shared_memory_type"] == "mmap"
