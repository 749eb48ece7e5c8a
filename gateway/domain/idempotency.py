"""Idempotency: the same business number means the same object, for ever.

Law: a creating request's number is unique per merchant and kind. Its fingerprint, an HMAC-SHA-256
of its canonical content under a key of the installation, is stored with the object. The same
fingerprint is answered with the object as it is now; another one is refused without naming the
difference. "Same content" is the same operation, path and JSON value: member order, white space
and null members do not count, defaults are not filled in.
"""

import hmac
from collections.abc import Mapping

import msgspec

from fastpath.keyed import HmacKey
from gateway.domain.errors import TillgateError

_encode = msgspec.json.Encoder(order="deterministic").encode


class Numbered(msgspec.Struct, frozen=True):
    """What a creating request says of its number: enough to find out whether it is a repeat."""

    number: str
    content: bytes
    fingerprint: bytes
    fingerprint_key: int


def _without_nulls(value: object) -> object:
    if type(value) is dict:
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if type(value) is list:
        return [_without_nulls(item) for item in value]
    return value


def canonical(operation: str, path: str, body: Mapping[str, object]) -> bytes:
    """The canonical content of a request: operation, path and the JSON value of its body."""
    value = dict(body)
    content = _encode(value)
    if b"null" in content:  # a null, or a text with this word in it: then nothing is left out
        content = _encode(_without_nulls(value))
    return b"%b\n%b\n%b" % (operation.encode(), path.encode(), content)


class Fingerprints:
    """The installation's fingerprint keys by number; the newest signs, old ones compare."""

    __slots__ = ("_keys", "newest")

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = {number: HmacKey(key) for number, key in keys.items()}
        self.newest = max(self._keys)

    def fingerprint(self, content: bytes, number: int | None = None) -> bytes:
        """The 32-byte fingerprint of canonical content under key `number` (default: newest)."""
        return self._keys[self.newest if number is None else number].digest(content)

    def is_same(self, content: bytes, *, stored: bytes, number: int) -> bool:
        """Whether `content` is what the stored fingerprint was made of."""
        return hmac.compare_digest(self.fingerprint(content, number), stored)

    def numbered(
        self, operation: str, path: str, body: Mapping[str, object], number: str
    ) -> Numbered:
        """A creating request's number with the fingerprint of its content."""
        content = canonical(operation, path, body)
        return Numbered(number, content, self.fingerprint(content), self.newest)


CONFLICTS = {
    "payment": ("order_no_conflict", "/merchant_order_no"),
    "refund": ("refund_no_conflict", "/merchant_refund_no"),
    "webhook_endpoint": ("endpoint_exists", "/url"),
    "merchant": ("merchant_ref_conflict", "/merchant_ref"),
    "key": ("key_ref_conflict", "/key_ref"),
    "channel_account": ("account_ref_conflict", "/account_ref"),
}


def check_repeat(
    kind: str, numbered: Numbered, keys: Fingerprints, *, stored: bytes, key_number: int
) -> None:
    """Return if the request repeats the stored one; else refuse with the kind's conflict code."""
    if keys.is_same(numbered.content, stored=stored, number=key_number):
        return
    code, param = CONFLICTS[kind]
    raise TillgateError(code, "This number was used before with other content.", param=param)
