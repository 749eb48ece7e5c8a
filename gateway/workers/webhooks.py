"""Webhooks: the loops that bring every event to its receivers, over all shards.

Law: wiring of loops and their end, nothing else. Relay and delivery of a range share one lease, so
that what the relay claims is delivered by the process that claimed it.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from gateway.center.notify import Notify
from gateway.center.ports import Clock, Ids, Persons
from gateway.center.signing_secrets import SigningSecrets
from gateway.center.webhook_ports import Leases, WebhookSender, WorkerDeliveries
from gateway.workers.deliver import POLL_S, Deliverer, Observe
from gateway.workers.relay import SWEEP_EVERY_S, Relay
from gateway.workers.runner import Loop, Runner
from gateway.workers.tenure import RENEW_EVERY_S, Tenure

WORK = "relay"
# A pass finds nothing unless it is woken or the sweep is due; the sweep itself is every 5 s.
RELAY_EVERY_S = SWEEP_EVERY_S / 5
# Under load one pass takes what many commits brought; after a quiet moment it comes at once.
RELAY_APART_S = 0.05


class ShardWebhooks(Struct, frozen=True):
    """What the work needs of one shard."""

    store: WorkerDeliveries
    leases: Leases


class Webhooks:
    """Relays and delivers the webhooks of the ranges that this process gets leases for."""

    def __init__(
        self,
        shards: Sequence[ShardWebhooks],
        *,
        http: WebhookSender,
        secrets: SigningSecrets,
        notify: Notify,
        persons: Persons,
        clock: Clock,
        ids: Ids,
        jitter: Callable[[], float] = random.random,
        observe: Observe | None = None,
    ) -> None:
        self._tenures: list[Tenure] = []
        self._relays: list[tuple[Relay, Loop]] = []
        self._deliverers: list[Deliverer] = []
        self._keeping = Runner()
        self._working = Runner()
        for number, shard in enumerate(shards):
            tenure = Tenure(shard.leases, WORK)
            deliverer = Deliverer(
                store=shard.store,
                tenure=tenure,
                http=http,
                secrets=secrets,
                notify=notify,
                persons=persons,
                clock=clock,
                random=jitter,
                observe=observe,
            )
            relay = Relay(
                store=shard.store, tenure=tenure, deliverer=deliverer, clock=clock, ids=ids
            )
            self._keeping.add(f"leases {number}", tenure.round, every_s=RENEW_EVERY_S)
            delivering = self._working.add(f"deliver {number}", deliverer.round, every_s=POLL_S)
            relaying = self._working.add(
                f"relay {number}", relay.round, every_s=RELAY_EVERY_S, apart_s=RELAY_APART_S
            )
            deliverer.wake = delivering.wake
            tenure.on_gain = partial(_wake, delivering, relaying)
            self._tenures.append(tenure)
            self._deliverers.append(deliverer)
            self._relays.append((relay, relaying))

    async def start(self) -> None:
        """Take leases, as far as they are free, and begin."""
        self._keeping.start()
        self._working.start()

    def hint(self, merchant_ids: Iterable[str]) -> None:
        """Merchants with new events: relayed at once instead of at the next sweep."""
        merchants = list(merchant_ids)
        for relay, loop in self._relays:
            if relay.hint(merchants):
                loop.wake()

    def wake(self) -> None:
        """Look for what is due now: business time went ahead, or something is to be sent again."""
        for deliverer in self._deliverers:
            deliverer.look_now()

    @property
    def deliveries_in_hand(self) -> int:
        """Deliveries queued, in flight, or not yet written down."""
        return sum(deliverer.load for deliverer in self._deliverers)

    @property
    def events_relayed(self) -> int:
        """Events passed by the relays since the start."""
        return sum(relay.events_relayed for relay, _ in self._relays)

    async def drain(self) -> None:
        """Begin nothing new, end what is in flight, give the leases back."""
        await self._working.stop()
        for deliverer in self._deliverers:
            await deliverer.drain()
        await self._keeping.stop()
        for tenure in self._tenures:
            await tenure.leave()


def _wake(*loops: Loop) -> None:
    for loop in loops:
        loop.wake()
