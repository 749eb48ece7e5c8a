"""The ports of a process tree: taken before anything is started, so that a clash is told at once.

Law: a port that cannot be had ends the start with its number and the way out; it is never changed
silently. A *listening* socket is shared by gateway processes and outlives each of them. A *held*
one is bound and does not listen: it keeps its number for a child that binds it itself (both with
SO_REUSEADDR, which Linux allows as long as only one of them listens, socket(7)).
"""

import errno
import socket
from collections.abc import Sequence

from gateway.cli.faults import CommandFailed

BACKLOG_CONNECTIONS_MAX = 1024


class PortTaken(CommandFailed):
    """Somebody else has the port."""

    def __init__(self, port: int, *, flag: str) -> None:
        self.port = port
        super().__init__(
            f"Port {port} is taken. Choose another one with {flag}, or any free ones with --port 0."
        )


def listen(host: str, port: int, *, flag: str) -> socket.socket:
    """A socket that listens at the address. Raises `PortTaken`, or CommandFailed."""
    bound = hold(host, port, flag=flag)
    try:
        bound.listen(BACKLOG_CONNECTIONS_MAX)
    except OSError as error:
        bound.close()
        raise _refusal(error, host, port, flag) from None
    return bound


def hold(host: str, port: int, *, flag: str) -> socket.socket:
    """A socket that is bound to the address and does not listen. Raises like `listen`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refusal(error, host, port, flag) from None
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _refusal(error, host, port, flag) from None
    return bound


def number_of(bound: socket.socket) -> int:
    """The port of a bound socket."""
    port: int = bound.getsockname()[1]
    return port


def base_url(host: str, port: int, *, scheme: str = "http") -> str:
    """The URL of what listens at an address, without a slash at the end."""
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1" if host != "::" else "::1"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"


def close_all(sockets: Sequence[socket.socket]) -> None:
    """Give the ports back."""
    for each in sockets:
        each.close()


def _refusal(error: OSError, host: str, port: int, flag: str) -> CommandFailed:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(port, flag=flag)
    if error.errno == errno.EACCES:
        return CommandFailed(
            f"Port {port} may not be used by this user: choose one from 1024 up with {flag}."
        )
    return CommandFailed(f"Cannot listen at {host} port {port}: {error.strerror or error}.")
