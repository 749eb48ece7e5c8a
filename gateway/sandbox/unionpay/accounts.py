"""Merchants' accounts at the pretend UnionPay.

Law: one merchant key, one account: opening it again finds the same. The simulator issues the
certificate of the merchant's key, so `cert_id` (its serial number) is known to both sides. The
merchant's private key never comes here.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.sandbox import keys
from gateway.sandbox.book import AccountRow, Book
from gateway.sandbox.moments import Clock, to_ms
from gateway.sandbox.unionpay.authority import Authority

CHANNEL: Final = "unionpay"


@dataclass(frozen=True, slots=True)
class Account:
    """One merchant: `cert_id` is the decimal serial number of `certificate` (PEM)."""

    mer_id: str
    cert_id: str
    certificate: str
    merchant_key: rsa.RSAPublicKey


class Accounts:
    """The accounts of the book, with their keys ready for use."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._by_mer_id = {row.account_id: _account(row) for row in book.accounts(CHANNEL)}

    def get(self, mer_id: str) -> Account | None:
        """The account of a `merId`, or None."""
        return self._by_mer_id.get(mer_id)

    def open(self, merchant_public_key: str, authority: Authority) -> Account:
        """The account of this key (PEM), new if need be; raises `KeyRefused`."""
        key = keys.load_public(merchant_public_key)
        fingerprint = keys.fingerprint(key)
        known = self._book.account_of(CHANNEL, fingerprint)
        if known is not None:
            return self._by_mer_id[known]
        mer_id = "777290" + random_digits(9)
        certificate = authority.merchant_certificate(mer_id, key)
        row = AccountRow(
            channel=CHANNEL,
            account_id=mer_id,
            merchant_public_key=keys.public_pem(key),
            details={
                "cert_id": str(certificate.serial_number),
                "certificate": certificate.public_bytes(Encoding.PEM).decode("ascii"),
            },
        )
        self._book.open_account(row, merchant_fingerprint=fingerprint, now=to_ms(self._clock()))
        self._by_mer_id[mer_id] = _account(row)
        return self._by_mer_id[mer_id]


def random_digits(count: int) -> str:
    """`count` random decimal digits."""
    return str(secrets.randbelow(10**count)).zfill(count)


def _account(row: AccountRow) -> Account:
    return Account(
        mer_id=row.account_id,
        cert_id=row.details["cert_id"],
        certificate=row.details["certificate"],
        merchant_key=keys.load_public(row.merchant_public_key),
    )
