"""The supervisor's private socket: hands sockets down to its children, hears that they serve.

Law: one connection per child, made by the child when it begins. It names its role and gets the
descriptors that this role is to have (unix(7), SCM_RIGHTS); later it says that it serves. Nothing
else is ever said, and no secret. The socket lies in a folder that is closed to others.

    child:       hello <role> <pid>\\n          supervisor:  take\\n  + descriptors
    child:       serving <address>\\n

Handing descriptors over this way, rather than by inheritance, lets a child that was started again
get the same listening socket, so that no connection is refused in between.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

LINE_BYTES_MAX = 256
DESCRIPTORS_MAX = 4
ANSWER_WAIT_S = 10.0

Serving = Callable[[int, str], None]


class Handover:
    """The supervisor's end. `sockets` says what a role gets; `serving` hears pid and address."""

    def __init__(
        self, path: Path, *, sockets: Callable[[str], Sequence[socket.socket]], serving: Serving
    ) -> None:
        self._path = path
        self._sockets = sockets
        self._serving = serving
        self._listener: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._talks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listen for children."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.bind(str(self._path))
        listener.listen()
        self._listener = listener
        self._task = asyncio.get_running_loop().create_task(self._accept(listener))

    async def stop(self) -> None:
        """Stop listening and remove the socket. Descriptors handed down stay with their owners."""
        tasks = [*self._talks] + ([self._task] if self._task is not None else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._path.unlink(missing_ok=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            talk = loop.create_task(self._talk(connection))
            self._talks.add(talk)
            talk.add_done_callback(self._talks.discard)

    async def _talk(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with connection:
            connection.setblocking(False)
            pid = 0
            pending = b""
            while received := await loop.sock_recv(connection, LINE_BYTES_MAX):
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    word, _, rest = line.decode("ascii", "replace").partition(" ")
                    if word == "hello":
                        role, _, number = rest.partition(" ")
                        pid = int(number)
                        descriptors = [each.fileno() for each in self._sockets(role)]
                        socket.send_fds(connection, [b"take\n"], descriptors)
                    elif word == "serving":
                        self._serving(pid, rest)


class Supervised:
    """A child's end. Made at its very start, before there is an event loop."""

    def __init__(self, path: Path, *, role: str) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(ANSWER_WAIT_S)
        connection.connect(str(path))
        connection.sendall(f"hello {role} {os.getpid()}\n".encode("ascii"))
        _, descriptors, _, _ = socket.recv_fds(connection, LINE_BYTES_MAX, DESCRIPTORS_MAX)
        self.sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        self._connection = connection

    def serving(self, address: str = "") -> None:
        """Tell the supervisor that this process serves, and where."""
        try:
            self._connection.sendall(f"serving {address}\n".encode("ascii"))
        except OSError:
            pass  # it has gone, and so shall we within a moment
