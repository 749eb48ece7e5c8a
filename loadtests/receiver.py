"""The receiver: where the merchants' webhooks come, in the process of the load test.

Law: a webhook counts only if its signature is right (Standard Webhooks 1.0, HMAC-SHA-256 under the
secret of the endpoint that its path names); one that is forged is written down as such and refused.
Listens on loopback only.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIServer

from loadtests.record import Record, Webhook

WINDOW_S = 300
PATH = "/webhooks/"


class Receiver:
    """An HTTP server with one path per merchant."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._secrets: dict[str, bytes] = {}
        self._server = WSGIServer(("127.0.0.1", 0), self._take, log=None)

    def start(self) -> None:
        """Listen at a free port."""
        self._server.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.stop()

    def url_of(self, merchant_id: str) -> str:
        """Where the webhooks of a merchant come."""
        return f"http://127.0.0.1:{self._server.server_port}{PATH}{merchant_id}"

    def trust(self, merchant_id: str, secret: str) -> None:
        """From now on this `whsec_...` signs the webhooks of a merchant."""
        self._secrets[merchant_id] = base64.b64decode(secret.removeprefix("whsec_"))

    def _take(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        secret = self._secrets.get(environ["PATH_INFO"].removeprefix(PATH))
        event = json.loads(body)
        genuine = secret is not None and is_genuine(
            secret,
            event_id=environ.get("HTTP_WEBHOOK_ID", ""),
            timestamp=environ.get("HTTP_WEBHOOK_TIMESTAMP", ""),
            signatures=environ.get("HTTP_WEBHOOK_SIGNATURE", ""),
            body=body,
            now=time.time(),
        )
        self._record.received(
            Webhook(
                event_id=event["id"],
                type=event["type"],
                object_id=event["object_id"],
                amount=event["data"].get("amount"),
                is_genuine=genuine and event["id"] == environ["HTTP_WEBHOOK_ID"],
                body_digest=hashlib.sha256(body).hexdigest()[:16],
            )
        )
        start("204 No Content" if genuine else "400 Bad Request", [("Content-Length", "0")])
        return []


def is_genuine(
    secret: bytes, *, event_id: str, timestamp: str, signatures: str, body: bytes, now: float
) -> bool:
    """Whether one of the `v1` signatures is right and the time stamp is of now."""
    if not timestamp.isdigit() or abs(now - int(timestamp)) > WINDOW_S:
        return False
    content = f"{event_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(secret, content, "sha256")).decode()
    return any(hmac.compare_digest(each, expected) for each in signatures.split(" "))
