"""Receiver: where the channel calls us, as the suite's own small server on loopback.

Law: it keeps the bytes that came and answers in the codec's words. What a message is worth decides
the codec; accepted is what the core would accept: verified, about an order of this box, with the
order's amount and currency, or asking for nothing. Each case has a box of its own.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Self

from aiohttp import web

from gateway.channels.codec import (
    AccountView,
    Authorized,
    CallbackRefused,
    Codec,
    Paid,
    PayOrder,
    VerifiedCallback,
)
from gateway.channels.wire import CallbackRequest
from gateway.conformance.judgement import fail

WAIT_S_MAX = 20.0
BODY_BYTES_MAX = 65_536
HOST = "127.0.0.1"


class Heard(NamedTuple):
    """One callback: its bytes, what the codec made of it, and how it was answered."""

    request: CallbackRequest
    verified: VerifiedCallback | None
    refused: str | None
    accepted: bool


class Box:
    """The callbacks of one case."""

    def __init__(self, codec: Codec, url: str, now: Callable[[], datetime]) -> None:
        self.url = url
        self.account: AccountView | None = None
        self.orders: dict[str, PayOrder] = {}
        self.codec = codec
        self._now = now
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._broken: Exception | None = None

    async def next(self) -> Heard:
        """The next callback that comes, or came already, and asks for something."""
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                heard = await self._heard.get()
                while heard.verified is not None and heard.verified.outcome is None:
                    heard = await self._heard.get()
        except TimeoutError:
            fail(f"no callback came within {WAIT_S_MAX:.0f} s")
        if self._broken is not None:
            fail(f"read_callback raised {type(self._broken).__name__}: {self._broken}")
        return heard

    def waiting(self) -> int:
        """How many came that nobody has looked at."""
        return self._heard.qsize()

    def take(self, request: CallbackRequest) -> web.Response:
        """Judge a callback, keep it, and answer it."""
        heard = self._judged(request)
        reply = self.codec.callback_reply(heard.accepted)
        self._heard.put_nowait(heard)
        return web.Response(
            status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type}
        )

    def _judged(self, request: CallbackRequest) -> Heard:
        if self.account is None:
            return Heard(request, None, "no_account", False)
        try:
            verified = self.codec.read_callback(self.account, request, self._now())
        except CallbackRefused as refused:
            return Heard(request, None, refused.reason, False)
        except Exception as error:  # told to the case that waits for it
            self._broken = error
            return Heard(request, None, None, False)
        return Heard(request, verified, None, self._is_acceptable(verified))

    def _is_acceptable(self, verified: VerifiedCallback) -> bool:
        outcome = verified.outcome
        if outcome is None:
            return True
        order = self.orders.get(verified.attempt_no or "")
        if order is None:
            return False
        if isinstance(outcome, Paid | Authorized):
            return (outcome.amount, outcome.currency) == (order.amount, order.currency)
        return True


class Receiver:
    """The server; `box` makes the address of one case. An async context manager."""

    def __init__(self, codec: Codec, now: Callable[[], datetime]) -> None:
        self.codec = codec
        self._now = now
        self._boxes: dict[str, Box] = {}
        self._url = ""
        application = web.Application(client_max_size=BODY_BYTES_MAX)
        application.router.add_route("*", "/callbacks/{channel}/{box}", self._handle)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self._url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def box(self, name: str) -> Box:
        """The box of a case; an earlier one of the same name goes on receiving for nobody."""
        url = f"{self._url}/callbacks/{self.codec.name}/{name}"
        box = Box(self.codec, url, self._now)
        self._boxes[name] = box
        return box

    async def _handle(self, request: web.Request) -> web.Response:
        box = self._boxes.get(request.match_info["box"])
        if box is None:
            return web.Response(status=404)
        return box.take(
            CallbackRequest(
                method=request.method,
                target=request.raw_path,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
            )
        )
