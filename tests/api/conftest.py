"""The contract, asked of one world over real HTTP.

One world serves all tests of a process: what a test makes has its own numbers or its own merchant.
Every answer that a test gets through a `Caller` is held against the served OpenAPI document: its
status, its code, and every member of its body. What a client would repair goes over a `Wire`.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import jsonschema_rs
import msgspec
import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from gateway.web.routing import Route
from tests.client import Answer, Client
from tests.conftest import Cluster, Installation
from tests.world import World, open_world

FOLDER = Path(__file__).parent
ANSWER_SECONDS_MAX = 20.0
PROBLEM = "application/problem+json"
# What the server answers before it knows an operation; no operation lists it.
BEFORE_ANY_OPERATION = {405}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder share one loop, because they share one world."""
    for item in items:
        if FOLDER in item.path.parents and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


# What the document promises


class Contract:
    """The served OpenAPI document, as a judge of answers."""

    def __init__(self, document: dict[str, Any], routes: list[Route]) -> None:
        self.document = document
        self.routes = {route.name: route for route in routes}
        self._validators: dict[tuple[str, int], Any] = {}

    def judge(self, route: Route, answer: Answer) -> None:
        """Raises AssertionError for an answer that the document does not promise."""
        operation = self.document["paths"][route.pattern][route.method.lower()]
        assert str(answer.status) in operation["responses"], (route.name, answer)
        promised = operation["responses"][str(answer.status)]
        content = promised.get("content")
        if content is None:
            assert answer.body is None
            return
        media_type = answer.headers["Content-Type"]
        assert list(content) == [media_type]
        schema = {**content[media_type]["schema"], "components": self.document["components"]}
        key = (route.name, answer.status)
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                schema, validate_formats=True
            )
        self._validators[key].validate(answer.body)
        if answer.status < 400:
            self._judge_members(route, answer.body)

    @staticmethod
    def _judge_members(route: Route, body: Any) -> None:
        """No member that the document does not know, at any depth."""
        kinds = route.answer if isinstance(route.answer, tuple) else (route.answer,)
        faults = []
        for kind in kinds:
            try:
                read = msgspec.convert(body, kind, strict=True)
            except msgspec.ValidationError as fault:
                faults.append(fault)
                continue
            assert msgspec.to_builtins(read) == body, "a member that the document does not know"
            return
        raise AssertionError(faults)


class Caller(Client):
    """A merchant's client whose every answer is judged."""

    contract: Contract
    router: Any
    answers: list[Answer]

    async def send(self, method: str, target: str, body: Any = None, **more: Any) -> Answer:
        answer = await super().send(method, target, body, **more)
        assert answer.headers["Request-Id"].startswith("req_") and answer.headers["Date"]
        if answer.status >= 400:
            examine_problem(answer, target)
        found = self.router.resolve(method, target.partition("?")[0])
        if found.route is not None and found.route.scope is not None:
            self.contract.judge(found.route, answer)
        return answer


def examine_problem(answer: Answer, target: str) -> None:
    """A refusal has every member of RFC 9457 and of the contract, with its type."""
    assert answer.headers["Content-Type"] == PROBLEM, answer
    body = answer.body
    types = {
        "type": str,
        "title": str,
        "status": int,
        "detail": str,
        "instance": str,
        "code": str,
        "param": (str, type(None)),
        "request_id": str,
        "retryable": bool,
        "doc_url": str,
    }
    for name, kind in types.items():
        assert isinstance(body[name], kind), (name, body)
    assert set(body) - set(types) <= {"payment_status", "channel_code"}
    assert body["status"] == answer.status
    assert body["request_id"] == answer.headers["Request-Id"]
    assert body["instance"] == target.partition("?")[0]
    assert body["doc_url"].endswith("#" + body["code"])
    assert body["param"] is None or body["param"].startswith("/")
    if answer.status in (429, 503) or body["code"] == "attempt_unknown":
        assert int(answer.headers["Retry-After"]) > 0


def without_names(problem: dict[str, object]) -> dict[str, object]:
    """A problem without what names the request."""
    return {k: v for k, v in problem.items() if k not in ("request_id", "instance")}


# The wire


class RawAnswer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a refusal."""
        assert self.headers["content-type"] == PROBLEM
        return json.loads(self.body)["code"]


async def ask(world: World, data: bytes) -> RawAnswer:
    """What the gateway answers to these bytes on a connection of their own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.server.port)
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            writer.write(data)
            line, *fields = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
            headers = {}
            for field in fields:
                name, value = field.decode("ascii").split(": ", 1)
                headers[name.lower()] = value
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            return RawAnswer(int(line.split()[1]), headers, body)
    finally:
        writer.close()


def request_bytes(
    client: Client,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    headers: tuple[str, ...] = ("Content-Type: application/json",),
    signed_target: str | None = None,
) -> bytes:
    """A signed request as bytes; `headers` are lines of their own."""
    authorization = client.authorization(method, signed_target or target, body)
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: tillgate",
        f"Authorization: {authorization}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def until(
    condition: Callable[[], Awaitable[bool]], *, seconds: float, every_s: float = 0.05
) -> None:
    """Ask again until something is so; raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(every_s)


# The world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api_installation(cluster: Cluster) -> AsyncIterator[Installation]:
    """An installation of one shard for all tests of this folder."""
    names = [await cluster.create(template) for template in await cluster.templates(1)]
    try:
        yield Installation(cluster, names)
    finally:
        await cluster.drop(names)


class Api:
    """The world, its contract, and hands that make callers."""

    def __init__(self, world: World, contract: Contract, books: asyncpg.Connection) -> None:
        self.world = world
        self.contract = contract
        self.router = world.gateway.router
        self.merchant = self.judged(world.merchant)
        self._books = books
        self._numbers = itertools.count(1)

    def judged(self, client: Client) -> Caller:
        """The same client, but its answers are judged."""
        caller = Caller(
            client.session, client.base, mch=client.mch, key=client.key, secret=client.secret
        )
        caller.contract, caller.router = self.contract, self.router
        return caller

    async def new_merchant(self, **more: Any) -> Caller:
        """A merchant with a key, and nothing else."""
        return self.judged(await self.world.new_merchant(**more))

    async def new_key(self, merchant_id: str, scopes: list[str]) -> Caller:
        """One more key of a merchant."""
        return self.judged(await self.world.new_key(merchant_id, scopes))

    async def admin(self) -> Caller:
        """The house's key with all administration scopes; one for all tests."""
        if not hasattr(self, "_admin"):
            self._admin = self.judged(await self.world.admin())
        return self._admin

    def number(self) -> str:
        """A business number that no test has used."""
        return f"N-{next(self._numbers)}"

    def order(self, **more: Any) -> dict[str, Any]:
        """The body of a payment that would be accepted, with changes."""
        body = {
            "merchant_order_no": self.number(),
            "amount": 100,
            "currency": "CNY",
            "subject": "tea",
        }
        return body | more

    async def paid(self, amount: int = 100) -> Any:
        """A payment that was paid."""
        return await self.world.paid(self.number(), amount)

    async def counts(self) -> dict[str, int]:
        """How many rows every table has; what is counted in rows itself is summed up."""
        (row,) = await self._books.fetch(
            """
            select (select count(*) from payments) as payments,
                   (select count(*) from attempts) as attempts,
                   (select count(*) from refunds) as refunds,
                   (select count(*) from journal) as journal,
                   (select count(*) from entries) as entries,
                   (select count(*) from postings) as postings,
                   (select count(*) from payer_keys) as payer_keys,
                   (select count(*) from webhook_endpoints) as webhook_endpoints,
                   (select count(*) from deliveries) as deliveries,
                   (select count(*) from merchants) as merchants,
                   (select count(*) from keys) as keys,
                   (select count(*) from channel_accounts) as channel_accounts,
                   (select sum(seq) from heads) as seq,
                   (select sum(version) from payments) as payment_versions
            """
        )
        return dict(row)

    @contextlib.asynccontextmanager
    async def no_effect(self) -> AsyncIterator[None]:
        """What is done in here leaves no row and no change of a row behind."""
        before = await self.counts()
        yield
        assert await self.counts() == before


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(
    api_installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """One world for all tests of this folder."""
    async with open_world(api_installation, tmp_path_factory.mktemp("api")) as world:
        async with world.session.get(world.base + "/openapi.json") as response:
            assert response.status == 200
            document = await response.json()
        books = await asyncpg.connect(api_installation.dsns[0])
        yield Api(world, Contract(document, list(world.gateway.router)), books)
        await world.core.ongoing.drain(10)
        await books.close()


@pytest.fixture
def merchant(api: Api) -> Iterator[Caller]:
    """The merchant that has an account at the simulator."""
    yield api.merchant
