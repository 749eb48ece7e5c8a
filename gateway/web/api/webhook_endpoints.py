"""The doors of webhook endpoints.

Law: shape only; what an endpoint may be is decided in `domain.endpoint`. A secret is in the
answers to create and rotate, and nowhere else.
"""

from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.center.cache_ports import Loaded
from gateway.center.notify import EndpointRequest, Notify, Shown
from gateway.center.ports import Directory
from gateway.center.replay import Replay
from gateway.domain import cursor, delivery, endpoint, ids
from gateway.domain.endpoint import EVENTS_MAX, OVERLAP_DEFAULT_S, OVERLAP_MAX_S, EndpointUpdate
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.text import check_text
from gateway.domain.urls import check_url
from gateway.web.api import objects
from gateway.web.api.pages import Pages
from gateway.web.api.schemas import Cursor, Limit, MomentText, NoParameters, WebUrl
from gateway.web.body import convert, read_json
from gateway.web.parameters import limit_of, moment, read_query
from gateway.web.reply import Reply, empty_reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = "/v1/webhook_endpoints"
SCOPE = "webhooks.write"
TYPE_CHARS_MAX = 64

_REPLAYED = ("Idempotent-Replayed", "true")
# A secret must lie in no cache on its way.
_NO_STORE = ("Cache-Control", "no-store")
_encode = msgspec.json.Encoder().encode

TypeName = Annotated[str, Meta(min_length=1, max_length=TYPE_CHARS_MAX)]
TypeNames = Annotated[list[TypeName], Meta(min_length=1, max_length=EVENTS_MAX)]
Text = Annotated[str, Meta(min_length=1, max_length=255)]
Version = Annotated[int, Meta(ge=1)]
Overlap = Annotated[int, Meta(ge=0, le=OVERLAP_MAX_S)]


class CreateWebhookEndpoint(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/webhook_endpoints`."""

    url: WebUrl
    events: TypeNames
    description: Text | None = None


class UpdateWebhookEndpoint(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/webhook_endpoints/{id}`; what is absent stays as it is."""

    url: WebUrl | None = None
    events: TypeNames | None = None
    description: Text | None = None
    status: Literal["enabled", "disabled"] | None = None
    version: Version | None = None


class RotateSecret(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST …/rotate_secret`: for how long (seconds) the old secret signs beside the new one."""

    overlap_s: Overlap = OVERLAP_DEFAULT_S
    version: Version | None = None


class ResendRange(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST …/resend`: events from `created_from` (inclusive) to `created_to` (exclusive)."""

    created_from: MomentText
    created_to: MomentText
    types: TypeNames | None = None


class DeliveriesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET …/deliveries`."""

    created_from: MomentText | None = None
    created_to: MomentText | None = None
    limit: Limit | None = None
    cursor: Cursor | None = None


class WebhookEndpoints:
    """The handlers of `/v1/webhook_endpoints`."""

    def __init__(
        self,
        *,
        notify: Notify,
        replay: Replay,
        directory: Directory,
        pages: Pages,
        cursor_key: bytes,
        sandbox: bool,
    ) -> None:
        self._notify = notify
        self._replay = replay
        self._directory = directory
        self._pages = pages
        self._cursor_key = cursor_key
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """The routes of webhook endpoints."""
        return [*self._routes_of_all(), *self._routes_of_one(), *self._routes_of_deliveries()]

    def _routes_of_all(self) -> list[Route]:
        return [
            Route(
                "POST",
                PATH,
                self.create,
                "create_webhook_endpoint",
                SCOPE,
                status=201,
                summary="Receive events at a URL. The answer holds the signing secret, once.",
                body=CreateWebhookEndpoint,
                answer=objects.WebhookEndpoint,
                refusals=("endpoint_exists", "too_many_endpoints"),
            ),
            Route(
                "GET",
                PATH,
                self.list,
                "list_webhook_endpoints",
                SCOPE,
                kept=True,
                summary="All webhook endpoints, newest first.",
                query=NoParameters,
                answer=objects.WebhookEndpointList,
            ),
        ]

    def _routes_of_one(self) -> list[Route]:
        one = PATH + "/{endpoint_id}"
        return [
            Route(
                "GET",
                one,
                self.get,
                "get_webhook_endpoint",
                SCOPE,
                summary="A webhook endpoint.",
                query=NoParameters,
                answer=objects.WebhookEndpoint,
            ),
            Route(
                "POST",
                one,
                self.update,
                "update_webhook_endpoint",
                SCOPE,
                summary="Change where or what an endpoint receives, or enable or disable it.",
                body=UpdateWebhookEndpoint,
                answer=objects.WebhookEndpoint,
                refusals=("stale_version", "endpoint_exists"),
            ),
            Route(
                "DELETE",
                one,
                self.delete,
                "delete_webhook_endpoint",
                SCOPE,
                status=204,
                summary="Delete a webhook endpoint.",
            ),
            Route(
                "POST",
                one + "/rotate_secret",
                self.rotate_secret,
                "rotate_webhook_endpoint_secret",
                SCOPE,
                summary="Replace the signing secret; the old one signs too for a while.",
                body=RotateSecret,
                answer=objects.WebhookEndpoint,
                refusals=("stale_version",),
            ),
        ]

    def _routes_of_deliveries(self) -> list[Route]:
        one = PATH + "/{endpoint_id}"
        return [
            Route(
                "GET",
                one + "/deliveries",
                self.deliveries,
                "list_webhook_deliveries",
                SCOPE,
                kept=True,
                summary="What was and will be sent to an endpoint, newest first.",
                query=DeliveriesQuery,
                answer=objects.DeliveryList,
            ),
            Route(
                "POST",
                one + "/resend",
                self.resend,
                "resend_webhook_events",
                SCOPE,
                status=202,
                summary="Send the events of a span of time to an endpoint again.",
                body=ResendRange,
                answer=objects.ResentRange,
                refusals=("invalid_state", "limit_exceeded"),
            ),
        ]

    async def create(self, request: Request) -> Reply:
        """`POST /v1/webhook_endpoints`."""
        value = read_json(request.body)
        body = convert(value, CreateWebhookEndpoint)
        wanted = EndpointRequest(
            url=check_url(body.url, sandbox=self._sandbox, param="/url"),
            events=endpoint.check_events(body.events),
            description=_description(body.description),
        )
        shown = await self._notify.create(
            request.caller.merchant.id,
            wanted,
            self._directory.fingerprints.numbered("create_webhook_endpoint", PATH, value, body.url),
            actor=request.caller.key.id,
            request_id=request.request_id,
        )
        if shown.is_repeat:
            return _reply(200, shown, request, (_REPLAYED,))
        return _reply(201, shown, request, (("Location", f"{PATH}/{shown.holder.place.key}"),))

    async def list(self, request: Request) -> Reply:
        """`GET /v1/webhook_endpoints`: there are at most sixteen, so it is one page."""
        read_query(request.query, NoParameters)
        merchant_id = request.caller.merchant.id
        return await self._pages.reply(request, partial(self._page, merchant_id))

    async def _page(self, merchant_id: str) -> Loaded:
        found = await self._notify.all_endpoints(merchant_id)
        body = {"data": [_view(each) for each in found], "has_more": False, "next_cursor": None}
        return Loaded(_encode(body), is_personal=False)

    async def get(self, request: Request) -> Reply:
        """`GET /v1/webhook_endpoints/{endpoint_id}`."""
        read_query(request.query, NoParameters)
        shown = await self._notify.get(request.caller.merchant.id, _endpoint_id(request))
        return _reply(200, shown, request)

    async def update(self, request: Request) -> Reply:
        """`POST /v1/webhook_endpoints/{endpoint_id}`."""
        body = convert(read_json(request.body), UpdateWebhookEndpoint)
        update = EndpointUpdate(
            url=(
                None
                if body.url is None
                else check_url(body.url, sandbox=self._sandbox, param="/url")
            ),
            events=None if body.events is None else endpoint.check_events(body.events),
            description=_description(body.description),
            status=body.status,
            version=body.version,
        )
        shown = await self._notify.update(
            request.caller.merchant.id,
            _endpoint_id(request),
            update,
            actor=request.caller.key.id,
            request_id=request.request_id,
        )
        return _reply(200, shown, request)

    async def delete(self, request: Request) -> Reply:
        """`DELETE /v1/webhook_endpoints/{endpoint_id}`; also of one that is deleted already."""
        await self._notify.delete(
            request.caller.merchant.id,
            _endpoint_id(request),
            actor=request.caller.key.id,
            request_id=request.request_id,
        )
        return empty_reply(request_id=request.request_id)

    async def rotate_secret(self, request: Request) -> Reply:
        """`POST …/rotate_secret`; repeated within ten minutes it answers the same secret."""
        body = convert(read_json(request.body), RotateSecret)
        shown = await self._notify.rotate_secret(
            request.caller.merchant.id,
            _endpoint_id(request),
            overlap_s=body.overlap_s,
            version=body.version,
            actor=request.caller.key.id,
            request_id=request.request_id,
        )
        return _reply(200, shown, request, (_REPLAYED,) if shown.is_repeat else ())

    async def deliveries(self, request: Request) -> Reply:
        """`GET …/deliveries`."""
        asked = read_query(request.query, DeliveriesQuery)
        merchant_id, endpoint_id = request.caller.merchant.id, _endpoint_id(request)
        load = partial(self._page_of_deliveries, merchant_id, endpoint_id, asked)
        return await self._pages.reply(request, load)

    async def _page_of_deliveries(
        self, merchant_id: str, endpoint_id: str, asked: DeliveriesQuery
    ) -> Loaded:
        place = {
            "merchant_id": merchant_id,
            "path": f"{PATH}/{endpoint_id}/deliveries",
            "filters": f"{asked.created_from}|{asked.created_to}",
        }
        before = None
        if asked.cursor is not None:
            before = cursor.read(self._cursor_key, asked.cursor, **place)
        limit = limit_of(asked.limit)
        found = await self._notify.sent_to(
            merchant_id,
            endpoint_id,
            before=before,
            created_from=moment(asked.created_from, param="/created_from"),
            created_to=moment(asked.created_to, param="/created_to"),
            limit=limit + 1,
        )
        page, has_more = found[:limit], len(found) > limit
        following = (
            cursor.make(self._cursor_key, last=page[-1].delivery.id, **place) if has_more else None
        )
        body = {
            "data": [delivery.view(each) for each in page],
            "has_more": has_more,
            "next_cursor": following,
        }
        return Loaded(_encode(body), is_personal=False)

    async def resend(self, request: Request) -> Reply:
        """`POST …/resend`: 202 once every new delivery is recorded."""
        body = convert(read_json(request.body), ResendRange)
        endpoint_id = _endpoint_id(request)
        created_from = moment(body.created_from, param="/created_from")
        created_to = moment(body.created_to, param="/created_to")
        if created_from is None or created_to is None:
            raise TillgateError("missing_field", "Both ends of the span are needed.")
        count = await self._replay.resend_range(
            request.caller.merchant.id,
            endpoint_id,
            created_from=created_from,
            created_to=created_to,
            types=body.types,
        )
        answer = {"object": "resend", "endpoint_id": endpoint_id, "deliveries": count}
        return json_reply(202, _encode(answer), request_id=request.request_id)


def _description(text: str | None) -> str | None:
    return None if text is None else check_text(text, param="/description")


def _endpoint_id(request: Request) -> str:
    """The endpoint of the path. Ill-formed and foreign ids are answered like unknown ones."""
    found = ids.parse("whe", request.params["endpoint_id"])
    merchant_id = request.caller.merchant.id
    if found is None or ids.bucket_of(found) != ids.bucket_of(merchant_id):
        raise not_found()
    return found


def _view(shown: Shown) -> dict[str, object]:
    assert isinstance(shown.holder, endpoint.WebhookEndpoint)
    view = endpoint.view(shown.holder, shown.public_key)
    return view if shown.secret is None else {**view, "secret": shown.secret}


def _reply(
    status: int, shown: Shown, request: Request, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    if shown.secret is not None:
        headers = (*headers, _NO_STORE)
    return json_reply(status, _encode(_view(shown)), request_id=request.request_id, headers=headers)
