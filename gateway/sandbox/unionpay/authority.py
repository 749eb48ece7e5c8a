"""The pretend UnionPay's own certificate authority: a root, a middle one, and what they issue.

Law: made once per data folder, when first needed, and kept in the book. The signing certificate
carries UnionPay's name where the real one has it (`...@中国银联股份有限公司@...`), issued by
authorities that nobody else trusts. Certificates are valid from 2020 to 2049: they are judged by
real time, while the sandbox's business clock may be anywhere.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.sandbox import keys
from gateway.sandbox.book import Book

VALID_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
VALID_UNTIL: Final = datetime(2049, 12, 31, tzinfo=UTC)
SIGNER: Final = "041@8310000000083040@中国银联股份有限公司@00016495"
SERIAL_BITS: Final = 63

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"


class Holder(NamedTuple):
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")


class Authority:
    """Root, middle and signing certificate of one data folder."""

    def __init__(self, *, book: Book, serial: Callable[[], int]) -> None:
        self._book = book
        self._serial = serial
        self.root = self._holder("root", "Sandbox Root CA", None)
        self.middle = self._holder("middle", "Sandbox OCA1", self.root)
        self.signer = self._holder("signer", SIGNER, self.middle)

    def merchant_certificate(self, name: str, key: rsa.RSAPublicKey) -> x509.Certificate:
        """Issue the certificate of a merchant, as UnionPay's authority does."""
        return self._issue(f"041@{name}@sandbox merchant@1", key, self.middle)

    @property
    def signer_pem(self) -> str:
        """The signing certificate as messages carry it: lines end with CR LF."""
        return self.signer.pem.strip().replace("\n", "\r\n")

    def _holder(self, role: str, common_name: str, issuer: Holder | None) -> Holder:
        name = f"unionpay.{role}"
        kept = self._book.key(name)
        if kept is None:
            private_pem = keys.new_private_pem()
            key = keys.load_private(private_pem)
            certificate = self._issue(
                common_name,
                key.public_key(),
                issuer,
                signing_key=key,
                is_authority=role != "signer",
            )
            kept = private_pem + certificate.public_bytes(Encoding.PEM).decode("ascii")
            self._book.keep_key(name, kept)
        private_pem, _, certificate_pem = kept.partition(_BEGIN)
        return Holder(
            keys.load_private(private_pem),
            x509.load_pem_x509_certificate((_BEGIN + certificate_pem).encode("ascii")),
        )

    def _issue(
        self,
        common_name: str,
        key: rsa.RSAPublicKey,
        issuer: Holder | None,
        *,
        signing_key: rsa.RSAPrivateKey | None = None,
        is_authority: bool = False,
    ) -> x509.Certificate:
        subject = _name(common_name)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key)
            .serial_number(self._serial())
            .not_valid_before(VALID_FROM)
            .not_valid_after(VALID_UNTIL)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(_usage(is_authority=is_authority), critical=True)
        )
        signer = issuer.key if issuer else signing_key
        if signer is None:
            raise ValueError("a root certificate is signed with its own key")
        return builder.sign(signer, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tillgate Sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
