"""Operations doors: is this process alive, is it ready, what has it counted.

Law: on the API's port a word, because anybody may ask; the details and the metrics on a port of
their own (loopback by default). `livez` asks nothing, so that a database that is away restarts no
process. `readyz` is bounded in time, and whatever goes wrong in finding out means not ready.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

import msgspec

import fastpath
from gateway.web.reply import Reply, json_reply, text_reply
from gateway.web.routing import Route, Router
from gateway.web.server import HttpServer

READY_WAIT_S_MAX = 3.0
CLOSE_WAIT_S_MAX = 1.0
TEXT = "text/plain"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPS_CONNECTIONS_MAX = 64
_NOT_READY = {"ready": False}

Readiness = Callable[[], Awaitable[Mapping[str, Any]]]
Metrics = Callable[[], bytes]

log = logging.getLogger("tillgate.ops")
_encode = msgspec.json.Encoder(enc_hook=str).encode


async def _asked(readiness: Readiness) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(READY_WAIT_S_MAX):
            return await readiness()
    except Exception as error:
        log.warning("readiness could not be found out", exc_info=error)
        return {**_NOT_READY, "fault": type(error).__name__}


def routes(readiness: Readiness) -> list[Route]:
    """`/livez` and `/readyz` for the API's port: one word each.

    `readiness` answers a mapping whose member `ready` decides (200 or 503).
    """

    async def live(request: Any) -> Reply:
        return text_reply(200, "ok\n", request_id=request.request_id)

    async def ready(request: Any) -> Reply:
        if (await _asked(readiness)).get("ready") is True:
            return text_reply(200, "ok\n", request_id=request.request_id)
        return text_reply(503, "not ready\n", request_id=request.request_id)

    return [
        Route("GET", "/livez", live, "livez", summary="Is the process alive?", answer=TEXT),
        Route("GET", "/readyz", ready, "readyz", summary="Is the process ready?", answer=TEXT),
    ]


class OpsServer:
    """The metrics port. Made by `serve_ops`."""

    def __init__(self, readiness: Readiness, metrics: Metrics) -> None:
        self._readiness = readiness
        self._metrics = metrics
        router = Router()
        router.add(Route("GET", "/livez", self._live, "livez"))
        router.add(Route("GET", "/readyz", self._ready, "readyz"))
        router.add(Route("GET", "/metrics", self._counted, "metrics"))
        numbers = count(1)
        self._server = HttpServer(
            router,
            new_request_id=lambda: f"ops_{next(numbers)}",
            on_error=lambda request, error: log.error(
                "an operator's request failed", exc_info=error
            ),
            connections_max=OPS_CONNECTIONS_MAX,
            pure_parser_allowed=True,
        )

    async def start(self, host: str, port: int, sock: socket.socket | None) -> None:
        """Listen at an address, or on a bound socket."""
        if sock is not None:
            await self._server.start(sock=sock)
        else:
            await self._server.start(host, port)

    @property
    def port(self) -> int:
        """The port listened at."""
        return self._server.port

    async def close(self) -> None:
        """Stop listening and end every connection."""
        await self._server.drain(CLOSE_WAIT_S_MAX)

    async def _live(self, request: Any) -> Reply:
        return self._json(200, {"live": True}, request)

    async def _ready(self, request: Any) -> Reply:
        found = await _asked(self._readiness)
        return self._json(200 if found.get("ready") is True else 503, found, request)

    async def _counted(self, request: Any) -> Reply:
        text = self._metrics().decode("utf-8")
        return text_reply(200, text, request_id=request.request_id, content_type=METRICS_TYPE)

    def _json(self, status: int, members: Mapping[str, Any], request: Any) -> Reply:
        told = {**members, "fastpath": fastpath.IMPLEMENTATION}
        return json_reply(status, _encode(told), request_id=request.request_id)


async def serve_ops(
    host: str,
    port: int,
    *,
    readiness: Readiness,
    metrics: Metrics,
    sock: socket.socket | None = None,
) -> OpsServer:
    """Serve `/livez`, `/readyz` (details as JSON) and `/metrics` until `close`.

    `metrics` gives the text of a scrape: `partial(exposition, folder)` of telemetry. `sock` is a
    bound socket to be used instead of the address. Raises OSError if the address cannot be had.
    """
    server = OpsServer(readiness, metrics)
    await server.start(host, port, sock)
    return server
