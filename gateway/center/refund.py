"""Refund: money on its way back to the payer.

Beats: LOAD the payment - DECIDE and COMMIT the reservation, so that no concurrency can promise
the same money twice - TELL the channel once - COMMIT what it said. Silence is for the chase.
"""

import asyncio
from datetime import datetime, timedelta

from msgspec import Struct

from gateway.center.conclude import Concluder
from gateway.center.once import POLL_S, WAIT_S, Ongoing
from gateway.center.ports import Books, Clock, Directory, Ids, Reader
from gateway.center.tell import Teller, refund_order
from gateway.channels.codec import RefundPending, Unknown
from gateway.domain import chart
from gateway.domain import refund as refunds
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.idempotency import Numbered, check_repeat
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund

SENT_DUE = timedelta(seconds=20)  # beyond the send of a live gateway


class RefundRequest(Struct, frozen=True, kw_only=True):
    """What a merchant wants refunded; already checked field by field."""

    payment_id: str
    merchant_refund_no: str
    amount: int
    reason: str | None = None


class Refunding:
    """Creates refunds and carries them to the channel."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        directory: Directory,
        teller: Teller,
        concluder: Concluder,
        ongoing: Ongoing,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._books = books
        self._reader = reader
        self._directory = directory
        self._teller = teller
        self._concluder = concluder
        self._ongoing = ongoing
        self._clock = clock
        self._ids = ids

    async def create(
        self,
        merchant_id: str,
        request: RefundRequest,
        numbered: Numbered,
        *,
        actor: str,
        request_id: str,
    ) -> tuple[Refund, bool]:
        """A new refund, or the one that this number made before; and whether it is a repeat.

        Raises `refund_no_conflict`, `not_found`, `invalid_state`, `refund_exceeds_captured`.
        """
        payment = await self._reader.payment(merchant_id, request.payment_id)
        if payment is None:
            raise not_found()
        change = self._reserve(payment, request, numbered, actor=actor, request_id=request_id)
        refund, replayed = (await self._books.submit(change)).result
        if replayed:
            return await self._settled(refund), True
        work = self._ask(refund, actor=actor, request_id=request_id)
        task = self._ongoing.start(refund.id, work)
        done, _ = await asyncio.wait({task}, timeout=WAIT_S)
        if done and task.exception() is None:
            refund = task.result()
        return refund, False

    def _reserve(
        self,
        payment: Payment,
        request: RefundRequest,
        numbered: Numbered,
        *,
        actor: str,
        request_id: str,
    ) -> Change:
        merchant_id = payment.merchant_id
        now = self._clock.business()
        refund_id = self._ids.make("rfd", merchant_id)
        entry_id = self._ids.make("ent", merchant_id)
        number = Need("refund_no", request.merchant_refund_no)
        fingerprints = self._directory.fingerprints

        def decide(rows: Rows) -> Writes:
            existing: Refund | None = rows.get(number)
            if existing is not None:
                own = existing.id == refund_id
                if not own:
                    check_repeat(
                        "refund",
                        numbered,
                        fingerprints,
                        stored=existing.fingerprint,
                        key_number=existing.fingerprint_key,
                    )
                return Writes(touched=(existing.place,), result=(existing, not own))
            present: Payment = rows.get(payment.place)
            refund = _wanted(refund_id, present, request, numbered, now)
            step = refunds.reserve(present, refund, entry_id=entry_id)
            return Writes(
                rows=step.rows,
                entries=step.entries,
                lines=step.lines,
                result=(step.refund, False),
            )

        return Change(
            merchant_id=merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=(payment.place, number),
            accounts=((chart.PENDING, payment.currency), (chart.HELD, payment.currency)),
            number=number,
        )

    async def _ask(self, refund: Refund, *, actor: str, request_id: str | None) -> Refund:
        """TELL the channel about a durable refund, once, and COMMIT what it said."""
        account = await self._directory.find_account(refund.channel_account_id)
        attempt: Attempt | None = await self._reader.attempt(refund.merchant_id, refund.attempt_id)
        if account is None or attempt is None:
            raise TillgateError("internal_error", "The refund's attempt is missing.")
        order = refund_order(refund, attempt)
        outcome = await self._teller.refund(account, order)
        if isinstance(outcome, RefundPending | Unknown):
            # Ask once more before answering: most silent refunds are done by then.
            await asyncio.sleep(POLL_S)
            asked = await self._teller.refund_query(account, order)
            if not isinstance(asked, Unknown):
                outcome = asked
        change = self._concluder.refund_change(refund, outcome, actor=actor, request_id=request_id)
        return (await self._books.submit(change)).result.refund

    async def _settled(self, refund: Refund) -> Refund:
        """The refund once its first carrying-out is over, waiting at most five seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT_S
        while refund.status == "processing" and refund.queries == 0:
            left = until - loop.time()
            if left <= 0:
                break
            if self._ongoing.has(refund.id):
                await self._ongoing.wait(refund.id, left)
            else:
                await asyncio.sleep(min(POLL_S, left))
            refund = await self._reader.refund(refund.merchant_id, refund.id) or refund
        return refund


def _wanted(
    refund_id: str, payment: Payment, request: RefundRequest, numbered: Numbered, now: datetime
) -> Refund:
    """The refund that is asked for, at the attempt that brought the money."""
    return Refund(
        merchant_id=payment.merchant_id,
        id=refund_id,
        payment_id=payment.id,
        attempt_id=payment.attempt_id or "",
        merchant_refund_no=request.merchant_refund_no,
        fingerprint=numbered.fingerprint,
        fingerprint_key=numbered.fingerprint_key,
        channel=payment.channel or "",
        channel_account_id=payment.channel_account_id or "",
        amount=request.amount,
        currency=payment.currency,
        status="processing",
        created_at=now,
        sent_at=now,
        due_at=now + SENT_DUE,
        reason=request.reason,
    )
