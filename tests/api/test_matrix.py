"""Routes by roles, drawn from the router: who may enter where, and whose objects are there.

A route that is added is asked here without a line of this file. One that asks for no key must be
named in `OPEN` with its reason, and an object of a new kind must be made in `owned`.
"""

import json
from typing import Any

import pytest

from gateway.domain.access import HOUSE_SCOPES, MERCHANT_SCOPES
from gateway.domain.ids import bucket_of
from gateway.web.api.terms import PLACEHOLDERS
from gateway.web.routing import Route
from tests.api.conftest import Api, Caller, ask, request_bytes, without_names

# The doors that ask for no key, each with its reason.
OPEN = {
    "receive_callback": "a channel's own signature says what a callback is worth",
    "livez": "a word for load balancers",
    "readyz": "a word for load balancers",
    "get_openapi": "nobody's",
    "get_errors_page": "nobody's",
}
# A body that passes the schema of its route, so that what is refused is refused for the object.
BODIES: dict[str, dict[str, Any]] = {
    "take_payment_receipt": {"receipt_no": "0001", "amount": 100},
    "take_refund_receipt": {"receipt_no": "0001", "amount": 100},
    "confirm_payment": {"method": "alipay_qr"},
    "resend_webhook_events": {
        "created_from": "2026-01-01T00:00:00Z",
        "created_to": "2026-01-02T00:00:00Z",
    },
    "create_key": {"algorithm": "hmac-sha256", "scopes": ["payments.read"]},
    "create_channel_account": {"channel": "alipay", "methods": ["alipay_qr"], "credentials": {}},
    "set_merchant_status": {"status": "suspended"},
}
UNKNOWN_ID = "01jd3xk1vvfr0anyb1ngk00000"


def signed(api: Api) -> list[Route]:
    """The routes that ask for a key."""
    return [route for route in api.router if route.scope is not None]


def path_of(route: Route, ids: dict[str, str]) -> str:
    """The route's path with ids in its placeholders."""
    return route.pattern.format(**ids)


def unknown(route: Route) -> dict[str, str]:
    """Well-formed ids of nothing."""
    prefixes = {
        name: PLACEHOLDERS[name].__metadata__[0].pattern[1:4] for name in route.placeholders
    }
    return {name: f"{prefix}_{UNKNOWN_ID}" for name, prefix in prefixes.items()}


def _raw(route: Route) -> bytes:
    return json.dumps(BODIES.get(route.name, {})).encode() if route.body is not None else b""


def test_the_open_doors_are_the_listed_ones(api: Api) -> None:
    assert {route.name for route in api.router if route.scope is None} == set(OPEN)


def test_every_scope_exists(api: Api) -> None:
    for route in signed(api):
        allowed = HOUSE_SCOPES if route.pattern.startswith("/admin/") else MERCHANT_SCOPES
        assert route.scope in allowed, route.name


def test_what_changes_state_needs_more_than_reading(api: Api) -> None:
    for route in signed(api):
        assert route.scope is not None
        is_reading = route.scope.endswith(".read")
        # The notify secret is for whoever may write webhooks; so are endpoints.
        assert not (is_reading and route.method != "GET"), route.name


async def test_without_a_signature(api: Api) -> None:
    async with api.no_effect():
        for route in signed(api):
            target, raw = path_of(route, unknown(route)), _raw(route)
            head = f"{route.method} {target} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(raw)}\r\n"
            data = f"{head}Content-Type: application/json\r\n\r\n".encode() + raw
            answer = await ask(api.world, data)
            assert (answer.status, answer.code) == (401, "unauthenticated"), route.name


async def test_with_a_key_of_every_other_scope(api: Api) -> None:
    """A key that has all scopes of its merchant but the one, and the other way round."""
    house = api.world.core.directory.house_id
    scopes = sorted({route.scope for route in signed(api) if route.scope is not None})
    for scope in scopes:
        if scope in HOUSE_SCOPES:
            merchant_id, others = house, sorted(HOUSE_SCOPES - {scope})
        else:
            merchant_id = (await api.new_merchant(scopes=["reports.read"])).mch
            others = sorted(MERCHANT_SCOPES - {scope})
        caller = await api.new_key(merchant_id, others)
        async with api.no_effect():
            for route in signed(api):
                if route.scope != scope:
                    continue
                answer = await caller.send(
                    route.method, path_of(route, unknown(route)), _raw(route)
                )
                assert (answer.status, answer.body["code"]) == (403, "forbidden_scope"), route.name
        await api.world.core.onboard.revoke_key(caller.key, actor="test", request_id=None)


async def test_no_merchant_enters_the_administration(api: Api, merchant: Caller) -> None:
    async with api.no_effect():
        for route in signed(api):
            if route.pattern.startswith("/admin/"):
                target = path_of(route, unknown(route))
                answer = await merchant.send(route.method, target, _raw(route))
                assert (answer.status, answer.body["code"]) == (403, "forbidden_scope"), route.name
    admin = await api.admin()
    for scope in sorted(HOUSE_SCOPES):
        body = {"algorithm": "hmac-sha256", "scopes": [scope]}
        async with api.no_effect():
            answer = await admin.post(f"/admin/v1/merchants/{merchant.mch}/keys", body)
            assert (answer.status, answer.body["code"]) == (400, "invalid_field")


async def owned(api: Api) -> dict[str, str]:
    """One object of each kind, all of one merchant."""
    merchant = api.merchant
    paid = await api.paid()
    body = {"payment_id": paid["id"], "merchant_refund_no": api.number(), "amount": 1}
    refund = (await merchant.post("/v1/refunds", body)).body
    url = {"url": f"https://a.example/{api.number()}", "events": ["*"]}
    endpoint = (await merchant.post("/v1/webhook_endpoints", url)).body
    event = (await merchant.get("/v1/events?limit=1")).body["data"][0]
    return {
        "payment_id": paid["id"],
        "refund_id": refund["id"],
        "endpoint_id": endpoint["id"],
        "event_id": event["id"],
        "merchant_id": merchant.mch,
        "key_id": merchant.key,
        "channel_account_id": api.world.account_id,
    }


async def neighbour(api: Api) -> Caller:
    """A merchant of the same bucket as the owner's: nothing in an id tells them apart."""
    wanted = bucket_of(api.merchant.mch)
    onboard = api.world.core.onboard
    entropy = onboard._entropy
    onboard._entropy = lambda n: wanted.to_bytes(2) if n == 2 else entropy(n)
    try:
        made = await api.new_merchant()
    finally:
        onboard._entropy = entropy
    assert bucket_of(made.mch) == wanted
    return made


@pytest.mark.parametrize("who", ["a stranger", "a neighbour"])
async def test_objects_of_others_are_unknown(api: Api, who: str) -> None:
    caller = await neighbour(api) if who == "a neighbour" else await api.new_merchant()
    ids = await owned(api)
    async with api.no_effect():
        for route in signed(api):
            if not route.placeholders or route.pattern.startswith("/admin/"):
                continue
            theirs = await caller.send(route.method, path_of(route, ids), _raw(route))
            nobodys = await caller.send(route.method, path_of(route, unknown(route)), _raw(route))
            assert (theirs.status, theirs.body["code"]) == (404, "not_found"), route.name
            assert without_names(theirs.body) == without_names(nobodys.body)


async def test_objects_of_others_in_bodies_and_queries(api: Api) -> None:
    caller, ids = await neighbour(api), await owned(api)
    own_event = await _event_of(api, caller)
    payment = (await api.merchant.get(f"/v1/payments/{ids['payment_id']}")).body
    async with api.no_effect():
        body = {"payment_id": ids["payment_id"], "merchant_refund_no": "R-1", "amount": 1}
        assert (await caller.post("/v1/refunds", body)).status == 404
        body = {"endpoint_id": ids["endpoint_id"]}
        assert (await caller.post(f"/v1/events/{own_event}/resend", body)).status == 404
        listed = await caller.get(f"/v1/refunds?payment_id={ids['payment_id']}")
        assert listed.body["data"] == []
        for name in ("merchant_order_no", "channel_order_no"):
            assert (await caller.get(f"/v1/payments?{name}={payment[name]}")).status == 404


async def _event_of(api: Api, caller: Caller) -> str:
    await caller.post("/v1/payments", api.order())
    return (await caller.get("/v1/events?limit=1")).body["data"][0]["id"]


async def test_lists_show_ones_own_only(api: Api) -> None:
    caller = await neighbour(api)
    await owned(api)
    for target in ("/v1/payments", "/v1/refunds", "/v1/webhook_endpoints", "/v1/events"):
        assert (await caller.get(target)).body["data"] == []
    assert (await caller.get("/v1/balance")).body["balances"] == []


async def test_the_administration_answers_unknown_ids_alike(api: Api) -> None:
    admin = await api.admin()
    async with api.no_effect():
        for route in signed(api):
            if route.placeholders and route.pattern.startswith("/admin/"):
                for ids in (unknown(route), dict.fromkeys(route.placeholders, "x")):
                    answer = await admin.send(route.method, path_of(route, ids), _raw(route))
                    assert (answer.status, answer.body["code"]) == (404, "not_found"), route.name


async def test_a_spoofed_merchant_changes_nothing(api: Api, merchant: Caller) -> None:
    other = await api.new_merchant()
    headers = {"X-Merchant-Id": merchant.mch, "X-Original-URL": "/v1/balance"}
    assert (await other.get("/v1/payments", headers=headers)).body["data"] == []
    for name in ("merchant_id", "status", "fee_amount", "amount_captured", "livemode"):
        data = request_bytes(other, "POST", "/v1/payments", b'{"%b":"x"}' % name.encode())
        assert (await ask(api.world, data)).code == "unknown_field"
