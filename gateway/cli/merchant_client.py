"""A merchant's program, as the demonstration needs one: signed requests, verified webhooks.

Law: it uses no code of the gateway and knows only what the contract says, so that what
it shows is what any merchant's program would see. Sources: the signing section of the HTTP API,
version 1; Standard Webhooks 1.0.0.
"""

import asyncio
import base64
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp import web

REQUEST_S_MAX = 20.0
WEBHOOK_AGE_S_MAX = 300
WEBHOOK_BYTES_MAX = 256 * 1024


class Refused(Exception):
    """The gateway answered with an error: `status`, and the problem's members."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")


class MerchantClient:
    """Signs requests with an HMAC key. An async context manager."""

    def __init__(self, base_url: str, *, merchant_id: str, key_id: str, key_secret: str) -> None:
        self._base_url = base_url
        self._merchant_id = merchant_id
        self._key_id = key_id
        self._secret = base64.b64decode(key_secret)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S_MAX))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, target: str) -> dict[str, Any]:
        """The object at a target. Raises `Refused`."""
        return await self._ask("GET", target, b"")

    async def post(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the gateway answers to a body. Raises `Refused`."""
        return await self._ask("POST", target, json.dumps(body).encode())

    async def _ask(self, method: str, target: str, body: bytes) -> dict[str, Any]:
        headers = {"Authorization": self._authorization(method, target, body)}
        if body:
            headers["Content-Type"] = "application/json"
        async with self._session.request(
            method, f"{self._base_url}{target}", data=body or None, headers=headers
        ) as answer:
            content: dict[str, Any] = await answer.json(content_type=None)
            if answer.status >= 400:
                raise Refused(answer.status, content)
            return content

    def _authorization(self, method: str, target: str, body: bytes) -> str:
        moment, nonce = str(int(time.time())), secrets.token_hex(16)
        head = "\n".join((method, target, moment, nonce)).encode()
        digest = hmac.digest(self._secret, head + b"\n" + body + b"\n", "sha256")
        signature = base64.b64encode(digest).decode()
        return (
            f'TILL1-HMAC-SHA256 mch="{self._merchant_id}",key="{self._key_id}",'
            f'ts="{moment}",nonce="{nonce}",sig="{signature}"'
        )


@dataclass(frozen=True)
class Received:
    """One webhook as it came; `verified` says whether its signature was right."""

    verified: bool
    event: dict[str, Any]


class WebhookReceiver:
    """Takes webhooks on loopback and verifies them. An async context manager.

    `secret` is the `whsec_…` that they are signed with.
    """

    def __init__(self, secret: str) -> None:
        self._secret = base64.b64decode(secret.removeprefix("whsec_"))
        self.received: list[Received] = []
        self._news = asyncio.Condition()
        self._port = 0
        application = web.Application(client_max_size=WEBHOOK_BYTES_MAX)
        application.router.add_post("/webhooks", self._take)
        self._runner = web.AppRunner(application, access_log=None)

    @property
    def url(self) -> str:
        """Where it takes webhooks."""
        return f"http://127.0.0.1:{self._port}/webhooks"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def wait_for(self, kind: str, *, seconds: float) -> Received | None:
        """The first verified event of a type, None if there is none in time."""
        async with self._news:
            try:
                async with asyncio.timeout(seconds):
                    while (found := self._find(kind)) is None:
                        await self._news.wait()
                    return found
            except TimeoutError:
                return None

    def _find(self, kind: str) -> Received | None:
        return next(
            (each for each in self.received if each.verified and each.event["type"] == kind), None
        )

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        verified = self._verifies(request, body)
        async with self._news:
            self.received.append(Received(verified, json.loads(body) if verified else {}))
            self._news.notify_all()
        return web.Response(status=204 if verified else 401)

    def _verifies(self, request: web.Request, body: bytes) -> bool:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        event_id, moment, signatures = (request.headers.get(name, "") for name in names)
        if not moment.isdecimal() or abs(time.time() - int(moment)) > WEBHOOK_AGE_S_MAX:
            return False
        content = f"{event_id}.{moment}.".encode() + body
        expected = base64.b64encode(hmac.digest(self._secret, content, "sha256")).decode()
        return any(hmac.compare_digest(each, f"v1,{expected}") for each in signatures.split(" "))
