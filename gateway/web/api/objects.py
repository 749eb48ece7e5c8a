"""Objects: what the API answers, as schemas for the OpenAPI document and for its tests.

Law: a description, never a filter. Answers are made by the views of the domain; these schemas say
what clients may rely on, and a test holds every real answer against them. Clients must ignore
members that they do not know: members may be added, never taken away.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.web.api.terms import (
    Amount,
    AnyId,
    AttemptId,
    ChannelAccountId,
    Currency,
    DeliveryId,
    EndpointId,
    EntryId,
    EventId,
    Moment,
    PaymentId,
    PaymentStatus,
    PublicKey,
    RefundId,
    RefundStatus,
    RequestId,
    Secret,
    Sequence,
    Signed,
    Url,
    Version,
)

# What the payer has to do next


class NoAction(Struct, tag_field="type", tag="none"):
    """Nothing to do."""


class QrCode(Struct, tag_field="type", tag="qr_code"):
    """Show this text as a QR code."""

    qr_code: str


class Redirect(Struct, tag_field="type", tag="redirect"):
    """Send the payer's browser to this URL."""

    url: str


class Form(Struct, tag_field="type", tag="form"):
    """Have the payer's browser post these fields to this URL."""

    url: str
    fields: dict[str, str]


class AppParams(Struct, tag_field="type", tag="app_params"):
    """Hand this to the channel's app: signed members, or one signed text, as the channel has it."""

    params: dict[str, str] | UnsetType = UNSET
    order_string: str | UnsetType = UNSET


class SmsCode(Struct, tag_field="type", tag="sms_code"):
    """The channel sent the payer a code: confirm with `method_options.sms_code`, 5 tries."""


class BankTransfer(Struct, tag_field="type", tag="bank_transfer"):
    """Transfer the amount to this account with this reference."""

    account: str
    reference: str
    account_name: str | UnsetType = UNSET
    bank: str | UnsetType = UNSET


class BarcodeWait(Struct, tag_field="type", tag="barcode_wait"):
    """The payer is asked for a password on his device; after 45 s the order is taken back."""


NextAction = NoAction | QrCode | Redirect | Form | AppParams | SmsCode | BankTransfer | BarcodeWait


# Payments and refunds


class ObjectError(Struct):
    """Why a payment or refund did not succeed. Decide by `code`."""

    code: str
    message: str
    channel_code: str | None
    retryable: bool


class Payer(Struct):
    """Who pays, as far as the merchant said; null once the person was erased."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    user_agent: str | UnsetType = UNSET
    device_id: str | UnsetType = UNSET


class Payment(Struct):
    """An order that a merchant wants paid."""

    id: PaymentId
    object: Literal["payment"]
    merchant_order_no: str
    amount: Amount
    currency: Currency
    subject: str
    status: PaymentStatus
    method: str | None
    channel: str | None
    channel_account_id: ChannelAccountId | None
    attempt_id: AttemptId | None
    channel_order_no: str | None
    capture_method: Literal["automatic", "manual"]
    amount_authorized: Amount
    amount_capturable: Amount
    amount_captured: Amount
    amount_refunded: Amount
    amount_refund_pending: Amount
    amount_received: Amount
    amount_disputed: Amount
    fee_amount: Signed
    payer_amount: Amount | None
    discount_amount: Amount | None
    next_action: NextAction
    cashier_url: Url | None
    return_url: Url | None
    notify_url: Url | None
    customer: Payer | None
    metadata: dict[str, str]
    expires_at: Moment
    capture_before: Moment | None
    created_at: Moment
    succeeded_at: Moment | None
    canceled_at: Moment | None
    expired_at: Moment | None
    version: Version
    livemode: bool
    error: ObjectError | None


class PaymentList(Struct):
    """A page of payments, newest first."""

    data: list[Payment]
    has_more: bool
    next_cursor: str | None


class TimelineStep(Struct):
    """One thing that happened to a payment. What `data` holds depends on `kind`."""

    at: Moment
    kind: Literal[
        "request",
        "ruling",
        "attempt",
        "channel_call",
        "callback",
        "entry",
        "status",
        "webhook",
        "act",
    ]
    actor: str | None
    summary: str
    event_id: EventId | None
    data: dict[str, Any] | None


class Timeline(Struct):
    """Everything that happened to a payment, oldest first."""

    data: list[TimelineStep]


class Refund(Struct):
    """Money of a payment on its way back to the payer."""

    id: RefundId
    object: Literal["refund"]
    payment_id: PaymentId
    merchant_refund_no: str
    amount: Amount
    currency: Currency
    reason: str | None
    status: RefundStatus
    channel: str
    created_at: Moment
    succeeded_at: Moment | None
    version: Version
    error: ObjectError | None


class RefundList(Struct):
    """A page of refunds, newest first."""

    data: list[Refund]
    has_more: bool
    next_cursor: str | None


# The balance


class BalanceLine(Struct):
    """What a merchant has in one currency."""

    currency: Currency
    pending: Signed
    available: Signed
    held: Signed


class Balance(Struct):
    """What a merchant has; a currency that never moved is absent."""

    object: Literal["balance"]
    balances: list[BalanceLine]


class Transaction(Struct):
    """One movement of a balance."""

    sequence: Sequence
    at: Moment
    kind: str
    amount: Signed
    balance_after: Signed
    reference: AnyId
    entry_id: EntryId


class TransactionList(Struct):
    """A page of movements, newest first."""

    data: list[Transaction]
    has_more: bool
    next_cursor: str | None


# Events and webhooks


class Event(Struct):
    """What became true; `data` is the object as it was then. Also the body of every webhook."""

    id: EventId
    object: Literal["event"]
    sequence: Sequence
    type: str
    created_at: Moment
    object_id: AnyId
    object_version: Version
    data: dict[str, Any]


class EventList(Struct):
    """A page of events in rising sequence; `next_cursor` is the `after` of the next page."""

    data: list[Event]
    has_more: bool
    next_cursor: str | None


class ResentEvent(Struct):
    """To how many receivers an event is sent again."""

    object: Literal["resend"]
    event_id: EventId
    deliveries: int


class WebhookEndpoint(Struct):
    """A URL that receives events. `secret` is in the answers to create and rotate only."""

    id: EndpointId
    object: Literal["webhook_endpoint"]
    url: Url
    events: list[str]
    description: str | None
    status: Literal["enabled", "disabled"]
    public_key: PublicKey
    failing_since: Moment | None
    created_at: Moment
    version: Version
    secret: Secret | UnsetType = UNSET


class WebhookEndpointList(Struct):
    """All webhook endpoints, newest first; there are at most sixteen."""

    data: list[WebhookEndpoint]
    has_more: bool
    next_cursor: str | None


class Delivery(Struct):
    """One event on its way to one receiver."""

    id: DeliveryId
    object: Literal["delivery"]
    endpoint_id: EndpointId | None
    event_id: EventId
    event_type: str
    sequence: Sequence
    url: Url
    status: Literal["pending", "delivered", "failed"]
    tries: int
    last_status: int | None
    last_error: str | None
    next_try_at: Moment | None
    created_at: Moment
    finished_at: Moment | None


class DeliveryList(Struct):
    """A page of deliveries, newest first."""

    data: list[Delivery]
    has_more: bool
    next_cursor: str | None


class ResentRange(Struct):
    """How many events are sent to an endpoint again."""

    object: Literal["resend"]
    endpoint_id: EndpointId
    deliveries: int


class NotifySecret(Struct):
    """The secret that signs what goes to a payment's `notify_url`."""

    object: Literal["notify_secret"]
    secret: Secret
    public_key: PublicKey
    previous_valid_until: Moment | None
    created_at: Moment
    version: Version


# Refusals


class Problem(Struct):
    """A refusal (RFC 9457). Decide by `code`, never by `detail`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    param: Annotated[str, Meta(description="JSON pointer into the request.")] | None
    request_id: RequestId
    retryable: Annotated[bool, Meta(description="Whether the same request can help later.")]
    doc_url: str
    channel_code: str | UnsetType = UNSET
    payment_status: PaymentStatus | UnsetType = UNSET
