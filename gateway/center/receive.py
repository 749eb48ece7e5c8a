"""Receive: a channel calls us.

Law: nothing is believed before the codec has verified it, and nothing is answered before what it
says is durable. A genuine message with another amount or currency books nothing, is answered as a
failure and asked about at once; what the query confirms is booked. A refund's callback is a hint:
its amount is confirmed by a query of that refund before anything moves. So is a callback about an
attempt that was taken back; and a hold that comes when its attempt has ended is voided.
"""

import asyncio

from msgspec.structs import replace

from gateway.center.chase import Chase
from gateway.center.conclude import Concluder
from gateway.center.once import Ongoing
from gateway.center.ports import Books, Clock, Directory, Reader, Standing, Watch
from gateway.center.tell import Teller, pay_order
from gateway.channels.codec import (
    Authorized,
    CallbackRefused,
    Closed,
    NotFound,
    Paid,
    QueryOutcome,
    Refunded,
    VerifiedCallback,
)
from gateway.channels.wire import CallbackReply, CallbackRequest
from gateway.domain import ids
from gateway.domain.attempt import LIVING, Attempt
from gateway.domain.callback import CallbackSeen
from gateway.domain.change import foreseen
from gateway.domain.errors import not_found
from gateway.domain.merchant import ChannelAccount

REFUND_WAIT_S = 4.0


class Receive:
    """Applies verified callbacks, each effect once."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        directory: Directory,
        teller: Teller,
        concluder: Concluder,
        chase: Chase,
        ongoing: Ongoing,
        clock: Clock,
        watch: Watch,
    ) -> None:
        self._books = books
        self._reader = reader
        self._directory = directory
        self._teller = teller
        self._concluder = concluder
        self._chase = chase
        self._ongoing = ongoing
        self._clock = clock
        self._watch = watch

    async def callback(
        self, channel: str, account_id: str, request: CallbackRequest, *, request_id: str
    ) -> CallbackReply:
        """Our answer to a callback, in the channel's dialect.

        Raises `not_found` for a registration that does not exist.
        """
        account = await self._directory.find_account(account_id)
        if account is None or account.channel != channel:
            raise not_found()
        try:
            verified = await self._teller.heard(account, request)
        except CallbackRefused as refused:
            return await self.refuse(account, refused)
        return await self.apply(account, verified, request_id=request_id)

    async def refuse(self, account: ChannelAccount, refused: CallbackRefused) -> CallbackReply:
        """Our answer to what is no genuine callback."""
        self._watch.alarm(
            "callback_refused",
            {"reason": refused.reason, "channel_account_id": account.id},
            stranger=refused.reason in _STRANGERS,
        )
        return self._teller.codec(account.channel).callback_reply(False)

    async def apply(
        self, account: ChannelAccount, verified: VerifiedCallback, *, request_id: str
    ) -> CallbackReply:
        """Our answer to a genuine callback, once what it says is durable."""
        accepted = await self._apply(account, verified, request_id)
        return self._teller.codec(account.channel).callback_reply(accepted)

    async def _apply(
        self, account: ChannelAccount, verified: VerifiedCallback, request_id: str
    ) -> bool:
        if verified.outcome is None:
            return True
        standing = await self._standing_of(account, verified)
        if standing is None:
            self._watch.alarm("callback_unknown_order", {"channel_account_id": account.id})
            return False
        attempt = standing.attempt
        actor = f"channel:{account.channel}"
        seen = CallbackSeen(
            merchant_id=account.merchant_id,
            attempt_id=attempt.id,
            dedupe_key=verified.dedupe_key,
            channel=account.channel,
            received_at=self._clock.business(),
        )
        outcome = verified.outcome
        if isinstance(outcome, Refunded) or verified.refund_no is not None:
            return await self._refunded(account, verified.refund_no, actor, request_id)
        has_ended = attempt.status in ("failed", "closed")
        if has_ended and isinstance(outcome, Authorized):
            return await self._let_go(account, attempt, outcome)
        if has_ended and isinstance(outcome, Paid) and self._teller.way(attempt).reversible:
            return await self._confirmed(account, attempt, seen, request_id)
        if isinstance(outcome, Paid | Authorized) and (
            outcome.amount != attempt.amount or outcome.currency != attempt.currency
        ):
            self._watch.alarm("callback_other_amount", {"attempt_id": attempt.id})
            self._ask_at_once(attempt, actor, request_id)
            return False
        change = self._concluder.payment_change(
            attempt, outcome, actor=actor, request_id=request_id, seen=seen
        )
        if attempt.status in LIVING and not standing.has_unexpected:
            # Unexpected money, if it came since, has moved the payment's version.
            change = foreseen(change, (standing.payment, attempt))
        await self._books.submit(change)
        return True

    async def _standing_of(
        self, account: ChannelAccount, verified: VerifiedCallback
    ) -> Standing | None:
        if verified.attempt_no is None:
            return None
        attempt_id = ids.parse("att", f"att_{verified.attempt_no}")
        if attempt_id is None:
            return None
        standing = await self._reader.standing(account.merchant_id, attempt_id)
        if standing is None or standing.attempt.channel_account_id != account.id:
            return None
        return standing

    async def _let_go(self, account: ChannelAccount, attempt: Attempt, held: Authorized) -> bool:
        """Void a hold that nobody waits for; the channel tells again of one that remained."""
        self._watch.alarm("hold_after_end", {"attempt_id": attempt.id})
        payment = await self._reader.payment(attempt.merchant_id, attempt.payment_id)
        if payment is None:
            return False
        known = replace(attempt, channel_order_no=held.channel_order_no)
        outcome = await self._teller.void(account, pay_order(known, payment))
        return isinstance(outcome, Closed | NotFound)

    async def _confirmed(
        self, account: ChannelAccount, attempt: Attempt, seen: CallbackSeen, request_id: str
    ) -> bool:
        """Money of an attempt that was taken back: it counts if the channel says it is there."""
        payment = await self._reader.payment(attempt.merchant_id, attempt.payment_id)
        applied = await self._reader.callbacks_of(attempt.merchant_id, [attempt.id])
        if payment is None:
            return False
        outcome: QueryOutcome = NotFound()
        if seen.dedupe_key not in {row["dedupe_key"] for row in applied}:
            outcome = await self._teller.query(account, pay_order(attempt, payment))
        if not isinstance(outcome, Paid | Closed | NotFound):
            return False
        change = self._concluder.payment_change(
            attempt, outcome, actor=f"channel:{account.channel}", request_id=request_id, seen=seen
        )
        await self._books.submit(change)
        return True

    async def _refunded(
        self, account: ChannelAccount, refund_no: str | None, actor: str, request_id: str
    ) -> bool:
        refund_id = ids.parse("rfd", f"rfd_{refund_no}")
        if refund_id is None:
            self._watch.alarm("callback_foreign_refund", {"channel_account_id": account.id})
            return True
        refund = await self._reader.refund(account.merchant_id, refund_id)
        if refund is None:
            self._watch.alarm("callback_unknown_refund", {"channel_account_id": account.id})
            return True
        if refund.status != "processing":
            return True
        if not await self._ongoing.wait(refund.id, REFUND_WAIT_S):
            return False
        work = self._chase.refund(
            account.merchant_id, refund_id, actor=actor, request_id=request_id
        )
        task = self._ongoing.start(refund.id, work)
        done, _ = await asyncio.wait({task}, timeout=REFUND_WAIT_S)
        if not done or task.exception() is not None:
            return False
        known = task.result()
        return known is not None and known.status != "processing"

    def _ask_at_once(self, attempt: Attempt, actor: str, request_id: str) -> None:
        if not self._ongoing.has(attempt.payment_id):
            work = self._chase.attempt(
                attempt.merchant_id, attempt.id, actor=actor, request_id=request_id
            )
            self._ongoing.start(attempt.payment_id, work)


_STRANGERS = frozenset({"malformed", "bad_signature", "stale", "unknown_serial"})
