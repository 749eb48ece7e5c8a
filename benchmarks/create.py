"""Create: signed, idempotent, and durable before it is answered.

Law: every request is a new order of one of ten merchants, signed with HMAC-SHA-256, without a
channel; its payment and its journal row are committed with fsync before the answer. Afterwards
Postgres is asked: every acknowledged payment must be there once, with its amount and its journal
row, else the run is void. The first round looks at every answer.
"""

import secrets
from collections.abc import Iterator

from benchmarks import requests
from benchmarks.contest import Contest, Plan, contest
from benchmarks.house import House
from benchmarks.load import Round, RunVoid, Target
from benchmarks.requests import Request

PATH = "/v1/payments"
NAME = "create"
ABOUT = "POST /v1/payments: signed, idempotent; payment and journal row durable (fsync on)"
CHECKED = 2_000
RATE_FIRST = 20_000
RESERVE = 1.6
AMOUNTS = 100_000

# Payments of a round, those of them with the right amount, and their journal rows.
COUNT = """
select count(*), count(*) filter (
        where p.amount = 1 + right(p.merchant_order_no, 8)::int % 100000
            and p.currency = 'CNY' and p.status = 'requires_payment_method'),
    count(j.seq)
from payments p
left join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence
    and j.object_id = p.payment_id and j.type = 'payment.created'
where p.merchant_order_no like $1
"""


def orders(house: House, prefix: str, count: int) -> Iterator[Request]:
    """Signed creates: order n is of merchant n modulo their number, amount 1 + n modulo 100 000."""
    merchants = house.merchants
    nonce = secrets.token_urlsafe(12)
    for n in range(count):
        number = f"{prefix}{n:08d}"
        body = (
            f'{{"merchant_order_no":"{number}","amount":{1 + n % AMOUNTS},"currency":"CNY",'
            f'"subject":"Green tea, 250 g","metadata":{{"cart":"{n}"}}}}'
        ).encode()
        signer = merchants[n % len(merchants)].signer
        raw = requests.signed(signer, "POST", PATH, body, nonce=f"{nonce}{n:08d}")
        yield Request(
            raw, 201, f'"merchant_order_no":"{number}","amount":{1 + n % AMOUNTS},'.encode()
        )


async def prove(house: House, prefix: str, *, acknowledged: int, connections: int) -> int:
    """Count a round in Postgres; what was under way at its end may be there. Raises `RunVoid`."""
    payments, right, told = await house.settled(COUNT, prefix + "%")
    if (
        not acknowledged <= payments <= acknowledged + connections
        or payments != right
        or right != told
    ):
        raise RunVoid(
            f"{acknowledged} creates were acknowledged; Postgres holds {payments} payments, "
            f"{right} of them right, {told} journal rows"
        )
    return payments


async def measure(house: House, rival: Target, plan: Plan) -> Contest:
    """Create against hello. Raises `RunVoid`."""
    file = plan.folder / NAME
    run = secrets.token_hex(3)
    proven = requests.write(file, orders(house, f"{run}-0-", CHECKED))
    await plan.check(house.target, file)
    await prove(house, f"{run}-0-", acknowledged=CHECKED, connections=0)
    rate = float(RATE_FIRST)

    async def ours(number: int) -> Round:
        nonlocal rate, proven
        prefix = f"{run}-{number}-"
        requests.write(file, orders(house, prefix, int(rate * RESERVE * plan.seconds)))
        commits, changes = await house.commits()
        measured = await plan.run(house.target, file)
        rate = max(rate, measured.rate)
        proven += await prove(
            house, prefix, acknowledged=measured.requests, connections=plan.connections
        )
        commits_after, changes_after = await house.commits()
        measured.changes_per_commit = (changes_after - changes) / (commits_after - commits)
        return measured

    return await contest(
        plan,
        name=NAME,
        about=ABOUT,
        method="POST",
        ours=ours,
        rival=rival,
        proof=lambda: f"{proven:,} payments and journal rows counted in Postgres",
    )
