"""Attempts: one instruction to one channel, and how long its silence is borne.

Law: an attempt is durable before a byte leaves for its channel. Silence is `unknown`; it is asked
about ever more slowly and never guessed. A handed-out code is asked about too, in case the callback
was lost. Pure values and steps; what they do to the payment stands in `outcome`.
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
QUERY_GIVE_UP = timedelta(hours=72)
LIVING = frozenset({"submitted", "pending_user", "unknown", "closing", "authorized"})


class Attempt(Struct, frozen=True, kw_only=True):
    """One instruction to a channel. Its 26 characters are our number at the channel.

    `handed_out` says that the payer was given a code; `sends` counts how often the create left;
    `due_at` is when silence is asked about again; `not_found` counts such answers.
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


def next_query(attempt: Attempt, now: datetime) -> datetime | None:
    """When to ask the channel again; None once a person must look."""
    if now - attempt.created_at > QUERY_GIVE_UP + timedelta(
        seconds=max(0.0, (attempt.expires_at - attempt.created_at).total_seconds())
    ):
        return None
    if attempt.queries < len(QUERY_DELAYS_S):
        return now + timedelta(seconds=QUERY_DELAYS_S[attempt.queries])
    return now + timedelta(seconds=QUERY_HOURLY_S)


def silent(attempt: Attempt, now: datetime) -> Attempt:
    """No usable answer to the create or the close: the attempt is in the air and will be asked."""
    due_at = next_query(attempt, now)
    if attempt.status in ("submitted", "unknown"):
        return tried(attempt, "unknown", due_at=due_at)
    return tried(attempt, attempt.status, due_at=due_at)


def waited(attempt: Attempt, now: datetime) -> Attempt:
    """The attempt after an answer that settles nothing: ask again later, ever more slowly."""
    due_at = next_query(attempt, now)
    return replace(attempt, queries=attempt.queries + 1, due_at=due_at, version=attempt.version + 1)


def begin_ending(attempt: Attempt, now: datetime) -> Attempt:
    """An attempt that is being closed so that the payer can take another way."""
    if attempt.status not in LIVING or attempt.status == "closing":
        return attempt
    return tried(attempt, "closing", due_at=now, queries=0, not_found=0)
