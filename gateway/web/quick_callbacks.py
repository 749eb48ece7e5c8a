"""The quick door of channels: callbacks that came whole and raise no doubt.

Law: as in `callbacks`. The centre is given the same request and its answer goes out in the same
bytes; what is no registration's address, or has a query, is for the careful way to judge.
"""

from typing import NamedTuple

from fastpath.identifier import digits_of
from fastpath.request import PlainPost
from gateway.channels.wire import CallbackRequest
from gateway.web.callbacks import Callbacks
from gateway.web.quick import Exchange

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

    def __init__(self, callbacks: Callbacks) -> None:
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
        exchange.carry_out(
            self._callbacks.answer(
                asked.channel, asked.account_id, asked.request, request_id=exchange.request_id
            )
        )
        return True
