"""TELL: speaking to a channel, and hearing nothing but what a codec can prove.

Law: nothing is written here. An instruction must be durable before it comes here; whatever is not
a definite answer leaves as `Unknown`. Creates that move no money before the payer acts are sent
again at once under the same number, at most `SENDS_MAX` times; single-shot ways never are.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.center.ports import ChannelClient, Clock
from gateway.channels.codec import (
    AccountView,
    CloseOutcome,
    Codec,
    HandedOut,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    RefundOrder,
    RefundOutcome,
    Refused,
    Unknown,
)
from gateway.channels.registry import Registry
from gateway.channels.wire import ChannelSilent, HttpRequest, HttpResponse
from gateway.domain.attempt import SENDS_MAX, Attempt
from gateway.domain.errors import TillgateError
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund


class Addresses(Struct, frozen=True):
    """Where channels are in this run, and where they find us. Nothing stored holds a port."""

    public_url: str
    gateways: Mapping[str, str]  # by channel

    def notify_url(self, account: ChannelAccount) -> str:
        """Where the channel calls us for this registration."""
        return f"{self.public_url}/callbacks/{account.channel}/{account.id}"


def pay_order(attempt: Attempt, payment: Payment) -> PayOrder:
    """An attempt of `payment` as its channel needs it."""
    return PayOrder(
        attempt_no=attempt.attempt_no,
        method=attempt.method,
        amount=attempt.amount,
        currency=attempt.currency,
        subject=payment.subject,
        created_at=attempt.created_at,
        expires_at=attempt.expires_at,
        return_url=payment.return_url,
        method_options=attempt.method_options,
        capture_method=payment.capture_method,
        channel_order_no=attempt.channel_order_no,
    )


def refund_order(refund: Refund, attempt: Attempt) -> RefundOrder:
    """A refund as its channel needs it."""
    return RefundOrder(
        attempt_no=attempt.attempt_no,
        channel_order_no=attempt.channel_order_no,
        refund_no=refund.refund_no,
        amount=refund.amount,
        amount_total=attempt.amount,
        currency=refund.currency,
        reason=refund.reason,
    )


class Teller:
    """Carries instructions to channels through their codecs."""

    def __init__(
        self, *, registry: Registry, http: ChannelClient, clock: Clock, addresses: Addresses
    ) -> None:
        self._registry = registry
        self._http = http
        self._clock = clock
        self._addresses = addresses

    def codec(self, channel: str) -> Codec:
        """The codec of a channel. Raises `unsupported_method` if no package serves it any more."""
        codec = self._registry.codec(channel)
        if codec is None:
            raise TillgateError("unsupported_method", f"There is no channel {channel} here.")
        return codec

    def is_single_shot(self, attempt: Attempt) -> bool:
        """Whether this way must never be sent again while in doubt."""
        return attempt.method in self.codec(attempt.channel).single_shot

    def view(self, account: ChannelAccount) -> AccountView:
        """A registration as its codec sees it in this run."""
        return AccountView(
            account_id=account.id,
            channel=account.channel,
            gateway_url=self._addresses.gateways.get(account.channel, ""),
            notify_url=self._addresses.notify_url(account),
            credentials=account.credentials,
        )

    async def _ask(self, request: HttpRequest) -> HttpResponse | ChannelSilent:
        try:
            return await self._http.send(request)
        except ChannelSilent as silent:
            return silent

    async def pay(
        self, account: ChannelAccount, order: PayOrder, *, sent_before: bool = False
    ) -> PayOutcome:
        """Ask for a payment. `Refused` with `channel_unavailable` if not a byte ever left.

        `sent_before` says that this number may have left earlier: then silence is `Unknown`.
        """
        codec, view = self.codec(account.channel), self.view(account)
        sends = 1 if order.method in codec.single_shot else SENDS_MAX
        never_left = not sent_before
        outcome: PayOutcome = Unknown("not_sent")
        for _ in range(sends):
            request = codec.build_pay(view, order, self._clock.wall())
            if isinstance(request, HandedOut):
                return request  # nobody is asked: the payer carries the order to the channel
            answer = await self._ask(request)
            if isinstance(answer, ChannelSilent):
                never_left = never_left and not answer.sent
                outcome = Unknown(answer.reason)
                continue
            outcome = codec.read_pay(view, order, answer)
            never_left = False
            if not isinstance(outcome, Unknown):
                return outcome
        if never_left:
            return Refused(
                "channel_unavailable", "The channel could not be reached.", "", retryable=True
            )
        return outcome

    async def query(self, account: ChannelAccount, order: PayOrder) -> QueryOutcome:
        """Ask what became of an order."""
        codec, view = self.codec(account.channel), self.view(account)
        answer = await self._ask(codec.build_query(view, order, self._clock.wall()))
        return _read(answer, lambda found: codec.read_query(view, order, found))

    async def close(self, account: ChannelAccount, order: PayOrder) -> CloseOutcome:
        """Ask that an order take no money any more."""
        codec, view = self.codec(account.channel), self.view(account)
        answer = await self._ask(codec.build_close(view, order, self._clock.wall()))
        return _read(answer, lambda found: codec.read_close(view, order, found))

    async def refund(self, account: ChannelAccount, order: RefundOrder) -> RefundOutcome:
        """Ask for a refund, once."""
        codec, view = self.codec(account.channel), self.view(account)
        answer = await self._ask(codec.build_refund(view, order, self._clock.wall()))
        return _read(answer, lambda found: codec.read_refund(view, order, found))

    async def refund_query(self, account: ChannelAccount, order: RefundOrder) -> RefundOutcome:
        """Ask what became of a refund."""
        codec, view = self.codec(account.channel), self.view(account)
        answer = await self._ask(codec.build_refund_query(view, order, self._clock.wall()))
        return _read(answer, lambda found: codec.read_refund_query(view, order, found))


def _read(answer: HttpResponse | ChannelSilent, read: Any) -> Any:
    return Unknown(answer.reason) if isinstance(answer, ChannelSilent) else read(answer)
