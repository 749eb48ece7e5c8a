"""A little certificate authority: the pretend Alipay's root, its certificates, its merchants'.

Law: only private keys are kept; a certificate is made from its key again whenever it is asked for,
and is the same every time (fixed dates, serial numbers from the key, RSA PKCS#1 v1.5). A number
(SN) is the MD5 of the issuer's name in reverse order and of the decimal serial number. Alipay may
change its own key: what it signed with before stays downloadable. Nothing of the codec's code is
used here. Source: Alipay open platform, "public key certificates".
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import NameOID

from gateway.sandbox import keys
from gateway.sandbox.book import Book

NOT_BEFORE: Final = datetime(2020, 1, 1, tzinfo=UTC)
NOT_AFTER: Final = datetime(2049, 12, 31, tzinfo=UTC)
SERIAL_BYTES: Final = 15
ALIPAY_ORGANIZATION: Final = "Pretend Alipay"
ROOT_NAME: Final = ("CN", "Pretend Ant Financial", "Certification Authority", "Pretend Root R1")
_OIDS: Final = (
    NameOID.COUNTRY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.COMMON_NAME,
)


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate (PEM) and its number."""

    pem: str
    sn: str


class Authority:
    """Makes and finds certificates; `base` is the key that Alipay signs with in public key mode."""

    def __init__(self, *, book: Book, channel: str, base: rsa.RSAPrivateKey) -> None:
        self._book = book
        self._channel = channel
        self._root_key: rsa.RSAPrivateKey | None = None
        self._generations = [base]
        while (pem := book.key(self._generation_name(len(self._generations)))) is not None:
            self._generations.append(keys.load_private(pem))
        self._own: dict[int, Certified] = {}
        self._root: Certified | None = None

    @property
    def root(self) -> Certified:
        """The root bundle, of one certificate."""
        if self._root is None:
            self._root = self._issue(self._root_private().public_key(), ROOT_NAME, authority=True)
        return self._root

    @property
    def present(self) -> tuple[rsa.RSAPrivateKey, Certified]:
        """The key that Alipay signs with in certificate mode, and its certificate."""
        last = len(self._generations) - 1
        return self._generations[last], self._own_of(last)

    def find(self, sn: str) -> Certified | None:
        """Alipay's certificate of a number, present or past."""
        for generation in range(len(self._generations)):
            found = self._own_of(generation)
            if found.sn == sn:
                return found
        return None

    def certify(self, key: rsa.RSAPublicKey, *, app_id: str, seller_id: str) -> Certified:
        """The certificate of a merchant's application."""
        return self._issue(key, ("CN", f"Merchant {seller_id}", "Alipay", f"{seller_id}-{app_id}"))

    def renew(self) -> Certified:
        """Give Alipay a new key and certificate; the present ones become past ones."""
        pem = keys.new_private_pem()
        self._book.keep_key(self._generation_name(len(self._generations)), pem)
        self._generations.append(keys.load_private(pem))
        return self.present[1]

    def _own_of(self, generation: int) -> Certified:
        if generation not in self._own:
            public = self._generations[generation].public_key()
            name = ("CN", ALIPAY_ORGANIZATION, "Alipay", f"{ALIPAY_ORGANIZATION}-{generation + 1}")
            self._own[generation] = self._issue(public, name)
        return self._own[generation]

    def _root_private(self) -> rsa.RSAPrivateKey:
        if self._root_key is None:
            name = f"{self._channel}:root"
            pem = self._book.key(name)
            if pem is None:
                pem = keys.new_private_pem()
                self._book.keep_key(name, pem)
            self._root_key = keys.load_private(pem)
        return self._root_key

    def _generation_name(self, generation: int) -> str:
        return f"{self._channel}:certified:{generation}"

    def _issue(
        self, key: rsa.RSAPublicKey, name: tuple[str, ...], *, authority: bool = False
    ) -> Certified:
        serial = int.from_bytes(bytes.fromhex(keys.fingerprint(key))[:SERIAL_BYTES], "big")
        built = x509.CertificateBuilder(
            _name(ROOT_NAME), _name(name), key, serial, NOT_BEFORE, NOT_AFTER
        ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        certificate = built.sign(self._root_private(), hashes.SHA256())
        country, organization, unit, common = ROOT_NAME
        issuer = f"CN={common},OU={unit},O={organization},C={country}"
        number = hashlib.md5(f"{issuer}{serial}".encode(), usedforsecurity=False).hexdigest()
        return Certified(certificate.public_bytes(serialization.Encoding.PEM).decode(), number)


def _name(parts: tuple[str, ...]) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(oid, text) for oid, text in zip(_OIDS, parts, strict=True)]
    )
