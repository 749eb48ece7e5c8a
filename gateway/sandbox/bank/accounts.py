"""Accounts at the pretend bank.

Law: one merchant key, one account: opening it again finds the same. The key signs nothing here; it
only says who asks again. What lets somebody in is the account's token.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from gateway.sandbox import keys
from gateway.sandbox.book import AccountRow, Book
from gateway.sandbox.moments import Clock, to_ms

CHANNEL: Final = "bank_transfer"
BANK: Final = "Pretend Bank"
BANK_CODE: Final = "TILLCNBJ"
OWNER: Final = "Sandbox merchant"
CURRENCY: Final = "CNY"
TOKEN_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class Account:
    """One account. Transfers to any number that begins with `virtual_prefix` come to it, too."""

    number: str
    virtual_prefix: str
    token: str


class Accounts:
    """The accounts of the book."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._by_number = {row.account_id: _account(row) for row in book.accounts(CHANNEL)}

    def get(self, number: str) -> Account | None:
        """The account of a number, or None."""
        return self._by_number.get(number)

    def authenticated(self, number: str, authorization: str) -> Account | None:
        """The account, if this header opens it."""
        account = self._by_number.get(number)
        token = account.token if account is not None else secrets.token_urlsafe(TOKEN_BYTES)
        right = hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())
        return account if right else None

    def of_virtual(self, number: str) -> Account | None:
        """The account below whose prefix a number is."""
        return next(
            (
                each
                for each in self._by_number.values()
                if number.startswith(each.virtual_prefix) and len(number) > len(each.virtual_prefix)
            ),
            None,
        )

    def only(self) -> Account | None:
        """The account, if there is exactly one at this bank."""
        return next(iter(self._by_number.values())) if len(self._by_number) == 1 else None

    def open(self, merchant_public_key: str) -> Account:
        """The account of this key (PEM), new if need be; raises `KeyRefused`."""
        key = keys.load_public(merchant_public_key)
        fingerprint = keys.fingerprint(key)
        known = self._book.account_of(CHANNEL, fingerprint)
        if known is not None:
            return self._by_number[known]
        row = AccountRow(
            channel=CHANNEL,
            account_id="6222" + _random_digits(12),
            merchant_public_key=keys.public_pem(key),
            details={
                "virtual_prefix": "88" + _random_digits(8),
                "token": secrets.token_urlsafe(TOKEN_BYTES),
            },
        )
        self._book.open_account(row, merchant_fingerprint=fingerprint, now=to_ms(self._clock()))
        account = _account(row)
        self._by_number[account.number] = account
        return account


def _account(row: AccountRow) -> Account:
    details = row.details
    return Account(row.account_id, details["virtual_prefix"], details["token"])


def _random_digits(count: int) -> str:
    return str(secrets.randbelow(10**count)).zfill(count)
