"""The doors of channels: `POST /callbacks/{channel}/{channel_account_id}`.

Law: raw bytes in, the channel's own dialect out. Nothing is parsed here and nobody is asked for a
key: what a callback is worth, its signature says.
"""

from gateway.center.receive import Receive
from gateway.channels.wire import CallbackReply, CallbackRequest
from gateway.domain import ids
from gateway.domain.errors import not_found
from gateway.web.reply import Reply
from gateway.web.request import Request
from gateway.web.routing import Route


class Callbacks:
    """The handler of all channels' callbacks."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def routes(self) -> list[Route]:
        """The one route of callbacks."""
        return [
            Route(
                "POST",
                "/callbacks/{channel}/{channel_account_id}",
                self.receive,
                "receive_callback",
                raw=True,
                summary="A channel tells us of a payment or refund; for channels only.",
            )
        ]

    async def receive(self, request: Request) -> Reply:
        """Hand the callback to the centre and answer in the channel's words."""
        account_id = ids.parse("cac", request.params["channel_account_id"])
        if account_id is None:
            raise not_found()
        heard = CallbackRequest(
            method=request.method,
            target=request.target.decode("ascii", "replace"),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.body,
        )
        return await self.answer(
            request.params["channel"], account_id, heard, request_id=request.request_id
        )

    async def answer(
        self, channel: str, account_id: str, heard: CallbackRequest, *, request_id: str
    ) -> Reply:
        """The channel's own answer; raises what `Receive.callback` raises."""
        answer = await self._receive.callback(channel, account_id, heard, request_id=request_id)
        return callback_reply(answer, request_id=request_id)


def callback_reply(answer: CallbackReply, *, request_id: str) -> Reply:
    """An answer in the channel's dialect as it goes over the wire."""
    return Reply(
        answer.status, answer.body, content_type=answer.content_type, request_id=request_id
    )
