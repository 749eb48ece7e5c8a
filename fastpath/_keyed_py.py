"""Pure twin of `fastpath.keyed`: the specification.

Law. HMAC-SHA-256 (RFC 2104) and nothing else, of whole messages, under keys of 32 bytes, by
Python's own `hmac`. The comparison takes the same time wherever a wrong signature differs.
"""

import hmac
from typing import Final

from fastpath._arguments import wrong_type
from fastpath._signature_py import build_message
from fastpath._signature_terms import HMAC_KEY_REFUSED, SECRET_BYTES

_DIGEST_BYTES: Final = 32


class HmacKey:
    """A secret that is used many times. It is never shown, compared or pickled.

    Raises TypeError for what is not bytes and ValueError for a secret that has not 32 bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if type(secret) is not bytes:
            raise wrong_type("secret", "bytes", secret)
        if len(secret) != SECRET_BYTES:
            raise ValueError(HMAC_KEY_REFUSED)
        self._secret = secret

    def __repr__(self) -> str:
        return "HmacKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("an HmacKey is not pickled")

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of the code of `message`. Raises TypeError if that is not bytes."""
        if type(message) is not bytes:
            raise wrong_type("message", "bytes", message)
        return hmac.digest(self._secret, message, "sha256")

    def verify_request(
        self,
        method: bytes,
        target: bytes,
        ts_text: bytes,
        nonce: bytes,
        body: bytes,
        signature: bytes,
    ) -> bool:
        """Whether `signature` is the code of the five lines (`signature.build_message`).

        Raises what `build_message` raises, and TypeError for a signature that is not bytes.
        """
        message = build_message(method, target, ts_text, nonce, body)
        if type(signature) is not bytes:
            raise wrong_type("signature", "bytes", signature)
        if len(signature) != _DIGEST_BYTES:
            return False
        return hmac.compare_digest(self.digest(message), signature)
