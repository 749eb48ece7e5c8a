"""An order: who serves it, the payment and the attempt it becomes, what its channel would refuse.

Law: nothing is written and nobody is told. What is made here is a proposal: ids and times are
given, but whether it comes to be is decided under the merchant's head, by `Pay`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field

from gateway.center.ports import Clock, Directory, Ids
from gateway.center.tell import Teller, pay_order
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt
from gateway.domain.errors import TillgateError
from gateway.domain.idempotency import Numbered
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment

SUBMITTED_DUE = timedelta(seconds=20)  # beyond every send of a live gateway


class Order(Struct, frozen=True, kw_only=True):
    """What a merchant wants paid; already checked field by field."""

    merchant_order_no: str
    amount: int
    currency: str
    subject: str
    method: str | None = None
    method_options: Mapping[str, str] = field(default_factory=dict)
    capture_method: str = "automatic"
    expires_in: int = payments.EXPIRES_IN_DEFAULT_S
    return_url: str | None = None
    notify_url: str | None = None
    customer: dict[str, str] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Orders:
    """Makes rows of orders, and of the methods that payments are confirmed with."""

    def __init__(
        self, *, directory: Directory, teller: Teller, clock: Clock, ids: Ids, livemode: bool
    ) -> None:
        self._directory = directory
        self._teller = teller
        self._clock = clock
        self._ids = ids
        self._livemode = livemode

    async def account(self, merchant_id: str, method: str) -> ChannelAccount:
        """The merchant's registration that serves a method: lowest priority number, most weight."""
        fitting = [
            each
            for each in await self._directory.find_accounts_of(merchant_id)
            if each.status == "active" and method in each.methods
        ]
        if not fitting:
            raise TillgateError(
                "unsupported_method",
                f"No channel account of this merchant serves {method}.",
                param="/method",
            )
        return min(fitting, key=lambda each: (each.priority, -each.weight, each.id))

    def check(self, payment: Payment, attempt: Attempt) -> None:
        """Refuse what the channel would never take, before any effect."""
        codec = self._teller.codec(attempt.channel)
        if payment.capture_method == "manual" and attempt.method not in codec.authorizing:
            raise TillgateError(
                "unsupported_method",
                f"{attempt.method} cannot be captured manually.",
                param="/capture_method",
            )
        codec.check_order(pay_order(attempt, payment))

    def draft(
        self,
        merchant_id: str,
        order: Order,
        numbered: Numbered,
        account: ChannelAccount | None,
    ) -> tuple[Payment, Attempt | None]:
        """The payment of an order, and its first attempt if an account serves it already."""
        now = self._clock.business()
        expires_at = now + timedelta(seconds=order.expires_in)
        payment_id = self._ids.make("pay", merchant_id)
        attempt = None
        if account is not None and order.method is not None:
            attempt = self.attempt(
                merchant_id,
                payment_id,
                account,
                number=1,
                method=order.method,
                method_options=order.method_options,
                amount=order.amount,
                currency=order.currency,
                expires_at=expires_at,
            )
        payment = Payment(
            merchant_id=merchant_id,
            id=payment_id,
            merchant_order_no=order.merchant_order_no,
            fingerprint=numbered.fingerprint,
            fingerprint_key=numbered.fingerprint_key,
            amount=order.amount,
            currency=order.currency,
            subject=order.subject,
            status="requires_payment_method" if attempt is None else "processing",
            livemode=self._livemode,
            capture_method=order.capture_method,
            created_at=now,
            expires_at=expires_at,
            method=order.method,
            channel=None if account is None else account.channel,
            channel_account_id=None if account is None else account.id,
            attempt_id=None if attempt is None else attempt.id,
            attempts=0 if attempt is None else 1,
            return_url=order.return_url,
            notify_url=order.notify_url,
            metadata=order.metadata,
        )
        return payment, attempt

    def attempt(
        self,
        merchant_id: str,
        payment_id: str,
        account: ChannelAccount,
        *,
        number: int,
        method: str,
        method_options: Mapping[str, str],
        amount: int,
        currency: str,
        expires_at: datetime,
    ) -> Attempt:
        """The try `number` of a payment, as it is written before a byte leaves: submitted."""
        now = self._clock.business()
        return Attempt(
            merchant_id=merchant_id,
            id=self._ids.make("att", merchant_id),
            payment_id=payment_id,
            number=number,
            method=method,
            method_options=method_options,
            channel=account.channel,
            channel_account_id=account.id,
            amount=amount,
            currency=currency,
            status="submitted",
            created_at=now,
            expires_at=expires_at,
            due_at=now + SUBMITTED_DUE,
        )
