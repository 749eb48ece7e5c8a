"""Real processes: `tillgate` as an operator starts it, and what it leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 60.0
POLL_S = 0.02
FREE_PORTS = ("--port", "0")
# Whether Python can be run, find the package, and run itself again.
PROBE = """
import subprocess, sys, gateway.app
sys.exit(subprocess.call([sys.executable, "-c", "0"]))
"""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll a condition; fails with its name at a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(POLL_S)


def environment(**more: str) -> dict[str, str]:
    """Ours without settings of Tillgate, and with its sources first on the module path."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TILLGATE_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **more}


def tillgate(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a folder that is not ours."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "gateway.cli", *arguments],
        env=env or environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@dataclass
class Process:
    """A `tillgate` that goes on running. `data` is its data folder."""

    popen: subprocess.Popen[bytes]
    data: Path
    ready_file: Path
    err: Path
    out: Path
    seen: set[int] = field(default_factory=set)

    @property
    def said(self) -> str:
        """What it wrote to standard error."""
        return self.err.read_text()

    def wait_ready(self) -> dict[str, Any]:
        """The content of the ready file, once it is there."""

        def there() -> bool:
            assert self.popen.poll() is None, f"ended ({self.popen.returncode}): {self.said}"
            return self.ready_file.exists()

        wait_until(there, "the ready file")
        content: dict[str, Any] = json.loads(self.ready_file.read_text())
        return content

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(DEADLINE_S)

    def leftovers(self) -> list[str]:
        """Processes that still live and work on this data folder."""
        return processes_of(self.data)

    def places(self) -> list[Path]:
        """The short folders for sockets that belong to this run."""
        records = (self.data / "run.json", self.data / "postgres" / "run.json")
        return [Path(json.loads(each.read_text())["socket_folder"]) for each in records]


def processes_of(data: Path) -> list[str]:
    """Living processes that name the folder in their arguments or environment."""
    needle = os.fsencode(data)
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            arguments = (folder / "cmdline").read_bytes()
            if needle in arguments or needle in (folder / "environ").read_bytes():
                found.append(f"{folder.name} {arguments.replace(bytes(1), b' ').decode()}")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


Start = Callable[..., Process]


def starter(folder: Path) -> Iterator[Start]:
    """Starts commands below `folder`; ends those that still run, and all that is left of them."""
    started: list[Process] = []

    def start(
        *arguments: str,
        data: Path | None = None,
        program: Sequence[str] = (sys.executable,),
        env: dict[str, str] | None = None,
    ) -> Process:
        number = len(started)
        data = data or folder / f"data-{number}"
        ready_file = folder / f"ready-{number}.json"
        out, err = folder / f"out-{number}", folder / f"err-{number}"
        command = [*program, "-P", "-m", "gateway.cli", *arguments, "--data", str(data)]
        if arguments[0] in ("up", "demo") and "--ready-file" not in arguments:
            command += ["--ready-file", str(ready_file)]
        with out.open("wb") as stdout, err.open("wb") as stderr:
            popen = subprocess.Popen(
                command,
                env=env or environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        process = Process(popen, data=data, ready_file=ready_file, err=err, out=out)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.send_signal(signal.SIGTERM)
            try:
                process.popen.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder that every user can reach (pytest's own are closed), removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="till-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start commands that go on running; they are gone after the test."""
    yield from starter(tmp_path)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An `up` that many tests look at and none changes for the others."""
    for start_one in starter(tmp_path_factory.mktemp("running")):
        process = start_one("up", *FREE_PORTS, "--json", "--shards", "2", "--workers", "2")
        process.wait_ready()
        yield process


@pytest.fixture
def ready(running: Process) -> dict[str, Any]:
    """The ready file of `running`, as it is now."""
    return running.wait_ready()


@dataclass(frozen=True)
class OrdinaryUser:
    """How to run Python as somebody who is not root: the words in front, and the environment."""

    program: tuple[str, ...]
    env: dict[str, str]
    user: int | None  # whom files must be given to first


@pytest.fixture(scope="session")
def ordinary_user(short_folder: Path) -> OrdinaryUser:
    """Ourselves; for root, really user 65534, else that user of a namespace of its own."""
    if os.geteuid() != 0:
        return OrdinaryUser((sys.executable,), environment(), None)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = sysconfig.get_paths()["purelib"]
    env = environment(PYTHONPATH=os.pathsep.join((str(REPOSITORY), packages)))
    become = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    ways = [
        OrdinaryUser((*become, sys.executable), env, 65534),
        OrdinaryUser((*become, f"/usr/bin/python{version}"), env, 65534),
        OrdinaryUser(
            ("unshare", "-U", "--map-user=65534", "--map-group=65534", sys.executable),
            environment(),
            None,
        ),
    ]
    for way in ways:
        try:
            tried = subprocess.run(
                [*way.program, "-P", "-c", PROBE],
                env=way.env,
                cwd="/",
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            continue
        if tried.returncode == 0:
            return way
    raise AssertionError("no way to run Python as an ordinary user on this machine")
