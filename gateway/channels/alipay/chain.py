"""Which downloaded certificate is believed to be Alipay's.

Law: a certificate is believed only if signatures lead from it to a certificate of the account's
own root bundle, each link was in date, each issuer is an authority, and it was issued to the same
organisation as the account's present Alipay certificate. The last is not decoration: the same
authority certifies every merchant's application, so a chain alone proves only that somebody has an
account at Alipay. Nothing here is fetched; time is an argument.

Source: RFC 5280 section 6.1, as far as Alipay's chains need it (RSA, no constraints, no lists of
revoked certificates; Alipay publishes none).
"""

import re
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import NameOID

from gateway.channels.alipay.certificate import BUNDLE_CERTIFICATES_MAX

CHAIN_LINKS_MAX = 5
BUNDLE_CHARS_MAX = 65_536

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PARSE_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


def is_alipays(found: str, *, own: str, roots: str, now: datetime) -> bool:
    """Whether the first certificate of `found` (PEM) is one of Alipay's, as the law says.

    `own` is the account's `alipay_cert`, `roots` its `alipay_root_cert`; both may hold several.
    """
    chain, present, trusted = _read(found), _read(own), _read(roots)
    if not chain or not present:
        return False
    try:
        organization = _organization(present[0])
        if not organization or _organization(chain[0]) != organization:
            return False
        between = [*chain[1:], *present[1:]]
        return _leads_up(chain[0], between, trusted, now, links=CHAIN_LINKS_MAX)
    except _PARSE_ERRORS:
        # The parts of a certificate are parsed only when they are asked for.
        return False


def _leads_up(
    certificate: x509.Certificate,
    between: Sequence[x509.Certificate],
    trusted: Sequence[x509.Certificate],
    now: datetime,
    *,
    links: int,
) -> bool:
    in_date = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    if not in_date or links == 0:
        return False
    for root in trusted:
        is_in_date = root.not_valid_before_utc <= now <= root.not_valid_after_utc
        if is_in_date and root != certificate and _issued(root, certificate):
            return True
    return any(
        _leads_up(issuer, between, trusted, now, links=links - 1)
        for issuer in between
        if issuer != certificate and _is_authority(issuer) and _issued(issuer, certificate)
    )


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_PARSE_ERRORS, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (*_PARSE_ERRORS, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    return found.value.ca


def _organization(certificate: x509.Certificate) -> str | bytes | None:
    named = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return named[0].value if len(named) == 1 else None


def _read(text: str) -> list[x509.Certificate]:
    """The readable certificates of a bundle, at most `BUNDLE_CERTIFICATES_MAX`; [] if too long."""
    if len(text) > BUNDLE_CHARS_MAX:
        return []
    found: list[x509.Certificate] = []
    for block in _PEM.findall(text.encode("utf-8", "replace"))[:BUNDLE_CERTIFICATES_MAX]:
        try:
            found.append(x509.load_pem_x509_certificate(block))
        except _PARSE_ERRORS:
            continue
    return found
