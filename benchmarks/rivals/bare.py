"""The bare exchanges of a payment that is told to its merchant: bytes and cryptography, no more.

Law: answers a create with one buffer, as hello does, whatever it says; checks the signature of a
callback (RSA-2048 with SHA-256), answers it, and posts one webhook to one receiver, signed with
HMAC-SHA-256 and Ed25519, over kept connections. No database, no merchant's signature, no check of
any field; nothing is remembered, nothing sent again. One process on uvloop, asyncio's protocols
without a framework, `cryptography`, and nothing of Tillgate's own code.

    python -m benchmarks.rivals.bare 8080 settings.json
"""

import asyncio
import base64
import hmac
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast
from urllib.parse import unquote_plus

import uvloop
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

MADE_BODY = b'{"hello":"world"}'
MADE = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(MADE_BODY),
    MADE_BODY,
)
TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nsuccess"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfail"
CONNECTIONS_MAX = 64  # to the receiver
BACKLOG = 1_024
_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class Bare:
    """The program. `settings`: `public_key` (PEM) that verifies callbacks; of webhooks `port` and
    `path` of their receiver, `secret` and `seed` (base64) that sign them."""

    def __init__(self, settings: dict[str, str]) -> None:
        key = load_pem_public_key(settings["public_key"].encode("ascii"))
        assert isinstance(key, rsa.RSAPublicKey)
        self._key = key
        self._secret = base64.b64decode(settings["secret"])
        self._signing = Ed25519PrivateKey.from_private_bytes(base64.b64decode(settings["seed"]))
        self._port = int(settings["port"])
        self._head = (
            f"POST {settings['path']} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            "User-Agent: bare\r\nContent-Type: application/json\r\n"
        )
        self._free: list[Telling] = []
        self._waiting: deque[bytes] = deque()

    async def open(self) -> None:
        """The connections to the receiver."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS_MAX):
            _, telling = await loop.create_connection(
                lambda: Telling(self), "127.0.0.1", self._port
            )
            self._free.append(telling)

    def notified(self, body: bytes) -> bytes:
        """The answer to a callback; the merchant is told afterwards."""
        fields = dict(part.split("=", 1) for part in body.decode("ascii").split("&"))
        fields.pop("sign_type")
        signature = base64.b64decode(unquote_plus(fields.pop("sign")))
        text = "&".join([f"{name}={unquote_plus(fields[name])}" for name in sorted(fields)])
        try:
            self._key.verify(signature, text.encode(), _PADDING, _SHA256)
        except InvalidSignature:
            return REFUSED
        self._tell(fields["out_trade_no"], fields["total_amount"])
        return TAKEN

    def _tell(self, number: str, amount: str) -> None:
        now = time.time()
        body = (
            f'{{"id":"evt_{number}","type":"payment.succeeded","created_at":"{now:.6f}",'
            f'"data":{{"merchant_order_no":"{number}","amount":"{amount}"}}}}'
        )
        content = f"evt_{number}.{now:.0f}.{body}".encode()
        v1 = base64.b64encode(hmac.digest(self._secret, content, "sha256")).decode()
        v1a = base64.b64encode(self._signing.sign(content)).decode()
        raw = (
            f"{self._head}webhook-id: evt_{number}\r\nwebhook-timestamp: {now:.0f}\r\n"
            f"webhook-signature: v1,{v1} v1a,{v1a}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        if self._free:
            self._free.pop().send(raw)
        else:
            self._waiting.append(raw)

    def told(self, telling: "Telling") -> None:
        """A connection has its answer."""
        if self._waiting:
            telling.send(self._waiting.popleft())
        else:
            self._free.append(telling)


class Telling(asyncio.Protocol):
    """One connection to the receiver, whose answers have no body."""

    def __init__(self, bare: Bare) -> None:
        self._bare = bare
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base class

    def send(self, raw: bytes) -> None:
        """Post a webhook."""
        self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        """An answer, which comes in one piece."""
        if not data.startswith(b"HTTP/1.1 2") or not data.endswith(_HEAD_END):
            raise ValueError(f"the receiver answers {data[:100]!r}")
        self._bare.told(self)


class Serving(asyncio.Protocol):
    """One connection of a generator."""

    def __init__(self, bare: Bare) -> None:
        self._bare = bare
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (head_bytes := self._buffer.find(_HEAD_END)) >= 0:
            head = self._buffer[:head_bytes].lower()
            at = head.find(_LENGTH)
            length = 0 if at < 0 else int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
            begin = head_bytes + len(_HEAD_END)
            if len(self._buffer) < begin + length:
                return
            body, self._buffer = (
                self._buffer[begin : begin + length],
                self._buffer[begin + length :],
            )
            is_callback = head.startswith(b"post /callbacks/")
            self._transport.write(self._bare.notified(body) if is_callback else MADE)


async def serve(port: int, settings: dict[str, str]) -> None:
    """Serve until told to end."""
    bare = Bare(settings)
    await bare.open()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Serving(bare), "127.0.0.1", port, backlog=BACKLOG)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until told to end."""
    settings = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), settings))


if __name__ == "__main__":
    main()
