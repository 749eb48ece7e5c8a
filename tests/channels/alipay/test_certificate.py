"""Certificate numbers: published ones, and which certificates of a bundle count."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import NameOID

from gateway.channels.alipay import certificate
from gateway.channels.alipay.certificate import (
    CertificateUnusable,
    cert_sn,
    issuer_serial_sn,
    root_cert_sn,
)

pytestmark = pytest.mark.fast

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
UNREADABLE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def make(serial: int, *, key=RSA_KEY, algorithm: hashes.HashAlgorithm | None = None) -> str:
    parts = (
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, "Ant Financial"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification, Authority"),
        (NameOID.COMMON_NAME, f"根 {serial}"),
    )
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), serial, start, start + timedelta(days=1)
    )
    signed = builder.sign(key, algorithm or hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def expected(serial: int) -> str:
    issuer = f"CN=根 {serial},OU=Certification, Authority,O=Ant Financial,C=CN"
    return issuer_serial_sn(issuer, serial)


def test_app_certificate_vector(vectors: dict) -> None:
    vector = vectors["alipay_app_cert_sn"]
    assert cert_sn(vector["cert"]) == vector["sn"]
    assert issuer_serial_sn(vector["issuer"], int(vector["serial_decimal"])) == vector["sn"]


def test_public_certificate_vector(vectors: dict) -> None:
    vector = vectors["alipay_public_cert_sn"]
    assert issuer_serial_sn(vector["issuer"], int(vector["serial_decimal"])) == vector["sn"]


def test_root_vector_counts_the_rsa_certificates_of_its_bundle(vectors: dict) -> None:
    """Only the algorithms and the result are published: as many parts as RSA algorithms."""
    vector = vectors["alipay_root_cert_sn"]
    prefix = certificate.RSA_OID_PREFIX
    counted = [oid for oid in vector["certs_in_bundle"] if oid.startswith(prefix)]
    assert len(counted) == len(vector["sn"].split("_")) == 2


def test_a_bundle_joins_its_rsa_certificates_in_order() -> None:
    bundle = make(1) + make(2, key=EC_KEY) + UNREADABLE + make(3, algorithm=hashes.SHA512())
    assert root_cert_sn("text before\n" + bundle) == (f"{expected(1)}_{expected(3)}", 1)
    assert root_cert_sn(make(1)) == (cert_sn(make(1)), 0)


def test_nothing_usable_is_refused() -> None:
    for text in ("", "no certificate", UNREADABLE, "é"):
        with pytest.raises(CertificateUnusable):
            cert_sn(text)
        with pytest.raises(CertificateUnusable):
            root_cert_sn(text)
    with pytest.raises(CertificateUnusable):
        root_cert_sn(make(1, key=EC_KEY))
    with pytest.raises(CertificateUnusable):
        root_cert_sn(UNREADABLE * (certificate.BUNDLE_CERTIFICATES_MAX + 1))
