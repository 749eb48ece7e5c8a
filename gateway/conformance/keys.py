"""The merchant's key pair of a run.

Law: made for the run and forgotten with it; it opens accounts at simulators and nowhere else.
"""

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

RSA_BITS = 2048
RSA_EXPONENT = 65_537


class MerchantKey(NamedTuple):
    """An RSA key pair as PEM (PKCS#8, SubjectPublicKeyInfo)."""

    private_pem: str
    public_pem: str

    def __repr__(self) -> str:
        return "MerchantKey(…)"


def new_merchant_key() -> MerchantKey:
    """A fresh key pair of 2048 bits."""
    key = rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=RSA_BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return MerchantKey(private.decode("ascii"), public.decode("ascii"))
