"""Chase: asking a channel about what it has not answered.

Law: chase resolves, it never guesses. One round asks one question about one attempt or refund and
commits the answer; `due_at` says when the next round comes. A create that moves no money before
the payer acts may be sent again under the same number. An attempt ends by `end.Ending`, also one
that its payer had time enough for. When the last question has brought no answer, a person is told.
"""

from datetime import timedelta

from msgspec.structs import replace

from gateway.center.conclude import Concluder
from gateway.center.end import Ending
from gateway.center.ports import Books, Clock, Directory, Reader, Watch
from gateway.center.tell import Teller, pay_order, refund_order
from gateway.channels.codec import Unknown
from gateway.domain.attempt import LIVING, SENDS_MAX, Attempt, is_overdue, next_query
from gateway.domain.change import Change, Rows, Writes
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund

RESEND_DUE = timedelta(seconds=20)
UNRESOLVED = frozenset({"processing", "requires_action", "closing"})
IN_THE_AIR = frozenset({"submitted", "unknown"})


class Chase:
    """One question to a channel, and what follows from its answer."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        directory: Directory,
        teller: Teller,
        concluder: Concluder,
        clock: Clock,
        watch: Watch,
    ) -> None:
        self._books = books
        self._reader = reader
        self._directory = directory
        self._teller = teller
        self._concluder = concluder
        self._clock = clock
        self._watch = watch
        self._ending = Ending(
            books=books, reader=reader, teller=teller, concluder=concluder, clock=clock, watch=watch
        )

    async def attempt(
        self, merchant_id: str, attempt_id: str, *, actor: str, request_id: str | None = None
    ) -> Payment | None:
        """Ask about an attempt; the payment afterwards, None if there is nothing to ask."""
        attempt = await self._reader.attempt(merchant_id, attempt_id)
        if attempt is None or attempt.status not in LIVING:
            return None
        account = await self._directory.find_account(attempt.channel_account_id)
        payment = await self._reader.payment(merchant_id, attempt.payment_id)
        if account is None or payment is None:
            return None
        way = self._teller.way(attempt)
        if attempt.status == "closing" or is_overdue(attempt, self._clock.business(), way):
            asked = await self._ending.end(
                payment, attempt, account, actor=actor, request_id=request_id
            )
        elif self._may_resend(attempt):
            return await self._resend(payment, attempt, account, actor, request_id)
        else:
            asked = await self._query(payment, attempt, account, actor, request_id)
        is_last = next_query(attempt, self._clock.business(), way) is None
        if is_last and asked.attempt_id == attempt.id and asked.status in UNRESOLVED:
            self._watch.alarm("attempt_unresolved", {"attempt_id": attempt.id})
        return asked

    def _may_resend(self, attempt: Attempt) -> bool:
        return (
            attempt.status in IN_THE_AIR
            and not attempt.handed_out  # then it is the payer's answer that is in the air
            and not self._teller.way(attempt).single_shot
            and attempt.sends < SENDS_MAX
            and self._clock.business() < attempt.expires_at
        )

    async def _query(
        self,
        payment: Payment,
        attempt: Attempt,
        account: ChannelAccount,
        actor: str,
        request_id: str | None,
    ) -> Payment:
        outcome = await self._teller.query(account, pay_order(attempt, payment))
        change = self._concluder.payment_change(
            attempt, outcome, actor=actor, request_id=request_id
        )
        return (await self._books.submit(change)).result

    async def _resend(
        self,
        payment: Payment,
        attempt: Attempt,
        account: ChannelAccount,
        actor: str,
        request_id: str | None,
    ) -> Payment | None:
        """Send a repeatable create again, counted before a byte leaves."""
        now = self._clock.business()

        def decide(rows: Rows) -> Writes:
            present: Attempt = rows.get(attempt.place)
            if present.version != attempt.version:
                return Writes(result=None)
            sent = replace(
                present,
                sends=present.sends + 1,
                sent_at=now,
                due_at=now + RESEND_DUE,
                version=present.version + 1,
            )
            return Writes(rows=(sent,), result=sent)

        counted = Change(
            merchant_id=attempt.merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=(attempt.place,),
        )
        sent = (await self._books.submit(counted)).result
        if sent is None:
            return None
        order = pay_order(sent, payment)
        outcome = await self._teller.pay(account, order, sent_before=True)
        change = self._concluder.payment_change(sent, outcome, actor=actor, request_id=request_id)
        return (await self._books.submit(change)).result

    async def refund(
        self, merchant_id: str, refund_id: str, *, actor: str, request_id: str | None = None
    ) -> Refund | None:
        """Ask about a refund; sent again under its number only if provably never executed."""
        refund = await self._reader.refund(merchant_id, refund_id)
        if refund is None or refund.status != "processing":
            return refund
        account = await self._directory.find_account(refund.channel_account_id)
        attempt = await self._reader.attempt(merchant_id, refund.attempt_id)
        if account is None or attempt is None:
            return refund
        order = refund_order(refund, attempt)
        outcome = await self._teller.refund_query(account, order)
        change = self._concluder.refund_change(
            refund, outcome, actor=actor, request_id=request_id, queried=True
        )
        step = (await self._books.submit(change)).result
        if not step.resend:
            by_hand = self._teller.refunds_by_hand(refund.channel)
            if step.refund.status == "processing" and step.refund.due_at is None and not by_hand:
                self._watch.alarm("refund_unresolved", {"refund_id": refund.id})
            return step.refund
        outcome = await self._teller.refund(account, order)
        if isinstance(outcome, Unknown):
            return step.refund
        change = self._concluder.refund_change(
            step.refund, outcome, actor=actor, request_id=request_id
        )
        return (await self._books.submit(change)).result.refund
