"""Wake-ups: hints from the processes that write to the one that relays, over a Unix socket.

Law: hints, never facts. They may be lost, doubled or late, and nothing but latency depends on them:
the relay's sweep finds what a hint missed. Sending never blocks, never raises and costs one
datagram for many commits: what one turn of the event loop commits goes out together, and what
follows within moments goes out with the next datagram.

A datagram holds merchant ids, separated by spaces. Source: unix(7).
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

DATAGRAM_IDS_MAX = 1_000  # about 31 kB, far below the default of a socket's buffer
PENDING_IDS_MAX = 20_000
SENDS_APART_S = 0.02  # so that a busy writer wakes its readers for many commits at once
RECEIVE_BYTES_MAX = 65_536
RECEIVES_MAX = 64  # datagrams taken in one turn of the loop
SOCKET_PATH_BYTES_MAX = 107  # sun_path
SOCKET_MODE = 0o600

Woken = Callable[[set[str]], None]


def _check_path(path: Path) -> str:
    text = str(path)
    if len(os.fsencode(text)) > SOCKET_PATH_BYTES_MAX:
        raise ValueError(f"a socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes: {text}")
    return text


class WakeupSender:
    """Names merchants with something new to the receivers at `paths`; one may be away.

    Raises ValueError for a path that no socket can have.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = [_check_path(path) for path in paths]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._pending: set[str] = set()
        self._is_scheduled = False
        self._next_at = 0.0  # monotonic seconds

    def notify(self, merchant_ids: Iterable[str]) -> None:
        """Hint at merchants; sent at the end of this turn of the running event loop, or
        `SENDS_APART_S` after what was sent before."""
        if len(self._pending) < PENDING_IDS_MAX:
            self._pending.update(merchant_ids)
        if self._pending and not self._is_scheduled:
            self._is_scheduled = True
            loop = asyncio.get_running_loop()
            early_s = self._next_at - loop.time()
            if early_s > 0:
                loop.call_later(early_s, self._flush, loop)
            else:
                loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_scheduled = False
        self._next_at = loop.time() + SENDS_APART_S
        names, self._pending = sorted(self._pending), set()
        for at in range(0, len(names), DATAGRAM_IDS_MAX):
            datagram = " ".join(names[at : at + DATAGRAM_IDS_MAX]).encode()
            for path in self._paths:
                # Full, absent or gone: the sweep will find them.
                with contextlib.suppress(OSError):
                    self._socket.sendto(datagram, path)

    def close(self) -> None:
        """Close the socket; what was not sent is lost."""
        self._paths.clear()
        self._socket.close()


class WakeupReceiver:
    """Listens at `path` in the running event loop and calls `woken` with merchants' ids.

    A socket that a dead process left there is replaced. Raises ValueError for a path that no
    socket can have, OSError if it cannot be made.
    """

    def __init__(self, path: Path, woken: Woken) -> None:
        self._path = _check_path(path)
        self._woken = woken
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._socket.bind(self._path)
        path.chmod(SOCKET_MODE)
        self._inode = path.stat().st_ino
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)

    def _read(self) -> None:
        merchants: set[str] = set()
        for _ in range(RECEIVES_MAX):
            try:
                datagram = self._socket.recv(RECEIVE_BYTES_MAX)
            except OSError:
                break
            merchants.update(datagram.decode("ascii", "replace").split(" "))
        merchants.discard("")
        if merchants:
            self._woken(merchants)

    def close(self) -> None:
        """Stop listening; the socket file goes too, unless another took its place."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        path = Path(self._path)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == self._inode:
                path.unlink()
