"""The quick door of channels: callbacks that came whole and raise no doubt.

Law: as in `callbacks`. The centre is given the same request and its answer goes out in the same
bytes; what is no registration's address, or has a query, is for the careful way to judge.
"""

from collections.abc import Awaitable
from typing import NamedTuple

from fastpath.identifier import digits_of
from fastpath.request import PlainPost
from gateway.center.quick_receive import QuickReceive
from gateway.channels.wire import CallbackReply, CallbackRequest
from gateway.web.callbacks import Callbacks, callback_reply
from gateway.web.quick import Exchange
from gateway.web.reply import Reply

BEGINNING = b"POST /callbacks/"
_PATH_PARTS = 4


class Told(NamedTuple):
    """A callback and the registration that it is addressed to."""

    channel: str
    account_id: str
    request: CallbackRequest


class QuickCallbacks:
    """`POST /callbacks/{channel}/{channel_account_id}`."""

    name = "receive_callback"

    def __init__(self, *, quick_receive: QuickReceive, callbacks: Callbacks) -> None:
        self._quick_receive = quick_receive
        self._callbacks = callbacks

    def read(self, post: PlainPost) -> Told | None:
        """The callback, if its path is one that can be registered."""
        parts = post.target.split("/")
        if len(parts) != _PATH_PARTS:
            return None
        _, _, channel, account_id = parts
        if not channel.isidentifier() or digits_of("cac", account_id) is None:
            return None
        return Told(
            channel, account_id, CallbackRequest("POST", post.target, post.headers, post.body)
        )

    def begin(self, asked: Told, exchange: Exchange) -> bool:
        """Have the centre judge it; the answer comes when what it says is durable."""
        channel, account_id, request = asked
        request_id = exchange.request_id
        if not self._quick_receive.callback(
            channel, account_id, request, request_id=request_id, asker=_Asker(exchange)
        ):
            exchange.carry_out(
                self._callbacks.answer(channel, account_id, request, request_id=request_id)
            )
        return True


class _Asker:
    """Answers an exchange with what became of its callback."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def answered(self, reply: CallbackReply) -> None:
        """The centre's answer."""
        exchange = self._exchange
        exchange.reply(callback_reply(reply, request_id=exchange.request_id))

    def carefully(self, work: Awaitable[CallbackReply]) -> None:
        """What the centre will come to."""
        self._exchange.carry_out(self._reply(work))

    async def _reply(self, work: Awaitable[CallbackReply]) -> Reply:
        return callback_reply(await work, request_id=self._exchange.request_id)

    def refused(self, error: BaseException) -> None:
        """A refusal, or nobody knows."""
        self._exchange.fail(error)
