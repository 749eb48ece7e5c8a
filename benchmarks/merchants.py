"""Merchants: all load on one of them, beside the same load spread over a thousand.

Law: one house with a thousand merchants; every row of a merchant is written under its head's lock,
so one hot merchant is the worst case of the lock and a thousand are the worst case of the batch.
"""

from benchmarks.callback import Callbacks
from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.orders import Orders
from benchmarks.stage import Stage

NAME = "merchants"
ABOUT = "create and callback: one hot merchant beside a thousand"
MERCHANTS, MERCHANTS_QUICK = 1_000, 100
ROUNDS_MAX = 5


async def measure(stage: Stage) -> Finding:
    """One against many. Raises `RunVoid`."""
    plan = stage.plan
    count = MERCHANTS_QUICK if plan.quick else MERCHANTS
    async with stage.own_house(NAME, merchants=count) as house:
        hot = house.merchants[:1]
        players: dict[str, Orders | Callbacks] = {
            "create, one": Orders(house, plan, name="hot", merchants=hot),
            "create, many": Orders(house, plan, name="many"),
            "callback, one": Callbacks(house, plan, name="hot-callback", merchants=hot),
            "callback, many": Callbacks(house, plan, name="many-callback"),
        }
        for each in players.values():
            await each.check()
        found = await plan.interleave(
            {name: each.play for name, each in players.items()},
            rounds=min(plan.rounds, ROUNDS_MAX),
        )
        stage.books.append(await house.verify())
    made = {
        name: Player(name=name, about=f"of {count:,}", rounds=rounds)
        for name, rounds in found.items()
    }
    pairs = [(verb, made[f"{verb}, one"], made[f"{verb}, many"]) for verb in ("create", "callback")]
    return Finding(
        name=NAME,
        about=ABOUT,
        proof="; ".join(f"{name}: {each.proof}" for name, each in players.items()),
        players=list(made.values()),
        verdicts=[
            Verdict(
                what=f"{verb}: throughput, one hot merchant / {count:,} merchants",
                value=ratio(one, many, "rate"),
                target=0.95,
                at_least=0.9,
            )
            for verb, one, many in pairs
        ],
        notes=[
            f"CPU time of program and Postgres, many / one: {verb} "
            f"{ratio(many, one, 'all_cpu_us'):.2f}."
            for verb, one, many in pairs
        ],
    )
