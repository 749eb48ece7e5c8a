"""The ready file: how programs find a sandbox that serves, and sign as its merchant.

Law: it is there only while everything serves, whole or not at all, and readable by its owner
only, because it holds the sandbox's secrets. Its members are part of the contract. Never written
in live mode.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from gateway.cli.faults import CommandFailed
from gateway.cli.folder import write_whole


class Ready(Struct, frozen=True, kw_only=True):
    """The content of the ready file. `database_urls[0]` also holds the directory; all only read."""

    base_url: str
    sandbox_url: str
    metrics_url: str
    mode: str
    pid: int
    gateway_pids: tuple[int, ...]
    merchant_id: str
    key_id: str
    key_secret: str
    admin_key_id: str
    admin_key_secret: str
    admin_merchant_id: str
    notify_secret: str
    database_urls: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Ready({self.base_url}, pid={self.pid})"


class ReadyFile:
    """The file at a path that the operator chose."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Refuse a place where it could not be written; take away what an earlier run left."""
        try:
            self._path.unlink(missing_ok=True)
            if not self._path.parent.is_dir():
                raise NotADirectoryError
        except OSError:
            raise CommandFailed(
                f"The ready file {self._path} cannot be written: its folder must exist, and it "
                "must not be a folder itself."
            ) from None

    def write(self, ready: Ready) -> None:
        """Put it into place at once, mode 0600."""
        write_whole(self._path, msgspec.json.encode(ready))

    def remove(self) -> None:
        """Take it away."""
        self._path.unlink(missing_ok=True)
