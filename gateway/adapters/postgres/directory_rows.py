"""Rows of the directory as values: merchants, keys, channel accounts.

Law: conversion only, with the vault at hand, because what these rows hold of secrets is sealed
under the merchant's data key. Keys and credentials never change after they were sealed, so the
version in their place is constant.
"""

from ipaddress import ip_network
from typing import Any, NamedTuple

import msgspec

from gateway.center.ports import Vault
from gateway.domain import ids
from gateway.domain.merchant import ChannelAccount, Key, Merchant

SEALED_VERSION = 1

_to_json = msgspec.json.Encoder(order="deterministic").encode
_from_json = msgspec.json.Decoder(dict[str, str]).decode


class MerchantRow(NamedTuple):
    """A merchant and its sealed data key."""

    merchant: Merchant
    data_key: bytes


def merchant_of(record: Any) -> MerchantRow:
    """The merchant of a record."""
    merchant = Merchant(
        id=ids.from_uuid("mch", record["merchant_id"]),
        ref=record["ref"],
        name=record["name"],
        status=record["status"],
        house=record["house"],
        sandbox=record["sandbox"],
        timezone=record["timezone"],
        created_at=record["created_at"],
        version=record["version"],
    )
    return MerchantRow(merchant, record["data_key"])


def key_of(vault: Vault, record: Any) -> Key:
    """The key of a record. Raises `SecretUnreadable`."""
    key_id = ids.from_uuid("key", record["key_id"])
    merchant_id = ids.from_uuid("mch", record["merchant_id"])
    secret = vault.open(
        record["data_key"],
        table="keys",
        column="material",
        row=key_id,
        merchant_id=merchant_id,
        version=SEALED_VERSION,
        sealed=record["material"],
    )
    return Key(
        id=key_id,
        merchant_id=merchant_id,
        ref=record["ref"],
        algorithm=record["algorithm"],
        secret=secret,
        scopes=frozenset(record["scopes"]),
        ip_allow=tuple(ip_network(text) for text in record["ip_allow"]),
        status=record["status"],
        expires_at=record["expires_at"],
        created_at=record["created_at"],
        version=record["version"],
    )


def account_of(vault: Vault, record: Any) -> ChannelAccount:
    """The channel account of a record. Raises `SecretUnreadable`."""
    account_id = ids.from_uuid("cac", record["channel_account_id"])
    merchant_id = ids.from_uuid("mch", record["merchant_id"])
    credentials = vault.open(
        record["data_key"],
        table="channel_accounts",
        column="credentials",
        row=account_id,
        merchant_id=merchant_id,
        version=SEALED_VERSION,
        sealed=record["credentials"],
    )
    return ChannelAccount(
        id=account_id,
        merchant_id=merchant_id,
        ref=record["ref"],
        channel=record["channel"],
        methods=tuple(record["methods"]),
        credentials=_from_json(credentials),
        weight=record["weight"],
        priority=record["priority"],
        status=record["status"],
        created_at=record["created_at"],
        version=record["version"],
    )


def sealed_material(vault: Vault, data_key: bytes, key: Key) -> bytes:
    """What the `material` column of a key holds."""
    return vault.seal(
        data_key,
        table="keys",
        column="material",
        row=key.id,
        merchant_id=key.merchant_id,
        version=SEALED_VERSION,
        plaintext=key.secret,
    )


def sealed_credentials(vault: Vault, data_key: bytes, account: ChannelAccount) -> bytes:
    """What the `credentials` column of a channel account holds."""
    return vault.seal(
        data_key,
        table="channel_accounts",
        column="credentials",
        row=account.id,
        merchant_id=account.merchant_id,
        version=SEALED_VERSION,
        plaintext=_to_json(dict(account.credentials)),
    )
