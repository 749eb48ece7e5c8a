"""RSA for channels: keys in every spelling that channels hand out, SHA-256 signatures.

Law: one algorithm. `rsa_sha256_sign` and `rsa_sha256_verify` are RSASSA-PKCS1-v1_5 with SHA-256
(RFC 8017 section 8.2) and standard base64 (RFC 4648 section 4); no caller and no message can
choose another, so a SHA-1 signature never verifies. Keys are given as text and never printed:
an error says which kind of key is unusable, not what it contains.

A key may be PEM (PKCS#8, PKCS#1, SubjectPublicKeyInfo, for public keys also a certificate) or
the bare base64 body of any of them, on one line or many, as Alipay's tools print it. Loading
costs much more than signing, so loaded keys are remembered, at most `KEYS_CACHED_MAX` of a kind.
Verifying is `fastpath.rsa`'s; what is a key, and which sizes are good enough, is said here.
"""

import base64
import binascii
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from fastpath.rsa import RsaPublicKey

KEYS_CACHED_MAX = 1024
KEY_TEXT_CHARS_MAX = 16_384
RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192

_PADDING = padding.PKCS1v15()
_DIGEST = hashes.SHA256()
_PEM_BEGIN = "-----BEGIN "
_CERTIFICATE_BEGIN = "-----BEGIN CERTIFICATE-----"
_LOAD_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class KeyUnusable(ValueError):
    """The text is not an RSA key of an accepted form and size. Never quotes the text."""


def rsa_private_key(text: str) -> rsa.RSAPrivateKey:
    """Load an unencrypted RSA private key; raises `KeyUnusable`."""
    return _private_key(text)


def rsa_public_key(text: str) -> rsa.RSAPublicKey:
    """Load an RSA public key, or that of a certificate; raises `KeyUnusable`.

    Whether a certificate is valid and trusted is the caller's question, to be asked before.
    """
    return _public_key(text)


def rsa_sha256_sign(private_key: str, message: bytes) -> str:
    """Sign `message`; returns standard base64 on one line. Raises `KeyUnusable`."""
    signature = _private_key(private_key).sign(message, _PADDING, _DIGEST)
    return base64.b64encode(signature).decode("ascii")


def rsa_sha256_verify(public_key: str, message: bytes, signature: str | bytes) -> bool:
    """Whether `signature` (canonical base64) is that of `message`. Raises `KeyUnusable` only."""
    return _verifying_key(public_key).verify_base64(message, signature)


def decode_base64(text: str, *, chars_max: int) -> bytes | None:
    """Decode canonical standard base64; None for any other text.

    Canonical: padded, without white space, unused bits zero. So one value has one spelling and
    no bit of a signature can change without being noticed.
    """
    if len(text) > chars_max:
        return None
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return raw if binascii.b2a_base64(raw, newline=False).decode("ascii") == text else None


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _private_key(text: str) -> rsa.RSAPrivateKey:
    form, data = _key_bytes(text, kind="private key")
    try:
        if form == "pem":
            key = serialization.load_pem_private_key(data, password=None)
        else:
            key = serialization.load_der_private_key(data, password=None)
    except _LOAD_ERRORS:
        raise KeyUnusable("the private key cannot be read") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyUnusable("the private key is not an RSA key")
    _check_size(key.key_size, kind="private key")
    return key


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _public_key(text: str) -> rsa.RSAPublicKey:
    form, data = _key_bytes(text, kind="public key")
    key: object
    try:
        if form == "certificate":
            key = x509.load_pem_x509_certificate(data).public_key()
        elif form == "pem":
            key = serialization.load_pem_public_key(data)
        else:
            key = serialization.load_der_public_key(data)
    except _LOAD_ERRORS:
        raise KeyUnusable("the public key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyUnusable("the public key is not an RSA key")
    _check_size(key.key_size, kind="public key")
    return key


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _verifying_key(text: str) -> RsaPublicKey:
    return RsaPublicKey(
        _public_key(text).public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def _key_bytes(text: str, *, kind: str) -> tuple[str, bytes]:
    if len(text) > KEY_TEXT_CHARS_MAX:
        raise KeyUnusable(f"the {kind} is longer than {KEY_TEXT_CHARS_MAX} characters")
    text = text.strip()
    try:
        if text.startswith(_PEM_BEGIN):
            form = "certificate" if text.startswith(_CERTIFICATE_BEGIN) else "pem"
            return form, text.encode("ascii")
        return "der", base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KeyUnusable(f"the {kind} is neither PEM nor base64") from None


def _check_size(bits: int, *, kind: str) -> None:
    if not RSA_BITS_MIN <= bits <= RSA_BITS_MAX:
        raise KeyUnusable(f"the {kind} has {bits} bits, not {RSA_BITS_MIN} to {RSA_BITS_MAX}")
