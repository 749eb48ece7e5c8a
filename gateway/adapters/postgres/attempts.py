"""Attempts as rows of `attempts`.

Law: conversion only; what is decided about them stands in `domain.payment`.
"""

from collections.abc import Sequence
from typing import Any

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table, by_id
from gateway.domain.attempt import Attempt

SQL = load(__file__)


def _number_arrays(keys: Sequence[str]) -> list[list[Any]]:
    pairs = [key.split(" ", 1) for key in keys]
    return [[channel for channel, _ in pairs], [number for _, number in pairs]]


TABLE = Table(
    "attempt",
    Attempt,
    prefixes={
        "merchant_id": "mch",
        "id": "att",
        "payment_id": "pay",
        "channel_account_id": "cac",
    },
    loads={
        "attempt": by_id(SQL["load_by_id"]),
        "attempt_no": Load(
            SQL["load_by_number"],
            _number_arrays,
            lambda row: f"{row.channel} {row.channel_order_no}",
        ),
    },
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=(
        "method_options status due_at channel_order_no next_action error handed_out close_sent "
        "sends queries not_found held answers sent_at version"
    ).split(),
)
