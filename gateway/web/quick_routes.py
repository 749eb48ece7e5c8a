"""Routes of the API behind the quick way: their own handlers, called without aiohttp's request.

Law: what a handler would be given on the careful way it is given here: path, query and body as they
came, and a proven caller. Reading, deciding and refusing are the handler's own. Only handlers that
ask for nothing else of a request may stand here.
"""

from collections.abc import Iterable
from typing import NamedTuple

from fastpath.request import PlainRequest
from gateway.web.quick import Exchange
from gateway.web.routing import Route, Router


class Asked(NamedTuple):
    """What a handler reads of a request."""

    params: dict[str, str]
    query: str
    body: bytes


class RouteDoor:
    """One route with a scope."""

    def __init__(self, route: Route, scope: str) -> None:
        self.name = route.name
        self.scope = scope
        self._handler = route.handler

    def begin(self, asked: Asked, exchange: Exchange) -> bool:
        """Call the handler."""
        exchange.params, exchange.query, exchange.body = asked
        exchange.carry_out(self._handler(exchange))
        return True


class QuickRoutes:
    """Finds the routes of `names` that have a scope, as the router of all routes finds them.

    Not those whose answers are kept: their handlers ask a header whether to go past the cache.
    """

    def __init__(self, router: Router, names: Iterable[str]) -> None:
        wanted = frozenset(names)
        self._router = router
        self._doors = {
            route.name: RouteDoor(route, route.scope)
            for route in router
            if route.name in wanted and route.scope is not None and not route.kept
        }

    def __call__(self, request: PlainRequest) -> tuple[RouteDoor, Asked] | None:
        """The door and what is asked for; None for what the dispatch would look at first."""
        path, _, query = request.target.decode("ascii").partition("?")
        route, params, _ = self._router.resolve(request.method.decode("ascii"), path)
        door = None if route is None else self._doors.get(route.name)
        if (
            route is None
            or door is None
            or (query and route.query is None)
            or (request.body and route.body is None)
        ):
            return None
        return door, Asked(params, query, request.body)
