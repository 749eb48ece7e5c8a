"""Last writes: seen by every process of a tree at once, never earlier than they were."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns

import pytest

from gateway.adapters.local import last_writes as module
from gateway.adapters.local.last_writes import LINES, LastWrites, NoColumn, make_table

ROOT = Path(__file__).parents[3]
# Takes a column, writes, says so, and is killed while it waits.
PROGRAM = """
import sys
from pathlib import Path
from gateway.adapters.local.last_writes import LastWrites
table = LastWrites(Path(sys.argv[1]))
table.wrote("mch_a")
table.tell_directory(7)
print(table.of("mch_a"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "table"
    make_table(made, processes=2)
    return made


@pytest.fixture
def one(path: Path) -> Iterator[LastWrites]:
    opened = LastWrites(path)
    yield opened
    opened.close()


@pytest.fixture
def other(path: Path, one: LastWrites) -> Iterator[LastWrites]:
    opened = LastWrites(path)
    yield opened
    opened.close()


def test_a_write_is_seen_at_once_and_where_it_happened(one: LastWrites, other: LastWrites) -> None:
    assert one.of("mch_a") == other.of("mch_a") == 0
    before = monotonic_ns()
    one.wrote("mch_a")
    after = monotonic_ns()
    assert before <= one.of("mch_a") <= after
    assert other.of("mch_a") == one.of("mch_a")
    assert other.of("mch_b") == 0


def test_a_late_store_of_one_process_hides_no_later_write_of_another(
    one: LastWrites, other: LastWrites, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.wrote("mch_a")
    latest = one.of("mch_a")
    # It read the clock first and was held up before it could write.
    monkeypatch.setattr(module, "monotonic_ns", lambda: latest - 1_000)
    other.wrote("mch_a")
    assert one.of("mch_a") == other.of("mch_a") == latest


def test_merchants_that_share_a_line_are_never_told_too_early(one: LastWrites) -> None:
    names = [f"mch_{number}" for number in range(3 * LINES)]
    for name in names[: 2 * LINES]:
        one.wrote(name)
    assert all(one.of(name) > 0 for name in names[: 2 * LINES])
    # The directory's line is nobody's.
    assert one.directory_version == 0
    # Some that were not written share a line with one that was; not all do.
    others = [one.of(name) > 0 for name in names[2 * LINES :]]
    assert any(others) and not all(others)


def test_the_highest_version_of_the_directory_counts(one: LastWrites, other: LastWrites) -> None:
    one.tell_directory(5)
    assert (one.directory_version, other.directory_version) == (5, 5)
    other.tell_directory(4)
    assert (one.directory_version, other.directory_version) == (5, 5)
    other.tell_directory(9)
    one.tell_directory(6)
    assert (one.directory_version, other.directory_version) == (9, 9)


def test_a_column_belongs_to_one_process_as_long_as_it_lives(
    path: Path, one: LastWrites, other: LastWrites
) -> None:
    with pytest.raises(NoColumn):
        LastWrites(path)
    other.wrote("mch_a")
    moment = one.of("mch_a")
    other.close()
    third = LastWrites(path)
    assert one.of("mch_a") == third.of("mch_a") == moment
    third.close()
    # The fixture closes it once more.
    other.__init__(path)


def test_what_a_killed_process_wrote_stays_and_its_column_is_free(
    path: Path, one: LastWrites
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    moment = int(child.stdout.readline())
    assert one.of("mch_a") == moment > 0
    with pytest.raises(NoColumn):
        LastWrites(path)
    child.kill()
    child.communicate()
    heir = LastWrites(path)
    assert heir.of("mch_a") == one.of("mch_a") == moment
    assert heir.directory_version == 7
    heir.wrote("mch_a")
    assert one.of("mch_a") > moment
    heir.close()


def test_the_table_is_its_owners_alone_and_made_once(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        make_table(path, processes=2)
    with pytest.raises(ValueError, match="processes"):
        make_table(path.with_name("other"), processes=0)
    with pytest.raises(FileNotFoundError):
        LastWrites(path.with_name("absent"))
    os.truncate(path, 12)
    with pytest.raises(ValueError, match="no table"):
        LastWrites(path)


def test_a_process_alone_has_a_table_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_REMEMBERED_MAX", 3)
    alone, stranger = LastWrites(), LastWrites()
    for number in range(10):
        alone.wrote(f"mch_{number}")
        assert alone.of(f"mch_{number}") > 0
        assert len(alone._line_of) <= 3
    alone.tell_directory(3)
    assert stranger.of("mch_1") == stranger.directory_version == 0
    alone.close()
    stranger.close()
