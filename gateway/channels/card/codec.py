"""The card codec: orders to requests of Stripe's API, answers to outcomes.

Law: as `gateway.channels.codec`: pure, and definite only where a listed state or code proves it.
Nothing is signed in an answer: it is Stripe's by TLS, and ours by comparing its fields. An order
is created and confirmed by one request under an idempotency key made of our number, and never sent
again while in doubt: it is looked for (see `listing`). Card data does not pass here (see `tokens`).
"""

import re
from datetime import datetime

from gateway.channels.authorization import CaptureOrder, CaptureOutcome
from gateway.channels.card import account as accounts
from gateway.channels.card import holds, listing, refunds, refusals
from gateway.channels.card.answer import (
    Intent,
    IntentList,
    Problem,
    open_intent,
    open_intents,
)
from gateway.channels.card.callback import read_event
from gateway.channels.card.dialect import (
    CURRENCIES,
    check_money,
    get,
    is_plain,
    is_text,
    post,
    types_parameter,
)
from gateway.channels.card.intent import hand_out, read_intent
from gateway.channels.card.tokens import OPTION, check_tokens
from gateway.channels.codec import (
    AccountView,
    Authorized,
    Closed,
    CloseOutcome,
    NotFound,
    Paid,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    RefundOrder,
    RefundOutcome,
    Refused,
    Unknown,
    VerifiedCallback,
    Waiting,
)
from gateway.channels.meanings import refused
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

METHOD = "card"
SUBJECT_CHARS_MAX = 500

_ORDER_NO = re.compile(r"[0-9A-Za-z_-]{1,64}")


class CardCodec:
    """See `gateway.channels.codec.Codec` and `gateway.channels.authorization.Authorizing`.

    `option_names` are credentials that an account may be given besides: `webhook_secret_previous`
    while a signing secret is being changed, `api_version` to pin another version than
    `dialect.API_VERSION`, and `parameters` = `plain` for servers that know only the core of the
    API and refuse every other parameter.
    """

    name = "card"
    methods = frozenset({METHOD})
    currencies = CURRENCIES
    single_shot = frozenset({METHOD})
    reversible: frozenset[str] = frozenset()
    authorizing = frozenset({METHOD})
    credential_names = accounts.CREDENTIAL_NAMES
    secret_names = accounts.SECRET_NAMES
    option_names = accounts.OPTION_NAMES

    def check_account(self, account: AccountView) -> None:
        """Raises `missing_field`, `invalid_field` or `url_not_allowed`."""
        accounts.check_account(account)

    def check_order(self, order: PayOrder) -> None:
        """Refuse card data and what Stripe would never take, before a byte leaves."""
        check_tokens(order)
        if order.method not in self.methods:
            raise TillgateError(
                "unsupported_method", f"Cards do not serve {order.method}.", param="/method"
            )
        check_money(order.amount, order.currency)
        if order.capture_method not in ("automatic", "manual"):
            raise TillgateError(
                "invalid_field", "capture_method is automatic or manual.", param="/capture_method"
            )
        if not order.subject or not is_text(order.subject + (order.return_url or "")):
            raise TillgateError("invalid_field", "The subject must be text.", param="/subject")
        if not _ORDER_NO.fullmatch(order.attempt_no):
            raise TillgateError("internal_error", "The order number is not one for cards.")

    # --- pay ------------------------------------------------------------------------------------

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Create and confirm an intent. Raises `card_number_refused`, see `check_tokens`.

        Without a `return_url` nobody can be authenticated, so a card that asks for it is declined.
        """
        check_tokens(order)
        pairs = [
            ("amount", str(order.amount)),
            ("currency", order.currency.lower()),
            ("payment_method", order.method_options[OPTION]),
            ("confirm", "true"),
            ("capture_method", order.capture_method),
            ("metadata[attempt_no]", order.attempt_no),
        ]
        if not is_plain(account):
            pairs.append((types_parameter(account), "card"))
            pairs.append(("description", order.subject[:SUBJECT_CHARS_MAX]))
            pairs.append(("expand[]", "latest_charge"))
            if order.return_url is None:
                pairs.append(("error_on_requires_action", "true"))
        if order.return_url is not None:
            pairs.append(("return_url", order.return_url))
        key = listing.pay_key(order.attempt_no)
        return post(account, "/payment_intents", pairs, idempotency_key=key)

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """Paid, held, handed out, refused (listed), or unknown."""
        answer = open_intent(response)
        if isinstance(answer, Unknown):
            return answer
        if isinstance(answer, Problem):
            return _pay_problem(order, answer)
        if not _is_ours(order, answer):
            return Unknown(reason="the answer is about another order")
        if answer.status == "requires_action":
            return hand_out(answer)
        outcome = read_intent(answer)
        if isinstance(outcome, Closed | NotFound):
            return Unknown(reason="the intent was canceled before it was confirmed")
        return outcome

    # --- query, close, cancel -------------------------------------------------------------------

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask for the intent, or look for it where nobody has told us its id."""
        if order.channel_order_no is None:
            return listing.build_listing(account, order)
        return get(
            account,
            f"/payment_intents/{order.channel_order_no}",
            () if is_plain(account) else (("expand[]", "latest_charge"),),
        )

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """The state of the order. `NotFound` only from a whole list."""
        if order.channel_order_no is None:
            return _looked_for(order, open_intents(response))
        answer = open_intent(response)
        if isinstance(answer, Unknown):
            return answer
        if isinstance(answer, Problem):
            return answer.unknown()
        if answer.id != order.channel_order_no or answer.number != order.attempt_no:
            return Unknown(reason="the answer is about another order")
        return _state(order, answer)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Cancel the intent; where its id is not known, use up its number, or look for it."""
        if order.channel_order_no is not None:
            # No idempotency key: canceling is repeatable, and a key would keep a failure.
            return post(account, f"/payment_intents/{order.channel_order_no}/cancel")
        if listing.may_fence(account, order, now):
            return listing.build_fence(account, order)
        return listing.build_listing(account, order)

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed; Paid or Authorized where it came too late; else Unknown: query it."""
        if order.channel_order_no is None:
            page = open_intents(response)
            if isinstance(page, IntentList):
                return _closing(listing.read_listing(order, page))
            return listing.read_fence(order, open_intent(response))
        answer = open_intent(response)
        if isinstance(answer, Problem) and answer.error.code == refusals.UNEXPECTED_STATE:
            # The refusal shows the intent that it is about.
            answer = answer.error.payment_intent or answer
        if isinstance(answer, Unknown):
            return answer
        if isinstance(answer, Problem):
            return answer.unknown()
        if answer.id != order.channel_order_no or answer.number != order.attempt_no:
            return Unknown(reason="the answer is about another order")
        return _closing(_state(order, answer))

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """As `build_close`: an intent that was not captured is canceled, one that was is not."""
        return self.build_close(account, order, now)

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """As `read_close`."""
        return self.read_close(account, order, response)

    # --- holds ----------------------------------------------------------------------------------

    def build_capture(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Take held money."""
        return holds.build_capture(account, capture)

    def read_capture(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """What became of the capture."""
        return holds.read_capture(account, capture, response)

    def build_capture_query(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of a capture."""
        return holds.build_capture_query(account, capture)

    def read_capture_query(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """What became of the capture; `NotFound` while the money is still held."""
        return holds.read_capture_query(account, capture, response)

    def build_void(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Let held money go: as `build_close`."""
        return self.build_close(account, order, now)

    def read_void(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """As `read_close`."""
        return self.read_close(account, order, response)

    # --- refund ---------------------------------------------------------------------------------

    def build_refund(self, account: AccountView, refund: RefundOrder, now: datetime) -> HttpRequest:
        """Refund part or all. Raises `internal_error` without the channel's order number."""
        return refunds.build_refund(account, refund)

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """What became of the refund."""
        return refunds.read_refund(account, refund, response)

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest:
        """Ask for the refunds of the intent."""
        return refunds.build_refund_query(account, refund)

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """This refund among them; `NotFound` only from a whole list."""
        return refunds.read_refund_query(refund, response)

    # --- callbacks ------------------------------------------------------------------------------

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """Verify and read an event; `now` is real time."""
        return read_event(account, request, now)

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """The status alone counts; anything but 2xx asks for another try."""
        if accepted:
            return CallbackReply(status=200, content_type="text/plain", body=b"ok")
        return CallbackReply(status=400, content_type="text/plain", body=b"refused")


def _is_ours(order: PayOrder, intent: Intent) -> bool:
    return (
        intent.number == order.attempt_no
        and intent.amount == order.amount
        and intent.currency == order.currency.lower()
    )


def _state(order: PayOrder, intent: Intent) -> QueryOutcome:
    """The state of the order; a hold whose captures we know has nothing left to be asked about."""
    captured = order.amount_captured
    if captured and intent.status == "succeeded" and intent.amount_received == captured:
        return Closed(channel_order_no=intent.id)
    return read_intent(intent)


def _pay_problem(order: PayOrder, problem: Problem) -> PayOutcome:
    """A refused card leaves an intent that nobody confirms again; that is looked at if given."""
    intent = problem.error.payment_intent
    if intent is not None and intent.number != order.attempt_no:
        return problem.unknown("the answer is about another order")
    if problem.status == 402:
        if intent is not None and intent.status != "requires_payment_method":
            return problem.unknown("the card was refused, and the intent is not")
        listed = refusals.of_card(problem)
        if listed is not None:
            return listed
        proven = intent is not None and problem.error.type == "card_error"
        return refused("card_declined", problem.channel_code) if proven else problem.unknown()
    if intent is not None:
        return problem.unknown()
    return (
        refusals.of_token(problem)
        or refusals.of_request(problem, refusals.CREATE)
        or problem.unknown()
    )


def _looked_for(order: PayOrder, page: IntentList | Problem | Unknown) -> QueryOutcome:
    if isinstance(page, Unknown):
        return page
    if isinstance(page, Problem):
        return page.unknown()
    return listing.read_listing(order, page)


def _closing(outcome: QueryOutcome) -> CloseOutcome:
    """What a state means to somebody who wanted the end."""
    if isinstance(outcome, Waiting):
        return Unknown(reason="the intent is not canceled yet")
    if isinstance(outcome, Closed | NotFound | Paid | Authorized | Refused | Unknown):
        return outcome
    return Unknown(reason="the state is not a listed one")
