"""Shards: the cost of a payment on 1, 2, 4 and 8 shards of one machine.

Law: every house is one gateway process and one Postgres cluster with so many databases, and 64
merchants spread over them. The same load; what counts is CPU time of program and Postgres together
per payment, because a single machine gets no faster by being divided.
"""

import contextlib

from benchmarks.contest import Play
from benchmarks.finding import Finding, Player, Table, Verdict
from benchmarks.load import Round
from benchmarks.orders import Orders
from benchmarks.stage import Stage

NAME = "shards"
ABOUT = "create on 1 to 8 shards of one machine: CPU time per payment"
SHARDS, SHARDS_QUICK = (1, 2, 4, 8), (1, 8)
MERCHANTS = 64
# Shards are for many clients: each must have enough under way to fill batches of its own.
CONNECTIONS = 512
ROUNDS_MAX = 5
HEAD = ["shards", "req/s", "p50 ms", "p99 ms", "CPU us", "Postgres us", "together", "of 1 shard",
        "per commit"]  # fmt: skip


async def measure(stage: Stage) -> Finding:
    """Eight against one. Raises `RunVoid`."""
    plan = stage.plan
    made: dict[int, Orders] = {}
    async with contextlib.AsyncExitStack() as stack:
        for shards in SHARDS_QUICK if plan.quick else SHARDS:
            house = await stack.enter_async_context(
                stage.own_house(f"{NAME}-{shards}", shards=shards, merchants=MERCHANTS)
            )
            made[shards] = Orders(house, plan, name=f"{NAME}-{shards}")
            await made[shards].check()

        def play_of(orders: Orders) -> Play:
            async def play(number: int) -> Round:
                return await orders.play(number, connections=CONNECTIONS)

            return play

        found = await plan.interleave(
            {str(shards): play_of(orders) for shards, orders in made.items()},
            rounds=min(plan.rounds, ROUNDS_MAX),
        )
        for orders in made.values():
            stage.books.append(await orders.house.verify())
    players = {
        shards: Player(name=f"{shards} shards", about=ABOUT, rounds=found[str(shards)])
        for shards in made
    }
    cost = {shards: player.middle("all_cpu_us") for shards, player in players.items()}
    return Finding(
        name=NAME,
        about=ABOUT,
        proof="; ".join(f"{shards} shards: {each.proof}" for shards, each in made.items()),
        players=list(players.values()),
        verdicts=[
            Verdict(
                what="create: CPU per payment on 8 shards / on 1",
                value=cost[8] / cost[1],
                target=1.1,
                at_least=1.25,
                more_is_better=False,
            )
        ],
        tables=[_table(players, cost)],
    )


def _table(players: dict[int, Player], cost: dict[int, float]) -> Table:
    """A row for each number of shards."""
    rows = [
        [
            shards,
            *(
                round(player.middle(name), 2)
                for name in ("rate", "p50_ms", "p99_ms", "cpu_us", "database_cpu_us")
            ),
            round(cost[shards], 1),
            round(cost[shards] / cost[1], 2),
            round(player.middle("changes_per_commit"), 1),
        ]
        for shards, player in players.items()
    ]
    title = f"create over shards of one machine, {CONNECTIONS} connections"
    return Table(name=NAME, title=title, head=HEAD, rows=rows)
