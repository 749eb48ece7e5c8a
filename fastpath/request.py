"""Requests whose bytes came whole and are plain: what they say, without a parser's objects.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
A scan never refuses: what is not plain is None, and is read again by a parser that can.
"""

from fastpath._request_terms import (
    ATTRIBUTING,
    HEADERS_MAX,
    REQUEST_BYTES_MAX,
    SIGNIFICANT,
    PlainPost,
    PlainRequest,
)
from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._request_c import scan_post, scan_request
else:
    from fastpath._request_py import scan_post, scan_request

__all__ = [
    "ATTRIBUTING",
    "HEADERS_MAX",
    "REQUEST_BYTES_MAX",
    "SIGNIFICANT",
    "PlainPost",
    "PlainRequest",
    "scan_post",
    "scan_request",
]
