"""Objects of the administration, as schemas for the OpenAPI document; see `web/api/objects.py`.

Law: a description, never a filter. No object has a credential, and a key its secret only in the
answer to the request that made it.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.web.api.terms import (
    Amount,
    AnyId,
    ChannelAccountId,
    Currency,
    KeyId,
    MerchantId,
    Moment,
    PaymentId,
    RefundId,
    Version,
)


class Merchant(Struct):
    """A merchant of the installation; `house` is the one that owns it."""

    id: MerchantId
    object: Literal["merchant"]
    merchant_ref: str | None
    name: str
    status: Literal["active", "suspended"]
    house: bool
    timezone: str
    created_at: Moment
    version: Version


class MerchantList(Struct):
    """A page of merchants, newest first."""

    data: list[Merchant]
    has_more: bool
    next_cursor: str | None


class Key(Struct):
    """A key with which a merchant's client signs. `secret` is shown once, in base64."""

    id: KeyId
    object: Literal["key"]
    merchant_id: MerchantId
    key_ref: str | None
    algorithm: Literal["hmac-sha256", "ed25519", "rsa2048"]
    scopes: list[str]
    ip_allow: list[str]
    status: Literal["active", "revoked"]
    expires_at: Moment | None
    created_at: Moment
    version: Version
    secret: Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{43}=$")] | UnsetType = UNSET


class KeyList(Struct):
    """A page of keys, newest first."""

    data: list[Key]
    has_more: bool
    next_cursor: str | None


class ChannelAccount(Struct):
    """A merchant's registration at a channel."""

    id: ChannelAccountId
    object: Literal["channel_account"]
    merchant_id: MerchantId
    account_ref: str | None
    channel: str
    methods: list[str]
    weight: int
    priority: int
    status: Literal["active", "disabled"]
    created_at: Moment
    version: Version


class ChannelAccountList(Struct):
    """All channel accounts of a merchant, newest first."""

    data: list[ChannelAccount]
    has_more: bool
    next_cursor: str | None


class StatementLine(Struct):
    """A line of a bank's statement and what it did; `suspended` lies in suspense."""

    id: AnyId
    object: Literal["statement_line"]
    direction: Literal["credit", "debit"]
    amount: Amount
    currency: Currency
    verdict: str
    suspended: Amount
    payment_id: PaymentId | None
    refund_id: RefundId | None
    bank_reference: str | None
    booked_at: Moment | None


class StatementImport(Struct):
    """What an import did: how many lines of each verdict, and the first ones that were new."""

    object: Literal["statement_import"]
    channel_account_id: ChannelAccountId
    lines: int
    verdicts: dict[str, int]
    data: list[StatementLine]
