"""The doors of webhooks and events over real HTTP, signatures aside."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from gateway.adapters.local.cache import LocalCache
from gateway.domain.webhook import secret_bytes
from gateway.web.api.events import Events
from gateway.web.api.notify_secret import NotifySecrets
from gateway.web.api.pages import Pages
from gateway.web.api.webhook_endpoints import WebhookEndpoints
from gateway.web.reply import Reply
from gateway.web.request import Request
from gateway.web.routing import Router
from gateway.web.server import HttpServer
from tests.conftest import Installation
from tests.webhook_world import WebhookWorld, open_webhook_world, working

URL = "http://127.0.0.1:1/hook"
PATH = "/v1/webhook_endpoints"


class Doors:
    """A server of these routes; the header `Mch` says who calls."""

    def __init__(self, world: WebhookWorld, session: aiohttp.ClientSession, base: str) -> None:
        self.world = world
        self.mch = ""
        self._session = session
        self._base = base

    async def call(
        self, method: str, target: str, body: Any = None, *, mch: str | None = None
    ) -> tuple[int, Any, Any]:
        async with self._session.request(
            method, self._base + target, json=body, headers={"Mch": mch or self.mch}
        ) as response:
            text = await response.read()
            return response.status, json.loads(text) if text else None, response.headers

    async def made(self, **more: Any) -> Any:
        status, body, _ = await self.call("POST", PATH, {"url": URL, "events": ["*"]} | more)
        assert status == 201, body
        return body


@pytest.fixture
async def doors(installation: Installation) -> AsyncIterator[Doors]:
    async with open_webhook_world(installation) as world, aiohttp.ClientSession() as session:
        router = Router()
        cache = LocalCache(world.last_writes)
        pages = Pages(cache)
        rooms = (
            WebhookEndpoints(
                notify=world.notify,
                replay=world.replay,
                directory=world.directory,
                pages=pages,
                cursor_key=bytes(32),
                sandbox=True,
            ),
            Events(replay=world.replay, pages=pages),
            NotifySecrets(notify=world.notify),
        )
        for room in rooms:
            for route in room.routes():
                assert route.scope in ("webhooks.write", "payments.read")
                router.add(route)

        async def dispatch(request: Request) -> Reply:
            mch = request.headers["Mch"]
            request.caller = SimpleNamespace(
                merchant=SimpleNamespace(id=mch),
                key=SimpleNamespace(id="key_test", scopes=frozenset({"webhooks.write"})),
            )
            assert request.route is not None
            return await request.route.handler(request)

        server = HttpServer(router, new_request_id=world.ids.request_id, dispatch=dispatch)
        await server.start("127.0.0.1", 0)
        opened = Doors(world, session, f"http://127.0.0.1:{server.port}")
        opened.mch = await world.merchant()
        yield opened
        await server.drain(1)
        await cache.close()


async def test_the_life_of_an_endpoint(doors: Doors) -> None:
    body = {"url": URL, "events": ["payment.succeeded", "refund.*"], "description": "till"}
    status, made, headers = await doors.call("POST", PATH, body)
    assert status == 201 and headers["Location"] == f"{PATH}/{made['id']}"
    assert headers["Cache-Control"] == "no-store"
    assert len(secret_bytes(made.pop("secret"))) == 32
    assert made["public_key"].startswith("whpk_") and made["object"] == "webhook_endpoint"
    assert (made["status"], made["version"]) == ("enabled", 1)

    status, repeated, headers = await doors.call("POST", PATH, body)
    assert (status, headers["Idempotent-Replayed"]) == (200, "true") and repeated == made
    status, problem, _ = await doors.call("POST", PATH, body | {"events": ["*"]})
    assert (status, problem["code"]) == (409, "endpoint_exists")

    one = f"{PATH}/{made['id']}"
    assert await _body(doors, "GET", one) == made
    assert (await _body(doors, "GET", PATH))["data"] == [made]
    changed = await _body(doors, "POST", one, {"status": "disabled", "version": 1})
    assert (changed["status"], changed["version"]) == ("disabled", 2)
    status, problem, _ = await doors.call("POST", one, {"status": "enabled", "version": 1})
    assert (status, problem["code"], problem["param"]) == (409, "stale_version", "/version")

    rotated = await _body(doors, "POST", one + "/rotate_secret", {"overlap_s": 60})
    assert rotated["secret"] and rotated["version"] == 3
    status, again, headers = await doors.call("POST", one + "/rotate_secret")
    assert headers["Idempotent-Replayed"] == "true" and again["secret"] == rotated["secret"]
    assert (await doors.call("DELETE", one))[0] == 204
    assert (await doors.call("DELETE", one))[0] == 204
    assert (await doors.call("GET", one))[0] == 404


async def _body(doors: Doors, method: str, target: str, body: Any = None) -> Any:
    status, answer, _ = await doors.call(method, target, body)
    assert status in (200, 202), answer
    return answer


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"url": URL}, "missing_field", "/events"),
        ({"url": URL, "events": []}, "invalid_field", "/events"),
        ({"url": URL, "events": ["*", "no.such"]}, "invalid_field", "/events/1"),
        ({"url": URL, "events": ["*"], "secret": "x"}, "unknown_field", "/secret"),
        ({"url": URL, "events": "*"}, "invalid_field", "/events"),
        ({"url": "http://example.com/", "events": ["*"]}, "url_not_allowed", "/url"),
        ({"url": "https://u@example.com/", "events": ["*"]}, "url_not_allowed", "/url"),
        ({"url": "https://0x7f.1/", "events": ["*"]}, "url_not_allowed", "/url"),
        (
            {"url": URL, "events": ["*"], "description": "4111 1111 1111 1111"},
            "card_number_refused",
            "/description",
        ),
        ({"url": URL, "events": ["*"], "description": "a\x01"}, "invalid_field", "/description"),
    ],
)
async def test_what_no_endpoint_may_be(doors: Doors, body: Any, code: str, param: str) -> None:
    status, problem, _ = await doors.call("POST", PATH, body)
    assert (status, problem["code"], problem["param"]) == (400, code, param)
    assert (await _body(doors, "GET", PATH))["data"] == []


async def test_strangers_find_nothing(doors: Doors) -> None:
    made = await doors.made()
    event = (await _body(doors, "GET", "/v1/events"))["data"][0]
    stranger = await doors.world.merchant()
    elsewhere = await doors.world.merchant(1000)
    one = f"{PATH}/{made['id']}"
    for mch in (stranger, elsewhere):
        for method, target, body in (
            ("GET", one, None),
            ("POST", one, {"status": "disabled"}),
            ("DELETE", one, None),
            ("POST", one + "/rotate_secret", {}),
            ("GET", one + "/deliveries", None),
            (
                "POST",
                one + "/resend",
                {"created_from": "2026-01-01T00:00:00Z", "created_to": "2027-01-01T00:00:00Z"},
            ),
            ("GET", f"/v1/events/{event['id']}", None),
            ("POST", f"/v1/events/{event['id']}/resend", {}),
        ):
            status, problem, _ = await doors.call(method, target, body, mch=mch)
            assert (status, problem["code"]) == (404, "not_found"), target
    for ill in ("whe_x", "pay_" + made["id"][4:], made["id"].upper()):
        assert (await doors.call("GET", f"{PATH}/{ill}"))[0] == 404
    assert (await _body(doors, "GET", one))["status"] == "enabled"


async def test_events_in_pages(doors: Doors) -> None:
    await doors.world.pay_many(doors.mch, 5)
    first = await _body(doors, "GET", "/v1/events?limit=2")
    assert [each["sequence"] for each in first["data"]] == [1, 2]
    assert first["has_more"] and first["next_cursor"] == "2"
    rest = await _body(doors, "GET", f"/v1/events?after={first['next_cursor']}&limit=100")
    assert [each["sequence"] for each in rest["data"]] == [3, 4, 5]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)
    event = rest["data"][0]
    assert event["object"] == "event" and event["data"]["id"] == event["object_id"]
    assert await _body(doors, "GET", f"/v1/events/{event['id']}") == event
    narrowed = await _body(doors, "GET", "/v1/events?types=refund.created,webhook_endpoint.*")
    assert narrowed["data"] == []
    for query, code in (
        ("after=-1", "invalid_field"),
        ("limit=0", "invalid_field"),
        ("limit=101", "invalid_field"),
        ("types=payment.no", "invalid_field"),
        ("before=1", "unknown_field"),
        ("after=1&after=2", "malformed_request"),
    ):
        status, problem, _ = await doors.call("GET", f"/v1/events?{query}")
        assert (status, problem["code"]) == (400, code), query


async def test_deliveries_and_resending(doors: Doors) -> None:
    world = doors.world
    receiver = await world.receiver()
    made = await doors.made(url=receiver.url)
    one = f"{PATH}/{made['id']}"
    await world.pay_many(doors.mch, 3)
    async with working(world) as worker:
        await receiver.until(3)
        await world.settled(3)
        page = await _body(doors, "GET", one + "/deliveries?limit=2")
        assert page["has_more"] and len(page["data"]) == 2
        assert {each["status"] for each in page["data"]} == {"delivered"}
        assert all(each["tries"] == 1 and each["last_status"] == 200 for each in page["data"])
        rest = await _body(doors, "GET", f"{one}/deliveries?limit=2&cursor={page['next_cursor']}")
        found = [*page["data"], *rest["data"]]
        assert [each["id"] for each in found] == sorted(
            (each["id"] for each in found), reverse=True
        )
        assert {each["event_id"] for each in found} == set(receiver.ids())
        status, problem, _ = await doors.call(
            "GET", f"{PATH}/{made['id']}/deliveries?cursor={page['next_cursor'][:-2]}aa"
        )
        assert (status, problem["code"]) == (400, "invalid_cursor")

        event = found[0]["event_id"]
        status, answer, _ = await doors.call(
            "POST", f"/v1/events/{event}/resend", {"endpoint_id": made["id"]}
        )
        assert (status, answer["deliveries"]) == (202, 1)
        span = {"created_from": "2020-01-01T00:00:00Z", "created_to": "2120-01-01T00:00:00Z"}
        status, answer, _ = await doors.call("POST", one + "/resend", span)
        assert status == 202 and answer["deliveries"] >= 3
        worker.wake()
        await receiver.until(6)
    for body, code in (
        ({"created_from": "yesterday", "created_to": span["created_to"]}, "invalid_field"),
        ({"created_from": span["created_to"]}, "missing_field"),
        ({**span, "types": ["no.such"]}, "invalid_field"),
    ):
        status, problem, _ = await doors.call("POST", one + "/resend", body)
        assert (status, problem["code"]) == (400, code)


async def test_the_notify_secret(doors: Doors) -> None:
    status, shown, headers = await doors.call("GET", "/v1/notify_secret")
    assert status == 200 and headers["Cache-Control"] == "no-store"
    assert len(secret_bytes(shown["secret"])) == 32 and shown["object"] == "notify_secret"
    rotated = await _body(doors, "POST", "/v1/notify_secret/rotate", {"overlap_s": 10})
    assert rotated["secret"] != shown["secret"] and rotated["previous_valid_until"]
    status, problem, _ = await doors.call(
        "POST", "/v1/notify_secret/rotate", {"overlap_s": 7 * 86_400 + 1}
    )
    assert (status, problem["code"]) == (400, "invalid_field")
    assert (await _body(doors, "GET", "/v1/notify_secret"))["secret"] == rotated["secret"]
    told = (await _body(doors, "GET", "/v1/events?types=notify_secret.rotated"))["data"]
    assert len(told) == 1 and rotated["secret"][6:] not in json.dumps(told)
