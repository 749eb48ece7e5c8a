"""Latency: how long a create takes at a constant rate, beside hello at the same rate.

Law: requests are signed beforehand and sent at 3 000 a second whatever the answers do; latency
counts from the intended moment (`pace.py`). Both are sent the same bytes.
"""

from benchmarks import requests
from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.load import Round
from benchmarks.orders import Orders
from benchmarks.stage import HELLO, Stage, rivals_requests

NAME = "latency"
RATE = 3_000
ABOUT = f"create and hello at a constant {RATE} requests/s, from the intended moment of sending"


async def measure(stage: Stage) -> Finding:
    """The p99 of create against hello's. Raises `RunVoid`."""
    plan, house = stage.plan, await stage.house()
    made = Orders(house, plan, name=NAME)
    await made.check()
    hello = await stage.rival(HELLO)
    copied = plan.folder / f"{NAME}-hello"
    requests.write(copied, rivals_requests(made.file))

    async def ours(number: int) -> Round:
        return await made.play_by(
            lambda file: plan.paced(house.target, file, rate=RATE),
            number=number,
            count=int(RATE * plan.seconds),
        )

    async def theirs(number: int) -> Round:
        return await plan.paced(hello, copied, rate=RATE, loop=True)

    found = await plan.interleave({"tillgate": ours, "hello": theirs})
    create = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    greeting = Player(name="hello", about="sent the same bytes", rounds=found["hello"])
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=made.proof,
        players=[create, greeting],
        verdicts=[
            Verdict(
                what=f"p99 of create / of hello, both at {RATE}/s",
                value=ratio(create, greeting, "p99_ms"),
                target=2,
                at_least=4,
                more_is_better=False,
            )
        ],
    )
