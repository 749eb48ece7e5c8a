"""Attempts: one instruction to one channel, and how long its silence is borne.

Law: an attempt is durable before a byte leaves for its channel. Silence is `unknown`; it is asked
about ever more slowly and never guessed. A handed-out code is asked about too, in case the callback
was lost. A code that may be used once is never stored: it is not sent a second time. Pure values
and steps; what they do to the payment stands in `outcome`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import ids
from gateway.domain.change import Need
from gateway.domain.lifecycle import ATTEMPT, advance

QUIET_S = 60
NOT_FOUND_MIN = 2
SENDS_MAX = 3
QUERY_DELAYS_S = (2, 5, 10, 20, 40, 60, 120, 300, 900)
QUERY_HOURLY_S = 3_600
# A payer with a code in hand is asked about after 1, 2, 5 and 15 minutes: the callback is faster.
HANDED_OUT_QUERIES = QUERY_DELAYS_S.index(60)
HANDED_OUT_QUERY = timedelta(seconds=QUERY_DELAYS_S[HANDED_OUT_QUERIES])
QUERY_GIVE_UP = timedelta(hours=72)
# A payer stands at the till: asked about often, and taken back when it takes too long.
REVERSIBLE_QUERY = timedelta(seconds=5)
REVERSE_AFTER = timedelta(seconds=45)
HOLD_QUERY = timedelta(hours=24)  # a hold can end without a word to us
# Whoever begins to close asks the channel at once; beyond that call another hand takes over.
ENDING_DUE = timedelta(seconds=6)
SINGLE_USE = frozenset({"auth_code", "sms_code"})
USED = "used"
LIVING = frozenset({"submitted", "pending_user", "unknown", "closing", "authorized"})
_UNSETTLED = frozenset({"submitted", "pending_user", "unknown"})


class Way(Struct, frozen=True):
    """What a method is like: whether it may be sent again while in doubt, and taken back."""

    single_shot: bool = False
    reversible: bool = False


REPEATABLE = Way()


class Attempt(Struct, frozen=True, kw_only=True):
    """One instruction to a channel. Its 26 characters are our number at the channel.

    `handed_out` says that the payer was given a code; `sends` counts how often the create left;
    `due_at` is when silence is asked about again; `not_found` counts such answers. `held` says
    that the channel holds the payer's money for it; `answers` counts the payer's codes that left
    for the channel; `sent_at` is when something that may have effect left last (None: with the
    create).
    """

    merchant_id: str
    id: str
    payment_id: str
    number: int
    method: str
    method_options: Mapping[str, str]
    channel: str
    channel_account_id: str
    amount: int
    currency: str
    status: str
    created_at: datetime
    expires_at: datetime
    due_at: datetime | None
    channel_order_no: str | None = None
    next_action: Mapping[str, object] | None = None
    error: Mapping[str, object] | None = None
    handed_out: bool = False
    close_sent: bool = False
    sends: int = 1
    queries: int = 0
    not_found: int = 0
    held: bool = False
    answers: int = 0
    sent_at: datetime | None = None
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("attempt", self.id)

    @property
    def attempt_no(self) -> str:
        """Our order number at the channel."""
        return ids.number_of(self.id)


def tried(attempt: Attempt, status: str, **fields: object) -> Attempt:
    """The attempt at its next version, in a status that its lifecycle allows."""
    target = attempt.status
    if status != target:
        target = advance(ATTEMPT, attempt.status, status)
    return replace(attempt, status=target, version=attempt.version + 1, **fields)


def has_code(method_options: Mapping[str, str]) -> bool:
    """Whether a code is, or was, among the options that may be used once."""
    return not SINGLE_USE.isdisjoint(method_options)


def without_codes(attempt: Attempt) -> Attempt:
    """The attempt as it may be stored: a code that may be used once is only told to be used."""
    if not has_code(attempt.method_options):
        return attempt
    options = {
        name: USED if name in SINGLE_USE else value
        for name, value in attempt.method_options.items()
    }
    return replace(attempt, method_options=options)


def way_of(attempt: Attempt, *, single_shot: bool, reversible: bool) -> Way:
    """The way of an attempt, as its method is; with a single-use code it is always single-shot."""
    is_once = single_shot or has_code(attempt.method_options)
    return Way(single_shot=is_once, reversible=reversible)


def next_query(attempt: Attempt, now: datetime, way: Way = REPEATABLE) -> datetime | None:
    """When to ask the channel again; None once a person must look."""
    if attempt.status == "authorized":
        return now + HOLD_QUERY
    if way.reversible and attempt.status != "closing":
        return max(now, min(now + REVERSIBLE_QUERY, attempt.created_at + REVERSE_AFTER))
    lifetime = max(timedelta(0), attempt.expires_at - attempt.created_at)
    if now - attempt.created_at > QUERY_GIVE_UP + lifetime:
        return None
    if attempt.queries < len(QUERY_DELAYS_S):
        return now + timedelta(seconds=QUERY_DELAYS_S[attempt.queries])
    return now + timedelta(seconds=QUERY_HOURLY_S)


def silent(attempt: Attempt, now: datetime, way: Way = REPEATABLE) -> Attempt:
    """No usable answer to the create: the attempt is in the air and will be asked about."""
    status = "unknown" if attempt.status == "submitted" else attempt.status
    return tried(attempt, status, due_at=next_query(attempt, now, way))


def waited(attempt: Attempt, now: datetime, way: Way = REPEATABLE) -> Attempt:
    """The attempt after an answer that settles nothing: ask again later, ever more slowly."""
    due_at = next_query(attempt, now, way)
    return replace(attempt, queries=attempt.queries + 1, due_at=due_at, version=attempt.version + 1)


def is_overdue(attempt: Attempt, now: datetime, way: Way) -> bool:
    """Whether the payer had time enough, and the attempt is to be taken back."""
    in_time = now - attempt.created_at < REVERSE_AFTER
    return way.reversible and attempt.status in _UNSETTLED and not in_time


def is_reversing(attempt: Attempt, way: Way) -> bool:
    """Whether a reversal has left: only its own word tells what became of the money."""
    has_left = attempt.status == "closing" and attempt.close_sent and not attempt.held
    return way.reversible and has_left


def begin_ending(
    attempt: Attempt, now: datetime, *, error: Mapping[str, object] | None = None
) -> Attempt:
    """An attempt that is being closed: so that the payer can take another way, or for `error`."""
    if attempt.status not in LIVING or attempt.status == "closing":
        return attempt
    due_at = now + ENDING_DUE
    return tried(attempt, "closing", due_at=due_at, queries=0, not_found=0, error=error)
