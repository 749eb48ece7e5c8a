"""Payment intents of the pretend Stripe: create, confirm, capture, cancel, and what a payer does.

Law: each verb checks everything first, then changes store and book together, then answers what is
stored; the caller holds the change. A hold is let go after seven days. An intent is one order of
the shared book, under the merchant's number `metadata[attempt_no]` where there is one.

| status | follows |
|---|---|
| requires_payment_method, requires_confirmation | requires_action, what the card does, canceled |
| requires_action | what the card does, requires_payment_method, canceled |
| requires_capture | succeeded, canceled |
| succeeded, canceled | nothing |

Source: Stripe, "PaymentIntent lifecycle", API reference "PaymentIntents".
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from gateway.sandbox.book import Book
from gateway.sandbox.card.accounts import CHANNEL, Account, new_id, random_text
from gateway.sandbox.card.cards import CARDS, Decline, TestCard, decline_of
from gateway.sandbox.card.events import Events
from gateway.sandbox.card.parameters import Parameters, currency_of
from gateway.sandbox.card.refusals import Refusal, declined, invalid, missing, no_such
from gateway.sandbox.card.refusals import unexpected_state as unexpected
from gateway.sandbox.card.shapes import intent_shape, transaction_shape
from gateway.sandbox.card.store import Charge, Intent, Store
from gateway.sandbox.moments import MILLISECOND, Clock, to_ms
from gateway.sandbox.notifications import is_legal_url

HOLD_MS: Final = timedelta(days=7) // MILLISECOND
CAPTURE_METHODS: Final = ("automatic", "automatic_async", "manual")
CANCELLATION_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
CANCELABLE: Final = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
)
CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation")
NUMBER_CHARS_MAX: Final = 64
URL_CHARS_MAX: Final = 2_048
REDIRECT_PATH: Final = "/card/authenticate/"
AUTHENTICATION_REQUIRED: Final = Decline("authentication_required", "authentication_required")
AUTHENTICATION_FAILED: Final = {
    "type": "invalid_request_error",
    "code": "payment_intent_authentication_failure",
    "message": "The provided PaymentMethod has failed authentication.",
}


class Intents:
    """The verbs. Each raises `Refusal` for what it does not do."""

    def __init__(self, *, book: Book, store: Store, events: Events, clock: Clock) -> None:
        self._book = book
        self._store = store
        self._events = events
        self._clock = clock

    def find(self, account: Account, number: str) -> Intent:
        """An intent of the account."""
        found = self._store.intent(account.account_id, number)
        if found is None or found.id != number:
            raise no_such("payment_intent", number, param="intent")
        return found

    def create(self, account: Account, parameters: Parameters, site: str) -> Intent:
        """A new intent; with `confirm` its card is charged at once. `site` is our own address."""
        amount = parameters.amount("amount")
        if amount is None:
            raise missing("amount")
        currency = currency_of(parameters)
        confirm = parameters.boolean("confirm") or False
        payment_method = _card_name(parameters)
        capture_method = parameters.word("capture_method", CAPTURE_METHODS) or "automatic_async"
        metadata = parameters.metadata() or {}
        description = parameters.text("description")
        terms = _terms(parameters)
        if parameters.boolean("off_session") is not None and not confirm:
            raise invalid("off_session goes with confirm only.", param="off_session")
        if not confirm and (terms["return_url"] or terms["error_on_requires_action"]):
            raise invalid("This parameter goes with confirm only.", param="return_url")
        for name in ("allowed_payment_method_types", "payment_method_types"):
            if parameters.texts(name) not in (None, ["card"]):
                raise invalid("Only card is known here.", param=name)
        parameters.done()
        if confirm and payment_method is None:
            raise missing("payment_method")
        now = to_ms(self._clock())
        intent_id = new_id("pi")
        # An intent that nobody confirms is no order of the merchant's.
        number = metadata.get("attempt_no", "") if confirm else ""
        intent = Intent(
            id=intent_id,
            account_id=account.account_id,
            order_id=self._add_order(account, intent_id, number, amount, currency, now),
            amount=amount,
            currency=currency,
            status="requires_confirmation" if payment_method else "requires_payment_method",
            capture_method=capture_method,
            client_secret=f"{intent_id}_secret_{random_text(24)}",
            created=now,
            metadata=metadata,
            description=description,
            payment_method=payment_method,
            **terms,
        )
        self._store.write_intent(intent)
        self._events.of_intent("created", intent)
        return self._confirmed(intent, site) if confirm else intent

    def confirm(self, intent: Intent, parameters: Parameters, site: str) -> Intent:
        """Charge the intent's card, or another one."""
        payment_method = _card_name(parameters) or intent.payment_method
        terms = _terms(parameters)
        parameters.done()
        if intent.status not in CONFIRMABLE:
            raise unexpected(intent_shape(intent), "be confirmed")
        if payment_method is None:
            raise missing("payment_method")
        terms["return_url"] = terms["return_url"] or intent.return_url
        return self._confirmed(replace(intent, payment_method=payment_method, **terms), site)

    def capture(self, intent: Intent, parameters: Parameters) -> Intent:
        """Take what is held, or a part; the rest is let go."""
        amount = parameters.amount("amount_to_capture")
        metadata = parameters.metadata()
        if parameters.boolean("final_capture") is False:
            raise invalid("This account has no multicapture.", param="final_capture")
        parameters.done()
        charge = intent.charge
        if intent.status != "requires_capture" or charge is None:
            raise unexpected(intent_shape(intent), "be captured")
        amount = intent.amount if amount is None else amount
        if amount > intent.amount:
            raise invalid(
                "More than was authorized.", param="amount_to_capture", code="amount_too_large"
            )
        if metadata is not None:
            intent = replace(intent, metadata=intent.metadata | metadata)
        return self._taken(intent, charge, amount)

    def cancel(self, intent: Intent, parameters: Parameters) -> Intent:
        """End an intent that has taken no money; a hold is let go."""
        reason = parameters.word("cancellation_reason", CANCELLATION_REASONS)
        parameters.done()
        if intent.status not in CANCELABLE:
            raise unexpected(intent_shape(intent), "be canceled")
        return self._canceled(intent, reason)

    def let_go(self, intent: Intent) -> None:
        """A hold's time is over."""
        if intent.status == "requires_capture":
            self._canceled(intent, "expired")

    def authenticate(self, intent: Intent, *, succeeds: bool) -> Intent:
        """The payer has answered the bank's question, or failed to."""
        self._book_no(intent)
        if succeeds:
            try:
                return self._charged(intent, _card_of(intent))
            except Refusal:
                return self._store.intent_of_order(intent.order_id)
        return self._failed(intent, AUTHENTICATION_FAILED)

    def _confirmed(self, intent: Intent, site: str) -> Intent:
        card = _card_of(intent)
        if not card.authenticates:
            return self._charged(intent, card)
        if intent.error_on_requires_action:
            raise self._refused(intent, AUTHENTICATION_REQUIRED)
        url = f"{site}{REDIRECT_PATH}{random_text(32)}"
        intent = replace(intent, status="requires_action", redirect_url=url, failure=None)
        self._store.write_intent(intent)
        self._store.set_code(intent, url)
        self._events.of_intent("requires_action", intent)
        return intent

    def _charged(self, intent: Intent, card: TestCard) -> Intent:
        decline = decline_of(card, intent.amount)
        if decline is not None:
            raise self._refused(intent, decline)
        self._book_no(intent)
        now = to_ms(self._clock())
        held = intent.capture_method == "manual"
        charge = Charge(
            id=new_id("ch"),
            created=now,
            status="succeeded",
            captured=False,
            capture_before=now + HOLD_MS if held else None,
        )
        if not held:
            intent = self._taken(intent, charge, intent.amount)
            if card.disputed:
                self._events.of_dispute(intent)
            return intent
        intent = replace(intent, status="requires_capture", charge=charge, failure=None)
        self._store.write_intent(intent)
        self._events.of_intent("amount_capturable_updated", intent)
        return intent

    def _taken(self, intent: Intent, charge: Charge, amount: int) -> Intent:
        now = to_ms(self._clock())
        intent = replace(
            intent,
            status="succeeded",
            amount_received=amount,
            failure=None,
            charge=replace(charge, captured=True, amount_captured=amount),
        )
        self._store.write_intent(intent)
        if amount != intent.amount:
            self._store.set_book_amount(intent, amount)
        self._book.pay(self._book.order_by_id(intent.order_id), now=now)
        shown = transaction_shape(
            new_id("txn"),
            kind="charge",
            source=charge.id,
            amount=amount,
            currency=intent.currency,
            created=now,
        )
        self._store.add_transaction(intent.account_id, shown, created=now)
        self._events.of_intent("succeeded", intent)
        return intent

    def _canceled(self, intent: Intent, reason: str | None) -> Intent:
        now = to_ms(self._clock())
        intent = replace(intent, status="canceled", canceled_at=now, cancellation_reason=reason)
        self._store.write_intent(intent)
        self._book.close_order(self._book.order_by_id(intent.order_id), now=now)
        self._events.of_intent("canceled", intent)
        return intent

    def _refused(self, intent: Intent, decline: Decline) -> Refusal:
        failure = {
            "code": decline.code,
            "decline_code": decline.decline_code,
            "message": "Your card was declined.",
        }
        now = to_ms(self._clock())
        charge = Charge(id=new_id("ch"), created=now, status="failed", captured=False)
        told = {"type": "card_error", "charge": charge.id, **failure}
        intent = self._failed(replace(intent, charge=charge), told)
        return declined(intent_shape(intent), {"charge": charge.id, **failure})

    def _failed(self, intent: Intent, failure: dict[str, Any]) -> Intent:
        intent = replace(
            intent, status="requires_payment_method", payment_method=None, failure=failure
        )
        self._store.write_intent(intent)
        self._events.of_intent("payment_failed", intent)
        return intent

    def _add_order(
        self,
        account: Account,
        intent_id: str,
        number: str,
        amount: int,
        currency: str,
        now: int,
    ) -> int:
        number = number[:NUMBER_CHARS_MAX]
        if not number or self._book.order(CHANNEL, account.account_id, number) is not None:
            number = intent_id
        self._book.add_order(
            channel=CHANNEL,
            account_id=account.account_id,
            out_trade_no=number,
            amount=amount,
            currency=currency.upper(),
            code=None,
            notify_url=None,
            content="{}",
            now=now,
            expires_at=None,
        )
        order = self._book.order(CHANNEL, account.account_id, number)
        if order is None:
            raise LookupError("the order was not written")
        return order.id

    def _book_no(self, intent: Intent) -> None:
        """The book names the order by the intent once a payer has met it."""
        order = self._book.order_by_id(intent.order_id)
        if order.channel_order_no is None:
            self._book.scan(order, intent.id, now=to_ms(self._clock()))


def _terms(parameters: Parameters) -> dict[str, Any]:
    """What goes with a confirmation."""
    return_url = parameters.text("return_url", chars_max=URL_CHARS_MAX)
    if return_url is not None and not is_legal_url(return_url, chars_max=URL_CHARS_MAX):
        raise invalid("Not a valid URL.", param="return_url", code="url_invalid")
    strict = parameters.boolean("error_on_requires_action") or False
    return {"return_url": return_url, "error_on_requires_action": strict}


def _card_name(parameters: Parameters) -> str | None:
    """The name of a test card; a number, or any other token, is no such payment method."""
    name = parameters.text("payment_method", chars_max=255)
    if name is not None and name not in CARDS:
        shown = name if name.startswith("pm_") else "…"
        raise no_such("PaymentMethod", shown, param="payment_method", status=400)
    return name


def _card_of(intent: Intent) -> TestCard:
    if intent.payment_method is None:
        raise missing("payment_method")
    return CARDS[intent.payment_method]
