"""Pure twin of `fastpath.request`: the specification.

Law. It says what the bytes of one whole, plain request are, or None. It never refuses and never
repairs: whatever it is not sure of (another method or version, a header that frames, transforms or
forwards, a character outside visible ASCII, a byte too many or too few) is None, and the careful
parser reads the same bytes from the first one. Plain is a strict part of RFC 9112: lines end in
CR LF, there is one Host, one Authorization, and with a body one Content-Length that says exactly
what follows the head and one Content-Type of `application/json`. A plain post may have any
Content-Type and needs no Authorization, but has no header twice.
"""

import re
from typing import Final

from fastpath._arguments import wrong_type
from fastpath._request_terms import (
    ATTRIBUTING,
    HEADERS_MAX,
    REQUEST_BYTES_MAX,
    SIGNIFICANT,
    PlainPost,
    PlainRequest,
)

_REQUEST_LINE: Final = re.compile(rb"(GET|POST) (/[!-\"$-~]*) HTTP/1\.1")
_HEADER: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~](?:[ -~\t]*[!-~])?)?)[ \t]*"
)
_LENGTH: Final = re.compile(rb"[1-9][0-9]{0,4}")


def scan_request(data: bytes) -> PlainRequest | None:
    """The one plain request that `data` is, or None. Raises TypeError if not bytes."""
    parts = _parts(data)
    if parts is None:
        return None
    method, target, headers, body = parts
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        if name == b"connection" and value.lower() == b"keep-alive" and name not in values:
            values[name] = value
        elif name in SIGNIFICANT:
            return None
        elif name in (b"host", b"authorization", b"content-length", b"content-type"):
            if name in values:
                return None
            values[name] = value
    if not values.get(b"host") or not values.get(b"authorization"):
        return None
    if method == b"GET":
        if body or b"content-length" in values or b"content-type" in values:
            return None
    elif values.get(b"content-type") != b"application/json" or not _is_framed(values, body):
        return None
    return PlainRequest(method, target, values[b"authorization"], body)


def scan_post(data: bytes) -> PlainPost | None:
    """The one plain POST that `data` is, with its headers, or None. Raises TypeError if not bytes.

    `Connection: close` is plain here, and so is what says who sent it.
    """
    parts = _parts(data)
    if parts is None:
        return None
    method, target, headers, body = parts
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in values:
            return None
        if name == b"connection":
            if value.lower() not in (b"keep-alive", b"close"):
                return None
        elif name in SIGNIFICANT - ATTRIBUTING:
            return None
        values[name] = value
    if method != b"POST" or not values.get(b"host") or not _is_framed(values, body):
        return None
    return PlainPost(
        target.decode("ascii"),
        {name.decode("ascii"): value.decode("ascii") for name, value in values.items()},
        body,
    )


def _parts(data: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes] | None:
    """Method, target, headers (names in lower case), and what follows the head."""
    if type(data) is not bytes:
        raise wrong_type("data", "bytes", data)
    if len(data) > REQUEST_BYTES_MAX:
        return None
    head, ending, body = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if not ending or found is None or len(lines) > HEADERS_MAX:
        return None
    headers = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            return None
        headers.append((header[1].lower(), header[2]))
    return found[1], found[2], headers, body


def _is_framed(values: dict[bytes, bytes], body: bytes) -> bool:
    """Whether Content-Length announces exactly this body, and one at all."""
    length = values.get(b"content-length", b"")
    return _LENGTH.fullmatch(length) is not None and int(length) == len(body)
