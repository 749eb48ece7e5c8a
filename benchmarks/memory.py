"""Memory: what a gateway process holds after a hundred thousand payments and after a million.

Law: a house of its own, so that the process begins with nothing; its resident memory is the
kernel's own count, read while it is idle. What grows with the number of payments is a leak.
"""

from benchmarks import processes
from benchmarks.finding import Finding, Player, Row, Table, Verdict
from benchmarks.load import Round
from benchmarks.orders import Orders
from benchmarks.stage import Stage

NAME = "memory"
ABOUT = "resident memory of a gateway process over a million payments"
MARKS, MARKS_QUICK = (100_000, 1_000_000), (20_000, 80_000)
SECONDS = 8.0
MB = 1_000_000


async def measure(stage: Stage) -> Finding:
    """Memory at both marks. Raises `RunVoid`."""
    plan = stage.plan
    marks = MARKS_QUICK if plan.quick else MARKS
    seconds = plan.seconds if plan.quick else SECONDS
    held: list[float] = []
    rows: list[Row] = []
    async with stage.own_house(NAME) as house:
        made = Orders(house, plan, name=NAME)
        await made.check()
        pid = house.target.pids[0]
        rows.append([0, round(processes.resident_bytes(pid) / MB, 1)])
        rounds: list[Round] = []
        for mark in marks:
            while made.proven < mark:
                rounds.append(await made.play(len(rounds) + 1, seconds=seconds))
            held.append(processes.resident_bytes(pid) / MB)
            rows.append([made.proven, round(held[-1], 1)])
        stage.books.append(await house.verify())
    first, last = held
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=made.proof,
        players=[Player(name="tillgate", about="create", rounds=rounds)],
        verdicts=[
            Verdict(
                what=f"memory after {marks[1]:,} payments / after {marks[0]:,}",
                value=last / first,
                target=1.1,
                at_least=1.1,
                more_is_better=False,
            ),
            Verdict(
                what=f"memory of a gateway process after {marks[1]:,} payments",
                value=last,
                target=150,
                at_least=250,
                more_is_better=False,
                unit="MB",
            ),
        ],
        tables=[
            Table(
                name=NAME,
                title="resident memory of a gateway process",
                head=["payments", "MB"],
                rows=rows,
            )
        ],
    )
