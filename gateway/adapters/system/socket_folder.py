"""The short private folder in which an embedded Postgres puts its socket.

Law: socket addresses are limited to 107 bytes (sun_path, unix(7)), data folders are not, so the
socket lies elsewhere: a folder with a random name, mode 0700, which is the whole access control
of the cluster. It holds nothing but the socket and its lock file, and only these are ever
removed, and only from a folder that is ours: names in a shared temporary folder may be taken.

Not in $XDG_RUNTIME_DIR: it vanishes when the user logs out, and a server outlives that.
"""

import os
import secrets
import stat
import tempfile
from pathlib import Path

SOCKET_PORT = 5432  # only a part of the socket's name: nothing listens on TCP
SOCKET_NAME = f".s.PGSQL.{SOCKET_PORT}"
SOCKET_PATH_BYTES_MAX = 107
NAME_PREFIX = "tillgate-"
PARENTS = ("/tmp",)


def new_socket_folder() -> Path:
    """A name for a socket folder, not yet made. Raises OSError when no place is short enough."""
    for parent in map(Path, (*PARENTS, tempfile.gettempdir())):
        folder = parent / f"{NAME_PREFIX}{secrets.token_hex(6)}"
        short = len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
        if short and os.access(parent, os.W_OK | os.X_OK):
            return folder
    raise OSError(f"no writable temporary folder with a path short enough: tried {PARENTS}")


def make_socket_folder(folder: Path, *, owner: int) -> None:
    """Make it, mode 0700, for user `owner`. Raises FileExistsError when the name is taken."""
    folder.mkdir(mode=0o700)
    if owner != os.geteuid():
        os.chown(folder, owner, -1)


def remove_socket_folder(folder: Path, *, owners: set[int]) -> None:
    """Remove it with its socket; does nothing unless it is a folder of ours (`owners`)."""
    try:
        facts = folder.lstat()
    except FileNotFoundError:
        return
    ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid in owners
    if not ours or not folder.name.startswith(NAME_PREFIX):
        return
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
