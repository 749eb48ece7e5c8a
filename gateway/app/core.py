"""The core of a process: databases, directory, clients, and every operation on them.

Law: parts are made, given to each other, and ended in the reverse order; each operation is made
when it is first asked for.
"""

import os
from functools import cached_property
from typing import cast

from gateway.adapters.http.client import ChannelHttp
from gateway.adapters.postgres.awaited import PostgresAwaited
from gateway.adapters.postgres.deliveries import PostgresDeliveries
from gateway.adapters.postgres.directory import PostgresDirectory
from gateway.adapters.postgres.events import PostgresEvents
from gateway.adapters.postgres.owners import PostgresOwners
from gateway.adapters.postgres.persons import PostgresPersons
from gateway.adapters.postgres.reads import PostgresReader
from gateway.adapters.postgres.register import PostgresRegister
from gateway.adapters.postgres.shards import Shards
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.vault import MerchantSecrets, Vault
from gateway.app.addresses import addresses_of
from gateway.app.told import Told
from gateway.center.answer import Answer
from gateway.center.cache_ports import Cache, Wrote
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
from gateway.channels.registry import Registry
from gateway.config import Settings
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observe import (
    ObservedTeller,
    Watchman,
)


class Core:
    """What every process of the system needs. Made by `opening.open_core`."""

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
