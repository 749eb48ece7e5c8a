"""The offline codec: nobody is asked, nobody calls, and only staff's receipt says what happened.

Law: as `gateway.channels.codec` and `by_hand`. An order waits until a receipt for the whole amount
comes; a refund likewise. Closing asks nobody: what staff takes in afterwards has no order here.
"""

from datetime import datetime

from fastpath.amount import AMOUNT_MINOR_MAX
from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
    Closed,
    CloseOutcome,
    HandedOut,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Unknown,
    VerifiedCallback,
    Waiting,
)
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from gateway.domain.money import EXPONENTS

METHOD = "offline"
_NOBODY = Unknown(reason="nobody is asked about an offline payment")


class OfflineCodec:
    """See `gateway.channels.codec.Codec` and `gateway.channels.by_hand.ByHand`."""

    name = "offline"
    methods = frozenset({METHOD})
    currencies = frozenset(EXPONENTS)
    single_shot: frozenset[str] = frozenset()
    reversible: frozenset[str] = frozenset()
    authorizing: frozenset[str] = frozenset()
    by_hand = frozenset({METHOD})
    refunds_by_hand = True
    credential_names: frozenset[str] = frozenset()
    option_names: frozenset[str] = frozenset()
    secret_names: frozenset[str] = frozenset()

    def check_account(self, account: AccountView) -> None:
        """Every registration works: there is nothing to set up."""

    def check_order(self, order: PayOrder) -> None:
        """Refuse what cannot be taken in by hand."""
        if order.method != METHOD:
            raise TillgateError(
                "unsupported_method", f"Staff does not take {order.method}.", param="/method"
            )
        if order.currency not in EXPONENTS:
            raise TillgateError(
                "unsupported_currency", "There is no such currency.", param="/currency"
            )
        if order.amount < 1:
            raise TillgateError("amount_below_minimum", "The least amount is 1.", param="/amount")
        if order.amount > AMOUNT_MINOR_MAX:
            raise TillgateError(
                "limit_exceeded", f"At most {AMOUNT_MINOR_MAX} minor units.", param="/amount"
            )

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HandedOut:
        """The payer gives the money to staff; there is nothing to show him."""
        return HandedOut(next_action={"type": "none"})

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """Never asked."""
        return _NOBODY

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> QueryOutcome:
        """Only a receipt can tell."""
        return Waiting()

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """Never asked."""
        return _NOBODY

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> CloseOutcome:
        """From now on no receipt is taken for it."""
        return Closed()

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Never asked."""
        return _NOBODY

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Never called: no way here is reversible."""
        raise TillgateError("internal_error", "An offline payment cannot be reversed.")

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Never asked."""
        return _NOBODY

    def build_refund(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> RefundOutcome:
        """Staff gives the money back and says so."""
        return RefundPending()

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Never asked."""
        return _NOBODY

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> RefundOutcome:
        """Only a receipt can tell."""
        return RefundPending()

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Never asked."""
        return _NOBODY

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """Nobody calls: whoever does is a stranger."""
        raise CallbackRefused("malformed")

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """To strangers."""
        return CallbackReply(status=404, content_type="text/plain", body=b"")
