"""A worker process: the clocks on a core.

Law: every piece of background work is named here, once, with its lease and its pace.
"""

from functools import partial
from ipaddress import ip_network
from uuid import uuid4

from gateway.adapters.http.client import WebhookHttp
from gateway.adapters.local.wakeups import WakeupReceiver
from gateway.adapters.postgres.deliveries import WorkerDeliveries
from gateway.adapters.postgres.due import PostgresDue
from gateway.adapters.postgres.leases import PostgresLeases
from gateway.adapters.postgres.publications import PostgresPublications
from gateway.adapters.postgres.queues import NAMES as QUEUES
from gateway.adapters.postgres.queues import PostgresQueues
from gateway.app.core import Core
from gateway.telemetry.observe import (
    AGES_EVERY_S,
    QueueAges,
)
from gateway.workers.overdue import Overdue
from gateway.workers.publish import Publications, ShardPublication
from gateway.workers.runner import Runner
from gateway.workers.tenure import RENEW_EVERY_S, Tenure
from gateway.workers.webhooks import ShardWebhooks, Webhooks

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
CHASE_EVERY_S = 0.5
EXPIRE_EVERY_S = 1.0


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
