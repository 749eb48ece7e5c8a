"""WeChat's side of the keys: platform certificates, the public key, and which of them signs.

Law: both kinds exist for every account. An answer is signed with the kind that the request named in
`Wechatpay-Serial` (a certificate where it named none); notifications with the kind that the account
named last, or as the control `POST /wechat/keys` says: one kind, or both in turn, as while a
merchant changes over. A certificate that was replaced stays good and listed; only the newest one
signs. Making a key takes its time, so none is made before the first account is opened.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from gateway.sandbox import keys
from gateway.sandbox.book import Book
from gateway.sandbox.moments import BEIJING, Clock, to_ms
from gateway.sandbox.wechat.accounts import Account, new_serial
from gateway.sandbox.wechat.ledger import CHANNEL, Ledger

PUBLIC_KEY_NAME: Final = f"{CHANNEL}.public_key"
PUBLIC_KEY_ID_PREFIX: Final = "PUB_KEY_ID_"
CERTIFICATE_LIFETIME: Final = timedelta(days=5 * 365)
BACKDATED: Final = timedelta(days=1)
ALGORITHM: Final = "AEAD_AES_256_GCM"
CERTIFICATE_ASSOCIATED: Final = "certificate"

Callbacks = Literal["auto", "certificate", "public_key", "mixed"]
CALLBACKS: Final = ("auto", "certificate", "public_key", "mixed")


@dataclass(frozen=True, slots=True)
class Signer:
    """One key of WeChat and the name by which messages call it."""

    serial: str
    key: rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Certified:
    """One platform certificate with its key."""

    signer: Signer
    certificate: x509.Certificate


class Platform:
    """All keys of the pretend WeChat Pay; `wall` is real time, which certificates are dated in."""

    def __init__(self, *, book: Book, ledger: Ledger, clock: Clock, wall: Clock) -> None:
        self._book = book
        self._ledger = ledger
        self._clock = clock
        self._wall = wall
        self._certified = [
            self._load(serial, key_name, pem) for serial, key_name, pem in ledger.certificates()
        ]
        public_pem = book.key(PUBLIC_KEY_NAME)
        self._public_key = keys.load_private(public_pem) if public_pem else None
        self._names_public_key = ledger.modes()
        self._callbacks: Callbacks = "auto"
        self._turn = 0

    # What an account is told

    def prepare(self) -> None:
        """Make what is missing: the first certificate and the public key."""
        if not self._certified:
            self.rotate()
        if self._public_key is None:
            private_pem = keys.new_private_pem()
            self._book.keep_key(PUBLIC_KEY_NAME, private_pem)
            self._public_key = keys.load_private(private_pem)

    def rotate(self) -> str:
        """Put a new platform certificate in place of the present one; its serial."""
        private_pem, serial = keys.new_private_pem(), new_serial()
        key = keys.load_private(private_pem)
        certificate = self._issued(key.public_key(), serial)
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
        key_name = f"{CHANNEL}.{serial}"
        with self._book.change():
            self._book.keep_key(key_name, private_pem)
            self._ledger.keep_certificate(serial, key_name, pem, now=to_ms(self._clock()))
        self._certified.append(Certified(Signer(serial, key), certificate))
        return serial

    def details(self, account: Account) -> dict[str, str]:
        """What a client of either kind is configured with."""
        newest = self._certified[-1]
        pem = newest.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
        public = self._public_signer(account)
        return {
            "platform_serial": newest.signer.serial,
            "platform_certificate": pem,
            "platform_public_key": keys.public_pem(public.key.public_key()),
            "public_key_id": public.serial,
        }

    def certificates(self, account: Account) -> list[dict[str, Any]]:
        """The list of `GET /v3/certificates`, sealed for one account."""
        return [
            {
                "serial_no": each.signer.serial,
                "effective_time": _rfc3339(each.certificate.not_valid_before_utc),
                "expire_time": _rfc3339(each.certificate.not_valid_after_utc),
                "encrypt_certificate": sealed(
                    each.certificate.public_bytes(serialization.Encoding.PEM),
                    account=account,
                    associated=CERTIFICATE_ASSOCIATED,
                ),
            }
            for each in self._certified
        ]

    # Who signs

    def answering(self, account: Account, named: str | None) -> Signer | None:
        """The signer of an answer to a request that named `named`; None for a stranger's serial."""
        newest = self._certified[-1].signer
        if named is None:
            self._remember(account, False)
            return newest
        if named == public_key_id(account):
            self._remember(account, True)
            return self._public_signer(account)
        for each in self._certified:
            if named.upper() == each.signer.serial:
                self._remember(account, False)
                return newest
        return None

    def calling(self, account: Account) -> Signer:
        """The signer of a notification."""
        kind = self._callbacks
        if kind == "auto":
            named = self._names_public_key.get(account.mchid, True)
            kind = "public_key" if named else "certificate"
        elif kind == "mixed":
            self._turn += 1
            kind = "public_key" if self._turn % 2 else "certificate"
        return self._public_signer(account) if kind == "public_key" else self._certified[-1].signer

    def call_with(self, callbacks: Callbacks) -> None:
        """Say which kind of key signs notifications from now on."""
        self._callbacks = callbacks

    @property
    def newest_serial(self) -> str | None:
        """The serial of the certificate that signs now; None before there is one."""
        return self._certified[-1].signer.serial if self._certified else None

    def opened(self, account: Account, named: str, sealed_text: str) -> str | None:
        """The text that a client sealed under the key it named; None if it was not."""
        signer = self._signer_named(account, named)
        if signer is None:
            return None
        oaep = padding.OAEP(
            mgf=padding.MGF1(hashes.SHA1()),  # the protocol's own choice
            algorithm=hashes.SHA1(),
            label=None,
        )
        try:
            raw = base64.b64decode(sealed_text, validate=True)
            return signer.key.decrypt(raw, oaep).decode("utf-8")
        except ValueError:
            return None

    def _signer_named(self, account: Account, named: str) -> Signer | None:
        if named == public_key_id(account):
            return self._public_signer(account)
        found = (each.signer for each in self._certified if each.signer.serial == named.upper())
        return next(found, None)

    def _public_signer(self, account: Account) -> Signer:
        if self._public_key is None:
            raise LookupError("no account was opened yet")
        return Signer(public_key_id(account), self._public_key)

    def _remember(self, account: Account, names_public_key: bool) -> None:
        if self._names_public_key.get(account.mchid) is names_public_key:
            return
        self._names_public_key[account.mchid] = names_public_key
        with self._book.change():
            self._ledger.keep_mode(account.mchid, names_public_key)

    def _issued(self, key: rsa.RSAPublicKey, serial: str) -> x509.Certificate:
        """A certificate of an authority that exists for this one moment: nobody checks it."""
        authority = rsa.generate_private_key(public_exponent=keys.PUBLIC_EXPONENT, key_size=2048)
        begins = self._wall().replace(microsecond=0) - BACKDATED
        return (
            x509.CertificateBuilder()
            .subject_name(_name("Tenpay.com sign"))
            .issuer_name(_name("Tenpay.com Root CA"))
            .public_key(key)
            .serial_number(int(serial, 16))
            .not_valid_before(begins)
            .not_valid_after(begins + CERTIFICATE_LIFETIME)
            .sign(authority, hashes.SHA256())
        )

    def _load(self, serial: str, key_name: str, pem: str) -> Certified:
        private_pem = self._book.key(key_name)
        if private_pem is None:
            raise LookupError(f"the key of certificate {serial} is missing")
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
        return Certified(Signer(serial, keys.load_private(private_pem)), certificate)


def public_key_id(account: Account) -> str:
    """The name of WeChat's public key for one merchant."""
    return f"{PUBLIC_KEY_ID_PREFIX}0{account.mchid}2026112200000000000001"


def sealed(plain: bytes, *, account: Account, associated: str) -> dict[str, str]:
    """A resource that only this account can open."""
    nonce = secrets.token_hex(6)
    raw = AESGCM(account.apiv3_key.encode()).encrypt(nonce.encode(), plain, associated.encode())
    return {
        "algorithm": ALGORITHM,
        "nonce": nonce,
        "associated_data": associated,
        "ciphertext": base64.b64encode(raw).decode("ascii"),
    }


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tillgate sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(BEIJING).isoformat()
