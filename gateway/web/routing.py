"""Routes: which function answers which method and path.

Law: a path is compared as it stands in the request line. Nothing is decoded, joined, trimmed or
guessed: a percent sign, an empty segment or a slash at the end leads nowhere (404). A method is
allowed only if it was declared; HEAD and OPTIONS are not implied. The router is also the one list
of all routes, read by the OpenAPI document and by the test of routes against roles.
"""

import re
from collections.abc import Awaitable, Callable, Hashable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from gateway.web.reply import Reply

Handler = Callable[[Any], Awaitable[Reply]]

PATH_SEGMENTS_MAX = 16
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_.~-]+")


class Route(NamedTuple):
    """One method of one path.

    `pattern` is a path whose placeholders stand for one whole segment, such as
    `/v1/payments/{payment_id}/cancel`; `name` is unique and used in metrics and as operationId;
    `scope` is what a key needs, None where no key is asked for. `raw` takes bodies of any media
    type (callbacks); a `kept` answer may come from a cache (`api/pages.py`). The rest is for the
    OpenAPI document: `query` and `body` are schemas, `answer` is one, several (a tuple) or a media
    type, and `refusals` are the codes that this operation adds to what every operation of its shape
    may be refused with.
    """

    method: str
    pattern: str
    handler: Handler
    name: str
    scope: str | None = None
    raw: bool = False
    kept: bool = False
    status: int = 200
    summary: str = ""
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    answer: Any = None
    refusals: tuple[str, ...] = ()

    @property
    def placeholders(self) -> list[str]:
        """The names of the pattern's placeholders, from left to right."""
        return _PLACEHOLDER.findall(self.pattern)


class Found(NamedTuple):
    """What a path leads to: a route, or none and the methods that would be allowed (sorted)."""

    route: Route | None
    params: dict[str, str]
    allow: tuple[str, ...] = ()


class _Shape:
    """The patterns of one length whose placeholders stand at the same positions."""

    __slots__ = ("holes", "key_of", "places")

    def __init__(self, holes: tuple[int, ...], length: int) -> None:
        self.holes = holes
        literals = [at for at in range(length) if at not in holes]
        # A one-position itemgetter gives a text, others a tuple: either way a key of `places`.
        self.key_of: Callable[[list[str]], Hashable] = (
            itemgetter(*literals) if literals else lambda segments: ()
        )
        self.places: dict[Hashable, dict[str, Route]] = {}


_NO_PARAMS: dict[str, str] = {}
_NOWHERE = Found(None, _NO_PARAMS)


class Router:
    """All routes of a process. Resolving costs one look-up per shape of the path's length.

    Literal paths win over placeholders, fewer placeholders over more, later ones over earlier.
    """

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._names: dict[str, list[str]] = {}
        self._exact: dict[tuple[str, str], Found] = {}
        self._literals: dict[str, dict[str, Route]] = {}
        self._shapes: dict[int, list[_Shape]] = {}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def __len__(self) -> int:
        return len(self._routes)

    def add(self, route: Route) -> None:
        """Raises ValueError for what is no pattern, for a repeated route or a repeated name."""
        segments = _segments(route)
        if route.name in self._names:
            raise ValueError(f"there is a route named {route.name} already")
        holes = tuple(at for at, text in enumerate(segments) if _PLACEHOLDER.fullmatch(text))
        if holes:
            shape = self._shape(holes, len(segments))
            methods = shape.places.setdefault(shape.key_of(segments), {})
        else:
            methods = self._literals.setdefault(route.pattern, {})
        if route.method in methods:
            raise ValueError(f"{route.method} {route.pattern} is taken already")
        methods[route.method] = route
        self._routes.append(route)
        self._names[route.name] = route.placeholders
        if not holes:
            self._exact[route.method, route.pattern] = Found(route, _NO_PARAMS)

    def resolve(self, method: str, path: str) -> Found:
        """The route for a raw path (without its query), or none and the methods allowed there."""
        return self._exact.get((method, path)) or self._resolve_shapes(method, path)

    def _resolve_shapes(self, method: str, path: str) -> Found:
        if "%" in path or path.count("/") > PATH_SEGMENTS_MAX:
            return _NOWHERE
        allowed: set[str] = set(self._literals.get(path, ()))
        segments = path.split("/")[1:]
        for shape in self._shapes.get(len(segments), ()):
            methods = shape.places.get(shape.key_of(segments))
            if methods is None:
                continue
            values = [segments[at] for at in shape.holes]
            if not all(values):
                continue
            route = methods.get(method)
            if route is not None:
                return Found(route, dict(zip(self._names[route.name], values, strict=True)))
            allowed.update(methods)
        return Found(None, _NO_PARAMS, tuple(sorted(allowed))) if allowed else _NOWHERE

    def _shape(self, holes: tuple[int, ...], length: int) -> _Shape:
        shapes = self._shapes.setdefault(length, [])
        for shape in shapes:
            if shape.holes == holes:
                return shape
        shapes.append(_Shape(holes, length))
        shapes.sort(key=lambda shape: (len(shape.holes), [-at for at in shape.holes]))
        return next(shape for shape in shapes if shape.holes == holes)


def _segments(route: Route) -> list[str]:
    if route.method not in _METHODS:
        raise ValueError(f"{route.method} is no method that a route can have")
    first, *segments = route.pattern.split("/")
    if first or not segments or len(segments) > PATH_SEGMENTS_MAX:
        raise ValueError(f"{route.pattern} is no path")
    for text in segments:
        if not (_PLACEHOLDER.fullmatch(text) or _LITERAL.fullmatch(text)) and segments != [""]:
            raise ValueError(f"{route.pattern} has a segment that is neither text nor placeholder")
    names = route.placeholders
    if len(set(names)) != len(names):
        raise ValueError(f"{route.pattern} names two placeholders alike")
    return segments
