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


def writes(
    entries: Sequence[tuple[Entry, tuple[Booked, ...]]],
    accounts: Sequence[tuple[Account, int | None]],
) -> Iterator[tuple[Statement, list[list[Any]], int]]:
    """The statements, arrays and row counts that store entries and their accounts' balances."""
    new = [account for account, loaded in accounts if loaded is None]
    old = [(account, loaded) for account, loaded in accounts if loaded is not None]
    arrays: list[list[Any]]
    if new:
        arrays = [
            [ids.to_hex(a.merchant_id) for a in new],
            [a.code for a in new],
            [a.currency for a in new],
            [a.side for a in new],
            [a.may_be_negative for a in new],
            [a.balance for a in new],
            [a.postings for a in new],
        ]
        yield SQL["insert_accounts"], arrays, len(new)
    if old:
        arrays = [
            [ids.to_hex(a.merchant_id) for a, _ in old],
            [a.code for a, _ in old],
            [a.currency for a, _ in old],
            [loaded for _, loaded in old],
            [a.balance for a, _ in old],
            [a.postings for a, _ in old],
        ]
        yield SQL["update_accounts"], arrays, len(old)
    if not entries:
        return
    heads = [entry for entry, _ in entries]
    yield (
        SQL["insert_entries"],
        [
            [ids.to_hex(e.merchant_id) for e in heads],
            [ids.to_hex(e.id) for e in heads],
            [e.reason for e in heads],
            [ids.to_hex(e.reference) for e in heads],
            [e.reference[:3] for e in heads],
            [e.at for e in heads],
        ],
        len(heads),
    )
    rows = [(e, n, b) for e, booked in entries for n, b in enumerate(booked, start=1)]
    yield (
        SQL["insert_postings"],
        [
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
        ],
        len(rows),
    )
