"""Merchants' accounts at the pretend Stripe: a secret key, and a secret for the first endpoint.

Law: one merchant key (PEM), one account: opening it again finds the same. The PEM only names the
merchant, as everywhere in the pretend world; requests are proved by the secret key. Secrets stay in
the book and are shown by `POST /accounts` alone.
"""

import base64
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from gateway.sandbox import keys
from gateway.sandbox.book import AccountRow, Book
from gateway.sandbox.moments import Clock, to_ms

CHANNEL: Final = "card"
KEY_CHARS_MAX: Final = 255
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Account:
    """One merchant at the pretend Stripe."""

    account_id: str
    secret_key: str
    webhook_secret: str

    def __repr__(self) -> str:
        return f"Account({self.account_id})"


class Accounts:
    """The accounts of the book, found by their secret keys."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._by_id = {row.account_id: _account(row) for row in book.accounts(CHANNEL)}
        self._by_key = {account.secret_key: account for account in self._by_id.values()}

    def get(self, account_id: str) -> Account:
        """The account of an id that the book itself gave."""
        return self._by_id[account_id]

    def authenticated(self, authorization: str) -> Account | None:
        """The account of an `Authorization` header: `Bearer <key>` or `Basic <key>:`."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                value, colon, password = (
                    base64.b64decode(value, validate=True).decode().partition(":")
                )
            except ValueError:
                return None
            if not colon or password:
                return None
        elif scheme.lower() != "bearer":
            return None
        if not value.isascii() or len(value) > KEY_CHARS_MAX:
            return None
        account = self._by_key.get(value)
        if account is None or not hmac.compare_digest(account.secret_key, value):
            return None
        return account

    def open(self, merchant_public_key: str) -> Account:
        """The account of this key (PEM), new if need be; raises `KeyRefused`."""
        key = keys.load_public(merchant_public_key)
        fingerprint = keys.fingerprint(key)
        known = self._book.account_of(CHANNEL, fingerprint)
        if known is not None:
            return self._by_id[known]
        row = AccountRow(
            channel=CHANNEL,
            account_id=new_id("acct"),
            merchant_public_key=keys.public_pem(key),
            details={
                "secret_key": f"sk_test_{random_text(40)}",
                "webhook_secret": f"whsec_{random_text(32)}",
            },
        )
        self._book.open_account(row, merchant_fingerprint=fingerprint, now=to_ms(self._clock()))
        account = _account(row)
        self._by_id[account.account_id] = account
        self._by_key[account.secret_key] = account
        return account


def random_text(count: int) -> str:
    """`count` random letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def new_id(prefix: str) -> str:
    """An id as Stripe makes them: a prefix and 24 letters and digits."""
    return f"{prefix}_{random_text(24)}"


def _account(row: AccountRow) -> Account:
    return Account(
        account_id=row.account_id,
        secret_key=row.details["secret_key"],
        webhook_secret=row.details["webhook_secret"],
    )
