"""Unexpected funds as rows of `unexpected_funds`.

Law: conversion only; what is decided about them stands in `domain.payment`.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table, by_id, id_codec
from gateway.domain import ids
from gateway.domain.outcome import UnexpectedFunds

SQL = load(__file__)

TABLE = Table(
    "unexpected_funds",
    UnexpectedFunds,
    codecs={
        "merchant_id": id_codec("mch"),
        "id": id_codec("uxf"),
        "payment_id": id_codec("pay"),
        "attempt_id": id_codec("att"),
        "channel_account_id": id_codec("cac"),
    },
    loads={
        "unexpected_funds": by_id(SQL["load_by_id"]),
        "unexpected_of": Load(
            SQL["load_by_attempt"],
            lambda keys: [[ids.to_hex(key) for key in keys]],
            lambda row: row.attempt_id,
        ),
    },
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=("status", "version"),
)
