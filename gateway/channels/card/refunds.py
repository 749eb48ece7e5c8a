"""Refunds of a captured intent.

Law: a refund carries our number in `metadata` and in its idempotency key. What it came to is read
from its own object, compared with number, intent, amount and currency; *not found* is said of a
whole list only. A refund that Stripe calls `failed` or `canceled` has given nothing back.
Source: Stripe API reference, "The Refund object", "Create a refund", "List all refunds".
"""

from gateway.channels.card import refusals
from gateway.channels.card.answer import (
    Problem,
    RefundObject,
    code_text,
    open_refund,
    open_refunds,
)
from gateway.channels.card.dialect import check_money, get, is_plain, is_text, moment_of, post
from gateway.channels.codec import (
    AccountView,
    NotFound,
    Refunded,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Refused,
    Unknown,
)
from gateway.channels.meanings import refused
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from gateway.domain.text import has_card_number

PAGE_MAX = 100
REASON_CHARS_MAX = 255


def build_refund(account: AccountView, refund: RefundOrder) -> HttpRequest:
    """Give back part or all. Raises `TillgateError` for a bad amount or a foreign currency."""
    check_money(refund.amount, refund.currency)
    pairs = [
        ("payment_intent", _intent_no(refund)),
        ("amount", str(refund.amount)),
        ("metadata[refund_no]", refund.refund_no),
        ("metadata[attempt_no]", refund.attempt_no),
    ]
    reason = refund.reason or ""
    if reason and is_text(reason) and not has_card_number(reason) and not is_plain(account):
        # Stripe's own `reason` is one of three words; ours is for people.
        pairs.append(("metadata[reason]", reason[:REASON_CHARS_MAX]))
    key = f"till-refund-{refund.refund_no}"
    return post(account, "/refunds", pairs, idempotency_key=key)


def read_refund(account: AccountView, refund: RefundOrder, response: HttpResponse) -> RefundOutcome:
    """What became of this refund."""
    answer = open_refund(response)
    if isinstance(answer, Unknown):
        return answer
    if isinstance(answer, Problem):
        return refusals.of_request(answer, refusals.REFUND) or answer.unknown()
    return _of_object(refund, answer)


def build_refund_query(account: AccountView, refund: RefundOrder) -> HttpRequest:
    """Ask for the refunds of the intent; ours is found by its number."""
    pairs = [("payment_intent", _intent_no(refund)), ("limit", str(PAGE_MAX))]
    return get(account, "/refunds", pairs)


def read_refund_query(refund: RefundOrder, response: HttpResponse) -> RefundOutcome:
    """This refund among those of the intent."""
    page = open_refunds(response)
    if isinstance(page, Unknown):
        return page
    if isinstance(page, Problem):
        return page.unknown()
    named = [each for each in page.data if each.metadata.get("refund_no") == refund.refund_no]
    if len(named) > 1:
        return Unknown(reason="two refunds carry this number")
    if named:
        return _of_object(refund, named[0])
    if page.has_more:
        return Unknown(reason="the list of refunds is longer than a page")
    return NotFound()


def refusal_of(reason: str | None, status: str) -> Refused:
    """What a refund that came to nothing means."""
    meaning = refusals.REFUND_FAILURES.get(reason or "", "refund_not_allowed")
    return refused(meaning, code_text(reason) or status)


def _intent_no(refund: RefundOrder) -> str:
    if refund.channel_order_no is None:
        raise TillgateError("internal_error", "A card refund needs the channel's order number.")
    return refund.channel_order_no


def _of_object(refund: RefundOrder, found: RefundObject) -> RefundOutcome:
    ours = (
        found.metadata.get("refund_no") == refund.refund_no
        and found.payment_intent in (None, refund.channel_order_no)
        and found.amount == refund.amount
        and found.currency == refund.currency.lower()
    )
    if not ours:
        return Unknown(reason="the answer is about another refund")
    if found.status == "succeeded":
        return Refunded(refund_no=refund.refund_no, refunded_at=moment_of(found.created))
    if found.status in ("pending", "requires_action"):
        return RefundPending()
    if found.status in ("failed", "canceled"):
        return refusal_of(found.failure_reason, found.status)
    return Unknown(
        reason="the status is not a listed one", channel_code=code_text(found.status) or None
    )
