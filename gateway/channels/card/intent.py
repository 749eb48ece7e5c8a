"""The facts of a payment intent: which states mean paid, held, over, or none of these.

Law: a state is listed or it is `Unknown`.

| status | outcome |
|---|---|
| succeeded, the whole amount received | Paid |
| succeeded, a part received | Unknown: only a capture of ours can tell what it was |
| requires_capture | Authorized |
| processing, requires_action | Waiting |
| requires_payment_method after a failed try | Refused: nobody confirms it again |
| canceled, nothing received | Closed |
"""

from gateway.channels.card.answer import MISSING, Charge, Intent, code_text
from gateway.channels.card.dialect import moment_of
from gateway.channels.card.refusals import of_failure
from gateway.channels.codec import (
    Authorized,
    Closed,
    HandedOut,
    Paid,
    QueryOutcome,
    Refused,
    Unknown,
    Waiting,
)
from gateway.channels.meanings import refused

URL_CHARS_MAX = 2_048


def read_intent(intent: Intent) -> QueryOutcome:
    """The state of the order that this intent is."""
    status = intent.status
    if status == "succeeded":
        return _paid(intent)
    if status == "requires_capture":
        return _authorized(intent)
    if status in ("processing", "requires_action"):
        return Waiting(channel_order_no=intent.id)
    if status == "requires_payment_method":
        return _failed(intent)
    if status == "canceled":
        if intent.amount_received:
            return Unknown(reason="the canceled intent has received money")
        return Closed(channel_order_no=intent.id)
    return Unknown(reason="the status is not a listed one", channel_code=code_text(status) or None)


def hand_out(intent: Intent) -> HandedOut | Waiting:
    """Where the payer goes to be authenticated; Waiting if there is nowhere to go."""
    action = intent.next_action
    if action is not None and action.type == "redirect_to_url" and action.redirect_to_url:
        url = action.redirect_to_url.url
        if url is not None and _is_web_url(url):
            return HandedOut(
                next_action={"type": "redirect", "url": url}, channel_order_no=intent.id
            )
    return Waiting(channel_order_no=intent.id)


def charge_of(intent: Intent) -> Charge | None:
    """The latest charge, where the answer carries it whole."""
    return intent.latest_charge if isinstance(intent.latest_charge, Charge) else None


def _paid(intent: Intent) -> Paid | Unknown:
    if intent.amount_received is None:
        # Servers that do not say what was received: without a hold it can only be all.
        if intent.capture_method == "manual":
            return Unknown(reason=MISSING + "amount_received")
    elif intent.amount_received != intent.amount:
        return Unknown(reason="a part was captured: the capture tells")
    if intent.amount <= 0:
        return Unknown(reason=MISSING + "amount")
    charge = charge_of(intent)
    return Paid(
        channel_order_no=intent.id,
        amount=intent.amount,
        currency=intent.currency.upper(),
        paid_at=None if charge is None else moment_of(charge.created),
    )


def _authorized(intent: Intent) -> Authorized | Unknown:
    capturable = intent.amount_capturable
    held = intent.amount if capturable is None else capturable
    if held <= 0:
        return Unknown(reason=MISSING + "amount_capturable")
    charge = charge_of(intent)
    details = None if charge is None else charge.payment_method_details
    card = None if details is None else details.card
    return Authorized(
        channel_order_no=intent.id,
        amount=held,
        currency=intent.currency.upper(),
        capture_before=None if card is None else moment_of(card.capture_before),
    )


def _failed(intent: Intent) -> Refused | Unknown:
    """The state proves that there is no money; the codes only choose the word."""
    failure = intent.last_payment_error
    if failure is None:
        return Unknown(reason=MISSING + "last_payment_error")
    listed = of_failure(failure)
    return listed or refused("card_declined", code_text(failure.decline_code or failure.code))


def _is_web_url(url: str) -> bool:
    return (
        len(url) <= URL_CHARS_MAX
        and url.startswith(("https://", "http://"))
        and url.isascii()
        and url.isprintable()
        and " " not in url
    )
