"""The ledger as rows of `accounts`, `entries` and `postings`.

Law: conversion and reading only; what is booked stands in `domain.chart` and `domain.ledger`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg

from gateway.adapters.postgres.statements import Statement, load
from gateway.domain import ids
from gateway.domain.ledger import Account, Booked, Entry

SQL = load(__file__)


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


Write = tuple[Statement, list[list[Any]], int]


def writes(
    entries: Sequence[tuple[Entry, tuple[Booked, ...]]],
    accounts: Sequence[tuple[Account, int | None]],
) -> Iterator[Write]:
    """The statements, arrays and row counts that store entries and their accounts' balances."""
    new = [account for account, loaded in accounts if loaded is None]
    old = [(account, loaded) for account, loaded in accounts if loaded is not None]
    if new:
        yield _new_accounts(new)
    if old:
        yield _changed_accounts(old)
    if entries:
        yield _entries([entry for entry, _ in entries])
        yield _postings(
            [(entry, n, row) for entry, rows in entries for n, row in enumerate(rows, start=1)]
        )


def _new_accounts(accounts: Sequence[Account]) -> Write:
    arrays: list[list[Any]] = [
        [ids.to_hex(a.merchant_id) for a in accounts],
        [a.code for a in accounts],
        [a.currency for a in accounts],
        [a.side for a in accounts],
        [a.may_be_negative for a in accounts],
        [a.balance for a in accounts],
        [a.postings for a in accounts],
    ]
    return SQL["insert_accounts"], arrays, len(accounts)


def _changed_accounts(accounts: Sequence[tuple[Account, int]]) -> Write:
    arrays: list[list[Any]] = [
        [ids.to_hex(a.merchant_id) for a, _ in accounts],
        [a.code for a, _ in accounts],
        [a.currency for a, _ in accounts],
        [loaded for _, loaded in accounts],
        [a.balance for a, _ in accounts],
        [a.postings for a, _ in accounts],
    ]
    return SQL["update_accounts"], arrays, len(accounts)


def _entries(entries: Sequence[Entry]) -> Write:
    arrays: list[list[Any]] = [
        [ids.to_hex(e.merchant_id) for e in entries],
        [ids.to_hex(e.id) for e in entries],
        [e.reason for e in entries],
        [ids.to_hex(e.reference) for e in entries],
        [e.reference[:3] for e in entries],
        [e.at for e in entries],
    ]
    return SQL["insert_entries"], arrays, len(entries)


def _postings(rows: Sequence[tuple[Entry, int, Booked]]) -> Write:
    arrays: list[list[Any]] = [
        [ids.to_hex(e.merchant_id) for e, _, _ in rows],
        [ids.to_hex(e.id) for e, _, _ in rows],
        [n for _, n, _ in rows],
        [b.posting.debit for _, _, b in rows],
        [b.posting.credit for _, _, b in rows],
        [b.posting.amount for _, _, b in rows],
        [b.posting.currency for _, _, b in rows],
        [b.debit_balance for _, _, b in rows],
        [b.debit_number for _, _, b in rows],
        [b.credit_balance for _, _, b in rows],
        [b.credit_number for _, _, b in rows],
    ]
    return SQL["insert_postings"], arrays, len(rows)
