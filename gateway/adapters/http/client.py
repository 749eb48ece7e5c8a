"""The HTTP clients: one calls channels, one delivers webhooks.

Law: both follow no redirect, keep no cookie, read no proxy from the environment, verify TLS, ask
for no compression, and put an end to every exchange by time and by size.
`ChannelHttp` sends the codec's bytes unchanged and says of every failure whether the request can
have left; it never repeats a request itself. `WebhookHttp` goes to hosts that merchants chose:
it resolves the name itself at each delivery, judges every address, and connects to those only.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import NamedTuple, Self

import aiohttp
from yarl import URL

from gateway.adapters.http.addresses import AddressBlocked, AddressGuard, IpNetwork
from gateway.adapters.http.connections import (
    Connector,
    NamesResolver,
    Progress,
    progress_here,
)
from gateway.adapters.http.kept import KeptConnections, NotConnected, Place
from gateway.adapters.http.names import Names, NameUnknown, SystemNames
from gateway.adapters.http.plain import (
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    READ_BUFFER_BYTES,
    Answer,
    Cut,
    PlainConnection,
)
from gateway.channels.wire import ChannelSilent, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from gateway.domain.urls import literal_address, parse_url
from gateway.domain.webhook import RETRY_AFTER_CHARS_MAX, NetworkFault, WebhookAnswer

CHANNEL_CONNECT_S = 1
CHANNEL_TOTAL_S = 5
CHANNEL_ANSWER_BYTES_MAX = 1024 * 1024
CHANNEL_CONNECTIONS_MAX = 512
CHANNEL_KEEPALIVE_S = 15
CHANNEL_NAMES_KEPT_S = 10
WEBHOOK_TOTAL_S = 15
WEBHOOK_ANSWER_BYTES_MAX = 64 * 1024
# Shorter than what common servers keep an idle connection, so that few are found cut.
WEBHOOK_KEEPALIVE_S = 2
USER_AGENT = "Tillgate"
TARGETS_KEPT_MAX = 4_096  # URLs of webhooks that are kept taken apart
_CONTENT_TYPE = ("Content-Type",)


def _session(connector: Connector, *, connect_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        # The end of the whole exchange is set around it, by `asyncio.timeout`.
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s),
        read_bufsize=READ_BUFFER_BYTES,
        max_line_size=HEAD_BYTES_MAX,
        max_field_size=HEAD_BYTES_MAX,
        max_headers=HEADERS_MAX,
    )


def _fault_of(failure: Exception) -> NetworkFault:
    """The one word for why there was no answer; it says nothing of the request's content."""
    cause = failure.os_error if isinstance(failure, aiohttp.ClientConnectorError) else failure
    if isinstance(cause, AddressBlocked):
        return "blocked_address"
    if isinstance(failure, (TimeoutError, aiohttp.ServerTimeoutError)) or isinstance(
        cause, TimeoutError
    ):
        return "timeout"
    if isinstance(failure, (NameUnknown, aiohttp.ClientConnectorDNSError)):
        return "dns"
    if isinstance(failure, (aiohttp.ClientSSLError, ssl.SSLError)):
        return "tls"
    if isinstance(failure, (NotConnected, aiohttp.ClientConnectorError)):
        return "refused"
    if isinstance(failure, (TillgateError, aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return "bad_url"
    return "protocol"


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes | None:
    """The body, or None if it has more than `bytes_max` bytes; what follows is not read."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            return None
    return bytes(body)


# --- channels -----------------------------------------------------------------------------------


def _wall() -> datetime:
    return datetime.now(UTC)


def _folded(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names in lower case; repeated ones joined as RFC 9110 section 5.3 says."""
    folded: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        folded[name] = f"{folded[name]}, {value}" if name in folded else value
    return folded


class ChannelHttp:
    """Sends requests to channels over kept connections. Make it inside a running event loop.

    `tls` replaces the system's certificate authorities, `connect_s` is the time for name,
    connection and TLS together, `total_s` that for the whole exchange. `wall` is real time, UTC:
    each answer carries the moment at which it was whole.
    """

    def __init__(
        self,
        *,
        names: Names | None = None,
        tls: ssl.SSLContext | None = None,
        connect_s: float = CHANNEL_CONNECT_S,
        total_s: float = CHANNEL_TOTAL_S,
        answer_bytes_max: int = CHANNEL_ANSWER_BYTES_MAX,
        wall: Callable[[], datetime] = _wall,
    ) -> None:
        self._wall = wall
        self._names = names or SystemNames()
        self._total_s = total_s
        self._answer_bytes_max = answer_bytes_max
        connector = Connector(
            limit=CHANNEL_CONNECTIONS_MAX,
            keepalive_timeout=CHANNEL_KEEPALIVE_S,
            ssl=tls or True,
            resolver=NamesResolver(self._names),
            ttl_dns_cache=CHANNEL_NAMES_KEPT_S,
        )
        self._session = _session(connector, connect_s=connect_s)
        # aiohttp repeats a GET by itself when a kept connection turns out to be cut.
        self._session._retry_connection = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """What the channel answered, whatever the status. Raises ChannelSilent if nothing usable.

        Nothing is sent twice, and 3xx is an answer like any other.
        """
        progress = Progress()
        try:
            target = URL(request.url, encoded=True)
        except ValueError as failure:
            raise ChannelSilent("bad_url", sent=False) from failure
        token = progress_here.set(progress)
        try:
            async with asyncio.timeout(self._total_s):
                return await self._exchange(target, request)
        except (aiohttp.ClientError, OSError) as failure:
            raise ChannelSilent(_fault_of(failure), sent=progress.connected) from failure
        finally:
            progress_here.reset(token)

    async def _exchange(self, target: URL, request: HttpRequest) -> HttpResponse:
        response = await self._session.request(
            request.method,
            target,
            headers=request.headers,
            # aiohttp would name the type of a body that the codec sends without one.
            skip_auto_headers=None if "Content-Type" in request.headers else _CONTENT_TYPE,
            data=request.body or None,
            allow_redirects=False,
        )
        try:
            body = await _read(response, self._answer_bytes_max)
            if body is None:
                raise ChannelSilent("too_large", sent=True)
            return HttpResponse(
                response.status, _folded(response.headers), body, received_at=self._wall()
            )
        finally:
            response.close()

    async def close(self) -> None:
        """Close every connection and abandon the look-ups under way."""
        await self._session.close()
        self._names.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


# --- webhooks -----------------------------------------------------------------------------------


def _system_tls() -> ssl.SSLContext:
    """Verifies by the system's certificate authorities; HTTP/1.1 is all that is spoken."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


_STATIC_HEADERS = f"User-Agent: {USER_AGENT}\r\nAccept-Encoding: identity\r\nAccept: */*\r\n"


class _WebhookTarget(NamedTuple):
    """A webhook's URL taken apart: what to vet, where to connect, how every request begins."""

    place: Place
    literal: tuple[str, ...] | None  # the address itself, where the host is one
    head: str


@lru_cache(TARGETS_KEPT_MAX)
def _webhook_target(url: str) -> _WebhookTarget:
    """Raises `url_not_allowed`. A function of its text alone, so an endpoint's is read once."""
    parts = parse_url(url)
    spelt_out = literal_address(parts.host)
    spelt = URL(url, encoded=True).with_host(parts.host)
    return _WebhookTarget(
        Place(parts.host, parts.port, parts.scheme == "https"),
        (str(spelt_out),) if spelt_out else None,
        f"POST {spelt.raw_path_qs} HTTP/1.1\r\nHost: {spelt.host_port_subcomponent}\r\n"
        f"{_STATIC_HEADERS}Content-Type: application/json\r\n",
    )


def _request(target: _WebhookTarget, headers: Mapping[str, str], body: bytes) -> bytes:
    """All bytes of a webhook. Raises ValueError for a header that would be more than one."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header has a line feed in it")
    return f"{target.head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


class WebhookHttp:
    """Delivers webhooks to hosts that merchants chose. Make it inside a running event loop.

    `allow` names ranges that may be reached although they are not global, also by plain http;
    it is empty in live mode. `tls` replaces the system's certificate authorities, `total_s` is
    the time for a whole delivery. How many run at once per endpoint is the caller's to bound:
    there is no common limit here, so that one receiver's slowness takes nothing from another.
    """

    def __init__(
        self,
        *,
        allow: Sequence[IpNetwork] = (),
        names: Names | None = None,
        tls: ssl.SSLContext | None = None,
        total_s: float = WEBHOOK_TOTAL_S,
    ) -> None:
        self._guard = AddressGuard(allow)
        self._names = names or SystemNames()
        self._total_s = total_s
        self._kept = KeptConnections(
            tls=tls or _system_tls(),
            keep_s=WEBHOOK_KEEPALIVE_S,
            body_bytes_max=WEBHOOK_ANSWER_BYTES_MAX,
        )

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """One delivery of `body`. Never raises for what the network or the receiver does.

        At most `WEBHOOK_ANSWER_BYTES_MAX` of an answer are read, then it is cut: the status
        counts. An answer that is not whole when time is up is none.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        status: int | None = None
        retry_after: str | None = None
        error: NetworkFault | None = None
        try:
            status, retry_after = await self._deliver(
                url, headers, body, until=began + self._total_s
            )
        except (OSError, TillgateError) as failure:
            error = _fault_of(failure)
        if retry_after is not None:
            retry_after = retry_after[:RETRY_AFTER_CHARS_MAX]
        return WebhookAnswer(
            status=status, retry_after=retry_after, error=error, duration_s=loop.time() - began
        )

    async def _deliver(
        self, url: str, headers: Mapping[str, str], body: bytes, *, until: float
    ) -> Answer:
        target = _webhook_target(url)
        place = target.place
        addresses: Sequence[str] | None = target.literal
        if addresses is None:
            async with asyncio.timeout_at(until):
                addresses = await self._names.lookup(place.host)
        # Judged anew at each delivery, also where a kept connection is at hand.
        addresses = self._guard.vet(addresses, tls=place.tls)
        request = _request(target, headers, body)
        connection = self._kept.take(place)
        if connection is not None:
            try:
                return await self._exchange(place, connection, request, until=until)
            except Cut:
                # A kept connection that the receiver had cut: the fault is ours, and a webhook
                # may come twice. Once, so that a receiver that always cuts is not hammered.
                pass
        async with asyncio.timeout_at(until):
            connection = await self._kept.open(
                place, addresses, open_socket=partial(self._open_socket, tls=place.tls)
            )
        return await self._exchange(place, connection, request, until=until)

    async def _exchange(
        self, place: Place, connection: PlainConnection, request: bytes, *, until: float
    ) -> Answer:
        answer = await connection.exchange(request, until=until)
        self._kept.give(place, connection)
        return answer

    def _open_socket(self, address: aiohttp.AddrInfoType, *, tls: bool) -> socket.socket:
        """The last gate: whatever chose the address, it is judged again before it is connected."""
        family, kind, protocol, _, (host, *_) = address
        if not self._guard.admits(ip_address(host), tls=tls):
            raise AddressBlocked("the address is not one that webhooks may reach")
        return socket.socket(family=family, type=kind, proto=protocol)

    async def close(self) -> None:
        """Close every connection and abandon the look-ups under way."""
        self._kept.close()
        self._names.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
