"""Pure twin of `fastpath.rsa`: the specification.

Law. RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2.2) and nothing else, by `cryptography`.
No message chooses an algorithm. Which sizes of keys are good enough is the caller's to say: every
key that `cryptography` loads is taken.
"""

import binascii
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey as LoadedKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from fastpath._arguments import wrong_type
from fastpath._rsa_terms import SIGNATURE_CHARS_MAX

KEY_REFUSED: Final = "der must be the public key of RSA"

_PADDING: Final = PKCS1v15()
_DIGEST: Final = SHA256()


def load_key(der: bytes) -> LoadedKey:
    """The key of a SubjectPublicKeyInfo or RSAPublicKey in DER.

    Raises TypeError for what is not bytes and ValueError for what is no such key.
    """
    if type(der) is not bytes:
        raise wrong_type("der", "bytes", der)
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(KEY_REFUSED) from None
    if not isinstance(key, LoadedKey):
        raise ValueError(KEY_REFUSED)
    return key


class RsaPublicKey:
    """A public key that is used many times, from `der`. Raises what `load_key` raises."""

    __slots__ = ("_key",)

    def __init__(self, der: bytes) -> None:
        self._key = load_key(der)

    def __reduce__(self) -> str:
        raise TypeError("an RsaPublicKey is not pickled")

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is `message`'s. Raises TypeError if either is not bytes."""
        if type(message) is not bytes:
            raise wrong_type("message", "bytes", message)
        if type(signature) is not bytes:
            raise wrong_type("signature", "bytes", signature)
        return self._is_genuine(message, signature)

    def verify_base64(self, message: bytes, signature: str | bytes) -> bool:
        """Whether `signature`, in canonical standard base64 (RFC 4648 section 4), is `message`'s.

        Canonical: padded, without white space, unused bits zero. So one signature has one spelling,
        and any other text is false, as is one longer than `SIGNATURE_CHARS_MAX`. Raises TypeError
        if `message` is not bytes or `signature` neither str nor bytes.
        """
        if type(message) is not bytes:
            raise wrong_type("message", "bytes", message)
        if type(signature) is not bytes and type(signature) is not str:
            raise wrong_type("signature", "str or bytes", signature)
        if len(signature) > SIGNATURE_CHARS_MAX:
            return False
        try:
            raw = binascii.a2b_base64(signature, strict_mode=True)
        except ValueError:
            return False
        text = signature.encode("ascii") if isinstance(signature, str) else signature
        return text == binascii.b2a_base64(raw, newline=False) and self._is_genuine(message, raw)

    def _is_genuine(self, message: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, message, _PADDING, _DIGEST)
        except InvalidSignature:
            return False
        return True
