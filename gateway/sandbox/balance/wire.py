"""Bytes of the pretend wallet service: what is signed, and how.

Law: the simulator's own signing code; nothing is shared with the codec that it is to certify.
"""

import base64
import hashlib
import hmac
import re
from typing import Final, NamedTuple

SCHEME: Final = "WALLET1-HMAC-SHA256"
SKEW_S_MAX: Final = 300

_PAIR: Final = re.compile(r'([a-z]+)="([^"\\]*)"')
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TS: Final = re.compile(r"[0-9]{10}")


class Signed(NamedTuple):
    """The members of an Authorization header."""

    client: str
    ts: str
    nonce: str
    sig: str


def read_authorization(header: str) -> Signed | None:
    """The header's members, each exactly once; None for anything else."""
    scheme, _, rest = header.partition(" ")
    pairs = rest.split(",")
    found = [_PAIR.fullmatch(pair.strip()) for pair in pairs]
    if scheme != SCHEME or not all(found):
        return None
    members = {match[1]: match[2] for match in found if match}
    if len(pairs) != 4 or members.keys() != {"client", "ts", "nonce", "sig"}:
        return None
    if not _NONCE.fullmatch(members["nonce"]) or not _TS.fullmatch(members["ts"]):
        return None
    return Signed(members["client"], members["ts"], members["nonce"], members["sig"])


def request_signature(key: bytes, method: str, target: str, signed: Signed, body: bytes) -> str:
    """What a right request carries."""
    lines = ["WALLET1 request", method, target, signed.ts, signed.nonce, ""]
    return _mac(key, "\n".join(lines).encode() + body + b"\n")


def answer_header(key: bytes, status: int, now_s: int, body: bytes, *, false: bool = False) -> str:
    """The header that signs an answer; `false` spoils one bit of it."""
    message = f"WALLET1 answer\n{status}\n{now_s}\n".encode() + body + b"\n"
    sig = _mac(key, message)
    if false:
        raw = bytearray(base64.b64decode(sig))
        raw[7] ^= 1
        sig = base64.b64encode(bytes(raw)).decode()
    return f'ts="{now_s}",sig="{sig}"'


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
