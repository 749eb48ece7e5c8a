"""URLs that merchants give: webhook endpoints, `notify_url`, `return_url`.

Law: this file judges the text and nothing else. It never resolves a name: what a name means may
change between saving and sending, so addresses are checked anew at every connection, below.
A text that two parsers could read differently (user info, backslashes, `0x7f.1` as a host) is
refused, because the one that checks and the one that connects must see the same host.
Sources: RFC 3986 (shape), WHATWG URL section 3.5 (hosts that end in a number are IPv4 addresses).
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from gateway.domain.errors import TillgateError

URL_CHARS_MAX = 512
HOST_CHARS_MAX = 253
PORT_MAX = 65535

_PRINTABLE = re.compile(r"[\x21-\x7e]+\Z")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(?:[/?].*)?\Z")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\Z")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)\Z")
_PORTS = {"http": 80, "https": 443}


class UrlParts(NamedTuple):
    """Where a URL leads: `scheme` and `host` in lower case, IPv6 without brackets, the port."""

    scheme: str
    host: str
    port: int


def _refusal(detail: str, param: str | None) -> TillgateError:
    return TillgateError("url_not_allowed", detail, param=param)


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` spells out, or None if it is a name.

    Only the canonical forms count: four decimal numbers, or IPv6 without brackets and zone.
    Raises ValueError for every other number (`127.1`, `0x7f000001`, `017700000001`), which a
    resolver would take for an address although it does not look like one.
    """
    if ":" in host:
        return IPv6Address(host)
    last = host.removesuffix(".").rpartition(".")[2]
    return IPv4Address(host) if _NUMBER.match(last) else None


def _check_host(host: str, param: str | None) -> None:
    try:
        if literal_address(host) is not None:
            return
    except ValueError:
        raise _refusal("The host of the URL is not a well-formed IP address.", param) from None
    labels = host.removesuffix(".").split(".")
    if len(host) > HOST_CHARS_MAX or not all(_LABEL.match(label) for label in labels):
        raise _refusal("The host of the URL is not a well-formed name.", param)


def parse_url(url: str, *, param: str | None = None) -> UrlParts:
    """Where a web URL leads. `param` is the JSON pointer to name in a refusal.

    Raises `url_not_allowed` unless it is an absolute http or https URL of up to 512 printable
    ASCII characters, without user info, fragment and backslash, with a host that can be read in
    only one way.
    """
    if len(url) > URL_CHARS_MAX:
        raise _refusal(f"The URL has more than {URL_CHARS_MAX} characters.", param)
    if _PRINTABLE.match(url) is None or "\\" in url:
        raise _refusal(
            "The URL must be of printable ASCII characters without spaces and backslashes: write "
            "international names in punycode and percent-encode the rest.",
            param,
        )
    if "#" in url:
        raise _refusal("The URL must not have a fragment.", param)
    match = _URL.match(url)
    if match is None or (scheme := match[1].lower()) not in _PORTS:
        raise _refusal("The URL must be absolute and begin with https://", param)
    if "@" in match[2]:
        raise _refusal("The URL must not have user info.", param)
    authority = _AUTHORITY.match(match[2])
    if authority is None:
        raise _refusal("The URL has no well-formed host and port.", param)
    host = authority[1].lower()
    if host.startswith("["):
        host = host[1:-1]
        if ":" not in host:
            raise _refusal("The host of the URL is not a well-formed IP address.", param)
    port = int(authority[2] or _PORTS[scheme])
    if not 1 <= port <= PORT_MAX:
        raise _refusal(f"The port of the URL must be 1 to {PORT_MAX}.", param)
    _check_host(host, param)
    return UrlParts(scheme, host, port)


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or spells out an address of 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, *, sandbox: bool, param: str | None = None) -> str:
    """`url` if a merchant may give it: https, or in sandbox mode http to a loopback host.

    Raises `url_not_allowed`; see `parse_url` for the shape.
    """
    parts = parse_url(url, param=param)
    if parts.scheme == "http" and not (sandbox and is_loopback(parts.host)):
        raise _refusal(
            "The URL must be https, or http to a loopback host in sandbox mode."
            if sandbox
            else "The URL must be https.",
            param,
        )
    return url
