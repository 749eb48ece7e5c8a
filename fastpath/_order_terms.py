"""The words both twins of `fastpath.order` share: limits and what a plain order holds.

Law. Only names and values, no decision. The limits are those of the API's fields, and never wider.
"""

from typing import Final, NamedTuple

BODY_BYTES_MAX: Final = 8 * 1024
"""Longer bodies are read carefully."""
NUMBER_CHARS_MAX: Final = 64
AMOUNT_DIGITS_MAX: Final = 12
SUBJECT_CHARS_MAX: Final = 127
SUBJECT_DIGITS_MAX: Final = 12
"""More digits could be a card number; then the subject is read carefully."""
METADATA_MEMBERS_MAX: Final = 20
METADATA_KEY_CHARS_MAX: Final = 40
METADATA_VALUE_CHARS_MAX: Final = 500
URL_CHARS_MAX: Final = 512
EXPIRES_IN_DIGITS_MAX: Final = 7


class PlainOrder(NamedTuple):
    """An order without a doubt: number, amount, currency, subject, and perhaps the rest."""

    merchant_order_no: str
    """1 to 64 of `A-Za-z0-9_-|*.:/`."""
    amount: int
    """1 to 999999999999, in minor units of `currency`."""
    currency: str
    """Three capital letters; whether there is such a currency is the caller's to know."""
    subject: str
    """1 to 127 characters."""
    metadata: str
    """JSON text of an object of texts, its members in the order of the body; `{}` if not given."""
    expires_in: int
    """Seconds, 1 to 9999999 (what the API allows is the caller's to know); 0 if not given."""
    notify_url: str
    """1 to 512 of visible ASCII, not looked at further; empty if not given."""
    return_url: str
    """As `notify_url`."""
    content: bytes
    """The body's value in one form: no white space, members sorted by name."""
