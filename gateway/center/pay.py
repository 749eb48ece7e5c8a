"""Pay: a merchant's order becomes a payment, and a payment gets an attempt at a channel.

Beats: LOAD merchant's accounts (in memory) - DECIDE order, account, rows - COMMIT the attempt as
submitted - TELL the channel, and COMMIT what it said. The attempt is durable before a byte leaves.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from gateway.center.carry_out import CarryOut
from gateway.center.order import Order, Orders
from gateway.center.ports import Books, Clock, Directory, Persons, Reader
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt, without_codes
from gateway.domain.change import Change, Need, Rows, Writes, all_new, foreseen
from gateway.domain.endpoint import check_version
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.idempotency import Numbered, check_repeat
from gateway.domain.payment import Payment
from gateway.domain.person import PayerKey, payer_of

EndLiving = Callable[[Payment], Awaitable[Payment]]


class Created(Struct, frozen=True):
    """The payment as it is now; `replayed` when its number existed before.

    `data` is its view, already encoded for the journal, while nothing has happened to it since.
    """

    payment: Payment
    replayed: bool
    attempt: Attempt | None = None
    data: bytes | None = None


class Sealing(NamedTuple):
    """How a payment's customer is sealed: under the payer's key, or under a new one."""

    persons: Persons
    customer: dict[str, str]
    key: PayerKey

    def __call__(self, payment: Payment, rows: Rows) -> tuple[Payment, PayerKey]:
        """The payment with its customer sealed, and the key that did it."""
        key = rows.get(self.key.place) or self.key
        sealed = self.persons.seal(payment.merchant_id, key.payer, key.sealed, self.customer)
        return replace(payment, customer=sealed), key


class Pay:
    """Creates payments and confirms them with a method."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        directory: Directory,
        orders: Orders,
        carry_out: CarryOut,
        clock: Clock,
        persons: Persons,
    ) -> None:
        self._books = books
        self._reader = reader
        self._directory = directory
        self._orders = orders
        self._carry_out = carry_out
        self._clock = clock
        self._persons = persons

    # --- create ----------------------------------------------------------------------------------

    async def create(
        self, merchant_id: str, order: Order, numbered: Numbered, *, actor: str, request_id: str
    ) -> Created:
        """A new payment, or the one that this number made before.

        Raises `order_no_conflict`, `unsupported_method`, `unsupported_currency` and the
        channel's limits; what is refused leaves nothing behind.
        """
        account = None
        try:
            if order.method is not None:
                account = await self._orders.account(merchant_id, order.method)
            payment, attempt = self._orders.draft(merchant_id, order, numbered, account)
            if attempt is not None:
                self._orders.check(payment, attempt)
        except TillgateError as refusal:
            # A repeat is answered even when the order would be refused by now.
            return await self._replay(merchant_id, numbered, refusal)
        change = self.create_change(
            payment,
            attempt,
            numbered,
            customer=order.customer,
            actor=actor,
            request_id=request_id,
        )
        writes = await self._books.submit(change)
        created: Created = writes.result
        if created.replayed:
            return await self.settled(created)
        if created.attempt is None or account is None:
            return created
        payment = await self._carry_out.begin(
            created.payment,
            created.attempt,
            account,
            actor=actor,
            request_id=request_id,
            rows=writes.rows,
        )
        return Created(payment, False)

    def create_change(
        self,
        payment: Payment,
        attempt: Attempt | None,
        numbered: Numbered,
        *,
        customer: dict[str, str] | None,
        actor: str,
        request_id: str,
    ) -> Change:
        """The Change that writes a new payment, or finds what its number made before."""
        number = Need("payment_no", payment.merchant_order_no)
        seal = self._sealing(customer, payment)
        new = _written(payment, attempt)

        def decide(rows: Rows) -> Writes:
            existing = rows.get(number)
            if existing is not None:
                return self._repeated(existing, payment, attempt, numbered)
            if seal is None:
                return new
            sealed, key = seal(payment, rows)
            return _written(sealed, attempt, key)

        return Change(
            merchant_id=payment.merchant_id,
            actor=actor,
            at=payment.created_at,
            request_id=request_id,
            decide=decide,
            needs=(number,) if seal is None else (number, seal.key.place),
            number=number,
            foreseen=all_new(new) if seal is None else None,
        )

    def _repeated(
        self, existing: Payment, payment: Payment, attempt: Attempt | None, numbered: Numbered
    ) -> Writes:
        """What a number that exists already means: our own earlier run, a repeat, or a conflict."""
        if existing.id == payment.id:
            return Writes(touched=(existing.place,), result=Created(existing, False, attempt))
        check_repeat(
            "payment",
            numbered,
            self._directory.fingerprints,
            stored=existing.fingerprint,
            key_number=existing.fingerprint_key,
        )
        return Writes(touched=(existing.place,), result=Created(existing, True))

    def _sealing(self, customer: dict[str, str] | None, payment: Payment) -> Sealing | None:
        if customer is None:
            return None
        payer = payer_of(customer.get("id"), payment.id)
        key = PayerKey(
            merchant_id=payment.merchant_id,
            payer=payer,
            sealed=self._persons.new_key(payment.merchant_id, payer),
            created_at=payment.created_at,
        )
        return Sealing(self._persons, customer, key)

    async def _replay(
        self, merchant_id: str, numbered: Numbered, refusal: TillgateError
    ) -> Created:
        """Answer a repeat whose order would be refused by now; a new order is refused."""
        existing = await self._reader.payment_by_number(merchant_id, numbered.number)
        if existing is None:
            raise refusal
        check_repeat(
            "payment",
            numbered,
            self._directory.fingerprints,
            stored=existing.fingerprint,
            key_number=existing.fingerprint_key,
        )
        return Created(existing, True)

    async def settled(self, created: Created) -> Created:
        """What a repeat is answered: the payment once its first carrying-out is over."""
        return Created(await self._carry_out.settled(created.payment), True)

    # --- confirm ---------------------------------------------------------------------------------

    async def confirm(
        self,
        merchant_id: str,
        payment_id: str,
        *,
        method: str,
        method_options: Mapping[str, str],
        version: int | None,
        actor: str,
        request_id: str,
        end_living: EndLiving,
    ) -> Payment:
        """Give a payment a method. The same way while its attempt lives is the same attempt.

        Another way closes the living attempt first (`end_living`). Raises `invalid_state`,
        `attempt_unknown`, `stale_version`, `unsupported_method`.
        """
        payment = await self._reader.payment(merchant_id, payment_id)
        if payment is None:
            raise not_found()
        check_version(payment.version, version)
        account = await self._orders.account(merchant_id, method)
        if payment.status not in ("requires_payment_method", "requires_action", "processing"):
            raise payments.invalid_state(payment, "be confirmed")
        if payment.status != "requires_payment_method":
            if payment.method == method:
                return await self._carry_out.settled(payment)
            if payment.status == "processing":
                raise payments.attempt_unknown()
            payment = await end_living(payment)
        attempt = self._orders.attempt(
            merchant_id,
            payment_id,
            account,
            number=payment.attempts + 1,
            method=method,
            method_options=method_options,
            amount=payment.amount,
            currency=payment.currency,
            expires_at=payment.expires_at,
        )
        self._orders.check(payment, attempt)
        change = self._confirm_change(payment, attempt, actor=actor, request_id=request_id)
        writes = await self._books.submit(foreseen(change, (payment,)))
        begun, mine = writes.result
        if not mine:
            return await self._carry_out.settled(begun)
        return await self._carry_out.begin(
            begun, attempt, account, actor=actor, request_id=request_id, rows=writes.rows
        )

    def _confirm_change(
        self, payment: Payment, attempt: Attempt, *, actor: str, request_id: str
    ) -> Change:
        place = payment.place
        now = self._clock.business()

        def decide(rows: Rows) -> Writes:
            present: Payment = rows.get(place)
            if present.attempt_id == attempt.id:
                return Writes(touched=(place,), result=(present, True))
            if present.status in ("processing", "requires_action") and (
                present.method == attempt.method
            ):
                return Writes(touched=(place,), result=(present, False))
            if present.status != "requires_payment_method":
                raise payments.invalid_state(present, "be confirmed")
            if now >= present.expires_at:
                raise payments.invalid_state(present, "be confirmed after it expired")
            numbered = replace(attempt, number=present.attempts + 1)
            begun = payments.begin_attempt(present, numbered)
            lines = (payments.line(begun, "processing"),)
            rows_made = (begun, without_codes(numbered))
            return Writes(rows=rows_made, lines=lines, result=(begun, True))

        return Change(
            merchant_id=payment.merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=(place, attempt.place),
        )


def _written(payment: Payment, attempt: Attempt | None, key: PayerKey | None = None) -> Writes:
    stored = None if attempt is None else without_codes(attempt)
    rows = tuple(row for row in (payment, stored, key) if row is not None)
    line = payments.line(payment, "created")
    data = line.data if key is None else None  # a customer is not in the journal's data
    return Writes(rows=rows, lines=(line,), result=Created(payment, False, attempt, data))
