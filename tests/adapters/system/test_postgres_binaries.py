"""Where the programs are found, in which order, and what is said when there are none."""

from pathlib import Path

import pytest

from gateway.adapters.system import postgres_binaries
from gateway.adapters.system.postgres_binaries import (
    POSTGRES_BIN_VARIABLE,
    EmbeddedUnavailable,
    find_binaries,
)


def make_programs(folder: Path, answer: str, *, names: tuple[str, ...] = ("postgres", "initdb")):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "WHEEL_PACKAGE", "no_such_package")


@pytest.fixture
def system_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's places, below a temporary folder."""
    pattern = str(tmp_path.relative_to("/") / "postgresql/*/bin")
    monkeypatch.setattr(postgres_binaries, "SYSTEM_PATTERNS", (pattern,))
    monkeypatch.setenv("PATH", "/no/such/folder")
    return tmp_path / "postgresql"


@pytest.mark.parametrize(("wanted", "version"), [(None, 18), (18, 18), (16, 16)])
def test_the_wheel_comes_first_and_its_newest(wanted: int | None, version: int) -> None:
    found = find_binaries(wanted)
    assert (found.version, found.source) == (version, "wheel")
    assert (found.bin / "initdb").exists()


def test_the_system_is_next(no_wheel, system_at: Path) -> None:
    for version in ("9.6.24", "15.20 (Debian 15.20-0)", "17.2"):
        major = version.split(".")[0]
        make_programs(system_at / major / "bin", f"postgres (PostgreSQL) {version}")
    assert find_binaries() == postgres_binaries.PostgresBinaries(
        bin=system_at / "17" / "bin", version=17, source="system"
    )
    assert find_binaries(15).version == 15


def test_the_path_is_searched(no_wheel, system_at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_programs(system_at.parent / "own", "postgres (PostgreSQL) 18beta1")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert (find_binaries().bin, find_binaries().version) == (folder, 18)


def test_a_named_folder_beats_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_programs(tmp_path / "mine", "postgres (PostgreSQL) 15.1")
    monkeypatch.setenv(POSTGRES_BIN_VARIABLE, str(folder))
    assert find_binaries().bin == folder
    with pytest.raises(EmbeddedUnavailable, match=r"is version 15"):  # and is not replaced
        find_binaries(18)


def test_what_was_tried_and_the_way_out(no_wheel, system_at: Path) -> None:
    make_programs(system_at / "14" / "bin", "postgres (PostgreSQL) 14.9")
    make_programs(system_at / "17" / "bin", "postgres (PostgreSQL) 17.1", names=("postgres",))
    with pytest.raises(EmbeddedUnavailable) as caught:
        find_binaries()
    text = str(caught.value)
    assert "Postgres 15 or newer" in text
    assert "version 14 is older than 15" in text
    assert f"{system_at}/17/bin (system): no working postgres and initdb" in text
    assert "--database-url" in text
