"""Webhook endpoints as rows of `webhook_endpoints`.

Law: conversion only; what is decided about them stands in `domain.endpoint`.
"""

from msgspec.structs import replace

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Load, Table, by_id
from gateway.domain.endpoint import WebhookEndpoint

SQL = load(__file__)


def _with_names(row: WebhookEndpoint) -> WebhookEndpoint:
    """JSON knows lists only."""
    return replace(row, events=tuple(row.events))


def _if_living(row: WebhookEndpoint, key: str) -> str:
    """URL and slot of a deleted endpoint are free: it must not be found by them."""
    return key if row.is_living else ""


TABLE = Table(
    "webhook_endpoint",
    WebhookEndpoint,
    prefixes={
        "merchant_id": "mch",
        "id": "whe",
    },
    loads={
        "webhook_endpoint": by_id(SQL["load_by_id"]),
        "webhook_endpoint_url": Load(
            SQL["load_by_url"], lambda keys: [list(keys)], lambda row: _if_living(row, row.url)
        ),
        "webhook_endpoint_slot": Load(
            SQL["load_by_slot"],
            lambda keys: [[int(key) for key in keys]],
            lambda row: _if_living(row, str(row.slot)),
        ),
    },
    after=_with_names,
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=(
        "url events description status fingerprint fingerprint_key secret secret_before "
        "secret_before_until rotated_at failing_since version"
    ).split(),
    touch=SQL["touch"],
)
