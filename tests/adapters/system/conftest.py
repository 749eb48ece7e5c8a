"""Real clusters for these tests: each gets a copy of one that was made once per version."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.adapters.system.embedded import EmbeddedPostgres, find_binaries

REPOSITORY = Path(__file__).parents[3]
SUPERVISOR_PROGRAM = Path(__file__).with_name("supervisor_program.py")
VERSIONS = (16, 18)
DEADLINE_S = 20.0
POLL_S = 0.01
MEMORY_FOLDER = "/dev/shm"
SCRATCH_BYTES_MIN = 2 * 1024**3
# fsync guards against the machine's death, which no test here plays; killed processes lose nothing.
SMALL_SETTINGS = {"shared_buffers": "16MB", "max_connections": "20", "fsync": "off"}

Eventually = Callable[[Callable[[], bool], str], Awaitable[None]]
MakePostgres = Callable[..., EmbeddedPostgres]
StartSupervisor = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def eventually() -> Eventually:
    """Await a condition, polling it; fails with its name at a deadline."""

    async def wait_for(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"never came true: {what}"
            await asyncio.sleep(POLL_S)

    return wait_for


def scratch_place() -> str | None:
    """Memory, where it is roomy and programs may run: a cluster is 1 000 files. Else the disk."""
    try:
        facts = os.statvfs(MEMORY_FOLDER)
    except OSError:
        return None
    roomy = facts.f_bavail * facts.f_frsize >= SCRATCH_BYTES_MIN
    usable = os.access(MEMORY_FOLDER, os.W_OK) and not facts.f_flag & os.ST_NOEXEC
    return MEMORY_FOLDER if roomy and usable else None


def make_scratch(prefix: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=scratch_place()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """As pytest's own, but removed afterwards and in memory where possible."""
    yield from make_scratch("closed-")


@pytest.fixture(scope="session")
def small_settings() -> dict[str, str]:
    return SMALL_SETTINGS


@pytest.fixture(scope="session")
def seeds() -> Iterator[dict[int, Path]]:
    """A stopped, empty cluster of every major version of the wheel. Copy it."""
    scratch = make_scratch("seeds-")
    home = next(scratch)
    made = {version: home / str(version) for version in VERSIONS}

    async def make(version: int) -> None:
        async with EmbeddedPostgres(
            made[version],
            databases=[],
            binaries=find_binaries(version),
            settings=SMALL_SETTINGS,
        ):
            pass

    for version in VERSIONS:
        asyncio.run(make(version))
    yield made
    next(scratch, None)  # removes it


@pytest.fixture
async def make_postgres(tmp_path: Path, seeds: dict[int, Path]) -> AsyncIterator[MakePostgres]:
    """Supervisors that are not started yet; whatever they run is gone after the test."""
    made: list[EmbeddedPostgres] = []

    def make(
        data: Path | None = None,
        *,
        version: int = 18,
        seeded: bool = True,
        databases: tuple[str, ...] = ("till",),
        settings: dict[str, str] | None = None,
    ) -> EmbeddedPostgres:
        data = data or tmp_path / "data"
        if seeded and not data.exists():
            shutil.copytree(seeds[version] / "cluster", data / "cluster")
        postgres = EmbeddedPostgres(
            data,
            databases=databases,
            binaries=find_binaries(version),
            settings={**SMALL_SETTINGS, **(settings or {})},
        )
        made.append(postgres)
        return postgres

    yield make
    for postgres in made:
        postgres.kill()
        await postgres.stop()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach (temporary ones are closed to others)."""
    for folder in make_scratch("open-"):
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def start_supervisor() -> Iterator[StartSupervisor]:
    """Run `supervisor_program.py` in a process of its own, to be killed by the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, wrapper: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*wrapper, sys.executable, str(SUPERVISOR_PROGRAM), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
