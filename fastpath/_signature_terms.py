"""The words both twins of `fastpath.signature` share: limits, the parsed header, its errors.

Law. Only names and values, no decision. Limits and grammar are those of the signing section
of the HTTP API, version 1. An error text is one of a fixed set and never repeats input.
"""

from typing import Final, NamedTuple

HMAC_SHA256: Final = "TILL1-HMAC-SHA256"
ED25519: Final = "TILL1-ED25519"
RSA2048_SHA256: Final = "TILL1-SHA256-RSA2048"

HEADER_BYTES_MAX: Final = 2048
SIGNATURE_BYTES_MAX: Final = 512
SECRET_BYTES: Final = 32
WINDOW_S: Final = 300

HMAC_KEY_REFUSED: Final = "secret must be 32 bytes"

FAULTS: Final[dict[str, str]] = {
    "too_long": "the header is longer than 2048 bytes",
    "scheme": "the scheme is not one of the three, or no single space follows it",
    "pair": 'the parameters are not name="value" joined by commas',
    "name": "a parameter is not one of mch, key, ts, nonce, sig",
    "repeated": "a parameter occurs twice",
    "missing": "one of mch, key, ts, nonce, sig is missing",
    "mch": "mch is not a merchant id",
    "key": "key is not a key id",
    "ts": "ts is not ten digits",
    "nonce": "nonce is not 16 to 64 of A-Z a-z 0-9 _ -",
    "sig": "sig is not canonical base64 of 1 to 512 bytes",
}
"""Every reason why a header is malformed, and its text. The order is that of precedence,
except that `pair`, `name` and `repeated` are found from left to right."""


class SignatureMalformed(ValueError):
    """The Authorization header is outside the grammar; `reason` is a key of `FAULTS`.

    For logs and metrics only: the client is told the same for every fault.
    """

    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return FAULTS[self.reason]


class Authorization(NamedTuple):
    """A well-formed Authorization header; nothing in it is verified yet."""

    algorithm: str
    """`HMAC_SHA256`, `ED25519` or `RSA2048_SHA256`."""
    mch: str
    """The merchant's id, `mch_` and 26 characters."""
    key: str
    """The key's id, `key_` and 26 characters."""
    ts: int
    """Unix seconds, 0 to 9999999999."""
    ts_text: bytes
    """The ten digits of `ts` as they were sent, and signed."""
    nonce: bytes
    """16 to 64 bytes of `[A-Za-z0-9_-]`."""
    sig: bytes
    """The decoded signature, 1 to 512 bytes."""
