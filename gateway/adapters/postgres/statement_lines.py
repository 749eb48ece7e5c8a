"""Imported statement lines and their tallies as rows.

Law: conversion only; what is decided about them stands in `domain.statement_line`.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table, by_id, by_text
from gateway.domain import ids
from gateway.domain.statement_line import StatementLine, TransferTally

SQL = load(__file__)

TABLE = Table(
    "statement_line",
    StatementLine,
    prefixes={
        "merchant_id": "mch",
        "id": "sln",
        "channel_account_id": "cac",
        "payment_id": "pay",
        "attempt_id": "att",
        "refund_id": "rfd",
    },
    loads={
        "statement_line": by_id(SQL["load_by_id"]),
        "statement_line_key": by_text(SQL["load_by_key"], "line_key"),
    },
    insert=SQL["insert"],
    touch=SQL["touch"],
)

TALLIES = Table(
    "transfer_tally",
    TransferTally,
    prefixes={"merchant_id": "mch", "attempt_id": "att"},
    loads={
        "transfer_tally": Load(
            SQL["load_tally"],
            lambda keys: [[ids.to_hex(key) for key in keys]],
            lambda row: row.attempt_id,
        )
    },
    insert=SQL["insert_tally"],
    update=SQL["update_tally"],
    mutable=("received", "version"),
    key="attempt_id",
)
