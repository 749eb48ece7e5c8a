"""The header `Stripe-Signature`: who sent this event, and when.

Law: HMAC-SHA-256 over the raw bytes, compared in constant time, with every secret that is valid
now: two of them while a secret is being changed. `t=<unix>,v1=<hex>[,v1=<hex>]`: any `v1` may fit,
`v0` and unknown schemes are ignored, and a header that is not exactly of this shape is no
signature. The time is signed with the body; it may differ from ours by `SKEW_S_MAX`, to either
side. Source: Stripe, "Verify webhook signatures manually".
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import NamedTuple

HEADER = "stripe-signature"
HEADER_CHARS_MAX = 2_048
SIGNATURES_MAX = 16
SKEW_S_MAX = 300

_UNIX = re.compile(r"[1-9][0-9]{0,11}")
_HEX = re.compile(r"[0-9a-f]{64}")
_SCHEME = re.compile(r"[a-z0-9_]{1,16}")


class SignatureHeader(NamedTuple):
    """The time of sending (Unix seconds) and the signatures of scheme v1, lower-case hex."""

    sent_s: int
    signatures: tuple[str, ...]


def parse_header(text: str) -> SignatureHeader | None:
    """The header's parts; None if it is ill-formed. Signatures of no use are left out."""
    if not 0 < len(text) <= HEADER_CHARS_MAX:
        return None
    sent_s = None
    signatures = []
    for part in text.split(","):
        scheme, equals, value = part.strip(" ").partition("=")
        if not equals or not _SCHEME.fullmatch(scheme):
            return None
        if scheme == "t":
            if sent_s is not None or not _UNIX.fullmatch(value):
                return None
            sent_s = int(value)
        elif scheme == "v1":
            signatures.append(value)
    if sent_s is None or not 0 < len(signatures) <= SIGNATURES_MAX:
        return None
    return SignatureHeader(sent_s, tuple(each for each in signatures if _HEX.fullmatch(each)))


def is_signed(header: SignatureHeader, body: bytes, secrets: Iterable[str]) -> bool:
    """Whether one of the signatures is that of `body` at the header's time."""
    message = b"%d." % header.sent_s + body
    found = False
    for secret in secrets:
        expected = hmac.new(secret.encode("utf-8"), message, hashlib.sha256).hexdigest()
        for signature in header.signatures:
            found |= hmac.compare_digest(expected, signature)
    return found


def is_fresh(header: SignatureHeader, now_s: int) -> bool:
    """Whether it was sent within `SKEW_S_MAX` of `now_s` (Unix seconds)."""
    return abs(now_s - header.sent_s) <= SKEW_S_MAX
