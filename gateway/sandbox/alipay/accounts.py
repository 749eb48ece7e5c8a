"""Merchants' accounts at the pretend Alipay, in either mode.

Law: one merchant key, one account: opening it again finds the same. All accounts of a data
folder are answered with the same Alipay key, as in reality. The merchant's private key never
comes here. Whether a request is of public key mode or of certificate mode, the request says; a
certificate is issued for every account.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.sandbox import keys
from gateway.sandbox.alipay.authority import Authority, Certified
from gateway.sandbox.book import AccountRow, Book
from gateway.sandbox.moments import Clock, to_ms

CHANNEL: Final = "alipay"


@dataclass(frozen=True, slots=True)
class Account:
    """One application of one seller."""

    app_id: str
    seller_id: str
    merchant_key: rsa.RSAPublicKey


class Accounts:
    """The accounts of the book, with their keys ready for use."""

    def __init__(self, *, book: Book, clock: Clock, authority: Authority) -> None:
        self._book = book
        self._clock = clock
        self._authority = authority
        self._certified: dict[str, Certified] = {}
        self._by_app_id = {row.account_id: _account(row) for row in book.accounts(CHANNEL)}

    def get(self, app_id: str) -> Account | None:
        """The account of an `app_id`, or None."""
        return self._by_app_id.get(app_id)

    @property
    def app_ids(self) -> tuple[str, ...]:
        """Of all accounts."""
        return tuple(self._by_app_id)

    def holding(self, app_id: str) -> Account:
        """The account that an order names, which must exist."""
        return self._by_app_id[app_id]

    def certificate(self, account: Account) -> Certified:
        """The certificate of an account's application."""
        found = self._certified.get(account.app_id)
        if found is None:
            found = self._authority.certify(
                account.merchant_key, app_id=account.app_id, seller_id=account.seller_id
            )
            self._certified[account.app_id] = found
        return found

    def open(self, merchant_public_key: str) -> Account:
        """The account of this key (PEM), new if need be; raises `KeyRefused`."""
        key = keys.load_public(merchant_public_key)
        fingerprint = keys.fingerprint(key)
        known = self._book.account_of(CHANNEL, fingerprint)
        if known is not None:
            return self._by_app_id[known]
        row = AccountRow(
            channel=CHANNEL,
            account_id="2021" + random_digits(12),
            merchant_public_key=keys.public_pem(key),
            details={"seller_id": "2088" + random_digits(12)},
        )
        self._book.open_account(row, merchant_fingerprint=fingerprint, now=to_ms(self._clock()))
        account = _account(row)
        self._by_app_id[account.app_id] = account
        return account


def random_digits(count: int) -> str:
    """`count` random decimal digits."""
    return str(secrets.randbelow(10**count)).zfill(count)


def _account(row: AccountRow) -> Account:
    return Account(
        app_id=row.account_id,
        seller_id=row.details["seller_id"],
        merchant_key=keys.load_public(row.merchant_public_key),
    )
