"""Relayed: a trial of the relay at one rate, and the proof that nothing of it was lost.

Law: creates and callbacks come at a constant pace, each from a generator of its own, whatever the
answers do; every payment that its callback lets succeed is told by a webhook. The lag of a webhook
is the moment at which the receiver had it minus the time of its journal row, which is taken before
the commit: so nothing is left out. Afterwards Postgres is asked for every payment, entry, inbox
row, journal row and delivery, and every webhook must have come with a genuine signature, else the
run is void.
"""

import asyncio
import resource
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp

from benchmarks import heard, processes, requests
from benchmarks.ask import ENDPOINTS, ask
from benchmarks.callback import Callbacks
from benchmarks.contest import Plan
from benchmarks.fill import uuid_of
from benchmarks.house import House
from benchmarks.load import US_PER_S, Round, RunVoid, Target
from benchmarks.orders import COUNT as CREATED
from benchmarks.orders import bounds, orders
from benchmarks.processes import Cores

EVENT = "payment.succeeded"
HOLDS_MS = 1_000.0
ALIKE = 0.05
CATCH_UP_S_MAX = 120.0  # without a single webhook more
POLL_S = 0.1

BEHIND = """
select coalesce(sum(h.seq - coalesce(c.seq, 0)), 0)
from heads h left join cursors c on c.merchant_id = h.merchant_id and c.reader = 'relay'
where h.merchant_id = any($1::uuid[])
"""
TOLD = """
select p.merchant_order_no as number, extract(epoch from j.at)::float8 as at,
    count(d.delivery_id) filter (where d.status = 'delivered') as delivered
from payments p
join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence
left join deliveries d on d.merchant_id = p.merchant_id and d.seq = j.seq
where p.merchant_order_no >= $1 and p.merchant_order_no < $2 and p.status = 'succeeded'
group by 1, 2
"""
DELIVERED = """
select count(*) from payments p
join deliveries d on d.merchant_id = p.merchant_id and d.seq = p.last_sequence
where p.merchant_order_no >= $1 and p.merchant_order_no < $2 and d.status = 'delivered'
"""


class Spent(NamedTuple):
    """Seconds of CPU of each part, and for how long the cores have worked."""

    gateway: float
    worker: float
    postgres: float
    generators: float
    receiver: float
    server_core: float
    rest_core: float
    at: float

    @classmethod
    def now(
        cls, cores: Cores, *, gateway: float, worker: float, postgres: float, receiver: float
    ) -> "Spent":
        """What was spent until now; of the generators those that have ended."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(
            gateway=gateway,
            worker=worker,
            postgres=postgres,
            generators=children.ru_utime + children.ru_stime,
            receiver=receiver,
            server_core=processes.busy_s(cores.server),
            rest_core=processes.busy_s(cores.rest),
            at=asyncio.get_running_loop().time(),
        )


class Trial(NamedTuple):
    """What one rate came to. `cpu_us` of a payment: gateway, worker, Postgres, generators and
    receiver, until the last webhook; `busy` are the shares of both cores while load came."""

    rate: float
    seconds: float
    callbacks: Round
    creates: Round
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    cpu_us: tuple[float, ...]
    busy: tuple[float, float]

    @classmethod
    def of(
        cls,
        rate: float,
        seconds: float,
        *,
        callbacks: Round,
        creates: Round,
        lags: Sequence[float],
        spent: tuple[Spent, Spent, Spent],
        count: int,
    ) -> "Trial":
        """A trial of `count` payments, whose `lags` (seconds) are in order; `spent` before the
        first, after the last answer, after the last webhook."""
        before, sent, after = spent
        return cls(
            rate=rate,
            seconds=seconds,
            callbacks=callbacks,
            creates=creates,
            lag_p50_ms=part(lags, 50),
            lag_p99_ms=part(lags, 99),
            lag_max_ms=lags[-1] * 1000,
            cpu_us=tuple(
                (b - a) * US_PER_S / count for a, b in zip(before[:5], after[:5], strict=True)
            ),
            busy=(
                (sent.server_core - before.server_core) / (sent.at - before.at),
                (sent.rest_core - before.rest_core) / (sent.at - before.at),
            ),
        )

    @property
    def late_ms(self) -> float:
        """The slowest p99 of webhooks and of both kinds of answers."""
        return max(self.lag_p99_ms, self.callbacks.p99_ms, self.creates.p99_ms)

    @property
    def holds(self) -> bool:
        """Whether nothing was late."""
        return self.late_ms < HOLDS_MS

    @property
    def limit(self) -> str:
        """What limited it, by which core had more to do."""
        gateway, worker, postgres, generators, receiver = self.cpu_us
        server, rest = self.busy
        ours = f"gateway {gateway:.0f}, worker {worker:.0f}"
        others = f"Postgres {postgres:.0f}, generators {generators:.0f}, receiver {receiver:.0f}"
        if abs(server - rest) < ALIKE:
            what = "both cores"
        else:
            what = f"the core of {'gateway and worker' if server > rest else 'Postgres and load'}"
        return (
            f"{what} ({server:.0%} and {rest:.0%} busy); CPU time per payment in microseconds: "
            f"{ours}; {others}"
        )


class Relayed:
    """Trials at a house with a worker, whose webhooks come to `receiver`, which writes `kept`."""

    def __init__(self, house: House, plan: Plan, receiver: Target, kept: Path) -> None:
        self.proven = 0
        self._house, self._plan, self._receiver, self._kept = house, plan, receiver, kept
        self._callbacks = Callbacks(house, plan, name="relay-callbacks")
        self._file = plan.folder / "relay-creates.requests"
        self._secrets: dict[str, str] = {}
        self._heard = 0

    async def open(self) -> None:
        """An endpoint for every merchant. Raises `RunVoid`."""
        base_url = f"http://127.0.0.1:{self._house.target.port}"
        for merchant in self._house.merchants:
            path = f"/{merchant.id}"
            wanted = {"url": self._url(path), "events": [EVENT]}
            endpoint = await ask(base_url, merchant.signer, "POST", ENDPOINTS, wanted)
            self._secrets[path] = endpoint["secret"]

    async def play(self, rate: float, *, seconds: float) -> Trial:
        """So many creates and as many callbacks a second. Raises `RunVoid`."""
        house, plan, count = self._house, self._plan, int(rate * seconds)
        run = secrets.token_hex(3)
        created, paid = f"relay-{run}-c-", f"relay-{run}-p-"
        await self._callbacks.write(paid, count)
        requests.write(self._file, orders(house.merchants, created, count))
        await self._until_read()
        begin, before = self._kept.stat().st_size, self._spent()
        creates, callbacks = await asyncio.gather(
            plan.paced(house.target, self._file, rate=rate, seconds=seconds),
            plan.paced(house.target, self._callbacks.file, rate=rate, seconds=seconds),
        )
        sent = self._spent()
        self._heard = await until_heard(self._receiver, self._heard + count)
        after = self._spent()
        found = await house.settled(CREATED, *bounds(created))
        if set(found) != {count}:
            raise RunVoid(f"{count} creates were acknowledged; Postgres holds {found}")
        await self._callbacks.prove(paid, acknowledged=count, under_way=0)
        lags = await self._lags(paid, count, begin=begin)
        self.proven += count
        callbacks.lag_p99_ms = part(lags, 99)
        return Trial.of(
            rate,
            seconds,
            callbacks=callbacks,
            creates=creates,
            lags=lags,
            spent=(before, sent, after),
            count=count,
        )

    async def _until_read(self) -> None:
        """Wait until the relay has passed what was there before."""
        merchants = [uuid_of(each) for each in self._house.merchants]
        last = asyncio.get_running_loop().time() + CATCH_UP_S_MAX
        while (await self._house.ask(BEHIND, merchants))[0][0]:
            if asyncio.get_running_loop().time() > last:
                raise RunVoid("the relay does not pass what was there before")
            await asyncio.sleep(POLL_S)

    async def _lags(self, prefix: str, count: int, *, begin: int) -> list[float]:
        """Seconds from journal row to receiver, in order. Raises `RunVoid`."""
        (delivered,) = await self._house.settled(DELIVERED, *bounds(prefix))
        told = {row["number"]: row for row in await self._house.ask(TOLD, *bounds(prefix))}
        came: dict[str, float] = {}
        for each in heard.read(self._kept, self._secrets, begin=begin):
            if each.type == EVENT:
                came.setdefault(each.number, each.at)
        once = all(row["delivered"] == 1 for row in told.values())
        if came.keys() != told.keys() or not len(told) == count == delivered or not once:
            raise RunVoid(
                f"{count} payments succeeded; Postgres holds {len(told)} and {delivered} "
                f"deliveries, the receiver heard of {len(came)}"
            )
        return sorted(came[number] - row["at"] for number, row in told.items())

    def _spent(self) -> Spent:
        target = self._house.target
        worker = self._house.worker_pid
        assert worker is not None
        return Spent.now(
            self._plan.cores,
            gateway=processes.cpu_s(target.pids[0]),
            worker=processes.cpu_s(worker),
            postgres=target.database_cpu_s(),
            receiver=self._receiver.cpu_s(),
        )

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._receiver.port}{path}"


async def until_heard(receiver: Target, count: int) -> int:
    """Wait until so many webhooks have come in all; how many then are written down.

    Raises `RunVoid` when nothing more comes.
    """
    clock = asyncio.get_running_loop().time
    came, last = -1, 0.0
    while (now := await kept_count(receiver)) < count:
        if now > came:
            came, last = now, clock() + CATCH_UP_S_MAX
        if clock() > last:
            raise RunVoid(f"{count - now} webhooks do not come")
        await asyncio.sleep(POLL_S)
    return now


async def kept_count(receiver: Target) -> int:
    """How many webhooks came, all of which are written down then."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{receiver.port}/") as answer,
    ):
        return int(await answer.text())


def part(ordered: Sequence[float], percent: int) -> float:
    """A percentile in milliseconds of seconds in order."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000
