"""Payments as rows of `payments`.

Law: conversion only; what is decided about them stands in `domain.payment`.
"""

from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Table, by_id, by_text
from gateway.domain.payment import Payment

SQL = load(__file__)

TABLE = Table(
    "payment",
    Payment,
    prefixes={
        "merchant_id": "mch",
        "id": "pay",
        "channel_account_id": "cac",
        "attempt_id": "att",
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
    is_told=True,
)
