"""Applied callbacks as rows of `callbacks`.

Law: conversion only; a row is written with the change that it caused.
"""

from collections.abc import Sequence
from typing import Any

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table
from gateway.domain import ids
from gateway.domain.callback import CallbackSeen

SQL = load(__file__)


def _key_arrays(keys: Sequence[str]) -> list[list[Any]]:
    pairs = [key.split(" ", 1) for key in keys]
    return [[ids.to_hex(attempt) for attempt, _ in pairs], [effect for _, effect in pairs]]


TABLE = Table(
    "callback",
    CallbackSeen,
    prefixes={"merchant_id": "mch", "attempt_id": "att"},
    loads={"callback": Load(SQL["load_by_id"], _key_arrays, lambda row: row.place.key)},
    insert=SQL["insert"],
)
