"""Close: ending a payment without ever losing one that was paid meanwhile.

Law: with a living attempt the payment becomes `closing` first, durably; then the channel is asked
to close; only its word ends the payment. Cancel (by the merchant) and expiry (by time) differ in
their aim alone.
"""

import asyncio
from datetime import datetime

from gateway.center.chase import Chase
from gateway.center.once import WAIT_S, Ongoing
from gateway.center.ports import Books, Clock, Reader
from gateway.domain import attempt as attempts
from gateway.domain import hold
from gateway.domain import outcome as outcomes
from gateway.domain import payment as payments
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.errors import not_found
from gateway.domain.lifecycle import PAYMENT, is_terminal
from gateway.domain.payment import Payment

EXPIRING = frozenset({"requires_payment_method", "processing", "requires_action"})


def _is_over(payment: Payment, now: datetime) -> bool:
    """Whether its time is up; a hold's time is what its channel said."""
    return hold.is_over(payment, now) or (payment.status in EXPIRING and now >= payment.expires_at)


class Close:
    """Cancels and expires payments."""

    def __init__(
        self, *, books: Books, reader: Reader, chase: Chase, ongoing: Ongoing, clock: Clock
    ) -> None:
        self._books = books
        self._reader = reader
        self._chase = chase
        self._ongoing = ongoing
        self._clock = clock

    async def cancel(
        self, merchant_id: str, payment_id: str, *, actor: str, request_id: str
    ) -> Payment:
        """Cancel; the payment as it is known after at most 5 s (`closing` or `canceled`).

        Raises `invalid_state` when it is terminal otherwise or was paid meanwhile.
        """
        payment = await self._begin(
            merchant_id, payment_id, to="canceled", actor=actor, request_id=request_id
        )
        if payment is None:
            raise not_found()
        if payment.status == "closing":
            payment = await self._carry_out(payment, actor=actor, request_id=request_id)
        if is_terminal(PAYMENT, payment.status) and payment.status != "canceled":
            raise payments.invalid_state(payment, "be canceled")
        return payment

    async def expire(self, merchant_id: str, payment_id: str, *, actor: str) -> Payment | None:
        """End a payment whose time is up; None if it is not."""
        payment = await self._begin(
            merchant_id, payment_id, to="expired", actor=actor, request_id=None
        )
        if payment is not None and payment.status == "closing":
            return await self._carry_out(payment, actor=actor, request_id=None)
        return payment

    async def end_attempt(self, payment: Payment, *, actor: str, request_id: str) -> Payment:
        """Close the living attempt so that another way can be taken; the payment goes on.

        Raises `attempt_unknown` if its end cannot be known in 5 s and `invalid_state` if it was
        paid meanwhile.
        """
        change = self._end_attempt_change(payment, actor=actor, request_id=request_id)
        begun = (await self._books.submit(change)).result
        if begun.status == "requires_payment_method":
            return begun
        ended = await self._carry_out(begun, actor=actor, request_id=request_id)
        if ended.status == "requires_payment_method":
            return ended
        if is_terminal(PAYMENT, ended.status):
            raise payments.invalid_state(ended, "be confirmed")
        raise payments.attempt_unknown()

    async def _begin(
        self, merchant_id: str, payment_id: str, *, to: str, actor: str, request_id: str | None
    ) -> Payment | None:
        loaded = await self._reader.payment(merchant_id, payment_id)
        if loaded is None:
            return None
        now = self._clock.business()
        place = Need("payment", payment_id)

        def decide(rows: Rows) -> Writes:
            present: Payment = rows.get(place)
            if present.attempt_id != loaded.attempt_id:
                # Another attempt began since: the caller looks again.
                return Writes(touched=(place,), result=None)
            if to == "expired" and not _is_over(present, now):
                return Writes(touched=(place,), result=present)
            attempt = None
            if present.attempt_id is not None:
                attempt = rows.get(Need("attempt", present.attempt_id))
            step = outcomes.begin_close(present, attempt, to=to, now=now)
            touched = () if step.lines else (place,)
            return Writes(rows=step.rows, lines=step.lines, touched=touched, result=step.payment)

        needs = [place]
        if loaded.attempt_id is not None:
            needs.append(Need("attempt", loaded.attempt_id))
        change = Change(
            merchant_id=merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=tuple(needs),
        )
        result = (await self._books.submit(change)).result
        if result is None:
            return await self._begin(
                merchant_id, payment_id, to=to, actor=actor, request_id=request_id
            )
        return result

    def _end_attempt_change(self, payment: Payment, *, actor: str, request_id: str) -> Change:
        place = payment.place
        attempt_place = Need("attempt", payment.attempt_id or "")
        now = self._clock.business()

        def decide(rows: Rows) -> Writes:
            present: Payment = rows.get(place)
            if present.attempt_id != payment.attempt_id or present.status != "requires_action":
                return Writes(touched=(place,), result=present)
            attempt = attempts.begin_ending(rows.get(attempt_place), now)
            return Writes(rows=(attempt,), result=present)

        return Change(
            merchant_id=payment.merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=(place, attempt_place),
        )

    async def _carry_out(self, payment: Payment, *, actor: str, request_id: str | None) -> Payment:
        """Ask the channel in a task of its own, waiting at most five seconds."""
        if payment.attempt_id is None:
            return payment
        work = self._chase.attempt(
            payment.merchant_id, payment.attempt_id, actor=actor, request_id=request_id
        )
        task = self._ongoing.start(payment.id, work)
        await asyncio.wait({task}, timeout=WAIT_S)
        return await self._reader.payment(payment.merchant_id, payment.id) or payment
