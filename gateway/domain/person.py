"""Persons: what we hold of a payer, and how it can be forgotten.

Law: personal fields are stored only sealed under a key of their payer. Erasing that key erases
the person everywhere, while journal and seals stay as they are; an erased field reads null.
"""

import hashlib
from datetime import datetime

from msgspec import Struct

from gateway.domain.change import Need

PAYER_BYTES = 16


class PayerKey(Struct, frozen=True, kw_only=True):
    """The key of one payer, wrapped under the merchant's data key. `payer` is hexadecimal."""

    merchant_id: str
    payer: str
    sealed: bytes
    created_at: datetime
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("payer_key", self.payer)


def payer_of(customer_id: str | None, payment_id: str) -> str:
    """Who the payer is: the merchant's customer, else the payment alone. 32 hexadecimal digits."""
    name = f"customer {customer_id}" if customer_id else f"payment {payment_id}"
    return hashlib.sha256(name.encode()).hexdigest()[: PAYER_BYTES * 2]
