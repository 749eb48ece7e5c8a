"""Schemas of the administration: bodies and parameters as bytes become values.

Law: shape only, as `web/api/schemas.py`. Optional numbers (`merchant_ref`, `key_ref`,
`account_ref`) name a creating request, so that it can be sent again: the same content is answered
with the object as it is now. Without one only the very same signed request counts as a repeat.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.domain.registration import (
    ACCOUNTS_MAX,
    CREDENTIAL_CHARS_MAX,
    IP_ALLOW_MAX,
    NAME_CHARS_MAX,
    PEM_CHARS_MAX,
    PRIORITY_MAX,
    WEIGHT_MAX,
)

SCOPES_MAX = 16
CREDENTIALS_MAX = 32

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Short = Annotated[str, Meta(min_length=1, max_length=64)]
Pem = Annotated[str, Meta(min_length=1, max_length=PEM_CHARS_MAX)]
Credential = Annotated[str, Meta(min_length=1, max_length=CREDENTIAL_CHARS_MAX)]


class CreateMerchant(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /admin/v1/merchants`."""

    name: Name
    timezone: Short = "Asia/Shanghai"
    merchant_ref: str | None = None


class SetMerchantStatus(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /admin/v1/merchants/{merchant_id}/status`."""

    status: Literal["active", "suspended"]
    version: Annotated[int, Meta(ge=1)] | None = None


class CreateKey(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /admin/v1/merchants/{merchant_id}/keys`."""

    algorithm: Literal["hmac-sha256", "ed25519", "rsa2048"]
    scopes: Annotated[list[Short], Meta(min_length=1, max_length=SCOPES_MAX)]
    public_key: Pem | None = None
    ip_allow: Annotated[list[Short], Meta(max_length=IP_ALLOW_MAX)] = []
    expires_at: Short | None = None
    key_ref: str | None = None


class CreateChannelAccount(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /admin/v1/merchants/{merchant_id}/channel_accounts`."""

    channel: Short
    methods: Annotated[list[Short], Meta(min_length=1, max_length=ACCOUNTS_MAX)]
    credentials: Annotated[dict[Short, Credential], Meta(max_length=CREDENTIALS_MAX)]
    weight: Annotated[int, Meta(ge=0, le=WEIGHT_MAX)] = 1
    priority: Annotated[int, Meta(ge=0, le=PRIORITY_MAX)] = 0
    account_ref: str | None = None


class TakeReceipt(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /admin/v1/payments/{payment_id}/offline_receipt`, and that of refunds."""

    receipt_no: str
    amount: int


class Empty(Struct, forbid_unknown_fields=True, frozen=True):
    """No parameters, or a body without members."""


class Page(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A page of a list."""

    limit: str | None = None
    cursor: str | None = None


class MerchantsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`GET /admin/v1/merchants`: a page, or the one merchant of a number."""

    merchant_ref: str | None = None
    limit: str | None = None
    cursor: str | None = None
