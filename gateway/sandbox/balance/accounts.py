"""Clients of the pretend wallet service.

Law: one merchant key, one client: opening it again finds the same. The key signs nothing here; the
client's secret does, made once and kept in the book.
"""

import base64
import secrets
from dataclasses import dataclass
from typing import Final

from gateway.sandbox import keys
from gateway.sandbox.book import AccountRow, Book
from gateway.sandbox.moments import Clock, to_ms

CHANNEL: Final = "balance"
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Client:
    """One client and the key that it signs with."""

    client_id: str
    key: bytes

    @property
    def key_text(self) -> str:
        """The key in base64, as it is handed out."""
        return base64.b64encode(self.key).decode("ascii")


class Clients:
    """The clients of the book."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._by_id = {row.account_id: _client(row) for row in book.accounts(CHANNEL)}

    def get(self, client_id: str) -> Client | None:
        """The client of an id, or None."""
        return self._by_id.get(client_id)

    def open(self, merchant_public_key: str) -> Client:
        """The client of this key (PEM), new if need be; raises `KeyRefused`."""
        key = keys.load_public(merchant_public_key)
        fingerprint = keys.fingerprint(key)
        known = self._book.account_of(CHANNEL, fingerprint)
        if known is not None:
            return self._by_id[known]
        row = AccountRow(
            channel=CHANNEL,
            account_id="wc" + secrets.token_hex(8),
            merchant_public_key=keys.public_pem(key),
            details={"key": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")},
        )
        self._book.open_account(row, merchant_fingerprint=fingerprint, now=to_ms(self._clock()))
        client = _client(row)
        self._by_id[client.client_id] = client
        return client


def _client(row: AccountRow) -> Client:
    return Client(row.account_id, base64.b64decode(row.details["key"]))
