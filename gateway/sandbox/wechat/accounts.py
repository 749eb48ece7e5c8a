"""Merchants' accounts at the pretend WeChat Pay.

Law: one merchant key, one account: opening it again finds the same, APIv3 key included. The
merchant's private key never comes here; of its certificate only the serial number exists.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.sandbox import keys
from gateway.sandbox.book import AccountRow, Book
from gateway.sandbox.moments import Clock, to_ms
from gateway.sandbox.wechat.ledger import CHANNEL

APIV3_KEY_CHARS: Final = 32
APIV3_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SERIAL_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class Account:
    """One application of one merchant."""

    mchid: str
    appid: str
    merchant_serial: str
    apiv3_key: str
    merchant_key: rsa.RSAPublicKey


class Accounts:
    """The accounts of the book, with their keys ready for use."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._by_mchid = {row.account_id: _account(row) for row in book.accounts(CHANNEL)}

    def get(self, mchid: str) -> Account | None:
        """The account of a merchant number, or None."""
        return self._by_mchid.get(mchid)

    def open(self, merchant_public_key: str) -> Account:
        """The account of this key (PEM), new if need be; raises `KeyRefused`."""
        key = keys.load_public(merchant_public_key)
        fingerprint = keys.fingerprint(key)
        known = self._book.account_of(CHANNEL, fingerprint)
        if known is not None:
            return self._by_mchid[known]
        row = AccountRow(
            channel=CHANNEL,
            account_id="19" + random_digits(8),
            merchant_public_key=keys.public_pem(key),
            details={
                "appid": "wx" + secrets.token_hex(8),
                "merchant_serial": new_serial(),
                "apiv3_key": "".join(
                    secrets.choice(APIV3_ALPHABET) for _ in range(APIV3_KEY_CHARS)
                ),
            },
        )
        self._book.open_account(row, merchant_fingerprint=fingerprint, now=to_ms(self._clock()))
        account = _account(row)
        self._by_mchid[account.mchid] = account
        return account


def random_digits(count: int) -> str:
    """`count` random decimal digits."""
    return str(secrets.randbelow(10**count)).zfill(count)


def new_serial() -> str:
    """A serial number as certificates of merchants have them: 40 hexadecimal digits."""
    return "1" + secrets.token_hex(SERIAL_BYTES).upper()[1:]


def _account(row: AccountRow) -> Account:
    return Account(
        mchid=row.account_id,
        appid=row.details["appid"],
        merchant_serial=row.details["merchant_serial"],
        apiv3_key=row.details["apiv3_key"],
        merchant_key=keys.load_public(row.merchant_public_key),
    )
