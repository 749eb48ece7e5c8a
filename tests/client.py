"""A merchant's client: signs by the published grammar, with nothing of Tillgate's own code."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any, NamedTuple

import aiohttp
from yarl import URL


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any


class Client:
    """Signs requests with an HMAC key and sends them."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, *, mch: str, key: str, secret: bytes
    ) -> None:
        self.session = session
        self.base = base
        self.mch = mch
        self.key = key
        self.secret = secret

    def authorization(self, method: str, target: str, body: bytes, *, at: int | None = None) -> str:
        ts = str(int(time.time()) if at is None else at)
        nonce = secrets.token_urlsafe(24)
        message = f"{method}\n{target}\n{ts}\n{nonce}\n".encode() + body + b"\n"
        sig = base64.b64encode(hmac.digest(self.secret, message, hashlib.sha256)).decode()
        return (
            f'TILL1-HMAC-SHA256 mch="{self.mch}",key="{self.key}",ts="{ts}",'
            f'nonce="{nonce}",sig="{sig}"'
        )

    async def send(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        authorization: str | None = None,
    ) -> Answer:
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        sent = {"Authorization": authorization or self.authorization(method, target, raw)}
        if raw:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        url = URL(self.base + target, encoded=True)
        async with self.session.request(
            method, url, data=raw or None, headers=sent, allow_redirects=False
        ) as response:
            text = await response.read()
            value = json.loads(text) if text else None
            return Answer(response.status, dict(response.headers), value)

    async def post(self, target: str, body: Any = None, **more: Any) -> Answer:
        return await self.send("POST", target, body, **more)

    async def get(self, target: str, **more: Any) -> Answer:
        return await self.send("GET", target, **more)
