"""TELL: speaking to a channel, and hearing nothing but what a codec can prove.

Law: nothing is written here. An instruction must be durable before it comes here; whatever is not
a definite answer leaves as `Unknown`. Creates that move no money before the payer acts are sent
again at once under the same number, at most `SENDS_MAX` times; single-shot ways never are. An
answer signed by an unknown key is read once more when the key was learnt, never sent for again.
What a codec sees of a registration is made once and kept for as long as nothing of it changes.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

from msgspec import Struct

from gateway.center.keyring import KeyRing
from gateway.center.ports import ChannelClient, Clock
from gateway.channels.answering import Answering
from gateway.channels.authorization import Authorizing
from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
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
    VerifiedCallback,
)
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.registry import Registry
from gateway.channels.wire import CallbackRequest, ChannelSilent, HttpRequest, HttpResponse
from gateway.domain.attempt import SENDS_MAX, Attempt, Way, has_code, way_of
from gateway.domain.errors import TillgateError
from gateway.domain.failure import FAILURES
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund

VIEWS_KEPT_MAX = 4096


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


class _Kept(NamedTuple):
    """A view, and what it was made of: values that are replaced when they change, never written."""

    account: ChannelAccount
    keys: Mapping[str, str]
    addresses: Addresses
    view: AccountView


class Teller:
    """Carries instructions to channels through their codecs."""

    def __init__(
        self,
        *,
        registry: Registry,
        http: ChannelClient,
        clock: Clock,
        addresses: Addresses,
        keys: KeyRing,
    ) -> None:
        self._registry = registry
        self._http = http
        self._clock = clock
        self._addresses = addresses
        self._keys = keys
        self._kept: dict[str, _Kept] = {}  # by account

    def codec(self, channel: str) -> Codec:
        """The codec of a channel. Raises `unsupported_method` if no package serves it any more."""
        codec = self._registry.codec(channel)
        if codec is None:
            raise TillgateError("unsupported_method", f"There is no channel {channel} here.")
        return codec

    def way(self, attempt: Attempt) -> Way:
        """What the way of an attempt is like, as its channel says."""
        codec = self.codec(attempt.channel)
        return way_of(
            attempt,
            single_shot=attempt.method in codec.single_shot,
            reversible=attempt.method in codec.reversible,
        )

    def is_by_hand(self, attempt: Attempt) -> bool:
        """Whether staff's receipt, and nothing else, says that this way was paid."""
        return attempt.method in getattr(self.codec(attempt.channel), "by_hand", ())

    def refunds_by_hand(self, channel: str) -> bool:
        """Whether staff's receipt may say that a refund is done."""
        return getattr(self.codec(channel), "refunds_by_hand", False)

    def view(self, account: ChannelAccount) -> AccountView:
        """A registration as its codec sees it in this run."""
        keys, addresses = self._keys.keys_of(account.id), self._addresses
        kept = self._kept.get(account.id)
        if (
            kept is not None
            and kept.account is account
            and kept.keys is keys
            and kept.addresses is addresses
        ):
            return kept.view
        view = AccountView(
            account_id=account.id,
            channel=account.channel,
            gateway_url=addresses.gateways.get(account.channel, ""),
            notify_url=addresses.notify_url(account),
            credentials=account.credentials,
            keys=keys,
        )
        if kept is None and len(self._kept) >= VIEWS_KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[account.id] = _Kept(account, keys, addresses, view)
        return view

    async def _ask(self, request: HttpRequest) -> HttpResponse | ChannelSilent:
        try:
            return await self._http.send(request)
        except ChannelSilent as silent:
            return silent

    async def _read(self, account: ChannelAccount, read: Callable[[AccountView], Any]) -> Any:
        """What an answer says; read once more if its key had to be learnt first."""
        view = self.view(account)
        outcome = read(view)
        if isinstance(outcome, Unknown) and outcome.reason == UNKNOWN_SERIAL:
            codec = self.codec(account.channel)
            if await self._keys.learn(codec, view, outcome.channel_code):
                outcome = read(self.view(account))
        return outcome

    async def _carry(
        self,
        account: ChannelAccount,
        request: HttpRequest | Any,
        read: Callable[[AccountView, HttpResponse], Any],
    ) -> Any:
        """Carry one request and read its answer; where nobody is asked it is the outcome itself."""
        if not isinstance(request, HttpRequest):
            return request
        answer = await self._ask(request)
        if isinstance(answer, ChannelSilent):
            return Unknown(answer.reason)
        return await self._read(account, lambda view: read(view, answer))

    def _codec_and_view(self, account: ChannelAccount) -> tuple[Codec, AccountView]:
        codec, view = self.codec(account.channel), self.view(account)
        self._keys.freshen(codec, view)
        return codec, view

    async def pay(
        self, account: ChannelAccount, order: PayOrder, *, sent_before: bool = False
    ) -> PayOutcome:
        """Ask for a payment. `Refused` with `channel_unavailable` if not a byte ever left.

        `sent_before` says that this number may have left earlier: then silence is `Unknown`.
        """
        codec, view = self._codec_and_view(account)
        is_once = order.method in codec.single_shot or has_code(order.method_options)
        never_left = not sent_before
        outcome: PayOutcome = Unknown("not_sent")
        for _ in range(1 if is_once else SENDS_MAX):
            request = codec.build_pay(view, order, self._clock.wall())
            if isinstance(request, HandedOut):
                return request  # nobody is asked: the payer carries the order to the channel
            answer = await self._ask(request)
            if isinstance(answer, ChannelSilent):
                never_left = never_left and not answer.sent
                outcome = Unknown(answer.reason)
                continue
            outcome = await self._read(account, partial(_read_pay, codec, order, answer))
            never_left = False
            if not isinstance(outcome, Unknown):
                return outcome
        return _never_sent() if never_left else outcome

    async def query(self, account: ChannelAccount, order: PayOrder) -> QueryOutcome:
        """Ask what became of an order."""
        codec, view = self._codec_and_view(account)
        request = codec.build_query(view, order, self._clock.wall())
        return await self._carry(
            account, request, lambda view, answer: codec.read_query(view, order, answer)
        )

    async def close(self, account: ChannelAccount, order: PayOrder) -> CloseOutcome:
        """Ask that an order take no money any more."""
        codec, view = self._codec_and_view(account)
        request = codec.build_close(view, order, self._clock.wall())
        return await self._carry(
            account, request, lambda view, answer: codec.read_close(view, order, answer)
        )

    async def cancel(self, account: ChannelAccount, order: PayOrder) -> CloseOutcome:
        """Ask that an order be taken back, paid or not."""
        codec, view = self._codec_and_view(account)
        request = codec.build_cancel(view, order, self._clock.wall())
        return await self._carry(
            account, request, lambda view, answer: codec.read_cancel(view, order, answer)
        )

    async def void(self, account: ChannelAccount, order: PayOrder) -> CloseOutcome:
        """Ask that a hold be let go."""
        codec, view = self._codec_and_view(account)
        holding = cast("Authorizing", codec)
        request = holding.build_void(view, order, self._clock.wall())
        return await self._carry(
            account, request, lambda view, answer: holding.read_void(view, order, answer)
        )

    async def answer(
        self, account: ChannelAccount, order: PayOrder, said: Mapping[str, str]
    ) -> PayOutcome:
        """Carry the payer's answer, once. `Refused` with `channel_unavailable` if it never left."""
        codec, view = self._codec_and_view(account)
        answering = cast("Answering", codec)
        answer = await self._ask(answering.build_answer(view, order, said, self._clock.wall()))
        if isinstance(answer, ChannelSilent):
            return Unknown(answer.reason) if answer.sent else _never_sent()
        return await self._read(account, lambda view: answering.read_answer(view, order, answer))

    async def refund(self, account: ChannelAccount, order: RefundOrder) -> RefundOutcome:
        """Ask for a refund, once."""
        codec, view = self._codec_and_view(account)
        request = codec.build_refund(view, order, self._clock.wall())
        return await self._carry(
            account, request, lambda view, answer: codec.read_refund(view, order, answer)
        )

    async def refund_query(self, account: ChannelAccount, order: RefundOrder) -> RefundOutcome:
        """Ask what became of a refund."""
        codec, view = self._codec_and_view(account)
        request = codec.build_refund_query(view, order, self._clock.wall())
        return await self._carry(
            account, request, lambda view, answer: codec.read_refund_query(view, order, answer)
        )

    def hear(self, account: ChannelAccount, request: CallbackRequest) -> VerifiedCallback:
        """A callback, verified with what is known now. Raises `CallbackRefused`.

        Refused with `UNKNOWN_SERIAL` it may be genuine nevertheless: `heard` can learn the key.
        """
        codec, view = self._codec_and_view(account)
        return codec.read_callback(view, request, self._clock.wall())

    async def heard(self, account: ChannelAccount, request: CallbackRequest) -> VerifiedCallback:
        """A callback, verified; its key is learnt first if need be. Raises `CallbackRefused`."""
        try:
            return self.hear(account, request)
        except CallbackRefused as refused:
            if refused.reason != UNKNOWN_SERIAL:
                raise
            codec, view = self.codec(account.channel), self.view(account)
            if not await self._keys.learn(codec, view, refused.serial):
                raise
        return self.hear(account, request)


def _read_pay(codec: Codec, order: PayOrder, answer: HttpResponse, view: AccountView) -> PayOutcome:
    return codec.read_pay(view, order, answer)


def _never_sent() -> Refused:
    listed = FAILURES["channel_unavailable"]
    return Refused("channel_unavailable", listed.message, "", retryable=listed.retryable)
