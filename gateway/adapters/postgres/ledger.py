"""The ledger as rows of `accounts`, `entries` and `postings`.

Law: conversion and reading only; what is booked stands in `domain.chart` and `domain.ledger`.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import part
from gateway.domain import ids
from gateway.domain.ledger import Account, Booked, Entry

SQL = load(__file__)
OPEN_ACCOUNTS = part("ledger", SQL["open_accounts"])
MOVE_ACCOUNTS = part("ledger", SQL["move_accounts"])
INSERT_ENTRIES = part("ledger", SQL["insert_entries"])
INSERT_POSTINGS = part("ledger", SQL["insert_postings"])


async def load_accounts(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str, str]]
) -> list[Account]:
    """The accounts of (merchant, code, currency) that exist."""
    records = await connection.fetch(
        SQL["load_accounts"].text,
        [ids.to_hex(merchant) for merchant, _, _ in keys],
        [code for _, code, _ in keys],
        [currency for _, _, currency in keys],
    )
    return [
        Account(
            merchant_id=ids.from_uuid("mch", record["merchant_id"]),
            code=record["code"],
            currency=record["currency"],
            side=record["side"],
            may_be_negative=record["may_be_negative"],
            balance=record["balance"],
            postings=record["postings"],
        )
        for record in records
    ]


def entry_line(entry: Entry) -> tuple[Any, ...]:
    """The values of an entry's row."""
    reference = entry.reference
    return (entry.merchant_id, entry.id, entry.reason, reference, reference[:3], entry.at)


def posting_line(
    entry: Entry, ordinal: int, booked: Booked, *, debit: int | None, credit: int | None
) -> tuple[Any, ...]:
    """The values of a posting's row; balances and numbers count from what the accounts are at.

    `debit` and `credit` are the places of the accounts, None of new ones.
    """
    posting = booked.posting
    return (
        entry.merchant_id,
        entry.id,
        ordinal,
        posting.debit,
        posting.credit,
        posting.amount,
        posting.currency,
        booked.debit_balance,
        booked.debit_number,
        booked.credit_balance,
        booked.credit_number,
        debit,
        credit,
    )


def open_line(account: Account) -> tuple[Any, ...]:
    """The values of a new account's row."""
    return (
        account.merchant_id,
        account.code,
        account.currency,
        account.side,
        account.may_be_negative,
        account.balance,
        account.postings,
    )


def move_line(account: Account, before: Account, place: int) -> tuple[Any, ...]:
    """By how much an account has changed since `before`."""
    return (
        account.merchant_id,
        account.code,
        account.currency,
        account.balance - before.balance,
        account.postings - before.postings,
        place,
    )
