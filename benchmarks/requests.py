"""Requests made beforehand: whole HTTP requests as bytes, signed, each with the answer it deserves.

Law: the merchant's side of the published contract, with nothing of Tillgate's own code. Signing
costs the load generator nothing, because it is done before. A signature is good for 300 seconds,
so files are written right before they are replayed.

A file holds records: a line `<bytes> <status> <text that the answer contains>`, then the request.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Signer(NamedTuple):
    """A merchant's key as its owner has it."""

    merchant_id: str
    key_id: str
    secret: bytes


class Request(NamedTuple):
    """A request as it goes over the wire, and what must come back."""

    raw: bytes
    status: int
    contains: bytes


def authorization(signer: Signer, method: str, target: str, body: bytes, *, nonce: str) -> str:
    """The header of scheme TILL1, HMAC-SHA-256. `nonce` has 16 to 64 characters."""
    ts = str(int(time.time()))
    message = b"%b\n%b\n%b\n%b\n%b\n" % (
        method.encode(),
        target.encode(),
        ts.encode(),
        nonce.encode(),
        body,
    )
    sig = base64.b64encode(hmac.digest(signer.secret, message, hashlib.sha256)).decode()
    return (
        f'TILL1-HMAC-SHA256 mch="{signer.merchant_id}",key="{signer.key_id}",'
        f'ts="{ts}",nonce="{nonce}",sig="{sig}"'
    )


def signed(signer: Signer, method: str, target: str, body: bytes, *, nonce: str) -> bytes:
    """A whole request with that header."""
    header = authorization(signer, method, target, body, nonce=nonce)
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {header}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def plain(method: str, target: str, body: bytes, *, media_type: str) -> bytes:
    """A request without a signature in its headers."""
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body:
        head += f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def write(file: Path, requests: Iterable[Request]) -> int:
    """Write the records of a file; how many there are."""
    count = 0
    with file.open("wb") as opened:
        for raw, status, contains in requests:
            opened.write(b"%d %d %b\n%b" % (len(raw), status, contains, raw))
            count += 1
    return count
