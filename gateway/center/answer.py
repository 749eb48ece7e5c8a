"""Answer: the payer's code goes to the channel that asked for it.

Beats: LOAD payment, attempt, account - DECIDE whether a code is waited for - COMMIT the attempt as
in doubt, and the try as counted - TELL the channel, once, and COMMIT what it said. The code is in
memory for that long and nowhere else: it is in no row, event, log or refusal.
"""

import asyncio
import re
from collections.abc import Mapping

from gateway.center.conclude import Concluder
from gateway.center.once import WAIT_S, Ongoing
from gateway.center.ports import Books, Clock, Directory, Reader
from gateway.center.tell import Teller, pay_order
from gateway.channels.answering import ANSWERS_MAX, SMS_CODE, SMS_CODE_WRONG
from gateway.channels.codec import PayOutcome, QueryOutcome, Refused, Waiting
from gateway.domain import answer as answers
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.endpoint import check_version
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.lifecycle import PAYMENT, is_terminal
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment

CODE = re.compile(r"[0-9A-Za-z]{4,12}")
_PARAM = f"/method_options/{SMS_CODE}"


def is_answer(method_options: Mapping[str, str]) -> bool:
    """Whether a confirmation answers a step instead of choosing a way."""
    return SMS_CODE in method_options


class Answer:
    """Answers the `sms_code` step of a living attempt."""

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
    ) -> None:
        self._books = books
        self._reader = reader
        self._directory = directory
        self._teller = teller
        self._concluder = concluder
        self._ongoing = ongoing
        self._clock = clock

    async def sms_code(
        self,
        merchant_id: str,
        payment_id: str,
        *,
        method: str,
        method_options: Mapping[str, str],
        version: int | None,
        actor: str,
        request_id: str,
    ) -> Payment:
        """Carry the payer's code; the payment as it is known after at most 5 s.

        Raises `not_found`, `stale_version`, `invalid_field` for what is no code, `invalid_state`
        where none is waited for, `attempt_unknown` while an earlier one is in doubt, and
        `sms_code_wrong`, also when there were too many.
        """
        code = method_options[SMS_CODE]
        if len(method_options) > 1 or CODE.fullmatch(code) is None:
            raise TillgateError(
                "invalid_field", "The code stands alone and has 4 to 12 characters.", param=_PARAM
            )
        payment = await self._reader.payment(merchant_id, payment_id)
        if payment is None:
            raise not_found()
        check_version(payment.version, version)
        if payment.method != method or payment.attempt_id is None:
            raise payments.invalid_state(payment, f"be answered by {method}")
        account = await self._directory.find_account(payment.channel_account_id or "")
        if account is None:
            raise TillgateError("internal_error", "The payment's channel account is missing.")
        change = self._begin(payment, payment.attempt_id, actor=actor, request_id=request_id)
        begun, attempt = (await self._books.submit(change)).result
        work = self._carry(begun, attempt, account, code, actor=actor, request_id=request_id)
        task = self._ongoing.start(payment_id, work)
        done, _ = await asyncio.wait({task}, timeout=WAIT_S)
        if not done:
            return begun
        error = task.exception()
        if isinstance(error, TillgateError):
            raise error
        return begun if error is not None else task.result()

    def _begin(self, payment: Payment, attempt_id: str, *, actor: str, request_id: str) -> Change:
        """Count the try, and put the attempt in doubt, before a byte leaves.

        Run again after a lost COMMIT it finds the attempt in doubt, and nothing leaves.
        """
        now = self._clock.business()
        attempt_place = Need("attempt", attempt_id)

        def decide(rows: Rows) -> Writes:
            present: Payment = rows.get(payment.place)
            attempt: Attempt | None = rows.get(attempt_place)
            step = answers.answered(present, self._waiting(present, attempt), now)
            return Writes(rows=step.rows, lines=step.lines, result=(step.payment, step.attempt))

        return Change(
            merchant_id=payment.merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=(payment.place, attempt_place),
        )

    def _waiting(self, payment: Payment, attempt: Attempt | None) -> Attempt:
        """The attempt that waits for a code; refuses every other one."""
        if attempt is None or payment.attempt_id != attempt.id:
            raise payments.invalid_state(payment, "be answered")
        if attempt.status == "unknown" and not is_terminal(PAYMENT, payment.status):
            raise payments.attempt_unknown()
        action = (attempt.next_action or {}).get("type")
        is_answered = attempt.method in getattr(
            self._teller.codec(attempt.channel), "answered", frozenset()
        )
        is_open = attempt.status == "pending_user" and payment.status == "requires_action"
        if not (is_open and is_answered and action == SMS_CODE):
            raise payments.invalid_state(payment, "be answered: no code is waited for")
        if attempt.answers >= ANSWERS_MAX:
            raise code_wrong()
        return attempt

    async def _carry(
        self,
        payment: Payment,
        attempt: Attempt,
        account: ChannelAccount,
        code: str,
        *,
        actor: str,
        request_id: str,
    ) -> Payment:
        order = pay_order(attempt, payment)
        outcome: PayOutcome | QueryOutcome
        try:
            outcome = await self._teller.answer(account, order, {SMS_CODE: code})
        except TillgateError:
            await self._ask_again(attempt, actor, request_id)
            raise
        if isinstance(outcome, Refused) and outcome.code in (SMS_CODE_WRONG, "channel_unavailable"):
            # No effect: the code was wrong, or it never left.
            payment = await self._ask_again(attempt, actor, request_id)
            if outcome.code == SMS_CODE_WRONG:
                raise code_wrong(outcome.channel_code)
            return payment
        if isinstance(outcome, Waiting):
            # It was taken, and a query says whether it is done: mostly it is by now.
            outcome = await self._teller.query(account, order)
        change = self._concluder.payment_change(
            attempt, outcome, actor=actor, request_id=request_id
        )
        return (await self._books.submit(change)).result

    async def _ask_again(self, attempt: Attempt, actor: str, request_id: str) -> Payment:
        change = self._concluder.asked_again(attempt, actor=actor, request_id=request_id)
        return (await self._books.submit(change)).result


def code_wrong(channel_code: str | None = None) -> TillgateError:
    """The refusal of a code; after too many of them every one is refused."""
    return TillgateError(
        "sms_code_wrong",
        f"The code is wrong, or was tried {ANSWERS_MAX} times.",
        param=_PARAM,
        channel_code=channel_code or None,
    )
