"""Captures of held money.

Law: one capture for each hold; it carries its number in `metadata` and in its idempotency key, and
the rest of the hold is let go by Stripe. What a capture came to is read from the intent alone:
captured under this number and amount, still held (`NotFound`), or let go (`Refused`). A capture of
a part that shall leave the rest held (`final` false) is asked for as such; accounts without
multicapture are refused it by Stripe.
Source: Stripe API reference, "Capture a PaymentIntent".
"""

from gateway.channels.authorization import Captured, CaptureOrder, CaptureOutcome, CapturePending
from gateway.channels.card import refusals
from gateway.channels.card.answer import MISSING, Intent, Problem, code_text, open_intent
from gateway.channels.card.dialect import get, is_plain, post
from gateway.channels.codec import AccountView, NotFound, Unknown
from gateway.channels.meanings import refused
from gateway.channels.wire import HttpRequest, HttpResponse


def build_capture(account: AccountView, capture: CaptureOrder) -> HttpRequest:
    """Take `amount` of what is held."""
    pairs = [("amount_to_capture", str(capture.amount))]
    if not is_plain(account):
        pairs.append(("metadata[capture_no]", capture.capture_no))
    if not capture.final:
        pairs.append(("final_capture", "false"))
    return post(
        account,
        f"/payment_intents/{capture.channel_order_no}/capture",
        pairs,
        idempotency_key=f"till-capture-{capture.capture_no}",
    )


def read_capture(
    account: AccountView, capture: CaptureOrder, response: HttpResponse
) -> CaptureOutcome:
    """What became of this capture."""
    answer = open_intent(response)
    if isinstance(answer, Unknown):
        return answer
    if isinstance(answer, Problem):
        return _problem(capture, answer)
    if answer.id != capture.channel_order_no:
        return Unknown(reason="the answer is about another order")
    if answer.status == "processing":
        return CapturePending()
    return _captured(account, capture, answer)


def build_capture_query(account: AccountView, capture: CaptureOrder) -> HttpRequest:
    """Ask what became of it."""
    return get(account, f"/payment_intents/{capture.channel_order_no}")


def read_capture_query(
    account: AccountView, capture: CaptureOrder, response: HttpResponse
) -> CaptureOutcome:
    """Captured under this number, pending, not found (still held), or refused (let go)."""
    answer = open_intent(response)
    if isinstance(answer, Unknown):
        return answer
    if isinstance(answer, Problem):
        return answer.unknown()
    if answer.id != capture.channel_order_no:
        return Unknown(reason="the answer is about another order")
    if answer.status == "processing":
        return CapturePending()
    if answer.status == "requires_capture":
        return Unknown(reason="a part was captured") if answer.amount_received else NotFound()
    if answer.status == "canceled":
        return _let_go(answer)
    return _captured(account, capture, answer)


def _captured(account: AccountView, capture: CaptureOrder, intent: Intent) -> Captured | Unknown:
    if intent.status != "succeeded":
        return Unknown(
            reason="the status is not a listed one", channel_code=code_text(intent.status) or None
        )
    if intent.currency != capture.currency.lower():
        return Unknown(reason="the currency is not the capture's")
    received = intent.amount_received
    if received is None and is_plain(account) and capture.amount == intent.amount:
        # Servers that do not say what was received: of a whole capture it can only be all.
        received = intent.amount
    if received is None:
        return Unknown(reason=MISSING + "amount_received")
    if received != capture.amount:
        return Unknown(reason="the captured amount is not the capture's")
    if not is_plain(account) and intent.metadata.get("capture_no") != capture.capture_no:
        return Unknown(reason="the hold was captured under another number")
    return Captured(capture_no=capture.capture_no, amount=received)


def _let_go(intent: Intent) -> CaptureOutcome:
    if intent.amount_received:
        return Unknown(reason="the canceled intent has received money")
    return refused("channel_refused", "canceled")


def _problem(capture: CaptureOrder, problem: Problem) -> CaptureOutcome:
    intent = problem.error.payment_intent
    if problem.error.code == refusals.UNEXPECTED_STATE and intent is not None:
        if intent.id == capture.channel_order_no and intent.status == "canceled":
            return _let_go(intent)
        return problem.unknown()
    return refusals.of_request(problem, refusals.CAPTURE) or problem.unknown()
