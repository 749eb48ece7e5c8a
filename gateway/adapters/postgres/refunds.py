"""Refunds as rows of `refunds`.

Law: conversion only; what is decided about them stands in `domain.refund`.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Table, by_id, by_text
from gateway.domain.refund import Refund

SQL = load(__file__)

TABLE = Table(
    "refund",
    Refund,
    prefixes={
        "merchant_id": "mch",
        "id": "rfd",
        "payment_id": "pay",
        "attempt_id": "att",
        "channel_account_id": "cac",
    },
    loads={
        "refund": by_id(SQL["load_by_id"]),
        "refund_no": by_text(SQL["load_by_number"], "merchant_refund_no"),
    },
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=("status sent_at due_at error succeeded_at sends queries not_found version").split(),
    touch=SQL["touch"],
)
