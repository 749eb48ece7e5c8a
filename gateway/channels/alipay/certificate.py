"""Certificate numbers of Alipay's certificate mode (`app_cert_sn`, `alipay_root_cert_sn`).

Law: a number is computed from the certificate alone; whether the certificate is valid and to be
believed is asked in `chain`. The number is the MD5 (an identifier, not a proof) of the issuer's
name, its parts in the reverse of their DER order, followed by the serial number in decimal. A root
bundle's number joins those of its RSA certificates; certificates of other algorithms (SM2) do not
count.
"""

import hashlib
import re
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

RSA_OID_PREFIX = "1.2.840.113549.1.1."
BUNDLE_CERTIFICATES_MAX = 64

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PARSE_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class CertificateUnusable(ValueError):
    """The text is not a certificate, or a bundle holds no usable one."""


class RootNumber(NamedTuple):
    """`sn` of a bundle and how many of its certificates could not be read.

    Alipay's production bundle has one certificate with trailing data that strict parsers refuse;
    `unread` lets the caller say so. Compare `sn` with the published number.
    """

    sn: str
    unread: int


def issuer_serial_sn(issuer: str, serial: int) -> str:
    """The number of a certificate, from `CN=..,OU=..,O=..,C=..` and its serial number."""
    return hashlib.md5(f"{issuer}{serial}".encode(), usedforsecurity=False).hexdigest()


def cert_sn(pem: str) -> str:
    """The number of one PEM certificate. Raises `CertificateUnusable`."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
        return _sn(certificate)
    except _PARSE_ERRORS:
        raise CertificateUnusable("the certificate cannot be read") from None


def root_cert_sn(pem_bundle: str) -> RootNumber:
    """The number of a root bundle: its RSA certificates' in order, joined by `_`.

    Raises `CertificateUnusable` if no certificate counts or there are too many.
    """
    blocks = _PEM.findall(pem_bundle.encode("utf-8", "replace"))
    if len(blocks) > BUNDLE_CERTIFICATES_MAX:
        raise CertificateUnusable("the bundle has too many certificates")
    numbers: list[str] = []
    unread = 0
    for block in blocks:
        try:
            certificate = x509.load_pem_x509_certificate(block)
            oid = certificate.signature_algorithm_oid.dotted_string
            if oid.startswith(RSA_OID_PREFIX):
                numbers.append(_sn(certificate))
        except _PARSE_ERRORS:
            unread += 1
    if not numbers:
        raise CertificateUnusable("the bundle has no RSA certificate")
    return RootNumber(sn="_".join(numbers), unread=unread)


def _sn(certificate: x509.Certificate) -> str:
    parts = (
        "+".join(f"{item.rfc4514_attribute_name}={_text(item.value)}" for item in part)
        for part in reversed(certificate.issuer.rdns)
    )
    return issuer_serial_sn(",".join(parts), certificate.serial_number)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()
