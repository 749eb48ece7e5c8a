"""The doors of the notify secret, which signs what goes to a payment's `notify_url`.

Law: shape only. The secret is answered to whoever may write webhooks, and must lie in no cache.
"""

import msgspec

from gateway.center.notify import Notify, Shown
from gateway.domain.endpoint import NotifySecret, notify_secret_view
from gateway.web.api import objects
from gateway.web.api.schemas import NoParameters
from gateway.web.api.webhook_endpoints import RotateSecret
from gateway.web.body import convert, read_json
from gateway.web.parameters import read_query
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = "/v1/notify_secret"
SCOPE = "webhooks.write"

_REPLAYED = ("Idempotent-Replayed", "true")
_NO_STORE = ("Cache-Control", "no-store")
_encode = msgspec.json.Encoder().encode


class NotifySecrets:
    """The handlers of `/v1/notify_secret`."""

    def __init__(self, *, notify: Notify) -> None:
        self._notify = notify

    def routes(self) -> list[Route]:
        """The routes of the notify secret."""
        return [
            Route(
                "GET",
                PATH,
                self.get,
                "get_notify_secret",
                SCOPE,
                summary="The secret that signs what goes to a payment's notify_url.",
                query=NoParameters,
                answer=objects.NotifySecret,
            ),
            Route(
                "POST",
                PATH + "/rotate",
                self.rotate,
                "rotate_notify_secret",
                SCOPE,
                summary="Replace the notify secret; the old one signs too for a while.",
                body=RotateSecret,
                answer=objects.NotifySecret,
                refusals=("stale_version",),
            ),
        ]

    async def get(self, request: Request) -> Reply:
        """`GET /v1/notify_secret`."""
        read_query(request.query, NoParameters)
        shown = await self._notify.notify_secret(request.caller.merchant.id)
        return _reply(shown, request)

    async def rotate(self, request: Request) -> Reply:
        """`POST /v1/notify_secret/rotate`; repeated within ten minutes it changes nothing."""
        body = convert(read_json(request.body), RotateSecret)
        shown = await self._notify.rotate_notify_secret(
            request.caller.merchant.id,
            overlap_s=body.overlap_s,
            version=body.version,
            actor=request.caller.key.id,
            request_id=request.request_id,
        )
        return _reply(shown, request)


def _reply(shown: Shown, request: Request) -> Reply:
    assert isinstance(shown.holder, NotifySecret)
    view = notify_secret_view(shown.holder, secret=shown.secret or "", public_key=shown.public_key)
    headers = (_REPLAYED, _NO_STORE) if shown.is_repeat else (_NO_STORE,)
    return json_reply(200, _encode(view), request_id=request.request_id, headers=headers)
