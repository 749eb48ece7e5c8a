"""Signatures made with a private key we never see: Ed25519 and RSA-2048.

Law. One implementation for both twins: Ed25519 is OpenSSL's through `cryptography`, and Cython
could only copy it; RSA has twins of its own in `fastpath.rsa`. A bad signature is False, whatever
is wrong with it; a key that could never be registered is a ValueError, also when the signature is
bad too, so that `verify_...(key, b"", b"")` is a test of the key alone. Loaded keys are kept in a
bounded cache; public keys only, nothing secret is ever held here.

Sources: RFC 8032 (Ed25519), RFC 8017 section 8.2 (RSASSA-PKCS1-v1_5), RFC 5280
(SubjectPublicKeyInfo).
"""

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from fastpath._arguments import wrong_type
from fastpath.rsa import RsaPublicKey

PUBLIC_KEYS_CACHED_MAX: Final = 4096
"""Loaded keys kept of each algorithm; the least recently used one goes first."""

ED25519_KEY_BYTES: Final = 32
ED25519_SIGNATURE_BYTES: Final = 64
RSA_KEY_BITS: Final = 2048
RSA_SIGNATURE_BYTES: Final = RSA_KEY_BITS // 8

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
# The y of every point whose order divides 8 (RFC 8032 section 5.1). Under such a key anybody
# can make signatures that verify.
_Y_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_Y_OF_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8})


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is `message`'s under the raw 32-byte `public_key`.

    Raises ValueError for a key that is no point of the curve, is not encoded canonically, or
    has a small order; TypeError for anything but bytes.
    """
    _require_bytes(public_key, message, signature, key_name="public_key")
    key = _load_ed25519(public_key)
    if len(signature) != ED25519_SIGNATURE_BYTES:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def verify_rsa2048_sha256(public_key_der: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (256 bytes, PKCS#1 v1.5 with SHA-256) is `message`'s.

    `public_key_der` is a SubjectPublicKeyInfo in DER. Raises ValueError for any other encoding,
    any other kind of key and any size but 2048 bits; TypeError for anything but bytes.
    """
    _require_bytes(public_key_der, message, signature, key_name="public_key_der")
    key = _load_rsa2048(public_key_der)
    return len(signature) == RSA_SIGNATURE_BYTES and key.verify(message, signature)


def _require_bytes(key: bytes, message: bytes, signature: bytes, *, key_name: str) -> None:
    for name, value in ((key_name, key), ("message", message), ("signature", signature)):
        if type(value) is not bytes:
            raise wrong_type(name, "bytes", value)


@lru_cache(maxsize=PUBLIC_KEYS_CACHED_MAX)
def _load_ed25519(raw: bytes) -> Ed25519PublicKey:
    if len(raw) != ED25519_KEY_BYTES:
        raise ValueError("an Ed25519 public key must be 32 bytes")
    # OpenSSL looks at the point only when it verifies, and takes small orders.
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P or not _is_on_curve(y):
        raise ValueError("the Ed25519 public key is not a canonical point of the curve")
    if y in _Y_OF_SMALL_ORDER:
        raise ValueError("the Ed25519 public key has a small order")
    return Ed25519PublicKey.from_public_bytes(raw)


def _is_on_curve(y: int) -> bool:
    """Whether some x satisfies -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032 section 5.1.3)."""
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return x_squared == 0 or pow(x_squared, (_P - 1) // 2, _P) == 1


@lru_cache(maxsize=PUBLIC_KEYS_CACHED_MAX)
def _load_rsa2048(der: bytes) -> RsaPublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("the RSA public key is not a SubjectPublicKeyInfo in DER") from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the public key is not an RSA key")
    if key.key_size != RSA_KEY_BITS:
        raise ValueError("the RSA public key must have exactly 2048 bits")
    # `cryptography` reads PKCS#1 and RSA-PSS keys here as well: one key, one encoding.
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != der:
        raise ValueError("the RSA public key is not a SubjectPublicKeyInfo in DER")
    return RsaPublicKey(der)
