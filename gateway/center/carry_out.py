"""Carrying out: the first word of a channel about an attempt that was just made durable.

Law: the attempt is durable before it comes here. It is told in a task of its own that nobody's
going away cancels; whoever waits for it, waits `WAIT_S` seconds at most and is then answered with
what is known. What is silent by then is for the chase.
"""

import asyncio
from collections.abc import Sequence

from gateway.center.conclude import Concluder
from gateway.center.once import POLL_S, WAIT_S, Ongoing
from gateway.center.ports import Books, Reader
from gateway.center.tell import Teller, pay_order
from gateway.domain.attempt import Attempt
from gateway.domain.change import Row, foreseen
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment


class CarryOut:
    """Asks channels about new attempts, and waits for their first answers."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        teller: Teller,
        concluder: Concluder,
        ongoing: Ongoing,
    ) -> None:
        self._books = books
        self._reader = reader
        self._teller = teller
        self._concluder = concluder
        self._ongoing = ongoing

    async def begin(
        self,
        payment: Payment,
        attempt: Attempt,
        account: ChannelAccount,
        *,
        actor: str,
        request_id: str | None,
        rows: Sequence[Row],
    ) -> Payment:
        """Ask the channel in a task of its own; the answer is what is known after 5 s at most.

        `rows` are payment and attempt as they were stored a moment ago, if that is known.
        """
        work = self._ask(payment, attempt, account, actor, request_id, rows)
        task = self._ongoing.start(payment.id, work)
        done, _ = await asyncio.wait({task}, timeout=WAIT_S)
        if done and task.exception() is None:
            return task.result()
        return payment

    async def _ask(
        self,
        payment: Payment,
        attempt: Attempt,
        account: ChannelAccount,
        actor: str,
        request_id: str | None,
        rows: Sequence[Row],
    ) -> Payment:
        """TELL the channel about a durable attempt and COMMIT what it said."""
        order = pay_order(attempt, payment)
        outcome = await self._teller.pay(account, order)
        change = self._concluder.payment_change(
            attempt, outcome, actor=actor, request_id=request_id
        )
        if rows:
            change = foreseen(change, rows)
        writes = await self._books.submit(change)
        return writes.result

    async def settled(self, payment: Payment) -> Payment:
        """The payment once its first carrying-out is over, waiting at most five seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT_S
        while payment.status == "processing" and payment.attempts == 1:
            left = until - loop.time()
            if left <= 0:
                break
            if not await self._ongoing.wait(payment.id, left):
                break
            attempt = await self._reader.attempt(payment.merchant_id, payment.attempt_id or "")
            if attempt is None or attempt.status != "submitted":
                break
            await asyncio.sleep(min(POLL_S, left))
        return await self._reader.payment(payment.merchant_id, payment.id) or payment
