"""Routes: what a path leads to, as tables."""

from typing import Any

import pytest

from gateway.web.reply import Reply
from gateway.web.routing import PATH_SEGMENTS_MAX, Route, Router

pytestmark = pytest.mark.fast


async def handle(request: Any) -> Reply:
    raise AssertionError


def route(method: str, pattern: str, name: str | None = None) -> Route:
    return Route(method, pattern, handle, name or f"{method} {pattern}")


@pytest.fixture
def router() -> Router:
    router = Router()
    for line in (
        "GET /",
        "POST /v1/payments",
        "GET /v1/payments",
        "GET /v1/payments/{payment_id}",
        "POST /v1/payments/{payment_id}/cancel",
        "GET /v1/payments/export",
        "GET /v1/{kind}/{object_id}/events",
        "GET /v1/payments/{payment_id}/{part}",
        "DELETE /v1/webhook_endpoints/{endpoint_id}",
        "PUT /v1/webhook_endpoints/{other_name}",
        "GET /{page}",
    ):
        router.add(route(*line.split()))
    return router


FOUND = [
    # request, pattern, params
    ("GET /", "/", {}),
    ("GET /docs", "/{page}", {"page": "docs"}),
    ("POST /v1/payments", "/v1/payments", {}),
    ("GET /v1/payments", "/v1/payments", {}),
    ("GET /v1/payments/export", "/v1/payments/export", {}),
    ("GET /v1/payments/pay_1", "/v1/payments/{payment_id}", {"payment_id": "pay_1"}),
    ("GET /v1/payments/..", "/v1/payments/{payment_id}", {"payment_id": ".."}),
    ("POST /v1/payments/pay_1/cancel", "/v1/payments/{payment_id}/cancel",
     {"payment_id": "pay_1"}),
    ("GET /v1/refunds/rfd_1/events", "/v1/{kind}/{object_id}/events",
     {"kind": "refunds", "object_id": "rfd_1"}),
    ("GET /v1/payments/pay_1/attempts", "/v1/payments/{payment_id}/{part}",
     {"payment_id": "pay_1", "part": "attempts"}),
    ("PUT /v1/webhook_endpoints/whe_1", "/v1/webhook_endpoints/{other_name}",
     {"other_name": "whe_1"}),
    ("DELETE /v1/webhook_endpoints/whe_1", "/v1/webhook_endpoints/{endpoint_id}",
     {"endpoint_id": "whe_1"}),
]  # fmt: skip


@pytest.mark.parametrize(("request_line", "pattern", "params"), FOUND)
def test_path_leads_to_its_route(
    router: Router, request_line: str, pattern: str, params: dict[str, str]
) -> None:
    found = router.resolve(*request_line.split())
    assert found.route is not None
    assert (found.route.pattern, found.params, found.allow) == (pattern, params, ())


LOST = [
    # request, methods that would be allowed
    ("GET /v1/payments/", ()),
    ("GET //v1/payments", ()),
    ("GET /v1//payments", ()),
    ("GET /v1/payments//cancel", ()),
    ("GET /V1/payments", ()),
    ("GET /v1/payments/pay%5f1", ()),
    ("GET /v1/p%61yments", ()),
    ("GET /%2e%2e", ()),
    ("GET /v1/payments/pay_1/cancel/now", ()),
    ("GET /v1/nothing", ()),
    ("GET " + "/x" * (PATH_SEGMENTS_MAX + 1), ()),
    ("HEAD /v1/payments", ("GET", "POST")),
    ("OPTIONS /v1/payments", ("GET", "POST")),
    ("post /v1/payments", ("GET", "POST")),
    ("DELETE /v1/payments/pay_1", ("GET",)),
    ("DELETE /v1/payments/export", ("GET",)),
    ("PUT /v1/payments/pay_1/cancel", ("GET", "POST")),
    ("POST /v1/webhook_endpoints/whe_1", ("DELETE", "PUT")),
]


@pytest.mark.parametrize(("request_line", "allow"), LOST)
def test_other_paths_lead_nowhere(
    router: Router, request_line: str, allow: tuple[str, ...]
) -> None:
    found = router.resolve(*request_line.split())
    assert (found.route, found.params, found.allow) == (None, {}, allow)


BAD_ROUTES = [
    ("GET", "v1/payments"),
    ("GET", ""),
    ("GET", "/v1/payments/"),
    ("GET", "/v1//payments"),
    ("GET", "/v1/{Payment}"),
    ("GET", "/v1/pay_{id}"),
    ("GET", "/v1/{id}/x/{id}"),
    ("GET", "/v1/a b"),
    ("GET", "/v1/a%20b"),
    ("GET", "/v1/a?b"),
    ("get", "/v1/payments"),
    ("BREW", "/v1/payments"),
    ("GET", "/x" * (PATH_SEGMENTS_MAX + 1)),
]


@pytest.mark.parametrize(("method", "pattern"), BAD_ROUTES)
def test_what_is_no_route_is_not_added(method: str, pattern: str) -> None:
    router = Router()
    with pytest.raises(ValueError):
        router.add(route(method, pattern))
    assert not list(router)


def test_one_route_per_method_and_path_and_one_name(router: Router) -> None:
    for taken in (
        route("GET", "/v1/payments", "again"),
        route("GET", "/v1/payments/{other}", "again"),
        route("GET", "/fresh", "GET /v1/payments"),
    ):
        with pytest.raises(ValueError):
            router.add(taken)


def test_routes_are_listed_in_their_order(router: Router) -> None:
    assert len(router) == 11
    names = [route.name for route in router]
    assert names[0] == "GET /" and names[-1] == "GET /{page}"
    assert route("GET", "/v1/{a}/x/{b_2}").placeholders == ["a", "b_2"]
