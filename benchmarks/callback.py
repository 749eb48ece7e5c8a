"""Callback: a channel says that a payment was made; verified, booked, durable, then answered.

Law: every request is a notification as the pretend Alipay writes it, signed with RSA-2048, for a
payment whose payer was given a code. State, entry, balances, inbox row and journal row are
committed with fsync before the answer `success`. Afterwards Postgres is asked: every acknowledged
payment must have succeeded, with one entry, one inbox row and one journal row, else the run is
void. The waiting payments are written beforehand through the system's own Changes.
"""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from datetime import timedelta

from benchmarks import notification, requests
from benchmarks.contest import Plan
from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.house import APP_ID, CHANNEL, METHOD, SELLER_ID, House, Merchant
from benchmarks.load import Round, RunVoid
from benchmarks.orders import bounds
from benchmarks.requests import Request
from benchmarks.stage import Stage
from gateway.channels.codec import HandedOut
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.payment import Payment

NAME = "callback"
ABOUT = "POST /callbacks/alipay/...: RSA verified; state, entry, balances, inbox, journal durable"
CHECKED = 1_000
RATE_FIRST_MIN = 1_000
FASTER = 3  # than by the generator in Python, which looks at every answer
RESERVE = 1.5
AT_ONCE = 1_000
SUBJECT = "Green tea, 250 g"
EXPIRES_IN = timedelta(hours=2)

# Payments of a round that succeeded, and of those: with the right amount, entries, inbox, journal.
COUNT = """
select count(*), count(*) filter (
        where p.amount_captured = p.amount and p.amount_received = p.amount),
    count(e.entry_id), count(c.dedupe_key), count(j.seq)
from payments p
left join entries e on e.merchant_id = p.merchant_id and e.reference = p.attempt_id
    and e.reason = 'captured'
left join callbacks c on c.merchant_id = p.merchant_id and c.attempt_id = p.attempt_id
left join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence
    and j.object_id = p.payment_id and j.type = 'payment.succeeded'
where p.merchant_order_no >= $1 and p.merchant_order_no < $2 and p.status = 'succeeded'
"""


async def waiting(
    house: House, merchants: Sequence[Merchant], prefix: str, count: int
) -> list[tuple[Merchant, Attempt]]:
    """Payments whose payers have been given a code, written in groups of `AT_ONCE`."""
    made: list[tuple[Merchant, Attempt]] = []
    for first in range(0, count, AT_ONCE):
        group = [
            (merchant, *_rows(house, merchant, f"{prefix}{n:08d}", amount=1 + n % 100_000))
            for n in range(first, min(count, first + AT_ONCE))
            for merchant in (merchants[n % len(merchants)],)
        ]
        created = [_created(payment, attempt) for _, payment, attempt in group]
        await asyncio.gather(*(house.core.shards.submit(change) for change in created))
        handed = [_handed_out(house, attempt) for _, _, attempt in group]
        await asyncio.gather(*(house.core.shards.submit(change) for change in handed))
        made += [(merchant, attempt) for merchant, _, attempt in group]
    return made


def _rows(house: House, merchant: Merchant, number: str, *, amount: int) -> tuple[Payment, Attempt]:
    now = house.core.clock.business()
    make = house.core.ids.make
    payment_id, attempt_id = make("pay", merchant.id), make("att", merchant.id)
    attempt = Attempt(
        merchant_id=merchant.id,
        id=attempt_id,
        payment_id=payment_id,
        number=1,
        method=METHOD,
        method_options={},
        channel=CHANNEL,
        channel_account_id=merchant.account.id,
        amount=amount,
        currency="CNY",
        status="submitted",
        created_at=now,
        expires_at=now + EXPIRES_IN,
        due_at=now + EXPIRES_IN,
    )
    payment = Payment(
        merchant_id=merchant.id,
        id=payment_id,
        merchant_order_no=number,
        fingerprint=bytes(32),
        fingerprint_key=1,
        amount=amount,
        currency="CNY",
        subject=SUBJECT,
        status="processing",
        livemode=False,
        capture_method="automatic",
        created_at=now,
        expires_at=now + EXPIRES_IN,
        method=METHOD,
        channel=CHANNEL,
        channel_account_id=merchant.account.id,
        attempt_id=attempt_id,
        attempts=1,
    )
    return payment, attempt


def _created(payment: Payment, attempt: Attempt) -> Change:
    writes = Writes(rows=(payment, attempt), lines=(payments.line(payment, "created"),))

    def decide(rows: Rows) -> Writes:
        return writes

    number = Need("payment_no", payment.merchant_order_no)
    return Change(
        merchant_id=payment.merchant_id,
        actor="benchmark",
        at=payment.created_at,
        request_id=None,
        decide=decide,
        needs=(number,),
        number=number,
        foreseen=writes,
    )


def _handed_out(house: House, attempt: Attempt) -> Change:
    code = f"https://qr.example/{attempt.attempt_no}"
    return house.core.concluder.payment_change(
        attempt,
        HandedOut({"type": "qr_code", "qr_code": code}),
        actor="benchmark",
        request_id=None,
    )


def notifications(house: House, waiting: list[tuple[Merchant, Attempt]]) -> Iterator[Request]:
    """Alipay's signed notification for each attempt."""
    trade = int(secrets.token_hex(6), 16)
    for n, (merchant, attempt) in enumerate(waiting):
        parameters = notification.paid(
            app_id=APP_ID,
            seller_id=SELLER_ID,
            order_no=attempt.attempt_no,
            trade_no=f"20261122{trade + n:020d}",
            amount_fen=attempt.amount,
            subject=SUBJECT,
        )
        raw = requests.plain(
            "POST",
            f"/callbacks/{CHANNEL}/{merchant.account.id}",
            notification.signed_form(parameters, house.channel_key),
            media_type=notification.MEDIA_TYPE,
        )
        yield Request(raw, 200, b"success")


class Callbacks:
    """Rounds of callbacks, each for payments of its own."""

    def __init__(
        self,
        house: House,
        plan: Plan,
        *,
        name: str = NAME,
        merchants: Sequence[Merchant] | None = None,
    ) -> None:
        self.file = plan.folder / f"{name}.requests"
        self.proven = 0
        self._house, self._plan = house, plan
        self._merchants = house.merchants if merchants is None else merchants
        self._run = f"{name}-{secrets.token_hex(3)}"
        self._rate, self._rate_first = 0.0, float(RATE_FIRST_MIN)

    async def check(self) -> None:
        """Callbacks whose every answer is looked at. Raises `RunVoid`."""
        prefix = f"{self._run}-0-"
        await self._write(prefix, CHECKED)
        checked = await self._plan.check(self._house.target, self.file)
        self._rate_first = max(self._rate_first, FASTER * checked.rate)
        await self._prove(prefix, acknowledged=CHECKED, under_way=0)

    async def play(self, number: int) -> Round:
        """One round. Raises `RunVoid`."""
        house, plan = self._house, self._plan
        prefix = f"{self._run}-{number}-"
        await self._write(prefix, int((self._rate or self._rate_first) * RESERVE * plan.seconds))
        commits, changes = await house.commits()
        measured = await plan.run(house.target, self.file)
        self._rate = max(self._rate, measured.rate)
        await self._prove(prefix, acknowledged=measured.requests, under_way=plan.connections)
        commits_after, changes_after = await house.commits()
        measured.changes_per_commit = (changes_after - changes) / (commits_after - commits)
        return measured

    async def _write(self, prefix: str, count: int) -> None:
        attempts = await waiting(self._house, self._merchants, prefix, count)
        requests.write(self.file, notifications(self._house, attempts))

    async def _prove(self, prefix: str, *, acknowledged: int, under_way: int) -> None:
        """Count a round in Postgres; what was under way at its end may be there."""
        succeeded, *parts = await self._house.settled(COUNT, *bounds(prefix))
        whole = acknowledged <= succeeded <= acknowledged + under_way
        if not whole or set(parts) != {succeeded}:
            raise RunVoid(
                f"{acknowledged} callbacks were acknowledged; Postgres holds {succeeded} payments "
                f"that succeeded, and of right amounts, entries, inbox and journal rows: {parts}"
            )
        self.proven += succeeded

    @property
    def proof(self) -> str:
        """What was proven so far."""
        return f"{self.proven:,} payments, entries, inbox and journal rows counted in Postgres"


async def measure(stage: Stage) -> Finding:
    """Callback against hello. Raises `RunVoid`."""
    plan = stage.plan
    made = Callbacks(await stage.house(), plan)
    await made.check()
    found = await plan.interleave(
        {"tillgate": made.play, "hello": await stage.hello(made.file, name=NAME)}
    )
    ours = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    hello = Player(
        name="hello", about="aiohttp's hello, sent the same bytes", rounds=found["hello"]
    )
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=made.proof,
        players=[ours, hello],
        verdicts=[
            Verdict(
                what="callback: CPU time of hello / ours",
                value=ratio(hello, ours, "cpu_us"),
                target=0.6,
                at_least=0.5,
            )
        ],
        notes=[f"Throughput, ours / hello: {ratio(ours, hello, 'rate'):.2f}."],
    )
