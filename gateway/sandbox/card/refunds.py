"""Refunds of the pretend Stripe.

Law: never more is promised than was received, pending refunds counted. A refund is in the shared
book once its money has gone back, under the merchant's number `metadata[refund_no]` where there is
one. Source: Stripe API reference, "Create a refund".
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.sandbox.book import Book
from gateway.sandbox.card.accounts import Account, new_id
from gateway.sandbox.card.cards import CARDS
from gateway.sandbox.card.events import Events
from gateway.sandbox.card.parameters import Parameters
from gateway.sandbox.card.refusals import invalid, missing, no_such
from gateway.sandbox.card.shapes import transaction_shape
from gateway.sandbox.card.store import Intent, RefundRow, Store
from gateway.sandbox.moments import MILLISECOND, Clock, to_ms

PENDING_MS: Final = timedelta(seconds=3) // MILLISECOND
REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")
FAILURE_REASON: Final = "expired_or_canceled_card"
NUMBER_CHARS_MAX: Final = 64


class Refunds:
    """The verbs. Each raises `Refusal` for what it does not do."""

    def __init__(self, *, book: Book, store: Store, events: Events, clock: Clock) -> None:
        self._book = book
        self._store = store
        self._events = events
        self._clock = clock

    def find(self, account: Account, number: str) -> RefundRow:
        """A refund of the account."""
        found = self._store.refund(account.account_id, number)
        if found is None:
            raise no_such("refund", number, param="refund")
        return found

    def create(self, account: Account, parameters: Parameters) -> RefundRow:
        """Give back all that is left, or a part."""
        named = {name: parameters.text(name) for name in ("payment_intent", "charge")}
        amount = parameters.amount("amount")
        reason = parameters.word("reason", REASONS)
        metadata = parameters.metadata() or {}
        parameters.done()
        intent = self._intent(account, named)
        if intent.charge is None or intent.status != "succeeded":
            raise invalid("This payment has no successful charge to refund.", executed=True)
        left = intent.amount_received - self._store.promised(intent)
        if left == 0:
            raise invalid(
                "The charge has already been refunded.",
                code="charge_already_refunded",
                executed=True,
            )
        amount = left if amount is None else amount
        if amount > left:
            raise invalid(
                "The refund is greater than what is left of the charge.",
                param="amount",
                code="amount_too_large",
                executed=True,
            )
        now = to_ms(self._clock())
        pending = CARDS[intent.payment_method or ""].refund != "succeeded"
        refund = RefundRow(
            id=new_id("re"),
            account_id=account.account_id,
            intent_id=intent.id,
            charge_id=intent.charge.id,
            amount=amount,
            currency=intent.currency,
            status="pending",
            created=now,
            due_at=now + PENDING_MS if pending else None,
            reason=reason,
            metadata=metadata,
        )
        if pending:
            self._store.write_refund(refund)
            self._events.of_refund("created", refund, intent)
            return refund
        return self._given(refund, intent, told="created")

    def conclude(self, refund: RefundRow) -> None:
        """A pending refund has its outcome."""
        intent = self._store.intent(refund.account_id, refund.intent_id)
        if intent is None:
            raise LookupError(f"no intent for refund {refund.id}")
        if CARDS[intent.payment_method or ""].refund != "failed":
            self._given(refund, intent, told="updated")
            return
        refund = replace(refund, status="failed", due_at=None, failure_reason=FAILURE_REASON)
        self._store.write_refund(refund)
        self._events.of_refund("failed", refund, intent)

    def _intent(self, account: Account, named: dict[str, str | None]) -> Intent:
        given = {name: number for name, number in named.items() if number is not None}
        if len(given) != 1:
            raise (
                missing("payment_intent")
                if not given
                else invalid("Give payment_intent or charge, not both.", param="charge")
            )
        ((name, number),) = given.items()
        intent = self._store.intent(account.account_id, number)
        if intent is None or (intent.id == number) != (name == "payment_intent"):
            raise no_such(name, number, param=name)
        return intent

    def _given(self, refund: RefundRow, intent: Intent, *, told: str) -> RefundRow:
        now = to_ms(self._clock())
        refund = replace(refund, status="succeeded", due_at=None)
        self._store.write_refund(refund)
        if intent.charge is not None:
            charge = replace(
                intent.charge, amount_refunded=intent.charge.amount_refunded + refund.amount
            )
            intent = replace(intent, charge=charge)
            self._store.write_intent(intent)
        order = self._book.order_by_id(intent.order_id)
        number = refund.metadata.get("refund_no", "")[:NUMBER_CHARS_MAX]
        if not number or self._book.refund(order, number) is not None:
            number = refund.id
        self._book.add_refund(order, out_refund_no=number, amount=refund.amount, now=now)
        shown = transaction_shape(
            new_id("txn"),
            kind="refund",
            source=refund.id,
            amount=-refund.amount,
            currency=refund.currency,
            created=now,
        )
        self._store.add_transaction(refund.account_id, shown, created=now)
        self._events.of_refund(told, refund, intent)
        return refund
