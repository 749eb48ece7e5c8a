"""The data folder of an embedded Postgres: what lies where, and who is using it.

Law: synchronous, small and careful. It reads, creates and removes files of its own folder; it
never starts, signals or waits for a process. A pid file is removed only when it provably names no
Postgres of this folder; a pid file whose process is simply gone is left to Postgres, which makes
its own checks against surviving processes.

    root/                 0700 (0711 when Postgres runs as another user)
      cluster/            Postgres's data directory
      cluster.new/        the same while initdb is at work; only a finished one is renamed
      postgres.log        what Postgres says, at most LOG_BYTES_MAX, one older beside it
      run.json            of the present or last run: socket folder, supervisor
      binaries/<major>/   staged copy of the programs, where one is needed
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOG_BYTES_MAX = 16 * 1024 * 1024
LOG_TAIL_BYTES_MAX = 4096
SHARED_SEGMENTS = Path("/proc/sysvipc/shm")


@dataclass(frozen=True)
class Holder:
    """Who uses the folder. `pid` is the postmaster's (None: only processes it left behind).

    `dying`: it will end by itself, because its supervisor or the postmaster itself is dead.
    """

    pid: int | None
    dying: bool


@dataclass(frozen=True)
class ProcessFacts:
    """A line of /proc/<pid>/stat. `started_ticks` tells two processes of one pid apart."""

    name: str
    state: str
    parent: int
    started_ticks: int

    @property
    def alive(self) -> bool:
        return self.state not in ("Z", "X")


def process_facts(pid: int) -> ProcessFacts | None:
    """Facts about a process from proc(5), or None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessFacts(name, fields[0], int(fields[1]), int(fields[19]))


def process_ids() -> Iterator[int]:
    """Ids of the processes that exist now."""
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


class PostgresFolder:
    """Paths and state of one data folder; `root` is made absolute, links resolved."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.cluster = self.root / "cluster"
        self.new_cluster = self.root / "cluster.new"
        self.log = self.root / "postgres.log"
        self.record = self.root / "run.json"
        self.binaries = self.root / "binaries"

    @property
    def pid_file(self) -> Path:
        return self.cluster / "postmaster.pid"

    def version(self) -> int | None:
        """Major version of the cluster that lies here, None when there is none yet."""
        try:
            return int((self.cluster / "PG_VERSION").read_text().strip())
        except FileNotFoundError:
            return None

    def create(self) -> None:
        """Make the folder itself, and remove what an interrupted initdb left."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.new_cluster.exists():
            shutil.rmtree(self.new_cluster)

    def adopt_new_cluster(self) -> None:
        """Rename a finished initdb into place, durably."""
        self.new_cluster.rename(self.cluster)
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # Who runs here

    def is_ready(self, pid: int) -> bool:
        """Whether postmaster `pid` says in its pid file that it takes connections."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def holder(self) -> Holder | None:
        """The Postgres that uses this folder now, by pid file and shared memory segment."""
        pid = self._recorded_postmaster()
        if pid is not None and self._is_postgres_here(pid):
            return Holder(pid=pid, dying=self._supervisor_is_dead())
        if self._segment_attached():
            return Holder(pid=None, dying=True)
        return None

    def processes(self) -> list[int]:
        """Every process of Postgres that works in the cluster, as far as we may see."""
        return [pid for pid in process_ids() if self._is_postgres_here(pid)]

    def remove_false_pid_file(self) -> None:
        """Remove a pid file that names a foreign process (its number was given away) or nobody.

        Postgres itself refuses to start in both cases. Call it only when `holder()` is None.
        """
        pid = self._recorded_postmaster()
        if pid is None:
            if self.pid_file.exists() and not self.processes():
                self.pid_file.unlink()
        elif process_facts(pid) is not None and not self._is_postgres_here(pid):
            self.pid_file.unlink()

    def _pid_file_lines(self) -> list[str]:
        try:
            return self.pid_file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _recorded_postmaster(self) -> int | None:
        lines = self._pid_file_lines()
        return int(lines[0]) if lines and lines[0].strip().isdecimal() else None

    def _is_postgres_here(self, pid: int) -> bool:
        facts = process_facts(pid)
        if facts is None or not facts.alive or facts.name != "postgres":
            return False
        try:
            try:  # every process of Postgres stays in its data directory
                return Path(f"/proc/{pid}/cwd").samefile(self.cluster)
            except PermissionError:  # another user's, and we may not trace: arguments are open
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                return os.fsencode(self.cluster) in arguments
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            return False

    def _segment_attached(self) -> bool:
        """Whether processes of the recorded postmaster live on (they hold its shared memory).

        Line 7 of the pid file names the segment: key and id. Columns as in proc(5), sysvipc.
        """
        lines = self._pid_file_lines()
        names = lines[6].split() if len(lines) >= 7 else []
        if len(names) != 2 or not SHARED_SEGMENTS.exists():
            return False
        for row in SHARED_SEGMENTS.read_text().splitlines()[1:]:
            _, segment, _, _, creator, _, attached, *_ = row.split()
            if [segment, creator] == [names[1], lines[0]] and int(attached) > 0:
                return True
        return False

    # The record of a run

    def write_record(self, socket_folder: Path) -> None:
        """Note, before it exists, the socket folder of this run and who supervises it."""
        facts = process_facts(os.getpid())
        content = {
            "socket_folder": str(socket_folder),
            "supervisor_pid": os.getpid(),
            "supervisor_started_ticks": facts.started_ticks if facts else 0,
        }
        temporary = self.record.with_suffix(".tmp")
        temporary.write_text(json.dumps(content))
        temporary.replace(self.record)

    def recorded_socket_folder(self) -> Path | None:
        """The socket folder of the last run that did not clean up after itself."""
        name = self._record().get("socket_folder")
        return Path(name) if isinstance(name, str) else None

    def _record(self) -> dict[str, object]:
        try:
            content = json.loads(self.record.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _supervisor_is_dead(self) -> bool:
        record = self._record()
        pid = record.get("supervisor_pid")
        if not isinstance(pid, int):
            return False  # started by hand: it will not end by itself
        facts = process_facts(pid)
        started = record.get("supervisor_started_ticks")
        return facts is None or not facts.alive or facts.started_ticks != started

    # The log

    def open_log(self) -> int:
        """A descriptor that appends to the log; Postgres's processes inherit it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self.log, flags, 0o600)

    def bound_log(self) -> None:
        """Set a log over LOG_BYTES_MAX aside and empty it.

        The writers keep their descriptor, so it is copied and cut; lines written in between
        are lost.
        """
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def log_tail(self, start: int) -> str:
        """The end of what was logged since byte `start`."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(min(start, size), size - LOG_TAIL_BYTES_MAX))
            return file.read().decode(errors="replace").strip()
