"""Opening an answer: from bytes to a typed object, a listed kind of problem, or `Unknown`.

Law: total and strict. An answer is not signed; that it is Stripe's is proven by TLS, and that it is
about our order by comparing its fields. What does not parse to the last field that we use, every
5xx, 409 and 429, and every status that means nothing here is `Unknown`; nothing raises.
Source: Stripe API reference, "Errors", "The PaymentIntent object", "The Refund object".
"""

import re
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from gateway.channels.codec import Unknown
from gateway.channels.wire import HttpResponse

MISSING = "the answer lacks a fact: "

# Statuses of definite problems; a conflict or a limit is passing, a 5xx says nothing.
PROBLEM_STATUSES = frozenset({400, 401, 402, 403, 404})

T = TypeVar("T")

_CODE = re.compile(r"[0-9A-Za-z_.-]{1,64}")


class CardDetails(Struct, frozen=True):
    """`payment_method_details.card` of a charge."""

    capture_before: int | None = None


class MethodDetails(Struct, frozen=True):
    """`payment_method_details` of a charge."""

    card: CardDetails | None = None


class Charge(Struct, frozen=True):
    """One movement of a card; only what we read of it."""

    id: str
    created: int | None = None
    payment_method_details: MethodDetails | None = None


class RedirectTo(Struct, frozen=True):
    """Where a payer goes to be authenticated."""

    url: str | None = None


class NextAction(Struct, frozen=True):
    """What has to happen before the payment goes on."""

    type: str
    redirect_to_url: RedirectTo | None = None


class Failure(Struct, frozen=True):
    """Why the last try failed."""

    code: str | None = None
    decline_code: str | None = None


class Intent(Struct, frozen=True):
    """A payment intent. Amounts are minor units of `currency` (lower case)."""

    id: str
    object: Literal["payment_intent"]
    amount: int
    currency: str
    status: str
    metadata: dict[str, str]
    amount_received: int | None = None
    amount_capturable: int | None = None
    capture_method: str | None = None
    next_action: NextAction | None = None
    last_payment_error: Failure | None = None
    latest_charge: Charge | str | None = None

    @property
    def number(self) -> str | None:
        """Our number of the attempt, where it is one of ours."""
        return self.metadata.get("attempt_no")


class RefundObject(Struct, frozen=True):
    """A refund. `amount` is in minor units of `currency` (lower case)."""

    id: str
    object: Literal["refund"]
    amount: int
    currency: str
    status: str
    metadata: dict[str, str]
    payment_intent: str | None = None
    created: int | None = None
    failure_reason: str | None = None


class IntentList(Struct, frozen=True):
    """A page of intents."""

    object: Literal["list"]
    data: list[Intent]
    has_more: bool


class RefundList(Struct, frozen=True):
    """A page of refunds."""

    object: Literal["list"]
    data: list[RefundObject]
    has_more: bool


class Error(Struct, frozen=True):
    """The `error` member of a refusal; its message is for people and not read."""

    type: str
    code: str | None = None
    decline_code: str | None = None
    param: str | None = None
    payment_intent: Intent | None = None


class _Refusal(Struct, frozen=True):
    error: Error


class Problem(Struct, frozen=True):
    """A refusal with one of `PROBLEM_STATUSES`, well-formed; what it means, the operation says."""

    status: int
    error: Error

    @property
    def channel_code(self) -> str:
        """The most telling code, for people."""
        return code_text(self.error.decline_code or self.error.code or self.error.type)

    def unknown(self, reason: str = "the channel's code is not a listed one") -> Unknown:
        """The outcome of a refusal that proves nothing."""
        return Unknown(reason=reason, channel_code=self.channel_code or None)


def open_intent(response: HttpResponse) -> Intent | Problem | Unknown:
    """The payment intent of an answer."""
    return _open(response, Intent)


def open_intents(response: HttpResponse) -> IntentList | Problem | Unknown:
    """The page of payment intents of an answer."""
    return _open(response, IntentList)


def open_refund(response: HttpResponse) -> RefundObject | Problem | Unknown:
    """The refund of an answer."""
    return _open(response, RefundObject)


def open_refunds(response: HttpResponse) -> RefundList | Problem | Unknown:
    """The page of refunds of an answer."""
    return _open(response, RefundList)


def code_text(code: str | None) -> str:
    """A code as it may be shown and stored; empty where it is none."""
    return code if code is not None and _CODE.fullmatch(code) else ""


def _open(response: HttpResponse, kind: type[T]) -> T | Problem | Unknown:
    if response.status != 200 and response.status not in PROBLEM_STATUSES:
        return Unknown(reason=f"the channel answered HTTP {response.status}")
    try:
        if response.status == 200:
            return msgspec.json.decode(response.body, type=kind)
        error = msgspec.json.decode(response.body, type=_Refusal).error
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Unknown(reason=f"the answer (HTTP {response.status}) is not readable")
    return Problem(status=response.status, error=error)
