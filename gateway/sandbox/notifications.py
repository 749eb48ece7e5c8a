"""The post: notifications from the pretend channels to merchants.

Law: a notification is in the book before it is sent, and stays open there until the merchant
accepts it or it was repeated 8 times (after 1, 2, 4, 8 ... 128 s of business time); a restart
goes on where the post stopped. Any URL may be written down, but only loopback addresses
(127.0.0.0/8, ::1, localhost) are ever called, without redirects and without a proxy.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.sandbox.agenda import Agenda
from gateway.sandbox.book import Book, Notice, Order
from gateway.sandbox.faults import Fault, Faults
from gateway.sandbox.moments import Clock, from_ms, to_ms

REPEATS_MAX: Final = 8
FIRST_REPEAT_S: Final = 1
HELD_BUSINESS_S_MAX: Final = 60
"""A reordered notification whose "next" never comes is sent after this long."""
ANSWER_TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 1_024
SENDINGS_AT_ONCE_MAX: Final = 64
URL_CHARS_MAX: Final = 512
PORT_MAX: Final = 65_535

_log = logging.getLogger(__name__)


class Outgoing(NamedTuple):
    """One signed message, ready to be posted."""

    headers: Mapping[str, str]
    body: bytes


class Correspondent(Protocol):
    """What the post needs of a channel: how it writes, and which answer it takes as a yes."""

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """The message of one sending."""

    def accepts(self, status: int, body: bytes) -> bool:
        """Whether the merchant's answer counts as accepted."""


def is_legal_url(url: str, *, chars_max: int = URL_CHARS_MAX) -> bool:
    """Whether `url` is an absolute http or https URL of printable ASCII with a host."""
    if not 0 < len(url) <= chars_max or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    has_address = bool(parts.hostname) and (port is None or 0 < port <= PORT_MAX)
    return parts.scheme in ("http", "https") and has_address


def is_loopback_url(url: str) -> bool:
    """Whether the host of a legal `url` is `localhost` or a literal of 127.0.0.0/8 or ::1."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address == ipaddress.IPv6Address("::1")
    return address.is_loopback


class LoopbackResolver(AbstractResolver):
    """Knows one name only: what `localhost` is, is not left to the machine's name service."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """127.0.0.1 and ::1 for `localhost`, an error for all other names."""
        if host != "localhost":
            raise OSError(f"{host} is not called from here")
        found = [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address, kind in found
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Nothing to close."""


class Postman:
    """Sends open notifications and repeats them until they are accepted."""

    def __init__(self, *, book: Book, agenda: Agenda, faults: Faults, clock: Clock) -> None:
        self._book = book
        self._agenda = agenda
        self._faults = faults
        self._clock = clock
        self._correspondents: dict[str, Correspondent] = {}
        self._held: dict[str, list[int]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._sendings = asyncio.Semaphore(SENDINGS_AT_ONCE_MAX)

    def know(self, channel: str, correspondent: Correspondent) -> None:
        """Tell how a channel writes."""
        self._correspondents[channel] = correspondent

    async def start(self) -> None:
        """Open the way out and take up what an earlier run left open."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=SENDINGS_AT_ONCE_MAX * 2, resolver=LoopbackResolver()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S),
        )
        for notice_id, due_ms in self._book.open_notices():
            self._enter(notice_id, due_ms, sends=0)

    async def stop(self) -> None:
        """Close the way out; open notifications stay in the book."""
        if self._session is not None:
            await self._session.close()

    def post(self, order: Order, *, url: str, content: str) -> None:
        """Write a notification about `order` into the book and send it as soon as may be.

        Call it inside the change that it tells about.
        """
        now = to_ms(self._clock())
        callable_url = is_loopback_url(url)
        notice_id = self._book.add_notice(
            order, url=url, content=content, callable_url=callable_url, now=now
        )
        if callable_url:
            self._enter(notice_id, now, sends=0)

    def _enter(self, notice_id: int, due_ms: int, *, sends: int) -> None:
        what = f"repeat {sends} of notice {notice_id}" if sends else f"notice {notice_id}"
        self._agenda.add(from_ms(due_ms), what, partial(self._send, notice_id))

    async def _send(self, notice_id: int) -> None:
        notice = self._book.notice(notice_id)
        if notice.state != "open":
            return
        fault = self._faults.take(notice.channel, "notify")
        if fault is not None and fault.fault == "reorder":
            self._hold(notice)
            return
        await self._deliver(notice, fault)
        if fault is None or fault.fault not in ("timeout", "error"):
            self._release_held(notice.channel)

    def _hold(self, notice: Notice) -> None:
        self._held.setdefault(notice.channel, []).append(notice.id)
        limit = self._clock() + timedelta(seconds=HELD_BUSINESS_S_MAX)
        release = partial(self._send_held, notice.channel, notice.id)
        self._agenda.add(limit, f"held notice {notice.id}", release)

    def _release_held(self, channel: str) -> None:
        for notice_id in tuple(self._held.get(channel, ())):
            self._agenda.spawn(partial(self._send_held, channel, notice_id))

    async def _send_held(self, channel: str, notice_id: int) -> None:
        held = self._held.get(channel, [])
        if notice_id in held:
            held.remove(notice_id)
            await self._deliver(self._book.notice(notice_id), None)

    async def _deliver(self, notice: Notice, fault: Fault | None) -> None:
        word = fault.fault if fault else None
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        if word in ("timeout", "error"):
            accepted = False
        else:
            copies = 2 if word == "duplicate" else 1
            answers = await asyncio.gather(*(self._call(notice, word) for _ in range(copies)))
            accepted = any(answers) and word != "drop_after_effect"
        self._settle(notice, accepted=accepted)

    def _settle(self, notice: Notice, *, accepted: bool) -> None:
        sends = notice.sends + 1
        due_ms = notice.due_at
        if accepted:
            state = "accepted"
        elif sends > REPEATS_MAX:
            state = "given_up"
            _log.warning("notice %d was not accepted in %d sendings", notice.id, sends)
        else:
            state = "open"
            due_ms = to_ms(self._clock()) + FIRST_REPEAT_S * 1_000 * 2 ** (sends - 1)
        self._book.settle_notice(notice.id, state=state, sends=sends, due_at=due_ms)
        if state == "open":
            self._enter(notice.id, due_ms, sends=sends)

    async def _call(self, notice: Notice, fault: str | None) -> bool:
        if self._session is None:
            raise RuntimeError("the post is not open")
        correspondent = self._correspondents[notice.channel]
        async with self._sendings:
            message = correspondent.compose(notice, fault=fault)
            try:
                async with self._session.post(
                    notice.url, data=message.body, headers=message.headers, allow_redirects=False
                ) as response:
                    body = await _read_at_most(response.content, ANSWER_BYTES_MAX)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                return False
        return correspondent.accepts(response.status, body)


async def _read_at_most(stream: aiohttp.StreamReader, bytes_max: int) -> bytes:
    """The whole answer, or its first `bytes_max` + 1 bytes when it is longer than that."""
    body = b""
    while len(body) <= bytes_max:
        chunk = await stream.read(bytes_max + 1 - len(body))
        if not chunk:
            break
        body += chunk
    return body
