"""The shapes in which a channel's bytes pass between pure codecs and the HTTP client.

Law: values only. Nothing here opens a socket, reads a clock or decides anything.
"""

from datetime import datetime

from msgspec import Struct


class HttpRequest(Struct, frozen=True):
    """One request to a channel, complete to the byte; `url` carries the query already encoded."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class HttpResponse(Struct, frozen=True):
    """What a channel answered; header names are lower case.

    `received_at` is when it came, by real time: codecs of protocols that sign a time of sending
    compare the two. The HTTP client always fills it in; None says that whoever made the response
    vouches for its freshness.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    received_at: datetime | None = None


class CallbackRequest(Struct, frozen=True):
    """A request that claims to come from a channel; `target` is the raw path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class CallbackReply(Struct, frozen=True):
    """Our answer to a callback, in the channel's own dialect."""

    status: int
    content_type: str
    body: bytes


class ChannelSilent(Exception):
    """No answer: whatever happened at the channel is unknown.

    `reason` is one of `timeout`, `refused`, `dns`, `tls`, `protocol`, `too_large`, `bad_url`.
    `sent` is False only when provably not one byte of the request left: the name was not found,
    the connection was refused, or it was not made (with TLS) in time.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
