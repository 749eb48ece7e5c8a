"""Kept: connections to receivers of webhooks, opened to judged addresses only and used again.

Law: who opens says which addresses, and judges each once more at the last gate, where its socket
is made. A connection is kept under the place that was asked for (host, port, TLS or not), for a
short while, the newest first; one that is not free is not kept. It looks up no name and repeats
nothing.
Source: RFC 8305 (of several addresses the next is tried when one is slow).
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

from gateway.adapters.http.addresses import AddressBlocked
from gateway.adapters.http.plain import PlainConnection

NEXT_ADDRESS_AFTER_S = 0.25
_FAMILIES_IN_TURN = 1

OpenSocket = Callable[[AddrInfoType], socket.socket]


class NotConnected(OSError):
    """No address of the place takes a connection."""


class Place(NamedTuple):
    """Whom a connection reaches, by name and not by address."""

    host: str
    port: int
    tls: bool


class KeptConnections:
    """Connections by place. Make it inside a running event loop.

    `tls` verifies, `keep_s` is how long an idle connection is kept, `body_bytes_max` how much of
    an answer's body is read. How many there are at once is for those to bound who use them.
    """

    def __init__(self, *, tls: ssl.SSLContext, keep_s: float, body_bytes_max: int) -> None:
        self._tls = tls
        self._keep_s = keep_s
        self._make = partial(PlainConnection, body_bytes_max=body_bytes_max, lost=self._forget)
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Place, list[PlainConnection]] = {}
        self._all: set[PlainConnection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def take(self, place: Place) -> PlainConnection | None:
        """A kept connection that is free, if there is one."""
        idle = self._idle.get(place)
        oldest = self._loop.time() - self._keep_s
        while idle:
            connection = idle.pop()
            if connection.is_free and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    def give(self, place: Place, connection: PlainConnection) -> None:
        """Keep a connection, if it is free."""
        if not connection.is_free:
            return
        connection.idle_since = self._loop.time()
        self._idle.setdefault(place, []).append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._keep_s, self._sweep)

    async def open(
        self, place: Place, addresses: Sequence[str], *, open_socket: OpenSocket
    ) -> PlainConnection:
        """A new connection to the first of `addresses` (as text) that takes one.

        `open_socket` makes the socket for an address, or raises AddressBlocked. Raises that, the
        errors of TLS, TimeoutError as the system tells it, and else `NotConnected`.
        """
        open_to = [_address(each, place.port) for each in addresses]
        failure: OSError | None = None
        while open_to:
            try:
                connected = await aiohappyeyeballs.start_connection(
                    open_to,
                    happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S,
                    interleave=_FAMILIES_IN_TURN,
                    loop=self._loop,
                    socket_factory=open_socket,
                )
                _, connection = await self._loop.create_connection(
                    self._make,
                    sock=connected,
                    ssl=self._tls if place.tls else None,
                    # Certificates name a host without the dot at its end.
                    server_hostname=place.host.rstrip(".") if place.tls else None,
                )
            except OSError as error:
                failure = error
                aiohappyeyeballs.pop_addr_infos_interleave(open_to, _FAMILIES_IN_TURN)
            else:
                self._all.add(connection)
                return connection
        if isinstance(failure, (AddressBlocked, TimeoutError, ssl.SSLError)):
            raise failure
        raise NotConnected(f"no connection to {place.host}") from failure

    def close(self) -> None:
        """Cut every connection, also those in use."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in tuple(self._all):
            connection.abort()
        self._idle.clear()

    def _forget(self, connection: PlainConnection) -> None:
        self._all.discard(connection)

    def _sweep(self) -> None:
        """End what was idle for too long, and forget what was lost meanwhile."""
        self._sweeping = None
        oldest = self._loop.time() - self._keep_s
        for place, idle in tuple(self._idle.items()):
            staying = [each for each in idle if each.is_free and each.idle_since > oldest]
            for connection in idle:
                if connection not in staying:
                    connection.close()
            if staying:
                self._idle[place] = staying
            else:
                del self._idle[place]
        if self._idle:
            self._sweeping = self._loop.call_later(self._keep_s, self._sweep)


def _address(text: str, port: int) -> AddrInfoType:
    """A vetted address in the shape of `getaddrinfo`."""
    if ":" in text:
        return socket.AF_INET6, socket.SOCK_STREAM, 0, "", (text, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", (text, port)
