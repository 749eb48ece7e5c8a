"""What every rival service does before it works: read scheme TILL1, look the key up, verify.

Law: plain Python of the standard library, the way a service is usually written; nothing of
Tillgate's own code. The keys are in memory, as they are in Tillgate.
"""

import base64
import hashlib
import hmac
import re
import time
from typing import NamedTuple

WINDOW_S = 300
_HEADER = re.compile(
    r'TILL1-HMAC-SHA256 mch="([a-z0-9_]+)",key="([a-z0-9_]+)",ts="(\d{1,12})",'
    r'nonce="([\w-]{16,64})",sig="([A-Za-z0-9+/=]{44})"'
)


class Key(NamedTuple):
    """A merchant's key."""

    merchant_id: str
    secret: bytes


class Refused(Exception):
    """The request is not signed by whom it says."""


def authenticated(
    keys: dict[str, Key], *, method: str, target: str, header: str, body: bytes
) -> str:
    """The merchant who signed the request. Raises `Refused`."""
    match = _HEADER.fullmatch(header)
    if match is None:
        raise Refused("malformed")
    merchant_id, key_id, ts, nonce, signature = match.groups()
    if abs(time.time() - int(ts)) > WINDOW_S:
        raise Refused("stale")
    key = keys.get(key_id)
    if key is None or key.merchant_id != merchant_id:
        raise Refused("unknown key")
    message = f"{method}\n{target}\n{ts}\n{nonce}\n".encode() + body + b"\n"
    expected = hmac.digest(key.secret, message, hashlib.sha256)
    if not hmac.compare_digest(base64.b64decode(signature), expected):
        raise Refused("false signature")
    return merchant_id
