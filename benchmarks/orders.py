"""Orders: rounds of signed creates at a house, and the proof that all of them are durable.

Law: every request is a new order of one of the merchants, signed with HMAC-SHA-256, without a
channel; its payment and its journal row are committed with fsync before the answer. After every
round Postgres is asked: each acknowledged payment must be there once, with its amount and its
journal row, else the run is void. Before the first round every answer is looked at.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from pathlib import Path

import asyncpg

from benchmarks import requests
from benchmarks.contest import Plan
from benchmarks.house import House, Merchant
from benchmarks.load import RanDry, Round, RunVoid, Target
from benchmarks.requests import Request, Signer

PATH = "/v1/payments"
CHECKED = 2_000
RATE_FIRST = 30_000  # until a round has been measured
RESERVE = 1.6
AMOUNTS = 100_000

# Payments of a round, those of them with the right amount, and their journal rows.
COUNT = """
select count(*), count(*) filter (
        where p.amount = 1 + right(p.merchant_order_no, 8)::int % 100000
            and p.currency = 'CNY' and p.status = 'requires_payment_method'),
    count(j.seq)
from payments p
left join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence
    and j.object_id = p.payment_id and j.type = 'payment.created'
where p.merchant_order_no >= $1 and p.merchant_order_no < $2
    and p.merchant_id = any(select merchant_id from heads)
"""


def orders(merchants: Sequence[Merchant], prefix: str, count: int) -> Iterator[Request]:
    """Signed creates: order n is of merchant n modulo their number, amount 1 + n modulo 100 000."""
    return orders_by([merchant.signer for merchant in merchants], prefix, count)


def orders_by(signers: Sequence[Signer], prefix: str, count: int) -> Iterator[Request]:
    """Signed creates by the keys of merchants in turn."""
    nonce = secrets.token_urlsafe(12)
    for n in range(count):
        number = f"{prefix}{n:08d}"
        body = (
            f'{{"merchant_order_no":"{number}","amount":{1 + n % AMOUNTS},"currency":"CNY",'
            f'"subject":"Green tea, 250 g","metadata":{{"cart":"{n}"}}}}'
        ).encode()
        signer = signers[n % len(signers)]
        raw = requests.signed(signer, "POST", PATH, body, nonce=f"{nonce}{n:08d}")
        yield Request(
            raw, 201, f'"merchant_order_no":"{number}","amount":{1 + n % AMOUNTS},'.encode()
        )


def _refused(merchants: Sequence[Merchant], prefix: str) -> Iterator[Request]:
    """Another order under the first number, and a new one with a false signature."""
    signer, number = merchants[0].signer, f"{prefix}{0:08d}"
    rest = f'"amount":{AMOUNTS},"currency":"CNY","subject":"Green tea, 250 g"'
    nonce = secrets.token_urlsafe(18)
    body = f'{{"merchant_order_no":"{number}",{rest}}}'.encode()
    yield Request(requests.signed(signer, "POST", PATH, body, nonce=nonce), 409, b"number")
    forger = signer._replace(secret=bytes(len(signer.secret)))
    body = f'{{"merchant_order_no":"{prefix}forged",{rest}}}'.encode()
    yield Request(requests.signed(forger, "POST", PATH, body, nonce=nonce), 401, b"signature")


def bounds(prefix: str) -> tuple[str, str]:
    """The numbers between which those of a prefix lie (keys compare byte by byte)."""
    return prefix, prefix + "~"


class Orders:
    """Rounds of creates at a house's gateway."""

    def __init__(
        self,
        house: House,
        plan: Plan,
        *,
        name: str,
        merchants: Sequence[Merchant] | None = None,
    ) -> None:
        self.house = house
        self.file = plan.folder / f"{name}.requests"
        self.proven = 0
        self.prefix = ""
        self._plan = plan
        self._run = f"{name}-{secrets.token_hex(3)}"
        self._merchants = house.merchants if merchants is None else merchants
        self._rates: dict[int, float] = {}  # by connections

    async def check(self) -> None:
        """Orders whose every answer is looked at. Raises `RunVoid`."""
        self.prefix = f"{self._run}-0-"
        count = requests.write(self.file, orders(self._merchants, self.prefix, CHECKED))
        _, changes = await self.house.commits()
        await self._plan.check(self.house.target, self.file)
        await self._prove(self.prefix, acknowledged=count, under_way=0)
        await self.house.commits(changes_min=changes + count)

    async def play(
        self,
        number: int,
        *,
        connections: int | None = None,
        seconds: float | None = None,
        beside: Callable[[], Coroutine[None, None, None]] | None = None,
    ) -> Round:
        """One round of new orders, as many as the house takes. Raises `RunVoid`.

        `beside` is something else that is done while they are replayed.
        """
        plan = self._plan
        seconds = seconds or plan.seconds
        connections = connections or plan.connections

        async def replay(file: Path) -> Round:
            async with asyncio.TaskGroup() as tasks:
                if beside is not None:
                    tasks.create_task(beside())
                return await plan.run(
                    self.house.target, file, connections=connections, seconds=seconds
                )

        known = self._rates.get(connections, 0.0)
        count = int((known or RATE_FIRST) * RESERVE * seconds)
        try:
            measured = await self.play_by(replay, number=number, count=count, under_way=connections)
        except RanDry:
            count *= 2  # whatever slowed the rounds before is gone
            measured = await self.play_by(replay, number=number, count=count, under_way=connections)
        self._rates[connections] = max(known, measured.rate)
        return measured

    async def play_by(
        self,
        replay: Callable[[Path], Awaitable[Round]],
        *,
        number: int,
        count: int,
        under_way: int = 0,
    ) -> Round:
        """One round of `count` new orders by another generator. Raises `RunVoid`."""
        self.prefix = f"{self._run}-{number}-{secrets.token_hex(2)}-"
        requests.write(self.file, orders(self._merchants, self.prefix, count))
        commits, changes = await self.house.commits()
        measured = await replay(self.file)
        await self._prove(self.prefix, acknowledged=measured.requests, under_way=under_way)
        commits_after, changes_after = await self.house.commits(
            changes_min=changes + measured.requests
        )
        measured.changes_per_commit = (changes_after - changes) / (commits_after - commits)
        return measured

    async def _prove(self, prefix: str, *, acknowledged: int, under_way: int) -> None:
        """Count a round in Postgres; what was under way at its end may be there."""
        payments, right, told = await self.house.settled(COUNT, *bounds(prefix))
        whole = acknowledged <= payments <= acknowledged + under_way
        if not whole or not payments == right == told:
            raise RunVoid(
                f"{acknowledged} creates were acknowledged; Postgres holds {payments} payments, "
                f"{right} of them right, {told} journal rows"
            )
        self.proven += payments

    @property
    def proof(self) -> str:
        """What was proven so far."""
        return f"{self.proven:,} payments and journal rows counted in Postgres"


class ServiceOrders:
    """Rounds of the same creates at another service, proven by a question of its own."""

    def __init__(
        self,
        house: House,
        plan: Plan,
        *,
        name: str,
        target: Target,
        count: str,
        rate_first: float,
    ) -> None:
        self.proven = 0
        self._plan, self._target = plan, target
        self._merchants = house.merchants
        self._dsn, self._count = house.dsn_for_rivals, count
        self._file = plan.folder / f"{name}.requests"
        self._run = f"{name}-{secrets.token_hex(3)}"
        self._rate, self._rate_first = 0.0, rate_first

    async def check(self) -> None:
        """Orders whose every answer is looked at. Raises `RunVoid`.

        They are sent twice: the repeats make nothing new. Another order under the same number is
        refused, and so is one that nobody signed.
        """
        prefix = f"{self._run}-0-"
        made = list(orders(self._merchants, prefix, CHECKED // 4))
        requests.write(self._file, made)
        await self._plan.check(self._target, self._file)
        requests.write(self._file, [each._replace(status=200) for each in made])
        await self._plan.check(self._target, self._file)
        requests.write(self._file, list(_refused(self._merchants, prefix)))
        await self._plan.check(self._target, self._file)
        await self._prove(prefix, acknowledged=len(made), under_way=0)

    async def play(self, number: int) -> Round:
        """One round. Raises `RunVoid`."""
        plan = self._plan
        prefix = f"{self._run}-{number}-"
        count = int((self._rate or self._rate_first) * RESERVE * plan.seconds)
        requests.write(self._file, orders(self._merchants, prefix, count))
        measured = await plan.run(self._target, self._file)
        self._rate = max(self._rate, measured.rate)
        await self._prove(prefix, acknowledged=measured.requests, under_way=plan.connections)
        return measured

    async def _prove(self, prefix: str, *, acknowledged: int, under_way: int) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            payments, told = await connection.fetchrow(self._count, *bounds(prefix))
        finally:
            await connection.close()
        if not acknowledged <= payments <= acknowledged + under_way or payments != told:
            raise RunVoid(
                f"{acknowledged} creates were acknowledged; the rival holds {payments} payments "
                f"and {told} journal rows"
            )
        self.proven += payments
