"""Imported statement lines and their tallies as rows.

Law: conversion only; what is decided about them stands in `domain.statement_line`.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table, by_id, by_text, id_codec
from gateway.domain import ids
from gateway.domain.statement_line import StatementLine, TransferTally

SQL = load(__file__)

TABLE = Table(
    "statement_line",
    StatementLine,
    codecs={
        "merchant_id": id_codec("mch"),
        "id": id_codec("sln"),
        "channel_account_id": id_codec("cac"),
        "payment_id": id_codec("pay"),
        "attempt_id": id_codec("att"),
        "refund_id": id_codec("rfd"),
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
    codecs={"merchant_id": id_codec("mch"), "attempt_id": id_codec("att")},
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
)
