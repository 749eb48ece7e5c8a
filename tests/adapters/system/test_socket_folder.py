"""The socket folder: short, private, and nothing else is ever removed."""

import os
import stat
from pathlib import Path

import pytest

from gateway.adapters.system import socket_folder
from gateway.adapters.system.socket_folder import (
    SOCKET_NAME,
    SOCKET_PATH_BYTES_MAX,
    make_socket_folder,
    new_socket_folder,
    remove_socket_folder,
)


def test_it_is_short_random_and_private() -> None:
    folder = new_socket_folder()
    assert len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
    assert folder != new_socket_folder()
    make_socket_folder(folder, owner=os.geteuid())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        make_socket_folder(folder, owner=os.geteuid())
    (folder / SOCKET_NAME).touch()
    remove_socket_folder(folder, owners={os.geteuid()})
    assert not folder.exists()
    remove_socket_folder(folder, owners={os.geteuid()})


def test_no_place_that_is_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(socket_folder, "PARENTS", (str(deep),))
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(OSError, match="short enough"):
        new_socket_folder()


def test_only_ours_is_removed(tmp_path: Path) -> None:
    ours = {os.geteuid()}
    stranger, link, full = (tmp_path / name for name in ("other", "tillgate-1", "tillgate-2"))
    stranger.mkdir()
    (stranger / SOCKET_NAME).touch()
    link.symlink_to(stranger)
    full.mkdir()
    (full / "precious").touch()
    (full / SOCKET_NAME).touch()
    for folder in (stranger, link, full):
        remove_socket_folder(folder, owners=ours)
    assert (stranger / SOCKET_NAME).exists()
    assert [path.name for path in full.iterdir()] == ["precious"]
    remove_socket_folder(full, owners={os.geteuid() + 1})
    assert full.exists()
