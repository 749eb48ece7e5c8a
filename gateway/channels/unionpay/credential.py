"""The merchant's own signing credential: a PKCS#12 file, or a private key and its number.

Law: read from the account's credentials and never shown. An account has either `sign_pfx` (the
file that UnionPay's authority gave, in base64) with `sign_pfx_password`, or `merchant_private_key`
(PEM) with `cert_id` (the serial number of its certificate in decimal). `certId` of every message
is that serial number. Opening a file is slow on purpose, so the last ones are remembered.
Source: RFC 7292 (PKCS#12).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from gateway.channels.crypto import (
    KEYS_CACHED_MAX,
    KeyUnusable,
    decode_base64,
    rsa_private_key,
    rsa_public_key,
)

PFX_CHARS_MAX = 16_384
CERT_ID = re.compile(r"[1-9][0-9]{0,49}")


class Credential(NamedTuple):
    """`cert_id` is a decimal serial number, `private_key` a PEM text."""

    cert_id: str
    private_key: str

    def __repr__(self) -> str:
        return f"Credential({self.cert_id}, …)"


def credential_of(credentials: Mapping[str, str]) -> Credential:
    """What an account signs with. Raises `KeyUnusable`, which never quotes a secret."""
    pfx = credentials.get("sign_pfx")
    if pfx:
        return _open_pfx("".join(pfx.split()), credentials.get("sign_pfx_password", ""))
    key, cert_id = credentials.get("merchant_private_key"), credentials.get("cert_id", "")
    if not key:
        raise KeyUnusable("the account has no signing key")
    if not CERT_ID.fullmatch(cert_id):
        raise KeyUnusable("cert_id is not a decimal serial number")
    rsa_private_key(key)
    return Credential(cert_id, key)


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _open_pfx(pfx: str, password: str) -> Credential:
    data = decode_base64(pfx, chars_max=PFX_CHARS_MAX)
    if data is None:
        raise KeyUnusable("the PKCS#12 file is not base64")
    try:
        key, certificate, _ = load_key_and_certificates(data, password.encode("utf-8") or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnusable("the PKCS#12 file does not open with this password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or certificate is None:
        raise KeyUnusable("the PKCS#12 file holds no RSA key with its certificate")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    rsa_private_key(pem)
    if key.public_key() != rsa_public_key(certificate.public_bytes(Encoding.PEM).decode("ascii")):
        raise KeyUnusable("key and certificate of the PKCS#12 file do not belong together")
    return Credential(str(certificate.serial_number), pem)
