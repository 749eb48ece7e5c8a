"""Receipts of staff as rows of `offline_receipts`.

Law: conversion only; what is decided about them stands in `domain.receipt`.
"""

from collections.abc import Sequence
from typing import Any

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table
from gateway.domain import ids
from gateway.domain.receipt import OfflineReceipt

SQL = load(__file__)


def _key_arrays(keys: Sequence[str]) -> list[list[Any]]:
    pairs = [key.split(" ", 1) for key in keys]
    return [[ids.to_hex(account) for account, _ in pairs], [number for _, number in pairs]]


TABLE = Table(
    "offline_receipt",
    OfflineReceipt,
    prefixes={
        "merchant_id": "mch",
        "channel_account_id": "cac",
        "payment_id": "pay",
        "refund_id": "rfd",
    },
    loads={"offline_receipt": Load(SQL["load_by_id"], _key_arrays, lambda row: row.place.key)},
    insert=SQL["insert"],
)
