"""Notify secrets as rows of `notify_secrets`.

Law: conversion only; secrets arrive and leave sealed.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Table, by_id
from gateway.domain.endpoint import NotifySecret

SQL = load(__file__)

TABLE = Table(
    "notify_secret",
    NotifySecret,
    prefixes={"merchant_id": "mch"},
    loads={"notify_secret": by_id(SQL["load_by_id"])},
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=("secret", "secret_before", "secret_before_until", "rotated_at", "version"),
    key="merchant_id",
    touch=SQL["touch"],
)
