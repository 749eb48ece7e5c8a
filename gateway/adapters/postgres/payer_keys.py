"""Payer keys as rows of `payer_keys`.

Law: conversion only; keys arrive and leave sealed.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table
from gateway.domain.person import PayerKey

SQL = load(__file__)

TABLE = Table(
    "payer_key",
    PayerKey,
    prefixes={"merchant_id": "mch"},
    loads={
        "payer_key": Load(
            SQL["load_by_id"],
            lambda keys: [[bytes.fromhex(key) for key in keys]],
            lambda row: row.payer,
        )
    },
    insert=SQL["insert"],
)
