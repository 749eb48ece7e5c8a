"""Webhook endpoints as rows of `webhook_endpoints`.

Law: conversion only; what is decided about them stands in `domain.endpoint`.
"""

import msgspec

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import JSON, Codec, Load, Table, by_id, id_codec
from gateway.domain.endpoint import WebhookEndpoint

SQL = load(__file__)


_names = msgspec.json.Decoder(tuple[str, ...]).decode


def _if_living(row: WebhookEndpoint, key: str) -> str:
    """URL and slot of a deleted endpoint are free: it must not be found by them."""
    return key if row.is_living else ""


TABLE = Table(
    "webhook_endpoint",
    WebhookEndpoint,
    codecs={
        "merchant_id": id_codec("mch"),
        "id": id_codec("whe"),
        "events": Codec(JSON.encode, _names),
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
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=(
        "url events description status fingerprint fingerprint_key secret secret_before "
        "secret_before_until rotated_at failing_since version"
    ).split(),
    touch=SQL["touch"],
)
