"""Merchants, their receivers and the worker: everything real, on loopback.

A receiver is a plain HTTP server that remembers what came; what it answers is the test's to say.
Waiting is always for something that happens, never for time to pass.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any, NamedTuple
from uuid import uuid4

import standardwebhooks
from aiohttp import web

from gateway.adapters.http.client import WebhookHttp
from gateway.adapters.local.last_writes import LastWrites
from gateway.adapters.postgres.deliveries import PostgresDeliveries, WorkerDeliveries
from gateway.adapters.postgres.directory import PostgresDirectory
from gateway.adapters.postgres.directory_opening import open_directory
from gateway.adapters.postgres.events import PostgresEvents
from gateway.adapters.postgres.leases import PostgresLeases
from gateway.adapters.postgres.persons import PostgresPersons
from gateway.adapters.postgres.reads import PostgresReader
from gateway.adapters.postgres.register import PostgresRegister
from gateway.adapters.postgres.shards import Shards, open_shards
from gateway.adapters.postgres.submitted import Submitted
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.vault import MerchantSecrets
from gateway.center.notify import EndpointRequest, Notify, Shown
from gateway.center.replay import Replay
from gateway.center.signing_secrets import SigningSecrets
from gateway.domain import payment as payments
from gateway.domain import person
from gateway.domain.change import Change, Need, Rows, Writes, all_new
from gateway.domain.merchant import Merchant
from gateway.domain.payment import Payment
from gateway.domain.person import PayerKey
from gateway.domain.registration import Act
from gateway.workers.webhooks import ShardWebhooks, Webhooks
from tests.conftest import Installation

DEADLINE_S = 20.0
POLL_S = 0.01
LOOPBACK = (ip_network("127.0.0.0/8"),)

Answer = Callable[["Came"], Awaitable[web.StreamResponse] | web.StreamResponse | int]


class Came(NamedTuple):
    """One webhook as its receiver saw it."""

    headers: dict[str, str]
    body: bytes
    request: web.Request

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A merchant's HTTP server; `answer` gives a status or a whole response for each webhook."""

    def __init__(self) -> None:
        self.came: list[Came] = []
        self.answer: Answer = lambda came: 200
        self.url = ""
        self._more = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        came = Came(headers, await request.read(), request)
        self.came.append(came)
        async with self._more:
            self._more.notify_all()
        answer = self.answer(came)
        if isinstance(answer, int):
            return web.Response(status=answer)
        return answer if isinstance(answer, web.StreamResponse) else await answer

    async def until(self, count: int) -> list[Came]:
        """What came, once it is `count` webhooks or more."""
        async with asyncio.timeout(DEADLINE_S), self._more:
            await self._more.wait_for(lambda: len(self.came) >= count)
        return self.came

    def ids(self) -> list[str]:
        return [came.event_id for came in self.came]


def verify(secret: str, came: Came) -> Any:
    """The event of a webhook whose signature holds, by the reference library."""
    return standardwebhooks.Webhook(secret).verify(came.body.decode(), came.headers)


class MovableClock(SystemClock):
    """The clock of a sandbox: business time goes ahead when a test says so."""

    def advance(self, **by: float) -> None:
        self.advance_to(self.offset + timedelta(**by))


class WebhookWorld:
    """One installation with the parts that webhooks need, and the hands of a test."""

    def __init__(
        self,
        installation: Installation,
        shards: Shards,
        directory: PostgresDirectory,
        last_writes: LastWrites,
    ) -> None:
        self.installation = installation
        self.last_writes = last_writes
        self.shards = shards
        self.directory = directory
        self.clock = MovableClock()
        self.ids = RandomIds()
        self.box = MerchantSecrets(installation.vault, directory.data_key)
        self.persons = PostgresPersons(shards, self.box)
        self.reader = PostgresReader(shards)
        self.deliveries = PostgresDeliveries(shards)
        self.events = PostgresEvents(shards)
        self.secrets = SigningSecrets(box=self.box, directory=directory, draw=os.urandom)
        self.notify = Notify(
            books=shards,
            deliveries=self.deliveries,
            events=self.events,
            secrets=self.secrets,
            directory=directory,
            clock=self.clock,
            ids=self.ids,
        )
        self.replay = Replay(
            events=self.events,
            deliveries=self.deliveries,
            reader=self.reader,
            persons=self.persons,
            clock=self.clock,
            ids=self.ids,
            wrote=last_writes.wrote,
        )
        self.register = PostgresRegister(directory, shards=shards, vault=installation.vault)
        self.http: WebhookHttp
        self.stack: contextlib.AsyncExitStack
        self._numbers = 0

    # --- who takes part --------------------------------------------------------------------------

    async def merchant(self, bucket: int = 7) -> str:
        """A new merchant in a bucket; its id."""
        merchant = Merchant(
            id=self.ids.in_bucket("mch", bucket),
            ref=uuid4().hex,
            name="Shop",
            created_at=self.clock.business(),
        )
        numbered = self.directory.fingerprints.numbered("make", "/m", {}, merchant.ref)
        await self.register.add_merchant(
            merchant, numbered, Act("test", self.clock.business(), None)
        )
        await self.notify.notify_secret_of(merchant.id)
        return merchant.id

    async def receiver(self) -> Receiver:
        """A new receiver on loopback."""
        receiver = Receiver()
        server = web.Server(receiver.handle)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        receiver.url = f"http://127.0.0.1:{port}/hook"
        return receiver

    async def endpoint(self, merchant_id: str, url: str, events: Iterable[str] = ("*",)) -> Shown:
        """A new webhook endpoint of a merchant."""
        request = EndpointRequest(url=url, events=tuple(events))
        body = {"url": url, "events": list(events)}
        numbered = self.directory.fingerprints.numbered("create_webhook_endpoint", "/", body, url)
        return await self.notify.create(
            merchant_id, request, numbered, actor="test", request_id="req_1"
        )

    def worker(self, **more: Any) -> Webhooks:
        """A worker of its own: other leases, other memory."""
        shards = [
            ShardWebhooks(
                WorkerDeliveries(shard.pool), PostgresLeases(shard.pool, holder=str(uuid4()))
            )
            for shard in self.shards.all
        ]
        return Webhooks(
            shards,
            **{
                "http": self.http,
                "secrets": self.secrets,
                "notify": self.notify,
                "persons": self.persons,
                "clock": self.clock,
                "ids": self.ids,
                "jitter": lambda: 0.0,
            }
            | more,
        )

    # --- what happens ----------------------------------------------------------------------------

    def new_payment(self, merchant_id: str, **more: Any) -> Payment:
        self._numbers += 1
        now = self.clock.business()
        return Payment(
            merchant_id=merchant_id,
            id=self.ids.make("pay", merchant_id),
            merchant_order_no=f"order-{self._numbers}",
            fingerprint=bytes(32),
            fingerprint_key=1,
            amount=100,
            currency="CNY",
            subject="tea",
            status="requires_payment_method",
            livemode=False,
            capture_method="automatic",
            created_at=now,
            expires_at=now + timedelta(hours=2),
            **more,
        )

    def create_change(self, payment: Payment, *rows: object) -> Change:
        """The Change that makes a payment and tells it."""
        number = Need("payment_no", payment.merchant_order_no)
        fresh = Writes(rows=(*rows, payment), lines=(payments.line(payment, "created"),))

        def decide(found: Rows) -> Writes:
            assert found.get(number) is None
            return fresh

        return Change(
            merchant_id=payment.merchant_id,
            actor="test",
            at=payment.created_at,
            request_id="req_1",
            decide=decide,
            needs=(number,),
            number=number,
            foreseen=None if rows else all_new(fresh),
        )

    async def pay(self, merchant_id: str, **more: Any) -> Payment:
        """A durable new payment with its event."""
        payment = self.new_payment(merchant_id, **more)
        await self.shards.submit(self.create_change(payment))
        return payment

    async def pay_many(self, merchant_id: str, count: int, **more: Any) -> list[Payment]:
        """Durable new payments, made at once."""
        return list(await asyncio.gather(*(self.pay(merchant_id, **more) for _ in range(count))))

    async def pay_by(self, merchant_id: str, customer: dict[str, str]) -> Payment:
        """A durable new payment of a payer whom we know."""
        payment = self.new_payment(merchant_id)
        payer = person.payer_of(customer.get("id"), payment.id)
        key = self.persons.new_key(merchant_id, payer)
        sealed = self.persons.seal(merchant_id, payer, key, customer)
        row = PayerKey(
            merchant_id=merchant_id, payer=payer, sealed=key, created_at=payment.created_at
        )
        known = payments.replace(payment, customer=sealed)
        await self.shards.submit(self.create_change(known, row))
        return known

    # --- what is stored --------------------------------------------------------------------------

    async def sql(self, text: str, *values: Any, shard: int = 0) -> list[Any]:
        return await self.shards.all[shard].pool.fetch(text, *values)

    async def eventually(self, text: str, *values: Any) -> Any:
        """The first value of a query, once it is true."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                records = await self.sql(text, *values)
                if records and records[0][0]:
                    return records[0][0]
                await asyncio.sleep(POLL_S)

    async def settled(self, count: int) -> None:
        """Wait until so many deliveries are delivered and written down."""
        await self.eventually(
            "select count(*) >= $1 from deliveries where status = 'delivered'", count
        )

    async def sequence(self, merchant_id: str) -> int:
        return await self.events.head(merchant_id)


@contextlib.asynccontextmanager
async def open_webhook_world(installation: Installation) -> AsyncIterator[WebhookWorld]:
    """Open the parts on an installation; whatever was started is ended."""
    async with contextlib.AsyncExitStack() as stack:
        last_writes = LastWrites()
        stack.callback(last_writes.close)

        def committed(done: Sequence[Submitted]) -> None:
            for each in done:
                last_writes.wrote(each.merchant_id)

        shards = await open_shards(installation.dsns, committed=committed)
        stack.push_async_callback(shards.close)
        directory = await open_directory(
            installation.dsns[0], shards=shards, vault=installation.vault
        )
        stack.push_async_callback(directory.close)
        world = WebhookWorld(installation, shards, directory, last_writes)
        stack.push_async_callback(world.register.close)
        world.stack = stack
        world.http = await stack.enter_async_context(WebhookHttp(allow=LOOPBACK))
        yield world


@contextlib.asynccontextmanager
async def working(world: WebhookWorld, **more: Any) -> AsyncIterator[Webhooks]:
    """A running worker, drained at the end."""
    worker = world.worker(**more)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.drain()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
