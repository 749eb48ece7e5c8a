"""Last writes: when each merchant was last written, known to all processes of a tree at once.

Law: `wrote` is called after a write is durable and before its writer is answered; from then on no
process of the tree takes anything for good that was read before. Neither side waits, locks, sends
or fails: it is memory. A message could be overtaken by the writer's next request to another
process; memory cannot. What is lost with it (the file, a process) costs freshness only, because
nothing that is measured against it lives longer than a second.

The file is a table of 64-bit words. Its first line is for the directory, every other one for the
merchants whose ids fall on it; two that share a line cost each other a read. A line has a word for
each process, written by that process alone: so there is no moment between reading and writing in
which another process's later word could be lost. A process takes a column by a lock that ends with
it, and leaves its words behind. Words are written whole: aligned, one machine store each.

Words of merchants are moments of CLOCK_MONOTONIC, which is one for all processes of a machine
(clock_gettime(2)); the word of the directory is its version.
"""

import fcntl
import mmap
import os
import struct
from pathlib import Path
from time import monotonic_ns
from zlib import crc32

LINES = 16_384
PROCESSES_MAX = 512
LINES_REMEMBERED_MAX = 100_000
FILE_MODE = 0o600
_WORD_BYTES = 8


class NoColumn(Exception):
    """Every column is taken: more processes than the table was made for."""


def make_table(path: Path, *, processes: int) -> None:
    """Make the empty table of a tree of at most `processes` processes, for its owner only.

    Raises OSError, and ValueError for more than `PROCESSES_MAX`.
    """
    if not 1 <= processes <= PROCESSES_MAX:
        raise ValueError(f"a table is for 1 to {PROCESSES_MAX} processes, not {processes}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        os.truncate(descriptor, processes * LINES * _WORD_BYTES)
    finally:
        os.close(descriptor)


class LastWrites:
    """The table, seen from one process: that of the tree at `path`, or one of its own.

    Raises OSError where there is no table, ValueError where it is none, `NoColumn`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._descriptor = -1
        if path is None:
            self._columns, self._column = 1, 0
            self._memory = mmap.mmap(-1, LINES * _WORD_BYTES)
        else:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                size = os.fstat(self._descriptor).st_size
                self._columns, rest = divmod(size, LINES * _WORD_BYTES)
                if rest or not 1 <= self._columns <= PROCESSES_MAX:
                    raise ValueError(f"{path} is no table of last writes")
                self._column = self._take_column()
                self._memory = mmap.mmap(self._descriptor, size)
            except BaseException:
                os.close(self._descriptor)
                raise
        self._words = memoryview(self._memory).cast("q")
        self._line_of: dict[str, int] = {}
        self._directory_bytes = self._columns * _WORD_BYTES
        self._directory_seen = b""
        self._directory_version = 0

    def _take_column(self) -> int:
        """The first column that no living process has; it is ours until the file is closed."""
        for column in range(self._columns):
            lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, column, 1, 0)
            try:
                fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, lock)
            except (BlockingIOError, PermissionError):
                continue
            return column
        raise NoColumn(f"all {self._columns} columns of the table of last writes are taken")

    # --- merchants -----------------------------------------------------------------------------

    def wrote(self, merchant_id: str) -> None:
        """A merchant was written, durably, and nobody has been answered yet."""
        self._words[self._line(merchant_id) + self._column] = monotonic_ns()

    def of(self, merchant_id: str) -> int:
        """When the merchant was last written, in nanoseconds of CLOCK_MONOTONIC; 0 for never.

        It may be later than the truth (another merchant's on the same line), never earlier.
        """
        line = self._line(merchant_id)
        return max(self._words[line : line + self._columns])

    def _line(self, merchant_id: str) -> int:
        """Where the words of a merchant begin."""
        line = self._line_of.get(merchant_id)
        if line is None:
            if len(self._line_of) >= LINES_REMEMBERED_MAX:
                self._line_of.clear()
            line = (1 + crc32(merchant_id.encode()) % (LINES - 1)) * self._columns
            self._line_of[merchant_id] = line
        return line

    # --- the directory -------------------------------------------------------------------------

    def tell_directory(self, version: int) -> None:
        """The directory is at this version now, or at a later one."""
        if version > self._words[self._column]:
            self._words[self._column] = version

    @property
    def directory_version(self) -> int:
        """The highest version of the directory that a process of the tree has told of."""
        seen = self._memory[: self._directory_bytes]
        if seen != self._directory_seen:
            self._directory_seen = seen
            self._directory_version = max(struct.unpack(f"{self._columns}q", seen))
        return self._directory_version

    def close(self) -> None:
        """Let go of the table; the words stay for the others."""
        self._words.release()
        self._memory.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
