"""Schemas: the bodies and parameters of the API, as bytes become values.

Law: shape only. A schema says which members exist, of which type and length; what a value means is
checked by the domain, once, with its own code. What is in `extra_json_schema` is checked by the
domain and only told by the OpenAPI document.
"""

import re
from typing import Annotated, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from fastpath.amount import AMOUNT_MINOR_MAX
from gateway.domain.errors import TillgateError
from gateway.domain.money import check_amount, check_currency
from gateway.domain.payment import EXPIRES_IN_DEFAULT_S, EXPIRES_IN_MAX_S, EXPIRES_IN_MIN_S
from gateway.domain.text import (
    METADATA_KEY,
    METADATA_MEMBERS_MAX,
    METADATA_VALUE_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    TEXT_CHARS_MAX,
    check_business_no,
    check_metadata,
    check_text,
)
from gateway.domain.urls import URL_CHARS_MAX, check_url
from gateway.web.api.terms import PaymentStatus, RefundStatus
from gateway.web.parameters import LIMIT_DEFAULT, LIMIT_MAX

METHOD_OPTIONS_MAX = 16
ANSWER = "sms_code"
SHOWN_CODE = "auth_code"
# What payers' apps show: WeChat's of 18 digits from 10 to 15, Alipay's of 16 to 24 from 25 to 30.
PAYMENT_CODE = re.compile(r"1[0-5][0-9]{16}|(2[5-9]|30)[0-9]{14,22}")
OPTION_CHARS_MAX = 512

Text255 = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)]
Option = Annotated[str, Meta(min_length=1, max_length=OPTION_CHARS_MAX)]
Options = Annotated[
    dict[str, Option], Meta(extra_json_schema={"maxProperties": METHOD_OPTIONS_MAX})
]
Method = Annotated[
    str, Meta(min_length=1, max_length=32, extra_json_schema={"examples": ["alipay_qr"]})
]

# What the domain checks, as the OpenAPI document says it.
BusinessNo = Annotated[
    str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_|*.:/-]{1,64}$", "examples": ["A-1"]})
]
Amount = Annotated[
    int,
    Meta(
        description="Minor units of the currency (fen for CNY).",
        extra_json_schema={"minimum": 1, "maximum": AMOUNT_MINOR_MAX, "format": "int64"},
    ),
]
Currency = Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Z]{3}$", "examples": ["CNY"]})]
Subject = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": SUBJECT_CHARS_MAX})]
Reason = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": TEXT_CHARS_MAX})]
WebUrl = Annotated[str, Meta(extra_json_schema={"format": "uri", "maxLength": URL_CHARS_MAX})]
Metadata = Annotated[
    dict[str, str],
    Meta(
        description=(
            f"Keys: 1 to 40 of `A-Za-z0-9_.-`. Values: up to {METADATA_VALUE_CHARS_MAX} characters."
        ),
        extra_json_schema={"maxProperties": METADATA_MEMBERS_MAX},
    ),
]

# Parameters are text; a schema checks their values where they are read (parameters.py).
Limit = Annotated[
    str,
    Meta(
        extra_json_schema={
            "x-text-of": "integer",
            "minimum": 1,
            "maximum": LIMIT_MAX,
            "default": LIMIT_DEFAULT,
        }
    ),
]
MomentText = Annotated[
    str,
    Meta(
        description="RFC 3339 in UTC with `Z`.",
        extra_json_schema={"format": "date-time", "examples": ["2026-11-22T08:00:00Z"]},
    ),
]
Cursor = Annotated[str, Meta(description="`next_cursor` of the page before.")]

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

    merchant_order_no: BusinessNo
    amount: Amount
    currency: Currency
    subject: Subject
    method: Method | UnsetType = UNSET
    method_options: Options = field(default_factory=dict)
    capture_method: Literal["automatic", "manual"] = "automatic"
    expires_in: Annotated[int, Meta(ge=EXPIRES_IN_MIN_S, le=EXPIRES_IN_MAX_S)] = (
        EXPIRES_IN_DEFAULT_S
    )
    return_url: WebUrl | UnsetType = UNSET
    notify_url: WebUrl | UnsetType = UNSET
    customer: Customer | UnsetType = UNSET
    wallet_id: str | UnsetType = UNSET
    metadata: Metadata = field(default_factory=dict)

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
        if ANSWER in self.method_options:
            raise TillgateError(
                "invalid_field",
                "Nobody was asked for a code yet; it answers a step, by confirm.",
                param=f"/method_options/{ANSWER}",
            )
        if self.return_url is not UNSET:
            check_url(self.return_url, sandbox=sandbox, param="/return_url")
        if self.notify_url is not UNSET:
            check_url(self.notify_url, sandbox=sandbox, param="/notify_url")


class Confirm(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/payments/{id}/confirm`."""

    method: Method
    method_options: Options = field(default_factory=dict)
    version: Annotated[int, Meta(ge=1)] | UnsetType = UNSET

    def check(self) -> None:
        """Refuse options that no attempt may have."""
        if self.method_options:
            check_options(self.method_options)


class Cancel(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/payments/{id}/cancel`."""

    reason: Reason | UnsetType = UNSET


class CreateRefund(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/refunds`."""

    payment_id: str
    merchant_refund_no: BusinessNo
    amount: Amount
    reason: Reason | UnsetType = UNSET

    def check(self) -> None:
        """Refuse what no refund may be."""
        check_business_no(self.merchant_refund_no, param="/merchant_refund_no")
        check_amount(self.amount)
        if self.reason is not UNSET:
            check_text(self.reason, param="/reason")


class PaymentsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/payments`."""

    merchant_order_no: BusinessNo | None = None
    channel_order_no: str | None = None
    status: PaymentStatus | None = None
    created_from: MomentText | None = None
    created_to: MomentText | None = None
    limit: Limit | None = None
    cursor: Cursor | None = None


class RefundsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/refunds`."""

    merchant_refund_no: BusinessNo | None = None
    payment_id: str | None = None
    status: RefundStatus | None = None
    created_from: MomentText | None = None
    created_to: MomentText | None = None
    limit: Limit | None = None
    cursor: Cursor | None = None


class PaymentQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/payments/{id}`."""

    refresh: Literal["channel"] | None = None


class TransactionsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/balance/transactions`."""

    account: Literal["pending", "available", "held"] = "pending"
    currency: Currency = "CNY"
    limit: Limit | None = None
    cursor: Cursor | None = None


class NoParameters(Struct, forbid_unknown_fields=True, frozen=True):
    """No parameters at all."""


def check_options(options: dict[str, str]) -> None:
    """Refuse too many method options, and card numbers or control characters in them.

    A code that a payer shows at the till may look like a card number; it is never stored.
    """
    if len(options) > METHOD_OPTIONS_MAX:
        raise TillgateError(
            "invalid_field",
            f"There are at most {METHOD_OPTIONS_MAX} method options.",
            param="/method_options",
        )
    for name, value in options.items():
        if METADATA_KEY.match(name) is None:
            raise TillgateError(
                "invalid_field",
                "The name of an option has 1 to 40 characters of A-Z a-z 0-9 _ . -",
                param="/method_options",
            )
        if name == SHOWN_CODE and PAYMENT_CODE.fullmatch(value):
            continue
        check_text(value, param=f"/method_options/{name}", chars_max=OPTION_CHARS_MAX)


def given(value: T | UnsetType) -> T | None:
    """A member's value, None where it was not given."""
    return None if isinstance(value, UnsetType) else value
