"""The contract of a channel: how instructions become requests and answers become outcomes.

Law: a codec is pure. It takes values and the time, and returns values; it never opens a socket,
reads a clock, draws a random number or logs. Three rules keep money safe:

1. Definite success and definite refusal are explicit, signed and listed. Everything else (no
   answer, 5xx, an unsigned or unparsable 2xx, an unlisted code) is `Unknown`.
2. A callback is worth nothing until `read_callback` has verified it; only then does a
   `VerifiedCallback` exist, and handlers accept nothing else.
3. A codec reports the facts of the channel (order number, amount, currency, seller). It compares
   seller and application with the account, because they are the account's; the core compares
   order, amount and currency with the books.

Each operation is a pair: `build_<operation>` gives the request, `read_<operation>` the outcome.
`build_pay` may answer `HandedOut` instead, where nobody is asked beforehand: the payer carries the
signed order (a form, an app's order string) or the instruction (a reference) to the channel. Query,
close, refund and refund query likewise: where there is nobody to ask, `build_` answers the outcome.
What only some channels do has pages of its own: `answering` (a code by SMS), `authorization`
(capture and void), `key_ring` (keys that a channel changes), `transfer` and `statement`.
`attempt_no` and `refund_no` are our numbers at the channel (what Alipay and WeChat call
out_trade_no and out_refund_no); `channel_order_no` is the channel's own number of the order.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct, field

from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse


class AccountView(Struct, frozen=True):
    """What a codec may know of a merchant's registration at a channel.

    `gateway_url` is the address of the channel (or of its simulator in this run), `notify_url`
    where the channel shall call us. `credentials` is never printed: it holds private keys. `keys`
    are public keys or certificates of the channel learnt since, by serial (see `key_ring`).
    """

    account_id: str
    channel: str
    gateway_url: str
    notify_url: str
    credentials: Mapping[str, str]
    keys: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"AccountView({self.account_id}, {self.channel}, credentials=…)"


class PayOrder(Struct, frozen=True):
    """One attempt to be paid, as a channel needs it. `amount` is in minor units of `currency`.

    `created_at` is when the attempt was made; `capture_method` is `automatic`, or `manual` for a
    hold; `channel_order_no` is known once the channel has named it. `amount_captured` is what was
    taken of a hold so far: a void lets go of the rest.
    """

    attempt_no: str
    method: str
    amount: int
    currency: str
    subject: str
    created_at: datetime
    expires_at: datetime
    return_url: str | None = None
    method_options: Mapping[str, str] = field(default_factory=dict)
    capture_method: str = "automatic"
    channel_order_no: str | None = None
    amount_captured: int = 0


class RefundOrder(Struct, frozen=True):
    """One refund of a captured attempt; `amount_total` is what was captured."""

    attempt_no: str
    channel_order_no: str | None
    refund_no: str
    amount: int
    amount_total: int
    currency: str
    reason: str | None = None


# --- outcomes -----------------------------------------------------------------------------------


class HandedOut(Struct, frozen=True, tag="handed_out"):
    """The channel took the order and gave something for the payer: a QR text, an URL, a form.

    `channel_order_no` is given where the channel knows the order by a number from now on.
    """

    next_action: Mapping[str, object]
    channel_order_no: str | None = None


class Waiting(Struct, frozen=True, tag="waiting"):
    """The channel knows the order; the payer has not paid yet."""

    channel_order_no: str | None = None


class Paid(Struct, frozen=True, tag="paid"):
    """The payer paid `amount` (the order's full amount in minor units, before discounts).

    `refunded` is what the channel says went back since, when it says so.
    """

    channel_order_no: str
    amount: int
    currency: str
    paid_at: datetime | None = None
    payer_amount: int | None = None
    discount_amount: int | None = None


class Authorized(Struct, frozen=True, tag="authorized"):
    """The payer's money is held for us, not ours yet: `amount` can be captured or voided.

    `capture_before` is when the channel lets go of it, where it says so.
    """

    channel_order_no: str
    amount: int
    currency: str
    capture_before: datetime | None = None


class Closed(Struct, frozen=True, tag="closed"):
    """The channel will not take money for this order any more."""

    channel_order_no: str | None = None


class NotFound(Struct, frozen=True, tag="not_found"):
    """The channel says it has no such order. Whether to believe it is the core's decision."""


class Refused(Struct, frozen=True, tag="refused"):
    """A definite, listed refusal without effect. `code` is ours, `channel_code` theirs."""

    code: str
    message: str
    channel_code: str
    retryable: bool = False


class Refunded(Struct, frozen=True, tag="refunded"):
    """This refund number took effect, once."""

    refund_no: str
    refunded_at: datetime | None = None


class RefundPending(Struct, frozen=True, tag="refund_pending"):
    """The channel took the refund and has not finished it."""


class Unknown(Struct, frozen=True, tag="unknown"):
    """No usable answer. `reason` says why, without secrets."""

    reason: str
    channel_code: str | None = None


PayOutcome = HandedOut | Waiting | Paid | Authorized | Refused | Unknown
QueryOutcome = Waiting | Paid | Authorized | Closed | NotFound | Refused | Unknown
CloseOutcome = Closed | NotFound | Paid | Authorized | Refused | Unknown
RefundOutcome = Refunded | RefundPending | NotFound | Refused | Unknown


class CallbackRefused(Exception):
    """The message is not a genuine callback for this account: bad signature, application, shape.

    `reason` is one of `malformed`, `bad_signature`, `stale`, `unknown_serial`, `wrong_application`,
    `wrong_seller`. Only the last two carry a valid signature, fresh where the protocol signs a time
    of sending, and therefore raise an alert; the others may stem from strangers.
    `unknown_serial` has the channel's keys fetched once, and the message read again; `serial` is
    what the message named its key by.
    """

    def __init__(self, reason: str, *, serial: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.serial = serial


class VerifiedCallback(Struct, frozen=True):
    """A callback whose signature, application and seller were checked by `read_callback`.

    `dedupe_key` names the business effect (trade, state, refund), not the delivery. `attempt_no`
    is None only for messages that are about no order of ours. `outcome` is None for genuine
    messages that ask for nothing (they are acknowledged).
    """

    dedupe_key: str
    attempt_no: str | None
    outcome: Paid | Authorized | Closed | Refunded | Refused | None
    refund_no: str | None = None


class Codec(Protocol):
    """One channel. `methods` are those of the API that it serves; `limits` are its own.

    A method in `reversible` is single-shot, and one whose outcome stays unknown (or whose payer
    does not act) for 45 s is ended by `build_cancel` under its own number. A method in
    `authorizing` holds money first: always, or where the order says `manual`.
    """

    name: str
    methods: frozenset[str]
    currencies: frozenset[str]
    single_shot: frozenset[str]  # methods that are never sent again while in doubt
    reversible: frozenset[str]
    authorizing: frozenset[str]
    credential_names: frozenset[str]  # what an account must be given, all required
    option_names: frozenset[str]  # what it may be given besides
    secret_names: frozenset[str]  # those of both that are secret

    def check_account(self, account: AccountView) -> None:
        """Refuse a registration that could never work, before it is stored.

        Raises `missing_field`, `invalid_field` or `url_not_allowed`.
        """
        ...

    def check_order(self, order: PayOrder) -> None:
        """Raise `gateway.domain.errors` refusals for what the channel would never take."""
        ...

    def build_pay(
        self, account: AccountView, order: PayOrder, now: datetime
    ) -> HttpRequest | HandedOut: ...
    def read_pay(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> PayOutcome: ...

    def build_query(
        self, account: AccountView, order: PayOrder, now: datetime
    ) -> HttpRequest | QueryOutcome: ...
    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome: ...

    def build_close(
        self, account: AccountView, order: PayOrder, now: datetime
    ) -> HttpRequest | CloseOutcome: ...
    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome: ...

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest: ...
    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome: ...

    def build_refund(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest | RefundOutcome: ...
    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome: ...

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest | RefundOutcome: ...
    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome: ...

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback: ...

    def callback_reply(self, accepted: bool) -> CallbackReply: ...
