"""Pages: answers to lists, from a cache that is at most a second old, or past it.

Law: a page is asked for under everything that it depends on: merchant, operation, path, query, and
what the key may do. Who sends `Cache-Control: no-cache` (or `no-store`, or `max-age=0`) is answered
from the primary. Only lists are asked for here, never an object by its id or number, and the bytes
of a kept page are those that were first sent.
Source: RFC 9111, section 5.2.1.
"""

from gateway.center.cache_ports import Cache, Load, Place
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request

CACHE_CONTROL = "Cache-Control"
_PAST = frozenset(("no-cache", "no-store", "max-age=0"))


class Pages:
    """Answers lists through a cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def reply(self, request: Request, load: Load) -> Reply:
        """The page that `load` reads, or one like it that is kept. Raises what `load` raises."""
        body = await self._cache.get(place_of(request), load, past=goes_past(request))
        return json_reply(200, body, request_id=request.request_id)


def place_of(request: Request) -> Place:
    """Where the answer to a list is kept."""
    route, caller = request.route, request.caller
    assert route is not None and route.kept, "a list must say that it may be kept"
    scopes = ",".join(sorted(caller.key.scopes))
    about = f"{scopes} {request.path}?{request.query}"
    return Place(caller.merchant.id, route.name, about)


def goes_past(request: Request) -> bool:
    """Whether the caller will have no kept answer."""
    return any(
        directive.strip().lower() in _PAST
        for line in request.headers.getall(CACHE_CONTROL, ())
        for directive in line.split(",")
    )
