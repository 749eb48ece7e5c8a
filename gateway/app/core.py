"""The core of a process: databases, directory, clients, and every operation on them.

Law: parts are made, given to each other, and ended in the reverse order; each operation is made
when it is first asked for.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from typing import cast

from gateway.adapters.http.client import ChannelHttp
from gateway.adapters.local.cache import LocalCache
from gateway.adapters.local.last_writes import LastWrites
from gateway.adapters.local.wakeups import WakeupSender
from gateway.adapters.postgres.awaited import PostgresAwaited
from gateway.adapters.postgres.deliveries import PostgresDeliveries
from gateway.adapters.postgres.directory import PostgresDirectory
from gateway.adapters.postgres.directory_opening import open_directory
from gateway.adapters.postgres.events import PostgresEvents
from gateway.adapters.postgres.owners import PostgresOwners
from gateway.adapters.postgres.persons import PostgresPersons
from gateway.adapters.postgres.reads import PostgresReader
from gateway.adapters.postgres.register import PostgresRegister
from gateway.adapters.postgres.shards import Shards, open_shards
from gateway.adapters.postgres.submitted import Submitted
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.root_keys import read_root_keys
from gateway.adapters.system.vault import MerchantSecrets, Vault
from gateway.app.addresses import addresses_of
from gateway.center.answer import Answer
from gateway.center.cache_ports import Cache, SharedCache, Wrote
from gateway.center.carry_out import CarryOut
from gateway.center.chase import Chase
from gateway.center.close import Close
from gateway.center.conclude import Concluder
from gateway.center.keyring import KeyRing
from gateway.center.notify import Notify
from gateway.center.offline import Offline
from gateway.center.onboard import Onboard
from gateway.center.once import Ongoing
from gateway.center.order import Orders
from gateway.center.pay import Pay
from gateway.center.query import Query
from gateway.center.quick_pay import QuickPay
from gateway.center.quick_receive import QuickReceive
from gateway.center.receive import Receive
from gateway.center.refund import Refunding
from gateway.center.replay import Replay
from gateway.center.signing_secrets import SigningSecrets
from gateway.center.statement import StatementImport
from gateway.center.tell import Teller
from gateway.channels.registry import Registry, load_registry
from gateway.config import Settings
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observe import (
    ObservedTeller,
    Watchman,
)


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
            orders=self.orders,
            carry_out=self.carry_out,
            clock=self.clock,
            persons=self.persons,
        )

    @cached_property
    def orders(self) -> Orders:
        """Makes rows of orders."""
        return Orders(
            directory=self.directory,
            teller=self.observed_teller,
            clock=self.clock,
            ids=self.ids,
            livemode=self.settings.livemode,
        )

    @cached_property
    def carry_out(self) -> CarryOut:
        """Asks channels about new attempts."""
        return CarryOut(
            books=self.shards,
            reader=self.reader,
            teller=self.observed_teller,
            concluder=self.concluder,
            ongoing=self.ongoing,
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
    def quick_receive(self) -> QuickReceive:
        """Books callbacks that bring exactly the awaited money."""
        return QuickReceive(
            receive=self.receive,
            awaited=PostgresAwaited(self.shards),
            books=self.shards,
            directory=self.directory,
            teller=self.teller,
            clock=self.clock,
            ids=self.ids,
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
