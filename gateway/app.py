"""Wiring: the only file that knows every concrete class.

Law: nothing is decided here and nothing is computed; parts are made, given to each other, and
ended in the reverse order. A process is a `Core` (what every process needs) and on it a `Gateway`
(the doors) or a `Worker` (the clocks).
"""

import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from ipaddress import ip_network
from typing import Any, cast
from uuid import uuid4

from gateway.adapters.http.client import ChannelHttp, WebhookHttp
from gateway.adapters.local.cache import LocalCache
from gateway.adapters.local.last_writes import LastWrites
from gateway.adapters.local.wakeups import WakeupReceiver, WakeupSender
from gateway.adapters.postgres.deliveries import PostgresDeliveries, WorkerDeliveries
from gateway.adapters.postgres.directory import PostgresDirectory, open_directory
from gateway.adapters.postgres.due import PostgresDue
from gateway.adapters.postgres.events import PostgresEvents
from gateway.adapters.postgres.leases import PostgresLeases
from gateway.adapters.postgres.owners import PostgresOwners
from gateway.adapters.postgres.persons import PostgresPersons
from gateway.adapters.postgres.publications import PostgresPublications
from gateway.adapters.postgres.queues import NAMES as QUEUES
from gateway.adapters.postgres.queues import PostgresQueues
from gateway.adapters.postgres.readiness import PostgresReadiness
from gateway.adapters.postgres.reads import PostgresReader
from gateway.adapters.postgres.register import PostgresRegister
from gateway.adapters.postgres.shards import Shards, open_shards
from gateway.adapters.postgres.submitted import Submitted
from gateway.adapters.postgres.views import PostgresViews
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.root_keys import read_root_keys
from gateway.adapters.system.vault import MerchantSecrets, Vault
from gateway.center.answer import Answer
from gateway.center.authenticate import Authenticator
from gateway.center.cache_ports import Cache, SharedCache, Wrote
from gateway.center.chase import Chase
from gateway.center.close import Close
from gateway.center.conclude import Concluder
from gateway.center.keyring import KeyRing
from gateway.center.notify import Notify
from gateway.center.offline import Offline
from gateway.center.onboard import Onboard
from gateway.center.once import Ongoing
from gateway.center.pay import Pay
from gateway.center.query import Query
from gateway.center.quick_pay import QuickPay
from gateway.center.receive import Receive
from gateway.center.refund import Refunding
from gateway.center.replay import Replay
from gateway.center.signing_secrets import SigningSecrets
from gateway.center.statement import StatementImport
from gateway.center.tell import Addresses, Teller
from gateway.channels.codec import Codec
from gateway.channels.registry import Registry, load_registry
from gateway.config import Settings
from gateway.telemetry.logs import request_id
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observe import (
    AGES_EVERY_S,
    ObservedTeller,
    QueueAges,
    Watchman,
    http_errors,
    with_request_id,
)
from gateway.web.access import authenticated
from gateway.web.admin.channel_accounts import ChannelAccounts
from gateway.web.admin.keys import Keys
from gateway.web.admin.merchants import Merchants
from gateway.web.admin.offline_receipts import OfflineReceipts
from gateway.web.admin.statements import Statements
from gateway.web.api.balance import Balance
from gateway.web.api.events import Events
from gateway.web.api.notify_secret import NotifySecrets
from gateway.web.api.pages import Pages
from gateway.web.api.payments import Payments
from gateway.web.api.quick_payments import QuickCreatePayment, QuickGetPayment
from gateway.web.api.refunds import Refunds
from gateway.web.api.webhook_endpoints import WebhookEndpoints
from gateway.web.callbacks import Callbacks
from gateway.web.documents import Documents
from gateway.web.ops import routes as ops_routes
from gateway.web.quick import QuickLane
from gateway.web.quick_callbacks import BEGINNING as CALLBACKS_BEGINNING
from gateway.web.quick_callbacks import QuickCallbacks
from gateway.web.quick_routes import QuickRoutes
from gateway.web.routing import Route, Router
from gateway.web.server import HttpServer
from gateway.workers.overdue import Overdue
from gateway.workers.publish import Publications, ShardPublication
from gateway.workers.runner import Runner
from gateway.workers.tenure import RENEW_EVERY_S, Tenure
from gateway.workers.webhooks import ShardWebhooks, Webhooks

GATEWAYS_LIVE = {
    "alipay": "https://openapi.alipay.com/gateway.do",
    "card": "https://api.stripe.com",
    "unionpay": "https://gateway.95516.com/gateway/api/",
    "wechat": "https://api.mch.weixin.qq.com",
}
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
CHASE_EVERY_S = 0.5
EXPIRE_EVERY_S = 1.0
GATEWAYS_SANDBOX = {
    "alipay": "/alipay/gateway.do",
    "card": "/card",
    "unionpay": "/unionpay/gateway/api/",
    "wechat": "/wechat",
}


class Told:
    """Who hears of commits: the caches, the metrics, and whoever relays events, as a hint."""

    def __init__(self, metrics: Metrics, wrote: Wrote) -> None:
        self._metrics = metrics
        self._wrote = wrote
        self.hint: Callable[[set[str]], None] | None = None

    def committed(self, done: Sequence[Submitted]) -> None:
        """Take note of the Changes of one commit."""
        for merchant_id in {each.merchant_id for each in done}:
            self._wrote(merchant_id)
        self._metrics.committed(done)
        if self.hint is not None:
            merchants = {each.merchant_id for each in done if each.types}
            if merchants:
                self.hint(merchants)


class Core:
    """What every process of the system needs. Made by `open_core`."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: SystemClock,
        vault: Vault,
        shards: Shards,
        directory: PostgresDirectory,
        http: ChannelHttp,
        registry: Registry,
        metrics: Metrics,
        told: Told,
        cache: Cache,
        wrote: Wrote,
    ) -> None:
        self.settings = settings
        self.cache = cache
        self.wrote = wrote
        self.told = told
        self.clock = clock
        self.shards = shards
        self.directory = directory
        self.registry = registry
        self.metrics = metrics
        self.ids = RandomIds()
        self.watch = Watchman(metrics)
        self.ongoing = Ongoing(self.watch)
        self.secrets = MerchantSecrets(vault, directory.data_key)
        self.persons = PostgresPersons(shards, self.secrets)
        self.register = PostgresRegister(directory, shards=shards, vault=vault)
        self.reader = PostgresReader(shards)
        self.events = PostgresEvents(shards)
        self.deliveries = PostgresDeliveries(shards)
        self.teller = Teller(
            registry=registry,
            http=http,
            clock=clock,
            addresses=addresses_of(settings, registry),
            keys=KeyRing(http=http, clock=clock, watch=self.watch),
        )
        self.observed_teller = cast(Teller, ObservedTeller(self.teller, metrics))
        self.concluder = Concluder(clock=clock, ids=self.ids, way=self.teller.way)

    # --- the verbs, each made when it is first asked for ---------------------------------------

    @cached_property
    def pay(self) -> Pay:
        """Creates and confirms payments."""
        return Pay(
            books=self.shards,
            reader=self.reader,
            directory=self.directory,
            teller=self.observed_teller,
            concluder=self.concluder,
            ongoing=self.ongoing,
            clock=self.clock,
            ids=self.ids,
            persons=self.persons,
            livemode=self.settings.livemode,
        )

    @cached_property
    def quick_pay(self) -> QuickPay:
        """Creates payments of plain orders."""
        return QuickPay(
            pay=self.pay,
            books=self.shards,
            directory=self.directory,
            clock=self.clock,
            ids=self.ids,
            wrote=self.wrote,
            livemode=self.settings.livemode,
        )

    @cached_property
    def answer(self) -> Answer:
        """Answers the steps of channels."""
        return Answer(
            books=self.shards,
            reader=self.reader,
            directory=self.directory,
            teller=self.observed_teller,
            concluder=self.concluder,
            ongoing=self.ongoing,
            clock=self.clock,
        )

    @cached_property
    def refunding(self) -> Refunding:
        """Creates refunds."""
        return Refunding(
            books=self.shards,
            reader=self.reader,
            directory=self.directory,
            teller=self.observed_teller,
            concluder=self.concluder,
            ongoing=self.ongoing,
            clock=self.clock,
            ids=self.ids,
        )

    @cached_property
    def receive(self) -> Receive:
        """Applies callbacks."""
        return Receive(
            books=self.shards,
            reader=self.reader,
            directory=self.directory,
            teller=self.observed_teller,
            concluder=self.concluder,
            chase=self.chase,
            ongoing=self.ongoing,
            clock=self.clock,
            watch=self.watch,
        )

    @cached_property
    def query(self) -> Query:
        """Reads payments and refunds."""
        return Query(
            reader=self.reader,
            chase=self.chase,
            ongoing=self.ongoing,
            persons=self.persons,
            channels=sorted(self.registry.names),
        )

    @cached_property
    def chase(self) -> Chase:
        """Asks channels about silence."""
        return Chase(
            books=self.shards,
            reader=self.reader,
            directory=self.directory,
            teller=self.observed_teller,
            concluder=self.concluder,
            clock=self.clock,
            watch=self.watch,
        )

    @cached_property
    def close(self) -> Close:
        """Cancels and expires payments."""
        return Close(
            books=self.shards,
            reader=self.reader,
            chase=self.chase,
            ongoing=self.ongoing,
            clock=self.clock,
        )

    @cached_property
    def signing_secrets(self) -> SigningSecrets:
        """Makes and opens the secrets that sign webhooks."""
        return SigningSecrets(box=self.secrets, directory=self.directory, draw=os.urandom)

    @cached_property
    def notify(self) -> Notify:
        """Keeps webhook endpoints and notify secrets."""
        return Notify(
            books=self.shards,
            deliveries=self.deliveries,
            events=self.events,
            secrets=self.signing_secrets,
            directory=self.directory,
            clock=self.clock,
            ids=self.ids,
        )

    @cached_property
    def statement_import(self) -> StatementImport:
        """Imports bank statements."""
        return StatementImport(
            books=self.shards,
            reader=self.reader,
            directory=self.directory,
            teller=self.teller,
            clock=self.clock,
            ids=self.ids,
            watch=self.watch,
        )

    @cached_property
    def offline(self) -> Offline:
        """Takes receipts of staff."""
        return Offline(
            books=self.shards,
            reader=self.reader,
            owners=PostgresOwners(self.shards),
            teller=self.teller,
            clock=self.clock,
            ids=self.ids,
        )

    @cached_property
    def replay(self) -> Replay:
        """Reads events and sends them again."""
        return Replay(
            events=self.events,
            deliveries=self.deliveries,
            reader=self.reader,
            persons=self.persons,
            clock=self.clock,
            ids=self.ids,
            wrote=self.wrote,
        )

    @cached_property
    def onboard(self) -> Onboard:
        """Registers merchants, keys and channel accounts."""
        return Onboard(
            register=self.register,
            registry=self.registry,
            notify_secrets=self.notify,
            view_of=self.teller.view,
            clock=self.clock,
            ids=self.ids,
            entropy=os.urandom,
        )


def addresses_of(settings: Settings, registry: Registry) -> Addresses:
    """Where channels are in this run, and where they find us.

    A channel of an installed package says itself where it is (`gateway_url`), and below which path
    of the simulators its own one answers (`sandbox_path`).
    """
    installed = [registry.codec(name) for name in sorted(registry.names)]
    gateways: dict[str, str] = {}
    if settings.livemode:
        gateways = _said(installed, "gateway_url") | dict(GATEWAYS_LIVE)
    if settings.sandbox_url is not None and not settings.livemode:
        paths = _said(installed, "sandbox_path") | dict(GATEWAYS_SANDBOX)
        gateways = {name: settings.sandbox_url + path for name, path in paths.items()}
    public_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    return Addresses(public_url, gateways)


def _said(codecs: Iterable[Codec | None], attribute: str) -> dict[str, str]:
    """What codecs say of themselves in an attribute that a codec need not have, by channel."""
    said = {codec.name: getattr(codec, attribute, None) for codec in codecs if codec is not None}
    return {name: text for name, text in said.items() if isinstance(text, str)}


@asynccontextmanager
async def open_core(settings: Settings, metrics: Metrics) -> AsyncIterator[Core]:
    """Open databases, directory and clients; everything is ended on the way out.

    Raises `RootKeysUnusable`, `SecretUnreadable`, `shard_unavailable`.
    """
    vault = Vault(read_root_keys(settings.kek_file, os.environ))
    async with AsyncExitStack() as stack:
        last_writes = LastWrites(settings.last_writes)
        stack.callback(last_writes.close)
        told = Told(metrics, last_writes.wrote)
        if settings.wake_socket is not None:
            sender = WakeupSender(settings.wake_socket)
            stack.callback(sender.close)
            told.hint = sender.notify
        shards = await open_shards(
            settings.database_urls, committed=told.committed, observe=metrics.batch
        )
        stack.push_async_callback(shards.close)
        for shard in shards.all:
            metrics.watch_queue(shard.number, partial(getattr, shard.committer, "depth"))
        directory = await open_directory(
            settings.database_urls[0],
            shards=shards,
            vault=vault,
            versions=last_writes,
            observe=metrics.cache("directory"),
        )
        stack.push_async_callback(directory.close)
        cache = open_cache(settings, directory, last_writes, metrics)
        stack.push_async_callback(cache.close)
        http = await stack.enter_async_context(ChannelHttp())
        core = Core(
            settings,
            clock=SystemClock(),
            vault=vault,
            shards=shards,
            directory=directory,
            http=http,
            registry=load_registry(),
            metrics=metrics,
            told=told,
            cache=cache,
            wrote=last_writes.wrote,
        )
        if settings.redis_url is not None:
            stack.push_async_callback(hear_news(settings.redis_url, directory, last_writes))
        stack.push_async_callback(core.register.close)
        yield core


def open_cache(
    settings: Settings, directory: PostgresDirectory, last_writes: LastWrites, metrics: Metrics
) -> LocalCache:
    """The cache of lists: of this process, over one that is shared where there is a Redis."""
    shared: SharedCache | None = None
    if settings.redis_url is not None:
        from gateway.adapters.redis.cache import RedisCache

        key = directory.cursor_keys[max(directory.cursor_keys)]
        shared = RedisCache(settings.redis_url, key=key, failed=metrics.cache_failed)
    return LocalCache(last_writes, shared=shared, observe=metrics.cache("lists"))


def hear_news(
    redis_url: str, directory: PostgresDirectory, last_writes: LastWrites
) -> Callable[[], Awaitable[None]]:
    """Tell other instances of changes of the directory, and hear of theirs; ends by the result."""
    from gateway.adapters.redis.news import DirectoryNews

    heard = last_writes.tell_directory
    news = DirectoryNews(redis_url, house_id=directory.house_id, heard=heard)
    directory.news = news.tell
    news.start()
    return news.close


class Gateway:
    """The doors of one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.is_ready = False
        self._postgres = PostgresReadiness(
            [shard.pool for shard in core.shards.all],
            directory_away_for_s=lambda: core.directory.away_for_s,
        )
        self.router = Router()
        for route in self._routes():
            self.router.add(route)
        authenticator = Authenticator(directory=core.directory, clock=core.clock)
        dispatch = authenticated(authenticator, trusted=core.settings.proxy_networks)
        self.quick = QuickLane(
            authenticator=authenticator,
            exact={(b"POST", b"/v1/payments"): self._quick_create},
            below=((b"GET", b"/v1/payments/", self._quick_get),),
            open_doors=((CALLBACKS_BEGINNING, self._quick_callbacks),),
            find=QuickRoutes(self.router, self._quick_names),
            new_request_id=core.ids.request_id,
            trusted=core.settings.proxy_networks,
            observe=core.metrics.request,
            on_error=http_errors(core.metrics),
            log_as=request_id.set,
        )
        self.server = HttpServer(
            self.router,
            quick=self.quick,
            new_request_id=core.ids.request_id,
            dispatch=with_request_id(dispatch),
            observe=core.metrics.request,
            on_error=http_errors(core.metrics),
            pure_parser_allowed=not core.settings.livemode,
        )

    def _routes(self) -> list[Route]:
        core, directory = self._core, self._core.directory
        sandbox = not core.settings.livemode
        cursor_key = directory.cursor_keys[max(directory.cursor_keys)]
        pages = Pages(core.cache)
        payments = Payments(
            pay=core.pay,
            answer=core.answer,
            close=core.close,
            query=core.query,
            directory=directory,
            pages=pages,
            cursor_key=cursor_key,
            sandbox=sandbox,
        )
        self._quick_create = QuickCreatePayment(quick_pay=core.quick_pay, payments=payments)
        self._quick_get = QuickGetPayment(views=PostgresViews(core.shards), payments=payments)
        refunds = Refunds(
            refunding=core.refunding,
            query=core.query,
            directory=directory,
            pages=pages,
            cursor_key=cursor_key,
        )
        self._quick_names = [each.name for each in (*payments.routes(), *refunds.routes())]
        callbacks = Callbacks(core.receive)
        self._quick_callbacks = QuickCallbacks(callbacks)
        doors = (
            payments,
            refunds,
            Balance(query=core.query, pages=pages, cursor_key=cursor_key),
            WebhookEndpoints(
                notify=core.notify,
                replay=core.replay,
                directory=directory,
                pages=pages,
                cursor_key=cursor_key,
                sandbox=sandbox,
            ),
            Events(replay=core.replay, pages=pages),
            NotifySecrets(notify=core.notify),
            callbacks,
        )
        routes = [route for door in doors for route in door.routes()]
        routes += [*self._admin_routes(cursor_key), *ops_routes(self.readiness)]
        return [*routes, *Documents(routes).routes()]

    def _admin_routes(self, cursor_key: bytes) -> list[Route]:
        core = self._core
        doors = (
            Merchants(onboard=core.onboard, directory=core.directory, cursor_key=cursor_key),
            Keys(onboard=core.onboard, directory=core.directory, cursor_key=cursor_key),
            ChannelAccounts(onboard=core.onboard, directory=core.directory),
            Statements(core.statement_import),
            OfflineReceipts(core.offline),
        )
        return [route for door in doors for route in door.routes()]

    async def readiness(self) -> Mapping[str, Any]:
        """What `/readyz` says: the shards' checks, or that this process is draining."""
        if not self.is_ready:
            return {"ready": False, "draining": True}
        return await self._postgres()

    async def start(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Listen at an address or on a bound socket, and be ready."""
        await self.server.start(host, port, sock=sock, ssl_context=ssl_context)
        self.is_ready = True

    def not_ready(self) -> None:
        """Tell load balancers to go elsewhere; requests are still answered."""
        self.is_ready = False
        self.server.say_goodbye()

    async def drain(self, timeout_s: float) -> bool:
        """Stop accepting and finish what is in flight; open channel calls go to the resolver."""
        self.is_ready = False
        ended = await self.server.drain(timeout_s)
        await self._core.ongoing.drain(timeout_s)
        return ended


class Worker:
    """The clocks of one process: events told to receivers and the stream, chase, expiry."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._runner = Runner()
        self._tenures: list[Tenure] = []
        self._overdue: list[Overdue] = []
        self._http = WebhookHttp(allow=() if core.settings.livemode else LOOPBACK)
        self._leases = [
            PostgresLeases(shard.pool, holder=str(uuid4())) for shard in core.shards.all
        ]
        self._webhooks = Webhooks(
            [
                ShardWebhooks(WorkerDeliveries(shard.pool), leases)
                for shard, leases in zip(core.shards.all, self._leases, strict=True)
            ],
            http=self._http,
            secrets=core.signing_secrets,
            notify=core.notify,
            persons=core.persons,
            clock=core.clock,
            ids=core.ids,
            observe=self._delivered,
        )
        self._receiver: WakeupReceiver | None = None
        self._publications = self._make_publications(core.settings.redis_url)
        self._add_overdue()

    def _make_publications(self, redis_url: str | None) -> Publications | None:
        if redis_url is None:
            return None
        # The library is loaded only where there is a server to speak to.
        from gateway.adapters.redis.streams import RedisStreams

        core = self._core
        return Publications(
            [
                ShardPublication(PostgresPublications(shard.pool), leases)
                for shard, leases in zip(core.shards.all, self._leases, strict=True)
            ],
            stream=RedisStreams(redis_url),
            clock=core.clock,
            observe=core.metrics.published,
        )

    def _hint(self, merchant_ids: set[str]) -> None:
        self._webhooks.hint(merchant_ids)
        if self._publications is not None:
            self._publications.hint(merchant_ids)

    def _delivered(self, judgement: str, seconds: float, lag_s: float) -> None:
        self._core.metrics.delivery(judgement, seconds, lag_s)

    def _add_overdue(self) -> None:
        core = self._core

        async def expire(merchant_id: str, payment_id: str) -> object:
            return await core.close.expire(merchant_id, payment_id, actor="worker:expire")

        chase_attempt = partial(core.chase.attempt, actor="worker:chase")
        chase_refund = partial(core.chase.refund, actor="worker:chase")
        for shard, leases in zip(core.shards.all, self._leases, strict=True):
            due = PostgresDue(shard)
            chasing, expiring = Tenure(leases, "chase"), Tenure(leases, "expire")
            for tenure in (chasing, expiring):
                self._tenures.append(tenure)
                name = f"lease {len(self._tenures)}"
                self._runner.add(name, tenure.round, every_s=RENEW_EVERY_S)
            ages = QueueAges(
                core.metrics,
                shard=shard.number,
                queues=QUEUES,
                leases=chasing.working,
                oldest_s=PostgresQueues(shard.pool).oldest_s,
                now=core.clock.business,
            )
            self._runner.add(f"queue ages {shard.number}", ages.round, every_s=AGES_EVERY_S)
            for name, tenure, find, act, every_s in (
                ("chase attempts", chasing, due.attempts, chase_attempt, CHASE_EVERY_S),
                ("chase refunds", chasing, due.refunds, chase_refund, CHASE_EVERY_S),
                ("expire payments", expiring, due.payments, expire, EXPIRE_EVERY_S),
            ):
                overdue = Overdue(name, tenure=tenure, find=find, act=act, now=core.clock.business)
                self._overdue.append(overdue)
                self._runner.add(f"{name} {shard.number}", overdue.round, every_s=every_s)

    async def start(self) -> None:
        """Begin all work."""
        core = self._core
        await self._webhooks.start()
        if core.settings.wake_socket is not None:
            self._receiver = WakeupReceiver(core.settings.wake_socket, self._hint)
        core.told.hint = self._hint
        if self._publications is not None:
            await self._publications.start()
        self._runner.start()

    async def stop(self) -> None:
        """Finish what is in hand, give the leases back."""
        if self._receiver is not None:
            self._receiver.close()
        await self._runner.stop()
        for overdue in self._overdue:
            await overdue.drain()
        for tenure in self._tenures:
            await tenure.leave()
        await self._webhooks.drain()
        await self._http.close()
        if self._publications is not None:
            await self._publications.drain()
