"""Query: a payment by its id, read from the primary.

Law: every request is signed and asks for one of a few thousand payments of ten merchants; no cache
answers it. Before and after the rounds every one of the requests is sent once more and its whole
answer compared with what Postgres holds, else the run is void. Hello is sent the same bytes.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import requests
from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.house import House
from benchmarks.load import Round
from benchmarks.orders import PATH, bounds, orders
from benchmarks.requests import Request
from benchmarks.stage import Stage
from gateway.domain import ids

NAME = "query"
ABOUT = "GET /v1/payments/{id}: signed, from the primary"
PAYMENTS = 5_000

ROWS = """
select merchant_id, payment_id, merchant_order_no, amount from payments
where merchant_order_no >= $1 and merchant_order_no < $2 order by payment_id
"""


def queries(house: House, rows: Sequence[Any]) -> Iterator[Request]:
    """One signed query for each payment."""
    signers = {merchant.id: merchant.signer for merchant in house.merchants}
    nonce = secrets.token_urlsafe(12)
    for n, row in enumerate(rows):
        payment_id = ids.from_uuid("pay", row["payment_id"])
        signer = signers[ids.from_uuid("mch", row["merchant_id"])]
        raw = requests.signed(signer, "GET", f"{PATH}/{payment_id}", b"", nonce=f"{nonce}{n:08d}")
        shown = (
            f'{{"id":"{payment_id}","object":"payment",'
            f'"merchant_order_no":"{row["merchant_order_no"]}","amount":{row["amount"]},'
        )
        yield Request(raw, 200, shown.encode())


async def measure(stage: Stage) -> Finding:
    """Query against hello. Raises `RunVoid`."""
    plan, house = stage.plan, await stage.house()
    file = plan.folder / NAME
    prefix = f"{NAME}-{secrets.token_hex(3)}-"
    requests.write(file, orders(house.merchants, prefix, PAYMENTS))
    await plan.check(house.target, file)
    rows = await house.ask(ROWS, *bounds(prefix))
    requests.write(file, queries(house, rows))
    await plan.check(house.target, file)

    async def play(number: int) -> Round:
        # Signed anew: a signature is good for 300 seconds.
        requests.write(file, queries(house, rows))
        return await plan.run(house.target, file, loop=True)

    found = await plan.interleave(
        {"tillgate": play, "hello": await stage.hello(file, name=NAME)},
    )
    requests.write(file, queries(house, rows))
    await plan.check(house.target, file)
    ours = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    hello = Player(
        name="hello", about="aiohttp's hello, sent the same bytes", rounds=found["hello"]
    )
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=f"{2 * len(rows):,} answers compared with Postgres, none was wrong",
        players=[ours, hello],
        verdicts=[
            Verdict(
                what="query: CPU time of hello / ours",
                value=ratio(hello, ours, "cpu_us"),
                target=1.25,
                at_least=1.0,
            )
        ],
        notes=[f"Throughput, ours / hello: {ratio(ours, hello, 'rate'):.2f}."],
    )
