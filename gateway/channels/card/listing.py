"""Finding an order by our own number, when the answer that named its intent was lost.

Law: an intent's id is made by the channel, so an order whose create was not answered is looked for
in the list of intents, by our number in `metadata`. The list begins `SKEW_S` before the attempt was
made, the difference of clocks that callbacks bear too. *Not found* is said of a whole list only; a
page that is not the last proves nothing. Sending the create again under its idempotency key would
find the intent too, but where the first one never arrived it would charge the card.

Ending such an order is another matter: `build_fence` uses up its idempotency key with a create that
is not confirmed. If that is carried out, the first create never was and never will be, whenever it
arrives: closed. If the key is used already, Stripe refuses (`idempotency_error`), and the order is
in the list. Keys are kept for 24 h at least, so the fence stands `FENCE_S_MAX` from the attempt on.
Source: Stripe API reference, "Idempotent requests", "List all PaymentIntents".
"""

from datetime import datetime

from gateway.channels.card.answer import Intent, IntentList, Problem
from gateway.channels.card.dialect import get, is_plain, post, unix_s
from gateway.channels.card.intent import read_intent
from gateway.channels.codec import (
    AccountView,
    Closed,
    CloseOutcome,
    NotFound,
    PayOrder,
    QueryOutcome,
    Unknown,
)
from gateway.channels.wire import HttpRequest

SKEW_S = 300
FENCE_S_MAX = 23 * 3_600
PAGE_MAX = 100

CLOSED_MARK = "closed"  # of an intent that only uses up a number
UNTRIED = frozenset({"requires_payment_method", "requires_confirmation", "canceled"})


def pay_key(attempt_no: str) -> str:
    """The idempotency key of an attempt's create."""
    return f"till-pay-{attempt_no}"


def build_listing(account: AccountView, order: PayOrder) -> HttpRequest:
    """Ask for the intents that were made since shortly before this attempt."""
    pairs = [("limit", str(PAGE_MAX))]
    if not is_plain(account):
        pairs.append(("created[gte]", str(unix_s(order.created_at) - SKEW_S)))
    return get(account, "/payment_intents", pairs)


def read_listing(order: PayOrder, page: IntentList) -> QueryOutcome:
    """The order's state, `NotFound` if the page is the whole list, else Unknown."""
    named = [each for each in page.data if each.number == order.attempt_no]
    tried = [each for each in named if not _only_closes(each)]
    if len(tried) > 1:
        return Unknown(reason="two intents carry this number")
    if tried:
        return read_intent(tried[0])
    if page.has_more:
        return Unknown(reason="the list of intents is longer than a page")
    return Closed(channel_order_no=named[0].id) if named else NotFound()


def may_fence(account: AccountView, order: PayOrder, now: datetime) -> bool:
    """Whether the order's idempotency key is still kept, by a server that keeps them."""
    age_s = unix_s(now) - unix_s(order.created_at)
    return not is_plain(account) and age_s <= FENCE_S_MAX


def build_fence(account: AccountView, order: PayOrder) -> HttpRequest:
    """A create under the order's key that charges nothing: it is never confirmed."""
    pairs = [
        ("amount", str(order.amount)),
        ("currency", order.currency.lower()),
        ("metadata[attempt_no]", order.attempt_no),
        (f"metadata[{CLOSED_MARK}]", "true"),
    ]
    return post(account, "/payment_intents", pairs, idempotency_key=pay_key(order.attempt_no))


def read_fence(order: PayOrder, answer: Intent | Problem | Unknown) -> CloseOutcome:
    """Closed if the fence stands; whatever else it was, the list tells."""
    if isinstance(answer, Unknown):
        return answer
    if isinstance(answer, Problem):
        return answer.unknown("the order's number is used: it has to be looked for")
    stands = (
        _only_closes(answer)
        and answer.number == order.attempt_no
        and answer.amount == order.amount
        and answer.currency == order.currency.lower()
    )
    if not stands:
        return Unknown(reason="the answer is not that of a closed number")
    return Closed(channel_order_no=answer.id)


def _only_closes(intent: Intent) -> bool:
    """Whether it uses up a number and was never tried."""
    untried = intent.status in UNTRIED and intent.latest_charge is None
    return intent.metadata.get(CLOSED_MARK) == "true" and untried
