"""Postgres: what the database spends on a created payment, beside a bare COPY of the same rows.

Law: after each round of creates its very rows are copied into an empty table of the same form, in
groups as large as the gateway's commits were on average, so that both are durable equally often.
Both figures are CPU time of the postmaster and all its processes. A create also writes its journal
row, moves its merchant's head and looks the number up; the COPY does nothing of that. One COPY of
all rows in a single transaction, which nobody could answer a payment by, is measured beside it.
"""

from statistics import median

import asyncpg

from benchmarks.finding import Finding, Player, Table, Verdict
from benchmarks.load import Round, RunVoid
from benchmarks.orders import Orders, bounds
from benchmarks.rivals.copy import copied, rows_between
from benchmarks.stage import Stage

NAME = "postgres"
ABOUT = "CPU time of Postgres per created payment, beside a binary COPY of the same payment rows"


class Copies:
    """The same rows again, by COPY; microseconds per row, round by round."""

    def __init__(self, made: Orders) -> None:
        self.grouped_us: list[float] = []
        self.whole_us: list[float] = []
        self._made = made

    async def play(self, number: int) -> Round:
        """A round of creates, and its rows copied. Raises `RunVoid`."""
        made = self._made
        before = made.proven
        measured = await made.play(number)
        first, last = bounds(made.prefix)
        pid = made.house.target.postgres_pid
        assert pid is not None and measured.changes_per_commit is not None
        group = max(1, round(measured.changes_per_commit))
        connection = await asyncpg.connect(made.house.dsns[0])
        try:
            rows = await rows_between(connection, first=first, last=last)
            if len(rows) != made.proven - before:
                raise RunVoid(f"COPY found {len(rows)} rows of {made.proven - before}")
            self.grouped_us.append(await copied(connection, rows, group=group, postgres_pid=pid))
            self.whole_us.append(await copied(connection, rows, group=len(rows), postgres_pid=pid))
        finally:
            await connection.close()
        return measured


async def measure(stage: Stage) -> Finding:
    """Postgres's CPU time against COPY. Raises `RunVoid`."""
    made = Orders(await stage.house(), stage.plan, name=NAME)
    await made.check()
    copies = Copies(made)
    found = await stage.plan.interleave({"tillgate": copies.play})
    ours = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    each_us = ours.middle("database_cpu_us")
    grouped_us, whole_us = median(copies.grouped_us), median(copies.whole_us)
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=made.proof,
        players=[ours],
        verdicts=[
            Verdict(
                what="create: Postgres CPU per payment / per row of a bare COPY in equal groups",
                value=each_us / grouped_us,
                target=1.5,
                at_least=2.3,
                more_is_better=False,
            )
        ],
        tables=[
            Table(
                name=NAME,
                title="CPU time of Postgres",
                head=["", "us per payment"],
                rows=[
                    ["create: payment, journal row, head", round(each_us, 1)],
                    ["bare COPY of the payment rows, in groups like ours", round(grouped_us, 1)],
                    ["bare COPY of the payment rows, all in one", round(whole_us, 1)],
                ],
            )
        ],
        notes=[f"Create / one COPY of all rows: {each_us / whole_us:.1f}."],
    )
