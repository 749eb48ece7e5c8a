"""Names to addresses, for requests to hosts that merchants chose.

Law: a name server that a merchant runs may be slow or hostile, so look-ups have threads of their
own (a hanging one never holds up the process's other threads), and one name is looked up once at
a time however many deliveries wait for it. Nothing is kept: the next delivery asks again.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

LOOKUP_THREADS_MAX = 32


class NameUnknown(OSError):
    """The name has no address, or no answer about it was had."""


class Names(Protocol):
    """The port: what the system's resolver does, and what tests replace."""

    async def lookup(self, host: str) -> Sequence[str]:
        """The IP addresses of `host` as text. Raises NameUnknown."""
        ...

    def close(self) -> None:
        """Give up what the resolver holds; look-ups under way are abandoned."""
        ...


def _getaddrinfo(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        raise NameUnknown(f"no address of {host} is known") from failure
    # In the resolver's order (RFC 6724), each address once.
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class SystemNames:
    """The names as this machine's own resolver knows them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS_MAX, thread_name_prefix="names")
        self._flying: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    async def lookup(self, host: str) -> Sequence[str]:
        """The IP addresses of `host` as text. Raises NameUnknown."""
        flying = self._flying.get(host)
        if flying is None:
            loop = asyncio.get_running_loop()
            flying = loop.run_in_executor(self._threads, _getaddrinfo, host)
            self._flying[host] = flying

            def forget(done: "asyncio.Future[tuple[str, ...]]") -> None:
                del self._flying[host]
                if not done.cancelled():
                    done.exception()  # Its waiters may all have given up: that is no accident.

            flying.add_done_callback(forget)
        # One waiter's deadline must not cancel the look-up of the others.
        return await asyncio.shield(flying)

    def close(self) -> None:
        """Abandon the look-ups under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)
