"""Cursors of lists: where the next page begins, tied to merchant, path and filter.

Law: a cursor that was made for another list, or by anyone else, is `invalid_cursor`; it reveals
nothing but the id at which the page before it ended.
"""

import base64
import binascii
import hmac

from gateway.domain.errors import TillgateError

TAG_BYTES = 12


def _tag(key: bytes, merchant_id: str, path: str, filters: str, last: str) -> bytes:
    message = "\n".join((merchant_id, path, filters, last)).encode()
    return hmac.digest(key, message, "sha256")[:TAG_BYTES]


def make(key: bytes, *, merchant_id: str, path: str, filters: str, last: str) -> str:
    """The cursor of the page that begins after `last`."""
    tag = _tag(key, merchant_id, path, filters, last)
    return base64.urlsafe_b64encode(tag + last.encode()).decode().rstrip("=")


def read(key: bytes, cursor: str, *, merchant_id: str, path: str, filters: str) -> str:
    """What the page before ended with. Raises `invalid_cursor`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = raw[TAG_BYTES:].decode("ascii")
    except (binascii.Error, ValueError):
        raise _invalid() from None
    expected = _tag(key, merchant_id, path, filters, last)
    if not hmac.compare_digest(raw[:TAG_BYTES], expected):
        raise _invalid()
    return last


def _invalid() -> TillgateError:
    return TillgateError(
        "invalid_cursor", "The cursor does not belong to this list.", param="/cursor"
    )
