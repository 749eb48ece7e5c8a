"""The doors of events: everything that became true for a merchant, in order, and again.

Law: `sequence` rises without a gap and nothing is ever inserted below what was shown, so a reader
that keeps the last sequence it saw misses nothing.
"""

from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gateway.center.cache_ports import Loaded
from gateway.center.replay import Replay
from gateway.domain import ids
from gateway.domain.errors import not_found
from gateway.web.api import objects
from gateway.web.api.pages import Pages
from gateway.web.api.schemas import Limit, NoParameters
from gateway.web.body import convert, read_json
from gateway.web.parameters import integer, limit_of, read_query
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = "/v1/events"
SEQUENCE_MAX = 2**62 - 1

_encode = msgspec.json.Encoder().encode

After = Annotated[
    str,
    Meta(
        description="The last sequence that was seen.",
        extra_json_schema={"x-text-of": "integer", "minimum": 0, "maximum": SEQUENCE_MAX},
    ),
]


class EventsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Parameters of `GET /v1/events`; `types` are separated by commas."""

    after: After | None = None
    types: str | None = None
    limit: Limit | None = None


class ResendEvent(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`POST /v1/events/{id}/resend`: to one endpoint, or to all that receive such events."""

    endpoint_id: str | None = None


class Events:
    """The handlers of `/v1/events`."""

    def __init__(self, *, replay: Replay, pages: Pages) -> None:
        self._replay = replay
        self._pages = pages

    def routes(self) -> list[Route]:
        """The routes of events."""
        return [
            Route(
                "GET",
                PATH,
                self.list,
                "list_events",
                "payments.read",
                kept=True,
                summary="Events behind a sequence, oldest first.",
                query=EventsQuery,
                answer=objects.EventList,
            ),
            Route(
                "GET",
                PATH + "/{event_id}",
                self.get,
                "get_event",
                "payments.read",
                summary="An event, as it is sent to webhook endpoints.",
                query=NoParameters,
                answer=objects.Event,
            ),
            Route(
                "POST",
                PATH + "/{event_id}/resend",
                self.resend,
                "resend_event",
                "webhooks.write",
                status=202,
                summary="Send an event again: same id, same body.",
                body=ResendEvent,
                answer=objects.ResentEvent,
                refusals=("invalid_state",),
            ),
        ]

    async def list(self, request: Request) -> Reply:
        """`GET /v1/events`: `next_cursor` is the `after` of the next page."""
        asked = read_query(request.query, EventsQuery)
        merchant_id = request.caller.merchant.id
        return await self._pages.reply(request, partial(self._page, merchant_id, asked))

    async def _page(self, merchant_id: str, asked: EventsQuery) -> Loaded:
        limit = limit_of(asked.limit)
        found = await self._replay.page(
            merchant_id,
            after=integer(asked.after, param="/after", default=0, least=0, most=SEQUENCE_MAX),
            types=None if asked.types is None else asked.types.split(","),
            limit=limit + 1,
        )
        page, has_more = found[:limit], len(found) > limit
        body = {
            "data": [msgspec.Raw(event) for _, event in page],
            "has_more": has_more,
            "next_cursor": str(page[-1][0]) if has_more else None,
        }
        # Any event may tell of a payer, and a composed one is not taken apart to find out.
        return Loaded(_encode(body), is_personal=True)

    async def get(self, request: Request) -> Reply:
        """`GET /v1/events/{event_id}`."""
        read_query(request.query, NoParameters)
        body = await self._replay.get(request.caller.merchant.id, _event_id(request))
        return json_reply(200, body, request_id=request.request_id)

    async def resend(self, request: Request) -> Reply:
        """`POST /v1/events/{event_id}/resend`: 202 once every new delivery is recorded."""
        body = convert(read_json(request.body), ResendEvent)
        event_id = _event_id(request)
        endpoint_id = None
        if body.endpoint_id is not None:
            endpoint_id = _own(request, "whe", body.endpoint_id)
        count = await self._replay.resend(
            request.caller.merchant.id, event_id, endpoint_id=endpoint_id
        )
        answer = {"object": "resend", "event_id": event_id, "deliveries": count}
        return json_reply(202, _encode(answer), request_id=request.request_id)


def _event_id(request: Request) -> str:
    return _own(request, "evt", request.params["event_id"])


def _own(request: Request, prefix: str, text: str) -> str:
    """An id of the merchant's bucket. Others are answered like unknown ones."""
    found = ids.parse(prefix, text)
    if found is None or ids.bucket_of(found) != ids.bucket_of(request.caller.merchant.id):
        raise not_found()
    return found
