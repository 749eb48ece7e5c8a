"""RSA keys and SHA-256 signatures of the pretend channels.

Law: the simulators' own signing code, over `cryptography` alone: nothing of it is shared with
the codecs that are certified against it. Signatures are RSASSA-PKCS1-v1_5 with SHA-256
(RFC 8017), written in standard base64.
"""

import base64
import binascii
import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY_BITS: Final = 2048
KEY_BITS_MAX: Final = 8192
PUBLIC_EXPONENT: Final = 65537


class KeyRefused(ValueError):
    """The text is not the PEM of an RSA public key that may be used."""


def new_private_pem() -> str:
    """A fresh RSA private key of 2048 bits as unencrypted PKCS#8 PEM."""
    key = rsa.generate_private_key(public_exponent=PUBLIC_EXPONENT, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def load_private(pem: str) -> rsa.RSAPrivateKey:
    """The private key of a PEM that `new_private_pem` wrote."""
    key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyRefused("not an RSA private key")
    return key


def load_public(pem: str) -> rsa.RSAPublicKey:
    """The public key of a PEM (`PUBLIC KEY` or `RSA PUBLIC KEY`), 2048 to 8192 bits.

    Raises `KeyRefused`.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused("not the PEM of a public key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyRefused("not an RSA public key")
    if not KEY_BITS <= key.key_size <= KEY_BITS_MAX:
        raise KeyRefused(f"an RSA key here has {KEY_BITS} to {KEY_BITS_MAX} bits")
    return key


def public_pem(key: rsa.RSAPublicKey) -> str:
    """The key as SubjectPublicKeyInfo PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")


def fingerprint(key: rsa.RSAPublicKey) -> str:
    """SHA-256 of the key's DER, hexadecimal: the same key in another spelling has the same."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def sign(key: rsa.RSAPrivateKey, message: bytes) -> str:
    """The signature of `message` in standard base64."""
    signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode("ascii")


def verified(key: rsa.RSAPublicKey, *, message: bytes, signature: str) -> bool:
    """Whether `signature` (standard base64) is that of `message`; never raises."""
    try:
        raw = base64.b64decode(signature.encode("ascii"), validate=True)
        key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True


def falsified(signature: str) -> str:
    """The same length of base64 with one bit of the signature flipped."""
    raw = bytearray(base64.b64decode(signature))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode("ascii")
