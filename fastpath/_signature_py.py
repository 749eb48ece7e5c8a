"""Pure twin of `fastpath.signature`: the specification.

Law. Written to be read beside the signing section of the API, and never tuned; the compiled
twin must agree with every line of it. It takes `bytes` exactly (no subclass, no bytearray, no
str), because what was signed are bytes. Errors name the fault, never the input.
"""

import base64
import binascii
import re
from typing import Final

from fastpath._arguments import wrong_type
from fastpath._signature_terms import (
    ED25519,
    HEADER_BYTES_MAX,
    HMAC_SHA256,
    RSA2048_SHA256,
    SIGNATURE_BYTES_MAX,
    WINDOW_S,
    Authorization,
    SignatureMalformed,
)

_ALGORITHMS: Final = {name.encode(): name for name in (HMAC_SHA256, ED25519, RSA2048_SHA256)}

# A TypeID: prefix and 128 bits in lower-case Crockford base32 (no i, l, o, u).
_ID: Final = rb"[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}"
_GRAMMAR: Final = {
    "mch": re.compile(rb"mch_" + _ID),
    "key": re.compile(rb"key_" + _ID),
    "ts": re.compile(rb"[0-9]{10}"),
    "nonce": re.compile(rb"[A-Za-z0-9_-]{16,64}"),
}
_NAMES: Final = (b"mch", b"key", b"ts", b"nonce", b"sig")


def parse_authorization(header: bytes) -> Authorization:
    """The parts of an Authorization header. First fault wins, in the order of `FAULTS`.

    Raises SignatureMalformed for anything outside the grammar, TypeError if not bytes.
    """
    if type(header) is not bytes:
        raise wrong_type("header", "bytes", header)
    if len(header) > HEADER_BYTES_MAX:
        raise SignatureMalformed("too_long")
    scheme, space, pairs = header.partition(b" ")
    if not space or scheme not in _ALGORITHMS:
        raise SignatureMalformed("scheme")
    values = _read_pairs(pairs)
    for name in _NAMES:
        if name not in values:
            raise SignatureMalformed("missing")
    for name_text, grammar in _GRAMMAR.items():
        if not grammar.fullmatch(values[name_text.encode()]):
            raise SignatureMalformed(name_text)
    return Authorization(
        algorithm=_ALGORITHMS[scheme],
        mch=values[b"mch"].decode("ascii"),
        key=values[b"key"].decode("ascii"),
        ts=int(values[b"ts"]),
        ts_text=values[b"ts"],
        nonce=values[b"nonce"],
        sig=_decode_signature(values[b"sig"]),
    )


def _read_pairs(rest: bytes) -> dict[bytes, bytes]:
    """`name="value"`, joined by a comma and at most one space; a value ends at the next quote."""
    values: dict[bytes, bytes] = {}
    while True:
        name, opening, rest = rest.partition(b'="')
        if not opening:
            raise SignatureMalformed("pair")
        if name not in _NAMES:
            raise SignatureMalformed("name")
        if name in values:
            raise SignatureMalformed("repeated")
        value, closing, rest = rest.partition(b'"')
        if not closing:
            raise SignatureMalformed("pair")
        values[name] = value
        if not rest:
            return values
        if not rest.startswith(b","):
            raise SignatureMalformed("pair")
        rest = rest.removeprefix(b",").removeprefix(b" ")


def _decode_signature(text: bytes) -> bytes:
    try:
        signature = base64.b64decode(text)
    except binascii.Error as error:
        raise SignatureMalformed("sig") from error
    # Canonical: only one text stands for these bytes (no stray characters, no loose last bits).
    if base64.b64encode(signature) != text or not 0 < len(signature) <= SIGNATURE_BYTES_MAX:
        raise SignatureMalformed("sig")
    return signature


def build_message(method: bytes, target: bytes, ts_text: bytes, nonce: bytes, body: bytes) -> bytes:
    """The bytes that are signed: five lines, each followed by a line feed.

    Raises ValueError if anything but the body contains a line feed (two requests would share
    one message; HTTP cannot carry one there), TypeError if an argument is not bytes.
    """
    head = (("method", method), ("target", target), ("ts_text", ts_text), ("nonce", nonce))
    for name, value in (*head, ("body", body)):
        if type(value) is not bytes:
            raise wrong_type(name, "bytes", value)
    for name, value in head:
        if b"\n" in value:
            raise ValueError(f"{name} must not contain a line feed")
    return b"%b\n%b\n%b\n%b\n%b\n" % (method, target, ts_text, nonce, body)


def in_window(ts: int, now: int, window: int = WINDOW_S) -> bool:
    """Whether `ts` is at most `window` away from `now`, before or after; all in whole seconds.

    Raises TypeError if an argument is not exactly an int (a float clock must be cut first).
    """
    for name, value in (("ts", ts), ("now", now), ("window", window)):
        if type(value) is not int:
            raise wrong_type(name, "int", value)
    return abs(now - ts) <= window
