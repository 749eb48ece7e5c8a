"""Rows: creates into a table of ten million payments, beside creates into one of ten thousand.

Law: two houses on the same machine play in turns. The small one is filled with ten thousand
payments anew before each of its rounds; the other grows by COPY from step to step and is measured
at each. A round adds its own payments (some tens of thousands) to either.
"""

from benchmarks.contest import Plan
from benchmarks.fill import Filling
from benchmarks.finding import Cell, Finding, Player, Table, Verdict, ratio
from benchmarks.load import Round
from benchmarks.orders import Orders
from benchmarks.stage import Stage

NAME = "rows"
ABOUT = "create with 10 million payments in the table, beside 10 thousand"
SMALL = 10_000
STEPS = (100_000, 1_000_000, 10_000_000)
ROUNDS_MAX, ROUNDS_LAST_MAX = 3, 5
VERIFIED_MAX = 200_000
HEAD = ["payments", "req/s", "of 10 000", "p50 ms", "p99 ms", "CPU us", "Postgres us"]


class Grown:
    """A house, its filling and its rounds."""

    def __init__(self, filling: Filling, orders: Orders) -> None:
        self.filling, self.orders = filling, orders

    async def begin(self) -> None:
        """Prove the house and learn what a payment looks like."""
        await self.orders.check()
        await self.filling.learn(self.orders.prefix + "00000000")


async def measure(stage: Stage) -> Finding:
    """The table, and the largest against the smallest. Raises `RunVoid`."""
    plan = stage.plan
    steps = [*(step for step in STEPS if step < plan.rows_max), plan.rows_max]
    players: list[Player] = []
    rows: list[list[Cell]] = []
    async with (
        stage.own_house(f"{NAME}-small") as first,
        stage.own_house(f"{NAME}-grown") as second,
    ):
        small = Grown(Filling(first, core=plan.cores.server), Orders(first, plan, name="small"))
        grown = Grown(Filling(second, core=plan.cores.server), Orders(second, plan, name="grown"))
        await small.begin()
        await grown.begin()
        for size in steps:
            stage.tell(f"filling up to {size:,} payments")
            await grown.filling.grow(size)
            few, many = await _contest(plan, small, grown, is_last=size == steps[-1])
            players += [few, many]
            if size == steps[0]:
                rows.append(_row(SMALL, few, few))
            many.name, few.name = f"{size:,} payments", f"{SMALL:,} beside {size:,}"
            rows.append(_row(size, many, few))
        stage.books.append(await first.verify())
        if steps[-1] <= VERIFIED_MAX:
            stage.books.append(await second.verify())
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=f"small: {small.orders.proof}; grown: {grown.orders.proof}",
        players=players,
        verdicts=[
            Verdict(
                what=f"create: throughput with {steps[-1]:,} payments / with {SMALL:,}",
                value=ratio(many, few, "rate"),
                target=0.95,
                at_least=0.9,
            )
        ],
        tables=[Table(name=NAME, title="create over payments in the table", head=HEAD, rows=rows)],
        notes=[
            "CPU time of program and Postgres together, few / many: "
            f"{ratio(few, many, 'all_cpu_us'):.2f}."
        ],
    )


async def _contest(
    plan: Plan, small: Grown, grown: Grown, *, is_last: bool
) -> tuple[Player, Player]:
    async def few(number: int) -> Round:
        await small.filling.clear()
        await small.filling.grow(SMALL)
        return await small.orders.play(number)

    rounds = min(plan.rounds, ROUNDS_LAST_MAX if is_last else ROUNDS_MAX)
    found = await plan.interleave({"few": few, "many": grown.orders.play}, rounds=rounds)
    return (
        Player(name="few", about="create", rounds=found["few"]),
        Player(name="many", about="create", rounds=found["many"]),
    )


def _row(size: int, player: Player, few: Player) -> list[Cell]:
    return [
        size,
        round(player.middle("rate"), 1),
        round(ratio(player, few, "rate"), 3),
        *(round(player.middle(name), 2) for name in ("p50_ms", "p99_ms", "cpu_us")),
        round(player.middle("database_cpu_us"), 2),
    ]
