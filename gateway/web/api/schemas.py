"""Schemas: the bodies and parameters of the API, as bytes become values.

Law: shape only. A schema says which members exist, of which type and length; what a value means is
checked by the domain, once, with its own code.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from gateway.domain.errors import TillgateError
from gateway.domain.money import check_amount, check_currency
from gateway.domain.payment import EXPIRES_IN_DEFAULT_S, EXPIRES_IN_MAX_S, EXPIRES_IN_MIN_S
from gateway.domain.text import (
    SUBJECT_CHARS_MAX,
    check_business_no,
    check_metadata,
    check_text,
)
from gateway.domain.urls import check_url

Text255 = Annotated[str, Meta(min_length=1, max_length=255)]
Option = Annotated[str, Meta(min_length=1, max_length=512)]
Method = Annotated[str, Meta(min_length=1, max_length=32)]

METHOD_OPTIONS_MAX = 16

T = TypeVar("T")


class Customer(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Who pays, as far as the merchant says; stored sealed."""

    id: Text255 = ""
    name: Text255 = ""
    email: Text255 = ""
    phone: Text255 = ""
    ip: Text255 = ""
    user_agent: Text255 = ""
    device_id: Text255 = ""

    def fields(self) -> dict[str, str] | None:
        """The members that were given, checked; None if none was. Raises `card_number_refused`."""
        given = {
            name: check_text(value, param=f"/customer/{name}")
            for name in self.__struct_fields__
            if (value := getattr(self, name))
        }
        return given or None


class CreatePayment(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/payments`."""

    merchant_order_no: str
    amount: int
    currency: str
    subject: str
    method: Method | UnsetType = UNSET
    method_options: dict[str, Option] = field(default_factory=dict)
    capture_method: Literal["automatic", "manual"] = "automatic"
    expires_in: Annotated[int, Meta(ge=EXPIRES_IN_MIN_S, le=EXPIRES_IN_MAX_S)] = (
        EXPIRES_IN_DEFAULT_S
    )
    return_url: str | UnsetType = UNSET
    notify_url: str | UnsetType = UNSET
    customer: Customer | UnsetType = UNSET
    wallet_id: str | UnsetType = UNSET
    metadata: dict[str, str] = field(default_factory=dict)

    def check(self, *, sandbox: bool) -> None:
        """Refuse what no payment may be: number, amount, currency, texts, URLs."""
        check_business_no(self.merchant_order_no, param="/merchant_order_no")
        check_amount(self.amount)
        check_currency(self.currency)
        check_text(self.subject, param="/subject", chars_max=SUBJECT_CHARS_MAX)
        if self.metadata:
            check_metadata(self.metadata)
        if self.method_options:
            check_options(self.method_options)
        if self.return_url is not UNSET:
            check_url(self.return_url, sandbox=sandbox, param="/return_url")
        if self.notify_url is not UNSET:
            check_url(self.notify_url, sandbox=sandbox, param="/notify_url")


class Confirm(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/payments/{id}/confirm`."""

    method: Method
    method_options: dict[str, Option] = field(default_factory=dict)
    version: int | UnsetType = UNSET


class Cancel(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/payments/{id}/cancel`."""

    reason: str | UnsetType = UNSET


class CreateRefund(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/refunds`."""

    payment_id: str
    merchant_refund_no: str
    amount: int
    reason: str | UnsetType = UNSET

    def check(self) -> None:
        """Refuse what no refund may be."""
        check_business_no(self.merchant_refund_no, param="/merchant_refund_no")
        check_amount(self.amount)
        if self.reason is not UNSET:
            check_text(self.reason, param="/reason")


class PaymentsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/payments`."""

    merchant_order_no: str | None = None
    channel_order_no: str | None = None
    status: str | None = None
    created_from: str | None = None
    created_to: str | None = None
    limit: str | None = None
    cursor: str | None = None


class RefundsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/refunds`."""

    merchant_refund_no: str | None = None
    payment_id: str | None = None
    status: str | None = None
    created_from: str | None = None
    created_to: str | None = None
    limit: str | None = None
    cursor: str | None = None


class PaymentQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/payments/{id}`."""

    refresh: Literal["channel"] | None = None


class TransactionsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/balance/transactions`."""

    account: Literal["pending", "available", "held"] = "pending"
    currency: str = "CNY"
    limit: str | None = None
    cursor: str | None = None


class NoParameters(Struct, forbid_unknown_fields=True, frozen=True):
    """No parameters at all."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal, as `application/problem+json` (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    doc_url: str
    param: str | None = None
    channel_code: str | None = None


def check_options(options: dict[str, str]) -> None:
    """Refuse too many method options, and card numbers or control characters in them."""
    if len(options) > METHOD_OPTIONS_MAX:
        raise TillgateError(
            "invalid_field",
            f"There are at most {METHOD_OPTIONS_MAX} method options.",
            param="/method_options",
        )
    for name, value in options.items():
        check_text(value, param=f"/method_options/{name}", chars_max=512)


def given(value: T | UnsetType) -> T | None:
    """A member's value, None where it was not given."""
    return None if isinstance(value, UnsetType) else value
