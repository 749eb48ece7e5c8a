"""The words both twins of `fastpath.request` share: limits and what a scan finds.

Law. Only names and values, no decision.
"""

from typing import Final, NamedTuple

REQUEST_BYTES_MAX: Final = 8 * 1024
"""Longer requests are read carefully."""
HEADERS_MAX: Final = 32

SIGNIFICANT: Final = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"expect",
        b"forwarded",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"sec-websocket-key1",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-for",
    }
)
"""Headers (in lower case) that change how a request is framed, read or attributed: none of them is
plain, but for `Connection: keep-alive`. All other headers are read by nobody here."""

ATTRIBUTING: Final = frozenset({b"forwarded", b"x-forwarded-for"})
"""Those of them that only say who sent a request: plain where nobody asks for that."""


class PlainRequest(NamedTuple):
    """A whole request as it came: nothing in it is verified, nothing was changed."""

    method: bytes
    """`GET` or `POST`."""
    target: bytes
    """Path and query, visible ASCII without `#`."""
    authorization: bytes
    """The value of the one Authorization header."""
    body: bytes
    """Exactly the bytes that Content-Length announced; none with GET."""


class PlainPost(NamedTuple):
    """A whole POST as it came, with all of its headers: for whoever finds a signature in them."""

    target: str
    """Path and query, visible ASCII without `#`."""
    headers: dict[str, str]
    """Names in lower case, each once, in their order; values without white space around them."""
    body: bytes
    """Exactly the bytes that Content-Length announced; at least one."""
