"""Unexpected funds as rows of `unexpected_funds`.

Law: conversion only; what is decided about them stands in `domain.payment`.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table, by_id
from gateway.domain import ids
from gateway.domain.outcome import UnexpectedFunds

SQL = load(__file__)


def _key_of(funds: UnexpectedFunds) -> str:
    """The attempt; what a statement's line brought is found by its own id only."""
    return "" if funds.statement_line_id else funds.attempt_id or ""


TABLE = Table(
    "unexpected_funds",
    UnexpectedFunds,
    prefixes={
        "merchant_id": "mch",
        "id": "uxf",
        "payment_id": "pay",
        "attempt_id": "att",
        "channel_account_id": "cac",
        "statement_line_id": "sln",
    },
    loads={
        "unexpected_funds": by_id(SQL["load_by_id"]),
        "unexpected_of": Load(
            SQL["load_by_attempt"],
            lambda keys: [[ids.to_hex(key) for key in keys]],
            _key_of,
        ),
    },
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=("status", "version"),
)
