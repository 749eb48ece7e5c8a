"""Administration over HTTP: signed by the house, answered by the register, and by nobody else."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.center.authenticate import Authenticator
from gateway.domain import ids
from gateway.domain.access import HOUSE_SCOPES, MERCHANT_SCOPES
from gateway.web.access import authenticated
from gateway.web.admin.channel_accounts import ChannelAccounts
from gateway.web.admin.keys import Keys
from gateway.web.admin.merchants import Merchants
from gateway.web.routing import Router
from gateway.web.server import HttpServer
from tests.client import Answer, Client
from tests.world import PRIVATE_PEM, PUBLIC_PEM, World, open_world

MERCHANTS = "/admin/v1/merchants"


class Office:
    """A door of administration on a running world, and clients that knock at it."""

    def __init__(self, world: World, server: HttpServer, routes: list) -> None:
        self.world = world
        self.routes = routes
        self.base = f"http://127.0.0.1:{server.port}"
        self.admin: Client

    def at_the_door(self, client: Client) -> Client:
        return Client(
            client.session, self.base, mch=client.mch, key=client.key, secret=client.secret
        )

    async def client(self, merchant_id: str, *scopes: str) -> Client:
        return self.at_the_door(await self.world.new_key(merchant_id, list(scopes)))

    def client_of(self, key: Any, secret: str | None = None) -> Client:
        return Client(
            self.world.session,
            self.base,
            mch=key["merchant_id"],
            key=key["id"],
            secret=base64.b64decode(secret or key["secret"]),
        )

    async def merchant(self, **body: Any) -> Any:
        answer = await self.admin.post(MERCHANTS, {"name": "Shop"} | body)
        assert answer.status == 201, answer
        return answer.body

    async def types(self) -> list[str]:
        rows = await self.world.sql(
            "select type from journal j join merchants m using (merchant_id)"
            " where m.house order by seq"
        )
        return [row["type"] for row in rows]


@pytest.fixture
async def office(installation, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_world(installation, tmp_path) as world:
        core = world.core
        parts = {"onboard": core.onboard, "directory": core.directory}
        key = bytes(32)
        doors = (
            Merchants(**parts, cursor_key=key),
            Keys(**parts, cursor_key=key),
            ChannelAccounts(**parts),
        )
        routes = [route for door in doors for route in door.routes()]
        router = Router()
        for route in routes:
            router.add(route)
        authenticator = Authenticator(directory=core.directory, clock=core.clock)
        server = HttpServer(
            router, new_request_id=core.ids.request_id, dispatch=authenticated(authenticator)
        )
        await server.start("127.0.0.1", 0)
        made = Office(world, server, routes)
        made.admin = made.at_the_door(await world.admin())
        try:
            yield made
        finally:
            await server.drain(5)


def refused(answer: Answer, status: int, code: str, param: str | None = None) -> None:
    found = (answer.status, answer.body.get("code"), answer.body.get("param"))
    assert found == (status, code, param), answer


async def test_from_a_merchant_to_its_first_signed_request(office: Office) -> None:
    made = await office.admin.post(
        MERCHANTS, {"name": "茶铺", "timezone": "Europe/Zurich", "merchant_ref": "M-1"}
    )
    assert made.status == 201
    merchant = made.body
    assert made.headers["Location"] == f"{MERCHANTS}/{merchant['id']}"
    created_at = merchant.pop("created_at")
    assert created_at.endswith("Z")
    assert merchant == {
        "id": merchant["id"],
        "object": "merchant",
        "merchant_ref": "M-1",
        "name": "茶铺",
        "status": "active",
        "house": False,
        "timezone": "Europe/Zurich",
        "version": 1,
    }
    answer = await office.admin.post(
        f"{MERCHANTS}/{merchant['id']}/keys",
        {"algorithm": "hmac-sha256", "scopes": ["payments.read"], "ip_allow": ["127.0.0.1"]},
    )
    assert answer.status == 201
    key = answer.body
    assert len(base64.b64decode(key["secret"])) == 32
    assert (key["ip_allow"], key["scopes"]) == (["127.0.0.1/32"], ["payments.read"])

    client = office.client_of(key)
    client.base = office.world.base
    assert (await client.get("/v1/payments")).body["data"] == []
    notify = "select 1 from notify_secrets where merchant_id = $1"
    assert len(await office.world.sql(notify, ids.to_hex(merchant["id"]))) == 1
    # No answer but the first holds the secret, and the journal holds none.
    shown = await office.admin.get(f"/admin/v1/keys/{key['id']}")
    assert shown.body == {k: v for k, v in key.items() if k != "secret"}
    listed = await office.admin.get(f"{MERCHANTS}/{merchant['id']}/keys")
    assert listed.body["data"] == [shown.body]
    journal = "".join(row["data"] for row in await office.world.sql("select data from journal"))
    assert key["secret"] not in journal
    assert (await office.types())[-2:] == ["merchant.created", "key.created"]


async def test_an_account_at_a_channel(office: Office) -> None:
    merchant = await office.merchant()
    path = f"{MERCHANTS}/{merchant['id']}/channel_accounts"
    body = {
        "channel": "alipay",
        "methods": ["alipay_qr"],
        "credentials": {
            "app_id": "2021000000000001",
            "seller_id": "2088000000000001",
            "merchant_private_key": PRIVATE_PEM,
            "alipay_public_key": PUBLIC_PEM,
        },
        "weight": 5,
        "account_ref": "C-1",
    }
    made = await office.admin.post(path, body)
    assert made.status == 201, made
    assert "credentials" not in made.body
    assert (made.body["weight"], made.body["priority"], made.body["status"]) == (5, 0, "active")
    again = await office.admin.post(path, body)
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.body == made.body
    assert (await office.admin.get(made.headers["Location"])).body == made.body
    listed = await office.admin.get(path)
    assert listed.body == {"data": [made.body], "has_more": False, "next_cursor": None}
    everything = json.dumps([made.body, listed.body]) + "".join(
        row["data"] for row in await office.world.sql("select data from journal")
    )
    assert "PRIVATE" not in everything

    def changed(**credentials: str | None) -> dict:
        merged = body["credentials"] | credentials
        return body | {
            "credentials": {name: text for name, text in merged.items() if text is not None},
            "account_ref": "C-2",
        }

    for wrong, status, code, param in (
        (body | {"weight": 6}, 409, "account_ref_conflict", "/account_ref"),
        (changed(secret="x"), 400, "unknown_field", "/credentials/secret"),
        (changed(app_id=None), 400, "missing_field", "/credentials/app_id"),
        (changed(app_id=""), 400, "invalid_field", "/credentials/app_id"),
        (
            changed(merchant_private_key="no key"),
            400,
            "invalid_field",
            "/credentials/merchant_private_key",
        ),
        (changed() | {"channel": "abacus"}, 400, "invalid_field", "/channel"),
        (changed() | {"methods": ["wechat_native"]}, 422, "unsupported_method", "/methods/0"),
        (changed() | {"methods": []}, 400, "invalid_field", "/methods"),
        (changed() | {"weight": -1}, 400, "invalid_field", "/weight"),
        (changed() | {"status": "disabled"}, 400, "unknown_field", "/status"),
    ):
        refused(await office.admin.post(path, wrong), status, code, param)
    assert (await office.admin.get(path)).body["data"] == [made.body]


async def test_repeats(office: Office) -> None:
    body = {"name": "Shop", "merchant_ref": "M-1"}
    first = await office.admin.post(MERCHANTS, body)
    again = await office.admin.post(MERCHANTS, {"merchant_ref": "M-1", "name": "Shop"})
    assert (first.status, again.status) == (201, 200)
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    other = await office.admin.post(MERCHANTS, body | {"name": "Other"})
    refused(other, 409, "merchant_ref_conflict", "/merchant_ref")

    path = f"{MERCHANTS}/{first.body['id']}/keys"
    wanted = {"algorithm": "hmac-sha256", "scopes": ["payments.read"], "key_ref": "K-1"}
    made, repeat = [await office.admin.post(path, wanted) for _ in range(2)]
    assert (made.status, repeat.status) == (201, 200)
    assert "secret" in made.body
    assert "secret" not in repeat.body
    assert repeat.body["id"] == made.body["id"]
    changed = await office.admin.post(path, wanted | {"scopes": ["payments.write"]})
    refused(changed, 409, "key_ref_conflict", "/key_ref")


async def test_a_request_without_a_number_counts_once_when_sent_again(office: Office) -> None:
    raw = b'{"name":"Shop"}'
    header = office.admin.authorization("POST", MERCHANTS, raw)
    answers = await asyncio.gather(
        *(office.admin.post(MERCHANTS, raw, authorization=header) for _ in range(5))
    )
    assert sorted(answer.status for answer in answers) == [200] * 4 + [201]
    assert len({answer.body["id"] for answer in answers}) == 1
    assert answers[0].body["merchant_ref"] is None
    other = await office.admin.post(MERCHANTS, raw)
    assert other.status == 201
    assert other.body["id"] != answers[0].body["id"]


async def test_public_keys(office: Office) -> None:
    def pem(key: Any) -> str:
        form = PublicFormat.SubjectPublicKeyInfo
        return key.public_key().public_bytes(Encoding.PEM, form).decode()

    merchant, other = await office.merchant(), await office.merchant()
    path = f"{MERCHANTS}/{merchant['id']}/keys"
    ed, good_rsa = ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)
    for algorithm, key in (("ed25519", ed), ("rsa2048", good_rsa)):
        wanted = {"algorithm": algorithm, "scopes": ["payments.read"], "public_key": pem(key)}
        made = await office.admin.post(path, wanted)
        assert made.status == 201, made
        assert "secret" not in made.body
        elsewhere = await office.admin.post(f"{MERCHANTS}/{other['id']}/keys", wanted)
        refused(elsewhere, 409, "key_exists", "/public_key")
    for algorithm, text in (
        ("ed25519", pem(good_rsa)),
        ("rsa2048", pem(ed)),
        ("rsa2048", pem(rsa.generate_private_key(65537, 3072))),
        ("rsa2048", pem(rsa.generate_private_key(3, 2048))),
        ("ed25519", pem(ec.generate_private_key(ec.SECP256R1()))),
        ("ed25519", "x"),
        ("rsa2048", pem(good_rsa).replace("A", "!")),
    ):
        wanted = {"algorithm": algorithm, "scopes": ["payments.read"], "public_key": text}
        refused(await office.admin.post(path, wanted), 400, "invalid_field", "/public_key")
    bare = {"scopes": ["payments.read"]}
    answer = await office.admin.post(path, bare | {"algorithm": "ed25519"})
    refused(answer, 400, "missing_field", "/public_key")
    both = bare | {"algorithm": "hmac-sha256", "public_key": pem(ed)}
    refused(await office.admin.post(path, both), 400, "invalid_field", "/public_key")


async def test_what_a_key_may_be(office: Office) -> None:
    merchant = await office.merchant()
    path = f"{MERCHANTS}/{merchant['id']}/keys"
    base = {"algorithm": "hmac-sha256", "scopes": ["payments.read"]}
    past = (datetime.now(UTC) - timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for change, code, param in (
        ({"scopes": ["admin.read"]}, "invalid_field", "/scopes"),
        ({"scopes": ["payments"]}, "invalid_field", "/scopes"),
        ({"scopes": []}, "invalid_field", "/scopes"),
        ({"algorithm": "md5"}, "invalid_field", "/algorithm"),
        ({"ip_allow": ["10.0.0.1/8"]}, "invalid_field", "/ip_allow/0"),
        ({"ip_allow": ["10.0.0.0/8", "home"]}, "invalid_field", "/ip_allow/1"),
        ({"expires_at": past}, "invalid_field", "/expires_at"),
        ({"expires_at": "tomorrow"}, "invalid_field", "/expires_at"),
        ({"key_ref": "no spaces"}, "invalid_field", "/key_ref"),
        ({"secret": "mine"}, "unknown_field", "/secret"),
    ):
        refused(await office.admin.post(path, base | change), 400, code, param)
    for _ in range(2):
        assert (await office.admin.post(path, base)).status == 201
    refused(await office.admin.post(path, base), 409, "too_many_keys")


async def test_revoking(office: Office) -> None:
    merchant = await office.merchant()
    wanted = {"algorithm": "hmac-sha256", "scopes": ["payments.read"]}
    key = (await office.admin.post(f"{MERCHANTS}/{merchant['id']}/keys", wanted)).body
    client = office.client_of(key)
    client.base = office.world.base
    assert (await client.get("/v1/payments")).status == 200
    for _ in range(2):
        answer = await office.admin.post(f"/admin/v1/keys/{key['id']}/revoke")
        assert (answer.status, answer.body["status"], answer.body["version"]) == (200, "revoked", 2)
    refused(await client.get("/v1/payments"), 401, "unauthenticated")
    assert (await office.types()).count("key.revoked") == 1


async def test_suspending(office: Office) -> None:
    merchant = await office.merchant()
    client = await office.client(merchant["id"], "payments.read")
    client.base = office.world.base
    path = f"{MERCHANTS}/{merchant['id']}/status"
    answer = await office.admin.post(path, {"status": "suspended", "version": 1})
    assert (answer.status, answer.body["status"], answer.body["version"]) == (200, "suspended", 2)
    refused(await client.get("/v1/payments"), 401, "unauthenticated")
    stale = await office.admin.post(path, {"status": "active", "version": 1})
    refused(stale, 409, "stale_version", "/version")
    assert (await office.admin.post(path, {"status": "active"})).body["status"] == "active"
    assert (await client.get("/v1/payments")).status == 200
    house = office.admin.mch
    answer = await office.admin.post(f"{MERCHANTS}/{house}/status", {"status": "suspended"})
    refused(answer, 409, "invalid_state")
    refused(await office.admin.post(path, {"status": "gone"}), 400, "invalid_field", "/status")


async def test_what_a_merchant_may_be(office: Office) -> None:
    for body, code, param in (
        ({}, "missing_field", "/name"),
        ({"name": ""}, "invalid_field", "/name"),
        ({"name": "x" * 128}, "invalid_field", "/name"),
        ({"name": "line\nfeed"}, "invalid_field", "/name"),
        ({"name": "4111 1111 1111 1111"}, "card_number_refused", "/name"),
        ({"name": "Shop", "timezone": "Asia/Atlantis"}, "invalid_field", "/timezone"),
        ({"name": "Shop", "timezone": "../../etc/passwd"}, "invalid_field", "/timezone"),
        ({"name": "Shop", "timezone": "America"}, "invalid_field", "/timezone"),
        ({"name": "Shop", "merchant_ref": "~mine"}, "invalid_field", "/merchant_ref"),
        ({"name": "Shop", "house": True}, "unknown_field", "/house"),
        ({"name": "Shop", "status": "active"}, "unknown_field", "/status"),
    ):
        refused(await office.admin.post(MERCHANTS, body), 400, code, param)


async def test_pages(office: Office) -> None:
    made = [await office.merchant(merchant_ref=f"M-{number}") for number in range(3)]
    found: list[str] = []
    target = f"{MERCHANTS}?limit=2"
    while True:
        page = (await office.admin.get(target)).body
        found += [merchant["id"] for merchant in page["data"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            break
        assert len(page["data"]) == 2
        target = f"{MERCHANTS}?limit=2&cursor={page['next_cursor']}"
    assert found[:3] == [merchant["id"] for merchant in reversed(made)]
    assert len(found) == len(set(found)) == 5  # the world's merchant, and the house
    one = await office.admin.get(f"{MERCHANTS}?merchant_ref=M-1")
    assert one.body == made[1]
    refused(await office.admin.get(f"{MERCHANTS}?merchant_ref=M-9"), 404, "not_found")
    refused(await office.admin.get(f"{MERCHANTS}?limit=0"), 400, "invalid_field", "/limit")
    refused(await office.admin.get(f"{MERCHANTS}?page=2"), 400, "unknown_field", "/page")
    answer = await office.admin.get(f"{MERCHANTS}?cursor=abc")
    refused(answer, 400, "invalid_cursor", "/cursor")


async def test_absent_and_ill_formed_ids_are_one_answer(office: Office) -> None:
    absent = {
        "mch": ids.make("mch", at_ms=1, bucket=0, random62=1),
        "key": ids.make("key", at_ms=1, bucket=0, random62=1),
        "cac": ids.make("cac", at_ms=1, bucket=0, random62=1),
    }
    wanted = {"algorithm": "hmac-sha256", "scopes": ["payments.read"]}
    for mch, key, cac in (
        (absent["mch"], absent["key"], absent["cac"]),
        ("mch_x", "key_x", "cac_x"),
        (absent["key"], absent["cac"], absent["mch"]),
    ):
        for answer in (
            await office.admin.get(f"{MERCHANTS}/{mch}"),
            await office.admin.get(f"{MERCHANTS}/{mch}/keys"),
            await office.admin.get(f"{MERCHANTS}/{mch}/channel_accounts"),
            await office.admin.post(f"{MERCHANTS}/{mch}/keys", wanted),
            await office.admin.post(f"{MERCHANTS}/{mch}/status", {"status": "active"}),
            await office.admin.get(f"/admin/v1/keys/{key}"),
            await office.admin.post(f"/admin/v1/keys/{key}/revoke"),
            await office.admin.get(f"/admin/v1/channel_accounts/{cac}"),
        ):
            refused(answer, 404, "not_found")


async def test_every_route_asks_for_a_scope_of_the_house(office: Office) -> None:
    """Route by role: nobody, a merchant with all its scopes, a reader, a writer."""
    merchant = office.world.merchant
    everybody = await office.client(merchant.mch, *sorted(MERCHANT_SCOPES))
    house = office.admin.mch
    reader = await office.client(house, "admin.read")
    await office.admin.post(f"/admin/v1/keys/{office.admin.key}/revoke")
    writer = await office.client(house, "admin.write")
    assert len(office.routes) == 11
    values = {
        "merchant_id": merchant.mch,
        "key_id": merchant.key,
        "channel_account_id": office.world.account_id,
    }
    before = await office.types()
    for route in office.routes:
        assert route.scope in HOUSE_SCOPES
        path = route.pattern
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", value)
        nobody = await everybody.send(route.method, path, authorization="Bearer x")
        refused(nobody, 401, "unauthenticated")
        refused(await everybody.send(route.method, path), 403, "forbidden_scope")
        allowed, other = (reader, writer) if route.scope == "admin.read" else (writer, reader)
        refused(await other.send(route.method, path), 403, "forbidden_scope")
        if route.method == "GET":
            assert (await allowed.send("GET", path)).status == 200
    assert await office.types() == before


async def test_a_scope_that_was_written_by_hand_opens_no_door(office: Office) -> None:
    """A merchant's key with a scope of the house, as no operation makes it, is refused."""
    merchant = office.world.merchant
    connection = await asyncpg.connect(office.world.installation.dsns[0])
    try:
        await connection.execute(
            "update keys set scopes = '{admin.read}', directory_version = 1000 where key_id = $1",
            ids.to_hex(merchant.key),
        )
        await connection.execute("update directory_state set version = 1000")
    finally:
        await connection.close()
    await office.world.core.directory.refresh()
    refused(await office.at_the_door(merchant).get(MERCHANTS), 403, "forbidden_scope")
