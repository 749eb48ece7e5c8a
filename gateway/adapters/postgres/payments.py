"""Payments as rows of `payments`.

Law: conversion only; what is decided about them stands in `domain.payment`.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import JSON, Table, by_id, by_text, id_codec
from gateway.domain.payment import Payment

SQL = load(__file__)

TABLE = Table(
    "payment",
    Payment,
    codecs={
        "merchant_id": id_codec("mch"),
        "id": id_codec("pay"),
        "channel_account_id": id_codec("cac"),
        "attempt_id": id_codec("att"),
        "next_action": JSON,
        "error": JSON,
        "metadata": JSON,
    },
    loads={
        "payment": by_id(SQL["load_by_id"]),
        "payment_no": by_text(SQL["load_by_number"], "merchant_order_no"),
    },
    insert=SQL["insert"],
    update=SQL["update"],
    mutable=(
        "status method channel channel_account_id attempt_id channel_order_no attempts "
        "amount_authorized amount_captured amount_refunded amount_refund_pending "
        "amount_received payer_amount discount_amount next_action error closing_to "
        "succeeded_at canceled_at expired_at capture_before last_sequence version"
    ).split(),
    touch=SQL["touch"],
)
