"""Whom to believe: the certificate that UnionPay puts into each of its messages.

Law: no certificate from a message is used before it was trusted. It carries its own key, so a
self-made one would verify whatever its maker signed. Trusted is a certificate that

- is issued, through the account's middle certificates, by the account's root (the trust anchor,
  which is believed as configured, RFC 5280 section 6.1);
- is valid, as all middle ones are, at the moment of the message (`at`, given by the caller);
- belongs to the signer: its common name reads `...@<name>@...`, the name in third place;
- is no authority itself and may sign.

Certificates of UnionPay's authority (CFCA) are partly signed with SHA-1; that is accepted within
this chain only. The chain of a text is remembered, its dates are compared every time.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from gateway.channels.crypto import KEY_TEXT_CHARS_MAX, KeyUnusable, rsa_public_key

SIGNER_NAME = "中国银联股份有限公司"
CHAINS_CACHED_MAX = 256
CHAIN_MIDDLES_MAX = 4
MIDDLES_TEXT_CHARS_MAX = CHAIN_MIDDLES_MAX * KEY_TEXT_CHARS_MAX

_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"
_PARSE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_NAME_PLACE = 2
_ALGORITHMS = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA1,
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
    }
)
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


class CertificateRefused(ValueError):
    """The certificate is not to be believed; the text says why and quotes nothing."""


class Chain(NamedTuple):
    """A proven path to the root, and the time in which all of it is valid."""

    valid_from: datetime
    valid_until: datetime


def check_certificate(text: str, *, root: str, middles: str, signer: str, at: datetime) -> None:
    """Raise `CertificateRefused` unless the PEM `text` is UnionPay's at the moment `at`.

    `root` is one PEM certificate, `middles` one or several.
    """
    chain = _chain(text, root, middles, signer)
    if not chain.valid_from <= at <= chain.valid_until:
        raise CertificateRefused("a certificate of the chain is not valid at this time")


def check_authorities(*, root: str, middles: str) -> None:
    """Raise `CertificateRefused` unless both can be read and the root issued a middle one."""
    anchor = _only(root)
    authorities = _authorities(middles)
    if not any(_issued(child, anchor) for child in authorities):
        raise CertificateRefused("no middle certificate was issued by the root")


@lru_cache(maxsize=CHAINS_CACHED_MAX)
def _chain(text: str, root: str, middles: str, signer: str) -> Chain:
    try:
        return _proven(text, root, middles, signer)
    except CertificateRefused:
        raise
    except _PARSE_ERRORS:
        raise CertificateRefused("a certificate of the chain cannot be read") from None


def _proven(text: str, root: str, middles: str, signer: str) -> Chain:
    leaf = _only(text)
    if signer_name(leaf) != signer:
        raise CertificateRefused("the certificate is not the signer's")
    _check_leaf(leaf)
    try:
        rsa_public_key(text)
    except KeyUnusable as error:
        raise CertificateRefused(str(error)) from None
    path = _path(leaf, _only(root), _authorities(middles))
    return Chain(
        valid_from=max(certificate.not_valid_before_utc for certificate in path),
        valid_until=min(certificate.not_valid_after_utc for certificate in path),
    )


def signer_name(certificate: x509.Certificate) -> str | None:
    """The name in a common name such as `041@8310000000083040@<name>@00016495`."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not isinstance(names[0].value, str):
        return None
    parts = names[0].value.split("@")
    return parts[_NAME_PLACE] if len(parts) > _NAME_PLACE else None


def _path(
    leaf: x509.Certificate, root: x509.Certificate, middles: list[x509.Certificate]
) -> list[x509.Certificate]:
    """The certificates from the leaf up to, and without, the root."""
    path = [leaf]
    left = list(middles)
    while not _issued(path[-1], root):
        issuer = next((middle for middle in left if _issued(path[-1], middle)), None)
        if issuer is None:
            raise CertificateRefused("the certificate does not lead to the root")
        left.remove(issuer)
        path.append(issuer)
    return path


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed the certificate (RSA, PKCS#1 v1.5).

    By hand, because `verify_directly_issued_by` refuses SHA-1.
    """
    try:
        key = issuer.public_key()
        algorithm = certificate.signature_hash_algorithm
        if certificate.issuer != issuer.subject or not isinstance(key, rsa.RSAPublicKey):
            return False
        if algorithm is None or certificate.signature_algorithm_oid not in _ALGORITHMS:
            return False
        key.verify(
            certificate.signature,
            certificate.tbs_certificate_bytes,
            padding.PKCS1v15(),
            algorithm,
        )
    except (InvalidSignature, *_PARSE_ERRORS):
        return False
    return True


def _check_leaf(leaf: x509.Certificate) -> None:
    constraints = _extension(leaf, x509.BasicConstraints)
    usage = _extension(leaf, x509.KeyUsage)
    if constraints is not None and constraints.ca:
        raise CertificateRefused("the certificate is an authority's")
    if usage is not None and not usage.digital_signature:
        raise CertificateRefused("the certificate may not sign")


def _authorities(text: str) -> list[x509.Certificate]:
    if len(text) > MIDDLES_TEXT_CHARS_MAX:
        raise CertificateRefused("the middle certificates are too long")
    blocks = [begun + _END for begun in text.split(_END)[:-1]]
    if not 1 <= len(blocks) <= CHAIN_MIDDLES_MAX or text.split(_END)[-1].strip():
        raise CertificateRefused(f"there must be 1 to {CHAIN_MIDDLES_MAX} middle certificates")
    found = [_only(block) for block in blocks]
    _check_authorities(found)
    return found


def _check_authorities(middles: Iterable[x509.Certificate]) -> None:
    for middle in middles:
        try:
            constraints = _extension(middle, x509.BasicConstraints)
            usage = _extension(middle, x509.KeyUsage)
        except _PARSE_ERRORS:
            raise CertificateRefused("a middle certificate cannot be read") from None
        if constraints is None or not constraints.ca or (usage and not usage.key_cert_sign):
            raise CertificateRefused("a middle certificate is no authority's")


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _only(text: str) -> x509.Certificate:
    """The one certificate of a PEM text with nothing around it."""
    text = text.strip()
    if len(text) > KEY_TEXT_CHARS_MAX or not text.startswith(_BEGIN) or not text.endswith(_END):
        raise CertificateRefused("the text is not one PEM certificate")
    if text.count("-----BEGIN") != 1:
        raise CertificateRefused("the text is more than one certificate")
    try:
        return x509.load_pem_x509_certificate(text.encode("ascii"))
    except _PARSE_ERRORS:
        raise CertificateRefused("the certificate cannot be read") from None
