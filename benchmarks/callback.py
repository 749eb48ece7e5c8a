"""Callback: a channel says that a payment was made; verified, booked, durable, then answered.

Law: every request is a notification as the pretend Alipay writes it, signed with RSA-2048, for a
payment whose payer was given a code. State, entry, balances, inbox row and journal row are
committed with fsync before the answer `success`. Afterwards Postgres is asked: every acknowledged
payment must have succeeded, with one entry, one inbox row and one journal row, else the run is
void. Payments and notifications are made beforehand (`waiting.py`, `notifiers.py`), as many as the
gateway can take in a round; a trial tells how many that are.
"""

import secrets
from collections.abc import Sequence

from benchmarks import notifiers, waiting
from benchmarks.contest import Plan
from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.house import House, Merchant
from benchmarks.load import RanDry, Round, RunVoid
from benchmarks.orders import bounds
from benchmarks.stage import Stage

NAME = "callback"
ABOUT = "POST /callbacks/alipay/...: RSA verified; state, entry, balances, inbox, journal durable"
CHECKED = 1_000
TRIAL_S = 1.0
FASTER = 4  # a trial than the check by the generator in Python, which looks at every answer
RESERVE_FIRST, RESERVE = 1.6, 1.3  # over the rate of the trial, over that of the fastest round
TRIES = 3  # each with twice as many

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
        self._rate, self._reserve = 0.0, RESERVE_FIRST

    async def check(self) -> None:
        """Callbacks whose every answer is looked at, then a trial. Raises `RunVoid`."""
        prefix = f"{self._run}-0-"
        await self.write(prefix, CHECKED)
        checked = await self._plan.check(self._house.target, self.file)
        await self.prove(prefix, acknowledged=CHECKED, under_way=0)
        prefix = f"{self._run}-trial-"
        await self.write(prefix, int(FASTER * checked.rate * TRIAL_S))
        _, changes = await self._house.commits()
        trial = await self._plan.run(self._house.target, self.file, seconds=TRIAL_S)
        await self.prove(prefix, acknowledged=trial.requests, under_way=self._plan.connections)
        await self._house.commits(changes_min=changes + trial.requests)
        self._rate = trial.rate

    async def play(self, number: int) -> Round:
        """One round. Raises `RunVoid`."""
        count = int(self._rate * self._reserve * self._plan.seconds)
        for more in range(TRIES):
            try:
                measured = await self._play(f"{self._run}-{number}-{more}-", count << more)
                break
            except RanDry:
                # Whatever slowed the trial, or the rounds before, is gone.
                if more == TRIES - 1:
                    raise
        self._rate, self._reserve = max(self._rate, measured.rate), RESERVE
        return measured

    async def _play(self, prefix: str, count: int) -> Round:
        house, plan = self._house, self._plan
        await self.write(prefix, count)
        commits, changes = await house.commits()
        measured = await plan.run(house.target, self.file)
        await self.prove(prefix, acknowledged=measured.requests, under_way=plan.connections)
        commits_after, changes_after = await house.commits(changes_min=changes + measured.requests)
        measured.changes_per_commit = (changes_after - changes) / (commits_after - commits)
        return measured

    async def write(self, prefix: str, count: int) -> None:
        """Payments that wait, and the file of their notifications. Raises `RunVoid`."""
        house, cores = self._house, self._plan.cores
        # The measured core is idle meanwhile.
        made = await waiting.write(house, self._merchants, prefix, count, core=cores.server)
        await notifiers.write(self.file, made, house, cores=cores)

    async def prove(self, prefix: str, *, acknowledged: int, under_way: int) -> None:
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
