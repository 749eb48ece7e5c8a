"""Quick pay: an order without a doubt becomes a payment without a coroutine.

Law: the same decision as `Pay.create`, for orders without method and customer. The payment
is submitted as it will be stored; if it cannot be written so (its number exists, its merchant is
being moved), the very same payment is decided again as a Change, the long way. Whoever asked is
called when it has come to its end, once.
"""

from datetime import UTC, datetime
from typing import Protocol

import msgspec

from fastpath.order import PlainOrder
from gateway.center.pay import Created, Pay
from gateway.center.ports import Directory
from gateway.domain import payment as payments
from gateway.domain.change import Change, Writes
from gateway.domain.errors import TillgateError
from gateway.domain.fresh import FreshPayment
from gateway.domain.idempotency import Numbered
from gateway.domain.money import is_currency
from gateway.domain.payment import (
    EXPIRES_IN_DEFAULT_S,
    EXPIRES_IN_MAX_S,
    EXPIRES_IN_MIN_S,
    Payment,
)
from gateway.domain.urls import check_url

OPERATION = b"create_payment\n/v1/payments\n"


class QuickClock(Protocol):
    """The business clock in the unit that is stored."""

    def business_ms(self) -> int:
        """Business time in whole Unix milliseconds."""
        ...


class QuickIds(Protocol):
    """Makes an id in both of its forms."""

    def make_with_digits(self, prefix: str, merchant_id: str) -> tuple[str, str]:
        """A new id in the merchant's bucket, and its 32 hexadecimal digits."""
        ...


class QuickBooks(Protocol):
    """The one way to write, for payments whose submitter is called."""

    def submit_fresh(self, quick: "QuickCreate") -> None:
        """Queue it. Raises `overloaded` and `shard_unavailable`."""
        ...


class Asker(Protocol):
    """Who asked for a payment, and is called once."""

    def created(self, fresh: FreshPayment) -> None:
        """The payment is new, and durable."""
        ...

    def known(self, created: Created) -> None:
        """It went the long way: a payment that existed, or the same new one."""
        ...

    def refused(self, error: BaseException) -> None:
        """Nothing was written, or nobody knows (`outcome_unknown`)."""
        ...


class QuickCreate:
    """A fresh payment on its way into the books."""

    __slots__ = ("_asker", "_content", "_pay", "fresh")

    def __init__(self, fresh: FreshPayment, content: bytes, pay: Pay, asker: Asker) -> None:
        self.fresh = fresh
        self._content = content
        self._pay = pay
        self._asker = asker

    def change(self) -> Change:
        """The same payment as a Change, for the long way."""
        fresh = self.fresh
        numbered = Numbered(
            fresh.merchant_order_no, self._content, fresh.fingerprint, fresh.fingerprint_key
        )
        assert fresh.request_id is not None
        return self._pay.create_change(
            _payment(fresh),
            None,
            numbered,
            customer=None,
            actor=fresh.actor,
            request_id=fresh.request_id,
        )

    def done(self) -> None:
        """It is durable as it is."""
        self._asker.created(self.fresh)

    def became(self, writes: Writes) -> None:
        """It went the long way."""
        self._asker.known(writes.result)

    def failed(self, error: BaseException) -> None:
        """It was refused, or its outcome is unknown."""
        self._asker.refused(error)


class QuickPay:
    """Creates payments of plain orders."""

    def __init__(
        self,
        *,
        pay: Pay,
        books: QuickBooks,
        directory: Directory,
        clock: QuickClock,
        ids: QuickIds,
        livemode: bool,
    ) -> None:
        self._pay = pay
        self._books = books
        self._directory = directory
        self._clock = clock
        self._ids = ids
        self._livemode = livemode

    def create(
        self, merchant_id: str, order: PlainOrder, *, actor: str, request_id: str, asker: Asker
    ) -> bool:
        """Submit a payment; False if the order is in doubt after all (no such currency, a URL).

        Raises `overloaded` and `shard_unavailable`.
        """
        number, amount, currency, subject, metadata, expires_in, notify_url, return_url, body = (
            order
        )
        expires_in = expires_in or EXPIRES_IN_DEFAULT_S
        if not (
            is_currency(currency)
            and EXPIRES_IN_MIN_S <= expires_in <= EXPIRES_IN_MAX_S
            and (not notify_url or self._may_be_called(notify_url))
            and (not return_url or self._may_be_called(return_url))
        ):
            return False
        payment_id, payment_hex = self._ids.make_with_digits("pay", merchant_id)
        created_ms = self._clock.business_ms()
        expires_ms = created_ms + expires_in * 1000
        fingerprints = self._directory.fingerprints
        content = OPERATION + body
        data = payments.fresh_view(
            payment_id=payment_id,
            merchant_order_no=number,
            amount=amount,
            currency=currency,
            subject=subject,
            return_url=return_url or None,
            notify_url=notify_url or None,
            metadata=metadata,
            created_ms=created_ms,
            expires_ms=expires_ms,
            livemode=self._livemode,
        )
        fresh = FreshPayment(
            merchant_id,
            payment_id,
            payment_hex,
            number,
            fingerprints.fingerprint(content),
            fingerprints.newest,
            amount,
            currency,
            subject,
            self._livemode,
            "automatic",
            created_ms,
            expires_ms,
            return_url or None,
            notify_url or None,
            metadata,
            actor,
            request_id,
            data,
        )
        self._books.submit_fresh(QuickCreate(fresh, content, self._pay, asker))
        return True

    def _may_be_called(self, url: str) -> bool:
        try:
            check_url(url, sandbox=not self._livemode, param=None)
        except TillgateError:
            return False
        return True


def _payment(fresh: FreshPayment) -> Payment:
    return Payment(
        merchant_id=fresh.merchant_id,
        id=fresh.payment_id,
        merchant_order_no=fresh.merchant_order_no,
        fingerprint=fresh.fingerprint,
        fingerprint_key=fresh.fingerprint_key,
        amount=fresh.amount,
        currency=fresh.currency,
        subject=fresh.subject,
        status="requires_payment_method",
        livemode=fresh.livemode,
        capture_method=fresh.capture_method,
        created_at=_moment(fresh.created_ms),
        expires_at=_moment(fresh.expires_ms),
        return_url=fresh.return_url,
        notify_url=fresh.notify_url,
        metadata=msgspec.json.decode(fresh.metadata, type=dict[str, str]),
    )


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
