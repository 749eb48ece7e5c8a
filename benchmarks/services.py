"""Services: creates beside the same service in FastAPI + SQLAlchemy and in aiohttp + asyncpg.

Law: all three are sent the same kind of signed orders and give the same guarantees: signature,
idempotency by the merchant's number, payment and journal row durable before the answer. Each runs
alone on the measured core, on the same Postgres; every acknowledged payment is counted afterwards.
"""

from pathlib import Path

import asyncpg

from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.house import House
from benchmarks.load import Round
from benchmarks.orders import Orders, ServiceOrders
from benchmarks.stage import Stage, open_program

NAME = "services"
ABOUT = "create beside the same service in FastAPI + SQLAlchemy and in aiohttp + asyncpg"
FASTAPI = "benchmarks.rivals.fastapi_sqlalchemy"
ASYNCPG = "benchmarks.rivals.aiohttp_asyncpg"
SCHEMA = (Path(__file__).parent / "rivals" / "schema.sql").read_text("utf-8")
CONNECTIONS_MAX = 128
RATE_FIRST_FASTAPI, RATE_FIRST_ASYNCPG = 4_000.0, 15_000.0

COUNT = """
select count(*), count(j.seq)
from payments p left join journal j on j.object_id = p.id and j.type = 'payment.created'
where p.merchant_order_no >= $1 and p.merchant_order_no < $2
    and p.amount = 1 + right(p.merchant_order_no, 8)::int % 100000
"""


async def measure(stage: Stage) -> Finding:
    """Create against both services. Raises `RunVoid`."""
    plan, house = stage.plan.with_at_most(CONNECTIONS_MAX), await stage.house()
    await furnish(house)
    arguments = (house.dsn_for_rivals,)
    made = Orders(house, plan, name=NAME)
    await made.check()
    postgres = house.target.postgres_pid
    async with (
        open_program(FASTAPI, plan, *arguments, postgres_pid=postgres) as fastapi,
        open_program(ASYNCPG, plan, *arguments, postgres_pid=postgres) as bare,
    ):
        rivals = {
            name: ServiceOrders(house, plan, name=name, target=target, count=COUNT, rate_first=rate)
            for name, target, rate in (
                ("fastapi", fastapi, RATE_FIRST_FASTAPI),
                ("asyncpg", bare, RATE_FIRST_ASYNCPG),
            )
        }
        for each in rivals.values():
            await each.check()
        found = await plan.interleave(
            {
                "tillgate": made.play,
                **{name: each.play for name, each in rivals.items()},
                "hello": await stage.hello(made.file, name=NAME),
            }
        )
    counted = sum(each.proven for each in rivals.values())
    return tell(found, proof=f"{made.proof}; {counted:,} of the rivals")


def tell(found: dict[str, list[Round]], *, proof: str) -> Finding:
    """What the rounds say, by the names they were played under."""
    ours = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    other = Player(
        name="FastAPI + SQLAlchemy", about="the same guarantees", rounds=found["fastapi"]
    )
    careful = Player(
        name="aiohttp + asyncpg",
        about="the same guarantees, one transaction per request in one round trip",
        rounds=found["asyncpg"],
    )
    hello = Player(
        name="hello (no signature, no database)", about="for scale", rounds=found["hello"]
    )
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=proof,
        players=[ours, careful, other, hello],
        verdicts=[
            Verdict(
                what="create: throughput, ours / FastAPI + SQLAlchemy",
                value=ratio(ours, other, "rate"),
                target=20,
                at_least=15,
            ),
            Verdict(
                what="create: throughput, ours / aiohttp + asyncpg",
                value=ratio(ours, careful, "rate"),
                target=4,
                at_least=3,
            ),
        ],
        notes=[
            "CPU time of program and Postgres together, theirs / ours: FastAPI + SQLAlchemy "
            f"{ratio(other, ours, 'all_cpu_us'):.1f}, aiohttp + asyncpg "
            f"{ratio(careful, ours, 'all_cpu_us'):.1f}.",
        ],
    )


async def furnish(house: House) -> None:
    """Give the rivals their tables and the merchants' keys."""
    connection = await asyncpg.connect(house.dsn_for_rivals)
    try:
        await connection.execute(SCHEMA)
        await connection.executemany(
            "insert into merchant_keys values ($1, $2, $3) on conflict do nothing",
            [
                (each.signer.key_id, each.signer.merchant_id, each.signer.secret)
                for each in house.merchants
            ],
        )
    finally:
        await connection.close()
