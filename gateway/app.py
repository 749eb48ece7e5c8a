"""Wiring: the only file that knows every concrete class.

Law: nothing is decided here and nothing is computed; parts are made, given to each other, and
ended in the reverse order. A process is a `Core` (what every process needs) and on it a `Gateway`
(the doors) or a `Worker` (the clocks).
"""

import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import cast

from gateway.adapters.http.client import ChannelHttp
from gateway.adapters.postgres.deliveries import PostgresDeliveries
from gateway.adapters.postgres.directory import PostgresDirectory, open_directory
from gateway.adapters.postgres.events import PostgresEvents
from gateway.adapters.postgres.persons import PostgresPersons
from gateway.adapters.postgres.reads import PostgresReader
from gateway.adapters.postgres.register import PostgresRegister
from gateway.adapters.postgres.shards import Shards, open_shards
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.root_keys import read_root_keys
from gateway.adapters.system.vault import MerchantSecrets, Vault
from gateway.center.authenticate import Authenticator
from gateway.center.chase import Chase
from gateway.center.close import Close
from gateway.center.conclude import Concluder
from gateway.center.notify import Notify
from gateway.center.onboard import Onboard
from gateway.center.once import Ongoing
from gateway.center.pay import Pay
from gateway.center.query import Query
from gateway.center.receive import Receive
from gateway.center.refund import Refunding
from gateway.center.signing_secrets import SigningSecrets
from gateway.center.tell import Addresses, Teller
from gateway.channels.registry import Registry, load_registry
from gateway.config import Settings
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observe import ObservedTeller, http_errors, with_request_id
from gateway.web.access import authenticated
from gateway.web.api.balance import Balance
from gateway.web.api.payments import Payments
from gateway.web.api.refunds import Refunds
from gateway.web.callbacks import Callbacks
from gateway.web.routing import Route, Router
from gateway.web.server import HttpServer

GATEWAYS_LIVE = {"alipay": "https://openapi.alipay.com/gateway.do"}
GATEWAYS_SANDBOX = {"alipay": "/alipay/gateway.do"}


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
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.shards = shards
        self.directory = directory
        self.registry = registry
        self.metrics = metrics
        self.ids = RandomIds()
        self.ongoing = Ongoing()
        self.secrets = MerchantSecrets(vault, directory.data_key)
        self.persons = PostgresPersons(shards, self.secrets)
        self.register = PostgresRegister(directory, shards=shards, vault=vault)
        self.reader = PostgresReader(shards)
        self.events = PostgresEvents(shards)
        self.deliveries = PostgresDeliveries(shards)
        self.teller = Teller(
            registry=registry, http=http, clock=clock, addresses=addresses_of(settings)
        )
        self.observed_teller = cast(Teller, ObservedTeller(self.teller, metrics))
        self.concluder = Concluder(clock=clock, ids=self.ids)
        self.chase = Chase(
            books=shards,
            reader=self.reader,
            directory=directory,
            teller=self.observed_teller,
            concluder=self.concluder,
            clock=clock,
        )
        self.close = Close(
            books=shards,
            reader=self.reader,
            chase=self.chase,
            ongoing=self.ongoing,
            clock=clock,
        )
        self.signing_secrets = SigningSecrets(
            box=self.secrets, directory=directory, draw=os.urandom
        )
        self.notify = Notify(
            books=shards,
            deliveries=self.deliveries,
            events=self.events,
            secrets=self.signing_secrets,
            directory=directory,
            clock=clock,
            ids=self.ids,
        )
        self.onboard = Onboard(
            register=self.register,
            registry=registry,
            notify_secrets=self.notify,
            view_of=self.teller.view,
            clock=clock,
            ids=self.ids,
            entropy=os.urandom,
        )


def addresses_of(settings: Settings) -> Addresses:
    """Where channels are in this run, and where they find us."""
    gateways: dict[str, str] = dict(GATEWAYS_LIVE) if settings.livemode else {}
    if settings.sandbox_url is not None and not settings.livemode:
        gateways = {name: settings.sandbox_url + path for name, path in GATEWAYS_SANDBOX.items()}
    public_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    return Addresses(public_url, gateways)


@asynccontextmanager
async def open_core(settings: Settings, metrics: Metrics) -> AsyncIterator[Core]:
    """Open databases, directory and clients; everything is ended on the way out.

    Raises `RootKeysUnusable`, `SecretUnreadable`, `shard_unavailable`.
    """
    vault = Vault(read_root_keys(settings.kek_file, os.environ))
    async with AsyncExitStack() as stack:
        shards = await open_shards(
            settings.database_urls, committed=metrics.committed, observe=metrics.batch
        )
        stack.push_async_callback(shards.close)
        for shard in shards.all:
            metrics.watch_queue(shard.number, partial(getattr, shard.committer, "depth"))
        directory = await open_directory(settings.database_urls[0], shards=shards, vault=vault)
        stack.push_async_callback(directory.close)
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
        )
        stack.push_async_callback(core.register.close)
        yield core


class Gateway:
    """The doors of one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.is_ready = False
        self.router = Router()
        for route in self._routes():
            self.router.add(route)
        authenticator = Authenticator(directory=core.directory, clock=core.clock)
        dispatch = authenticated(authenticator, trusted=core.settings.proxy_networks)
        self.server = HttpServer(
            self.router,
            new_request_id=core.ids.request_id,
            dispatch=with_request_id(dispatch),
            observe=core.metrics.request,
            on_error=http_errors(core.metrics),
            pure_parser_allowed=not core.settings.livemode,
        )

    def _routes(self) -> list[Route]:
        core = self._core
        sandbox = not core.settings.livemode
        cursor_key = core.directory.cursor_keys[max(core.directory.cursor_keys)]
        query = Query(
            reader=core.reader,
            chase=core.chase,
            ongoing=core.ongoing,
            persons=core.persons,
            channels=sorted(core.registry.names),
        )
        pay = Pay(
            books=core.shards,
            reader=core.reader,
            directory=core.directory,
            teller=core.observed_teller,
            concluder=core.concluder,
            ongoing=core.ongoing,
            clock=core.clock,
            ids=core.ids,
            persons=core.persons,
            livemode=core.settings.livemode,
        )
        refunding = Refunding(
            books=core.shards,
            reader=core.reader,
            directory=core.directory,
            teller=core.observed_teller,
            concluder=core.concluder,
            ongoing=core.ongoing,
            clock=core.clock,
            ids=core.ids,
        )
        receive = Receive(
            books=core.shards,
            reader=core.reader,
            directory=core.directory,
            teller=core.observed_teller,
            concluder=core.concluder,
            chase=core.chase,
            ongoing=core.ongoing,
            clock=core.clock,
        )
        doors = (
            Payments(
                pay=pay,
                close=core.close,
                query=query,
                directory=core.directory,
                cursor_key=cursor_key,
                sandbox=sandbox,
            ),
            Refunds(
                refunding=refunding,
                query=query,
                directory=core.directory,
                cursor_key=cursor_key,
            ),
            Balance(query=query, cursor_key=cursor_key),
            Callbacks(receive),
        )
        return [route for door in doors for route in door.routes()]

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
