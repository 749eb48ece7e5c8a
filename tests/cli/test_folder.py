"""The data folder: one supervisor at a time, choices that stay, nothing left over."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.faults import CommandFailed
from gateway.cli.folder import DataFolder, FolderInUse, write_whole
from tests.cli.conftest import environment

HOLDER = """
import sys, time
from pathlib import Path
from gateway.cli.folder import DataFolder
with DataFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "deep" / "data")
    folder.create()
    return folder


def test_the_lock_names_its_holder_and_dies_with_it(folder: DataFolder) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDER, str(folder.root)],
        env=environment(),
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse) as refused, folder.locked():
            pass
        assert refused.value.pid == holder.pid
        holder.kill()
    with folder.locked():
        pass


def test_shards_are_chosen_once(folder: DataFolder) -> None:
    assert folder.shards is None
    assert folder.choose_shards(2) == 2
    assert folder.choose_shards(None) == folder.choose_shards(2) == folder.shards == 2
    with pytest.raises(CommandFailed, match=r"has 2 shard\(s\)"):
        folder.choose_shards(3)


def test_a_killed_runs_sockets_are_removed_by_the_next(folder: DataFolder) -> None:
    first = folder.begin_run()
    (first / "wake.sock").touch()
    second = folder.begin_run()
    assert not first.exists() and second.exists()
    assert stat.S_IMODE(second.stat().st_mode) == 0o700
    folder.end_run()
    assert not second.exists() and folder.run() is None


def test_a_folder_of_others_is_never_removed(folder: DataFolder, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    record = {"pid": 1, "socket_folder": str(theirs), "database_urls": []}
    folder.run_file.write_text(json.dumps(record))
    folder.end_run()
    assert theirs.exists()


def test_a_file_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandFailed, match="--data"):
        DataFolder(tmp_path / "file" / "data").create()
