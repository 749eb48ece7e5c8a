"""End: having a channel end an attempt: close it, take it back, or let its hold go.

Law: only the channel's word ends an attempt; until then it is `closing`, durably, before anybody
is asked. Money that is held is voided. What can be taken back (a payer at the till) is reversed:
that is written down before it leaves, and repeated under the same number until it is answered,
because a reversal whose answer was lost may still give the money back. All else is closed, and
where that is not plainly done, the channel is asked at once what the order is.
"""

from datetime import timedelta
from typing import NamedTuple, Self

from msgspec.structs import replace

from gateway.center.conclude import Concluder, Outcome
from gateway.center.ports import Books, Clock, Reader, Watch
from gateway.center.tell import Teller, pay_order
from gateway.channels.codec import Closed, CloseOutcome, NotFound, Paid, PayOrder, Refused
from gateway.domain.attempt import Attempt, begin_ending
from gateway.domain.change import Change, Rows, Writes
from gateway.domain.failure import failure
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment

REVERSAL_DUE = timedelta(seconds=20)  # beyond the call of a live process


class _Act(NamedTuple):
    """What is ended, and in whose name."""

    payment: Payment
    attempt: Attempt
    account: ChannelAccount
    actor: str
    request_id: str | None

    @property
    def order(self) -> PayOrder:
        """The attempt as its channel needs it."""
        return pay_order(self.attempt, self.payment)

    def of(self, attempt: Attempt) -> Self:
        """The same with the attempt as it is now."""
        return self._replace(attempt=attempt)


class Ending:
    """One try to end a living attempt, and what follows from the channel's answer."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        teller: Teller,
        concluder: Concluder,
        clock: Clock,
        watch: Watch,
    ) -> None:
        self._books = books
        self._reader = reader
        self._teller = teller
        self._concluder = concluder
        self._clock = clock
        self._watch = watch

    async def end(
        self,
        payment: Payment,
        attempt: Attempt,
        account: ChannelAccount,
        *,
        actor: str,
        request_id: str | None,
    ) -> Payment:
        """Have the channel end an attempt that is `closing`, or that took too long.

        Returns the payment as it is afterwards.
        """
        act = _Act(payment, attempt, account, actor, request_id)
        if attempt.held:
            return await self._void(act)
        if self._teller.way(attempt).reversible:
            return await self._reverse(act)
        if attempt.close_sent:
            return await self._query(act)
        outcome = await self._teller.close(account, act.order)
        return await self._unless_done(act, outcome)

    async def _void(self, act: _Act) -> Payment:
        if act.attempt.close_sent:
            return await self._query(act)
        if act.attempt.error is not None:
            self._watch.alarm("hold_of_other_amount", {"attempt_id": act.attempt.id})
        outcome = await self._teller.void(act.account, act.order)
        return await self._unless_done(act, outcome)

    async def _unless_done(self, act: _Act, outcome: CloseOutcome) -> Payment:
        """Commit the answer to a close or void; ask what the order is unless that is plain now."""
        payment = await self._conclude(act, outcome, closing=True)
        present = await self._reader.attempt(act.attempt.merchant_id, act.attempt.id)
        is_plain = isinstance(outcome, Closed | NotFound | Paid)
        if is_plain or present is None or present.status != "closing":
            return payment
        if _is_newly_held(act.attempt, present):
            return await self._void(act.of(present))
        return await self._query(act.of(present))

    async def _query(self, act: _Act) -> Payment:
        outcome = await self._teller.query(act.account, act.order)
        payment = await self._conclude(act, outcome)
        present = await self._reader.attempt(act.attempt.merchant_id, act.attempt.id)
        if present is not None and _is_newly_held(act.attempt, present):
            return await self._void(act.of(present))
        return payment

    async def _reverse(self, act: _Act) -> Payment:
        begun = await self._write_down(act)
        if begun is None:
            present = await self._reader.payment(act.payment.merchant_id, act.payment.id)
            return present or act.payment
        outcome = await self._teller.cancel(act.account, act.of(begun).order)
        payment = await self._conclude(act.of(begun), outcome, reversal=True)
        if isinstance(outcome, Refused):
            # It had no effect: then the order is what a query says it is.
            return await self._query(act.of(begun))
        return payment

    async def _write_down(self, act: _Act) -> Attempt | None:
        """The attempt with its reversal begun; None if another hand was faster."""
        attempt, now = act.attempt, self._clock.business()

        def decide(rows: Rows) -> Writes:
            present: Attempt = rows.get(attempt.place)
            if present.version != attempt.version:
                return Writes(result=None)
            begun = replace(
                begin_ending(present, now, error=failure("channel_timeout")),
                close_sent=True,
                due_at=now + REVERSAL_DUE,
                version=present.version + 1,
            )
            return Writes(rows=(begun,), result=begun)

        change = Change(
            merchant_id=attempt.merchant_id,
            actor=act.actor,
            at=now,
            request_id=act.request_id,
            decide=decide,
            needs=(attempt.place,),
        )
        return (await self._books.submit(change)).result

    async def _conclude(
        self,
        act: _Act,
        outcome: Outcome,
        *,
        closing: bool = False,
        reversal: bool = False,
    ) -> Payment:
        change = self._concluder.payment_change(
            act.attempt,
            outcome,
            actor=act.actor,
            request_id=act.request_id,
            closing=closing,
            reversal=reversal,
        )
        return (await self._books.submit(change)).result


def _is_newly_held(before: Attempt, present: Attempt) -> bool:
    """Whether the payer gave a hold while we closed: now it is to be voided."""
    return present.status == "closing" and present.held and not before.held
