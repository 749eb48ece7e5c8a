"""The data folder of one installation on this machine: what lies where, and who works in it.

Law: one supervisor at a time, held by a lock that the kernel releases with its holder, however it
ends. What a killed run left behind (its short folder for sockets) is removed by the next one.
Everything in it is closed to others.

    data/            0700 (0711 for root: an embedded Postgres may have to run as another user)
      up.lock        locked while somebody works here; holds the process id
      run.json       of the present or last run: its process, sockets, databases
      choices.json   what was chosen once and stays: the number of shards
      kek            key-encryption keys, when they are not given from elsewhere
      postgres/      the embedded Postgres
      sandbox/       the simulators' book
      metrics/       counters of the present run's processes
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.adapters.system.socket_folder import NAME_PREFIX, new_socket_folder
from gateway.cli.faults import CommandFailed
from gateway.telemetry.exposition import prepare_folder

LOCK_BYTES_MAX = 32
SOCKETS = ("supervisor.sock", "wake.sock", "last-writes")

_Content = TypeVar("_Content")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What `run.json` says. `database_urls` are those of the embedded Postgres, else empty."""

    pid: int
    socket_folder: str
    database_urls: tuple[str, ...] = ()
    sandbox_url: str | None = None


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What `choices.json` says."""

    shards: int


class FolderInUse(CommandFailed):
    """Somebody works in the data folder; `pid` is theirs, 0 if it cannot be read."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"Tillgate already works in {folder} ({who}): stop it first, or use another folder "
            "with --data."
        )


class DataFolder:
    """Paths and state of a data folder; `root` need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock_file = root / "up.lock"
        self.run_file = root / "run.json"
        self.choices_file = root / "choices.json"
        self.kek_file = root / "kek"
        self.postgres = root / "postgres"
        self.sandbox = root / "sandbox"
        self.metrics = root / "metrics"

    def create(self) -> None:
        """Make the folder. Raises CommandFailed when it cannot be had."""
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.root.mkdir(mode=mode, parents=True, exist_ok=True)
            owner = self.root.stat().st_uid
        except (FileExistsError, NotADirectoryError):
            raise CommandFailed(f"{self.root} is not a folder: choose one with --data.") from None
        except OSError as error:
            raise CommandFailed(
                f"The data folder {self.root} cannot be made ({error.strerror}): choose another "
                "one with --data."
            ) from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise CommandFailed(
                f"The data folder {self.root} belongs to user {owner} and cannot be written: "
                "choose another one with --data."
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder. Raises `FolderInUse`. The lock ends with this process in any case."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.lock_file, flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUse(self.root, self._locked_by(descriptor)) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _locked_by(self, descriptor: int) -> int:
        text = os.pread(descriptor, LOCK_BYTES_MAX, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() else 0

    # The run

    def run(self) -> Run | None:
        """The present or last run."""
        return _read(self.run_file, Run)

    def begin_run(self) -> Path:
        """Remove what a killed run left, and make this run's folder for sockets.

        Call it while the folder is locked.
        """
        self._remove_leftovers()
        folder = new_socket_folder()
        self.note_run(Run(pid=os.getpid(), socket_folder=str(folder)))
        folder.mkdir(mode=0o700)
        prepare_folder(self.metrics)
        return folder

    def note_run(self, run: Run) -> None:
        """Write down the run, for those who come later."""
        write_whole(self.run_file, msgspec.json.encode(run))

    def end_run(self) -> None:
        """Remove what belonged to the run."""
        self._remove_leftovers()
        shutil.rmtree(self.metrics, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        run = self.run()
        if run is None:
            return
        _remove_socket_folder(Path(run.socket_folder))
        self.run_file.unlink(missing_ok=True)

    # Choices

    @property
    def shards(self) -> int | None:
        """How many databases the embedded Postgres has; None if there never was one."""
        choices = _read(self.choices_file, Choices)
        return None if choices is None else choices.shards

    def choose_shards(self, wanted: int | None) -> int:
        """How many databases the embedded Postgres has: as before, else as wanted, else one.

        Raises CommandFailed when another number is wanted than was chosen before.
        """
        before = _read(self.choices_file, Choices)
        if before is None:
            shards = wanted or 1
            write_whole(self.choices_file, msgspec.json.encode(Choices(shards=shards)))
            return shards
        if wanted not in (None, before.shards):
            raise CommandFailed(
                f"The data in {self.root} has {before.shards} shard(s), and the number cannot be "
                f"changed by --shards {wanted}: leave the option out, or use another --data."
            )
        return before.shards


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, readable by its owner only (0600)."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read(file: Path, kind: type[_Content]) -> _Content | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def _remove_socket_folder(folder: Path) -> None:
    """Remove a folder of ours with its sockets: names in a shared place may be others' by now."""
    try:
        facts = folder.lstat()
    except FileNotFoundError:
        return
    if facts.st_uid != os.geteuid() or not folder.name.startswith(NAME_PREFIX):
        return
    for name in SOCKETS:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
