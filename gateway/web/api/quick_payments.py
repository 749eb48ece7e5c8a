"""The quick doors of payments: create and get, for requests that raise no doubt.

Law: shape only, as in `payments`; what is answered here is what `Payments` would answer.
"""

from typing import Protocol

from fastpath.identifier import digits_of
from fastpath.order import PlainOrder, read_order
from fastpath.request import PlainRequest
from gateway.center.pay import Created
from gateway.center.quick_pay import QuickPay
from gateway.domain.fresh import FreshPayment
from gateway.web.api.payments import PATH, Payments
from gateway.web.quick import Exchange

CREATED = "HTTP/1.1 201 Created"
FOUND = "HTTP/1.1 200 OK"
BELOW = f"{PATH}/".encode()


class Views(Protocol):
    """Payments as their newest event tells them."""

    def ask(self, merchant_id: str, payment_hex: str, told: "_Reader") -> None:
        """Have `told` called with the view, or with None if there is no telling."""
        ...


class QuickCreatePayment:
    """`POST /v1/payments` without method and customer."""

    name = "create_payment"
    scope = "payments.write"

    def __init__(self, *, quick_pay: QuickPay, payments: Payments) -> None:
        self._quick_pay = quick_pay
        self._payments = payments

    def read(self, request: PlainRequest) -> PlainOrder | None:
        """The order, if its body is plain."""
        return read_order(request.body)

    def begin(self, asked: PlainOrder, exchange: Exchange) -> bool:
        """Submit the payment; the answer comes when it is durable."""
        caller = exchange.caller
        return self._quick_pay.create(
            caller.merchant.id,
            asked,
            actor=caller.key.id,
            request_id=exchange.request_id,
            asker=_Asker(exchange, self._payments),
        )


class _Asker:
    """Answers an exchange with what became of its payment."""

    __slots__ = ("_exchange", "_payments")

    def __init__(self, exchange: Exchange, payments: Payments) -> None:
        self._exchange = exchange
        self._payments = payments

    def created(self, fresh: FreshPayment) -> None:
        """201, with the view that the event tells."""
        location = f"Location: {PATH}/{fresh.payment_id}\r\n"
        self._exchange.answer(CREATED, fresh.data, location)

    def known(self, created: Created) -> None:
        """A repeat, or the same new payment by the long way."""
        exchange = self._exchange
        exchange.carry_out(
            self._payments.created_reply(
                created, merchant_id=exchange.caller.merchant.id, request_id=exchange.request_id
            )
        )

    def refused(self, error: BaseException) -> None:
        """A refusal, or nobody knows."""
        self._exchange.fail(error)


class QuickGetPayment:
    """`GET /v1/payments/{payment_id}` without a query."""

    name = "get_payment"
    scope = "payments.read"

    def __init__(self, *, views: Views, payments: Payments) -> None:
        self._views = views
        self._payments = payments

    def read(self, request: PlainRequest) -> str | None:
        """The digits of the payment's id, if the path ends with one."""
        return digits_of("pay", request.target[len(BELOW) :].decode("ascii"))

    def begin(self, asked: str, exchange: Exchange) -> bool:
        """Ask for the view."""
        self._views.ask(exchange.caller.merchant.id, asked, _Reader(exchange, self._payments))
        return True


class _Reader:
    """Answers an exchange with a payment."""

    __slots__ = ("_exchange", "_payments")

    def __init__(self, exchange: Exchange, payments: Payments) -> None:
        self._exchange = exchange
        self._payments = payments

    def __call__(self, view: str | None) -> None:
        """The view, or a careful look."""
        exchange = self._exchange
        if view is not None:
            exchange.answer(FOUND, view)
            return
        exchange.carry_out(
            self._payments.found_reply(
                exchange.path[len(BELOW) :],
                merchant_id=exchange.caller.merchant.id,
                request_id=exchange.request_id,
            )
        )
