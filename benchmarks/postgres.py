"""Postgres: what the database spends on a created payment, beside a bare COPY of the same rows.

Law: both are measured at the same moments. While creates are replayed, payment rows of the round
before are copied into an empty table of the same form, a group as large as the gateway's commits
were on average every `PAUSE_S`, each durable; the CPU time of the one backend that copies is the
COPY's, that of the postmaster and all its other processes the creates'. So the two find the same
caches, neighbors and disk, which drift from one second to the next. A create also writes its
journal row, moves its merchant's head and looks the number up; the COPY does nothing of that.

Beside it the same groups are copied while nothing else runs, and all rows in one transaction, which
nobody could answer a payment by.
"""

from collections.abc import Sequence
from functools import partial
from statistics import median

import asyncpg

from benchmarks.finding import Finding, Player, Table, Verdict
from benchmarks.load import US_PER_S, Round, RunVoid
from benchmarks.orders import Orders, bounds
from benchmarks.processes import cpu_s, family_cpu_s
from benchmarks.rivals.copy import copied, empty_table, groups_of, rows_between
from benchmarks.stage import Stage

NAME = "postgres"
ABOUT = "CPU time of Postgres per created payment, beside a binary COPY of the same payment rows"
PAUSE_S = 0.005


class Copies:
    """Rounds of creates with copies beside them and behind them; microseconds per row."""

    def __init__(self, made: Orders, *, seconds: float) -> None:
        self.beside_us: list[float] = []
        self.grouped_us: list[float] = []
        self.whole_us: list[float] = []
        self._made = made
        self._seconds = seconds
        self._rows: Sequence[bytes] = ()
        self._size = 1

    async def warm(self) -> None:
        """A round that is not counted; its rows are the first to be copied. Raises `RunVoid`."""
        proven = self._made.proven
        await self._find_rows(await self._made.play(0), proven=proven)

    async def play(self, number: int) -> Round:
        """A round of creates, with copies beside it and behind it. Raises `RunVoid`."""
        made, found = self._made, []
        proven = made.proven
        async with empty_table(self._dsn) as connection:
            backend = connection.get_server_pid()

            async def beside() -> None:
                found.append(
                    await copied(
                        connection,
                        groups_of(self._rows, self._size),
                        cpu_s=partial(cpu_s, backend),
                        seconds=self._seconds,
                        pause_s=PAUSE_S,
                    )
                )

            measured = await made.play(number, beside=beside)
        (copies,) = found
        assert measured.database_cpu_us is not None
        measured.database_cpu_us -= copies.cpu_s * US_PER_S / measured.requests
        self.beside_us.append(copies.each_us)
        await self._find_rows(measured, proven=proven)
        self.grouped_us.append(await self._copied_alone(self._size))
        self.whole_us.append(await self._copied_alone(len(self._rows)))
        return measured

    @property
    def _dsn(self) -> str:
        return self._made.house.dsns[0]

    async def _find_rows(self, measured: Round, *, proven: int) -> None:
        """Keep the rows of a round before which so many had been proven."""
        assert measured.changes_per_commit is not None
        self._size = max(1, round(measured.changes_per_commit))
        first, last = bounds(self._made.prefix)
        connection = await asyncpg.connect(self._dsn)
        try:
            self._rows = await rows_between(connection, first=first, last=last)
        finally:
            await connection.close()
        if len(self._rows) != self._made.proven - proven:
            raise RunVoid(f"COPY found {len(self._rows)} rows of {self._made.proven - proven}")

    async def _copied_alone(self, size: int) -> float:
        pid = self._made.house.target.postgres_pid
        assert pid is not None
        async with empty_table(self._dsn) as connection:
            groups = groups_of(self._rows, size)
            return (await copied(connection, groups, cpu_s=partial(family_cpu_s, pid))).each_us


async def measure(stage: Stage) -> Finding:
    """Postgres's CPU time against COPY. Raises `RunVoid`."""
    made = Orders(await stage.house(), stage.plan, name=NAME)
    await made.check()
    copies = Copies(made, seconds=stage.plan.seconds)
    await copies.warm()
    found = await stage.plan.interleave({"tillgate": copies.play})
    ours = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    each_us = ours.middle("database_cpu_us")
    beside_us, grouped_us = median(copies.beside_us), median(copies.grouped_us)
    whole_us = median(copies.whole_us)
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=made.proof,
        players=[ours],
        verdicts=[
            Verdict(
                what="create: Postgres CPU per payment / per row of a bare COPY in equal groups",
                value=each_us / beside_us,
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
                    [
                        "bare COPY of such rows at the same time, in equal groups",
                        round(beside_us, 1),
                    ],
                    ["bare COPY of the same rows afterwards, alone", round(grouped_us, 1)],
                    ["bare COPY of the same rows afterwards, all in one", round(whole_us, 1)],
                ],
            )
        ],
        notes=[
            f"Create / the same COPY afterwards, alone: {each_us / grouped_us:.2f}; "
            f"/ one COPY of all rows: {each_us / whole_us:.1f}."
        ],
    )
