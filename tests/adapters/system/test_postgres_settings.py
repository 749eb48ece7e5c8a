"""Settings: defaults, overrides, and those that are the supervisor's own."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.adapters.system import postgres_settings
from gateway.adapters.system.postgres_settings import (
    DEFAULT_SETTINGS,
    SUPERVISED_SETTINGS,
    check_settings,
    server_options,
    shared_memory_type,
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


@pytest.mark.parametrize(
    ("megabytes", "writable", "expected"),
    [(256, True, "posix"), (64, True, "mmap"), (256, False, "mmap"), (None, True, "mmap")],
)
def test_small_shared_memory_is_avoided(
    megabytes: int | None, writable: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def statvfs(path: str) -> SimpleNamespace:
        if megabytes is None:
            raise FileNotFoundError(path)
        return SimpleNamespace(f_frsize=4096, f_blocks=megabytes * 256)

    def access(path: str, mode: int) -> bool:
        return writable

    system = SimpleNamespace(statvfs=statvfs, access=access, W_OK=os.W_OK)
    monkeypatch.setattr(postgres_settings, "os", system)
    assert shared_memory_type() == expected
