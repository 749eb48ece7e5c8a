"""Connections: throughput, latency and cost from 1 to 512 connections, beside hello.

Law: a table and two plots, no promise. A closed loop: every connection has one request under way.
"""

from benchmarks import requests
from benchmarks.finding import Finding, Player, Table
from benchmarks.load import Round
from benchmarks.orders import Orders
from benchmarks.stage import HELLO, Stage, rivals_requests

NAME = "connections"
ABOUT = "create and hello over 1 to 512 connections"
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CONNECTIONS_QUICK = (1, 8, 64)
ROUNDS, SECONDS = 3, 2.0
HEAD = ["connections", "req/s", "hello's", "p50 ms", "hello's", "p99 ms", "hello's", "CPU us",
        "hello's", "Postgres us", "per commit"]  # fmt: skip


async def measure(stage: Stage) -> Finding:
    """The table. Raises `RunVoid`."""
    plan, house = stage.plan, await stage.house()
    made = Orders(house, plan, name=NAME)
    await made.check()
    hello = await stage.rival(HELLO)
    copied = plan.folder / f"{NAME}-hello"
    requests.write(copied, rivals_requests(made.file))
    rounds = 1 if plan.quick else ROUNDS
    rows = []
    players = []
    for connections in CONNECTIONS_QUICK if plan.quick else CONNECTIONS:

        async def ours(number: int, connections: int = connections) -> Round:
            return await made.play(number, connections=connections, seconds=SECONDS)

        async def theirs(number: int, connections: int = connections) -> Round:
            return await plan.run(
                hello, copied, loop=True, connections=connections, seconds=SECONDS
            )

        found = await plan.interleave({"ours": ours, "hello": theirs}, rounds=rounds)
        create = Player(name=f"tillgate, {connections}", about="", rounds=found["ours"])
        greeting = Player(name=f"hello, {connections}", about="", rounds=found["hello"])
        players += [create, greeting]
        both = [
            round(player.middle(name), 2)
            for name in ("rate", "p50_ms", "p99_ms", "cpu_us")
            for player in (create, greeting)
        ]
        postgres = round(create.middle("database_cpu_us"), 1)
        batch = round(create.middle("changes_per_commit"), 1)
        rows.append([connections, *both, postgres, batch])
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=made.proof,
        players=players,
        tables=[Table(name=NAME, title="create over connections", head=HEAD, rows=rows)],
    )
