"""The ledger: double entry that cannot be unbalanced.

Law: a posting is one row with a debit account, a credit account, an amount > 0 and a currency, so
an unbalanced book cannot be written. A business fact writes one entry: a few postings with one
reason and one reference, unique per merchant. Corrections are new entries. Balances are kept on
the account's normal side and stored with every posting, so that histories carry a running balance
and anyone can recompute the book. Invariants raise; they do not assert.
"""

from collections.abc import MutableMapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

BALANCE_MAX = 2**62  # far below bigint; an overflow is refused and never wraps


class BookBroken(Exception):
    """A posting would break the book: a defect of ours, or a race that a guard let through."""


class Account(Struct, frozen=True, kw_only=True):
    """A ledger account of one merchant in one currency.

    `balance` counts on the normal `side` (`debit` for what we are owed, `credit` for what we owe);
    `postings` numbers the postings that touched the account.
    """

    merchant_id: str
    code: str
    currency: str
    side: str
    may_be_negative: bool
    balance: int = 0
    postings: int = 0


class Posting(Struct, frozen=True):
    """One movement: `amount` minor units of `currency` from the credit to the debit account."""

    debit: str
    credit: str
    amount: int
    currency: str


class Entry(Struct, frozen=True, kw_only=True):
    """One business fact. (`reason`, `reference`) is unique per merchant."""

    id: str
    merchant_id: str
    reason: str
    reference: str
    at: datetime
    postings: tuple[Posting, ...]


class Booked(Struct, frozen=True):
    """A posting as it is stored: with both accounts' balance and number after it."""

    posting: Posting
    debit_balance: int
    debit_number: int
    credit_balance: int
    credit_number: int


Accounts = MutableMapping[tuple[str, str], Account]  # by (code, currency)


def _moved(account: Account, by: int) -> Account:
    balance = account.balance + by
    if balance < 0 and not account.may_be_negative:
        raise BookBroken(f"{account.code} would fall below zero")
    if not -BALANCE_MAX <= balance <= BALANCE_MAX:
        raise BookBroken(f"{account.code} would overflow")
    return replace(account, balance=balance, postings=account.postings + 1)


def book(entry: Entry, accounts: Accounts) -> tuple[Booked, ...]:
    """Post `entry` onto `accounts` (changed in place) and return its rows.

    Raises `BookBroken` for an amount that is not positive, equal accounts, an empty entry, or a
    balance that would fall below zero where that is forbidden.
    """
    if not entry.postings:
        raise BookBroken(f"entry {entry.reason} has no postings")
    booked = []
    for posting in entry.postings:
        if type(posting.amount) is not int or posting.amount <= 0:
            raise BookBroken(f"posting of {posting.amount!r}")
        if posting.debit == posting.credit:
            raise BookBroken(f"posting from {posting.debit} to itself")
        debit_key = (posting.debit, posting.currency)
        credit_key = (posting.credit, posting.currency)
        debit, credit = accounts[debit_key], accounts[credit_key]
        debit = _moved(debit, posting.amount if debit.side == "debit" else -posting.amount)
        credit = _moved(credit, posting.amount if credit.side == "credit" else -posting.amount)
        accounts[debit_key], accounts[credit_key] = debit, credit
        booked.append(
            Booked(posting, debit.balance, debit.postings, credit.balance, credit.postings)
        )
    return tuple(booked)
