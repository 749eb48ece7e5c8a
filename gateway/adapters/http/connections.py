"""Connections to channels: which address is taken, and whether a request can have left.

Law: whether the first byte of a request can have left is known from here and never guessed from
the kind of a failure. No name is looked up but by the port `Names`.
"""

import socket
from collections.abc import Sequence
from contextvars import ContextVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from gateway.adapters.http.names import Names


class Progress:
    """How far one request got: `connected` before its first byte could leave."""

    __slots__ = ("connected",)

    def __init__(self) -> None:
        self.connected = False


progress_here: ContextVar[Progress] = ContextVar("progress_here")


class Connector(aiohttp.TCPConnector):
    """Fills in the `Progress` of the request that runs in this context.

    aiohttp's traces would tell the same, for a dozen calls in every request.
    """

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """A connection from the pool, or a new one."""
        connection = await super().connect(req, traces, timeout)
        progress_here.get().connected = True
        return connection


def resolved(host: str, port: int, addresses: Sequence[str]) -> list[ResolveResult]:
    """Addresses (as text, already resolved) in the shape that the connector asks for."""
    return [
        {
            "hostname": host,
            "host": address,
            "port": port,
            "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        }
        for address in addresses
    ]


class NamesResolver(AbstractResolver):
    """The port `Names` in the shape that the connector asks for."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return resolved(host, port, await self._names.lookup(host))

    async def close(self) -> None:
        """The names belong to who made them."""
