"""Quick receive: a callback that brings exactly the awaited money is booked without a coroutine.

Law: the same decision as `Receive.callback`, for money in full that comes while its payer holds the
code. A callback is verified once, here as there; whatever else it says, and whatever turns out not
to be as it was seen, is applied by `Receive`. Whoever asked is called once.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from fastpath.identifier import digits_of
from gateway.center.ports import Directory
from gateway.center.quick_pay import QuickClock
from gateway.center.receive import Receive
from gateway.center.tell import Teller
from gateway.channels.codec import CallbackRefused, Paid, VerifiedCallback
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.wire import CallbackReply, CallbackRequest
from gateway.domain.errors import TillgateError
from gateway.domain.merchant import ChannelAccount
from gateway.domain.paid import AwaitedPayment, NotAsSeen, PaidPayment, paid_view, payment_id_of


class Awaited(Protocol):
    """Payments that wait for the money of their present attempt, and for nothing else."""

    def ask(
        self,
        merchant_id: str,
        account_id: str,
        attempt_hex: str,
        told: Callable[[AwaitedPayment | None], None],
    ) -> None:
        """Have `told` called with the payment that awaits the money of an attempt, or with None."""
        ...


class PaidBooks(Protocol):
    """The one way to write, for paid payments whose submitter is called."""

    def submit_paid(self, quick: "QuickCallback") -> None:
        """Queue it. Raises `overloaded` and `shard_unavailable`."""
        ...


class EntryIds(Protocol):
    """Makes ids."""

    def make(self, prefix: str, merchant_id: str) -> str:
        """A new id in the merchant's bucket."""
        ...


class Asker(Protocol):
    """Who brought a callback, and is called once."""

    def answered(self, reply: CallbackReply) -> None:
        """Our answer, in the channel's dialect."""
        ...

    def carefully(self, work: Awaitable[CallbackReply]) -> None:
        """Our answer will be what this comes to."""
        ...

    def refused(self, error: BaseException) -> None:
        """Nothing was written, or nobody knows (`outcome_unknown`)."""
        ...


class QuickReceive:
    """Hears callbacks, and books those that bring exactly what is awaited."""

    def __init__(
        self,
        *,
        receive: Receive,
        awaited: Awaited,
        books: PaidBooks,
        directory: Directory,
        teller: Teller,
        clock: QuickClock,
        ids: EntryIds,
    ) -> None:
        self.receive = receive
        self.books = books
        self.teller = teller
        self.clock = clock
        self.ids = ids
        self._awaited = awaited
        self._directory = directory

    def callback(
        self,
        channel: str,
        account_id: str,
        request: CallbackRequest,
        *,
        request_id: str,
        asker: Asker,
    ) -> bool:
        """Hear a callback; False, and nothing was done, if something must be looked up first.

        Raises `shard_unavailable` when the directory in memory is too old.
        """
        account = self._directory.account(account_id)
        if account is None or account.channel != channel:
            return False
        try:
            verified = self.teller.hear(account, request)
        except CallbackRefused as refused:
            if refused.reason == UNKNOWN_SERIAL:
                return False
            asker.carefully(self.receive.refuse(account, refused))
            return True
        outcome = verified.outcome
        attempt_id = f"att_{verified.attempt_no}"
        attempt_hex = digits_of("att", attempt_id)
        if type(outcome) is not Paid or attempt_hex is None or verified.refund_no is not None:
            asker.carefully(self.receive.apply(account, verified, request_id=request_id))
            return True
        heard = QuickCallback(self, account, verified, outcome, attempt_id, request_id, asker)
        self._awaited.ask(account.merchant_id, account_id, attempt_hex, heard.told)
        return True


class QuickCallback:
    """A callback that says an attempt was paid, on its way into the books."""

    __slots__ = (
        "_account",
        "_asker",
        "_attempt_id",
        "_outcome",
        "_request_id",
        "_verified",
        "_way",
        "paid",
    )

    paid: PaidPayment

    def __init__(
        self,
        way: QuickReceive,
        account: ChannelAccount,
        verified: VerifiedCallback,
        outcome: Paid,
        attempt_id: str,
        request_id: str,
        asker: Asker,
    ) -> None:
        self._way = way
        self._account = account
        self._verified = verified
        self._outcome = outcome
        self._attempt_id = attempt_id
        self._request_id = request_id
        self._asker = asker

    def told(self, awaited: AwaitedPayment | None) -> None:
        """Book what is awaited, if the callback brings exactly that."""
        paid = None if awaited is None else self._paid(awaited)
        if paid is None:
            self._carefully()
            return
        self.paid = paid
        try:
            self._way.books.submit_paid(self)
        except TillgateError as error:
            self._asker.refused(error)

    def _paid(self, seen: AwaitedPayment) -> PaidPayment | None:
        outcome, account = self._outcome, self._account
        if outcome.amount != seen.amount or outcome.currency != seen.currency:
            return None
        paid_ms = self._way.clock.business_ms()
        data = paid_view(
            seen,
            channel_order_no=outcome.channel_order_no,
            payer_amount=outcome.payer_amount,
            discount_amount=outcome.discount_amount,
            paid_ms=paid_ms,
        )
        if data is None:
            return None
        return PaidPayment(
            account.merchant_id,
            payment_id_of(data),
            self._attempt_id,
            seen,
            account.channel,
            account.id,
            outcome.channel_order_no,
            outcome.payer_amount,
            outcome.discount_amount,
            self._way.ids.make("ent", account.merchant_id),
            paid_ms,
            self._verified.dedupe_key,
            f"channel:{account.channel}",
            self._request_id,
            data,
        )

    def done(self) -> None:
        """It is durable: the channel may hear that it was accepted."""
        self._asker.answered(self._way.teller.codec(self._account.channel).callback_reply(True))

    def failed(self, error: BaseException) -> None:
        """It was not as it was seen, or was refused, or its outcome is unknown."""
        if isinstance(error, NotAsSeen):
            self._carefully()
        else:
            self._asker.refused(error)

    def _carefully(self) -> None:
        apply = self._way.receive.apply
        self._asker.carefully(apply(self._account, self._verified, request_id=self._request_id))
