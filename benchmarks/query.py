"""Query: a payment by its id, read from the primary.

Law: every request is signed and asks for one of a few thousand payments of ten merchants; no cache
answers it. Before and after the rounds every one of the requests is sent once more and its whole
answer compared with what Postgres holds, else the run is void.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import create, requests
from benchmarks.contest import Contest, Plan, contest
from benchmarks.house import House
from benchmarks.load import Round, Target
from benchmarks.requests import Request
from gateway.domain import ids

NAME = "query"
ABOUT = "GET /v1/payments/{id}: signed, from the primary"
PAYMENTS = 5_000

ROWS = """
select merchant_id, payment_id, merchant_order_no, amount from payments
where merchant_order_no like $1 order by payment_id
"""


def queries(house: House, rows: Sequence[Any]) -> Iterator[Request]:
    """One signed query for each payment."""
    signers = {merchant.id: merchant.signer for merchant in house.merchants}
    nonce = secrets.token_urlsafe(12)
    for n, row in enumerate(rows):
        payment_id = ids.from_uuid("pay", row["payment_id"])
        signer = signers[ids.from_uuid("mch", row["merchant_id"])]
        raw = requests.signed(
            signer, "GET", f"{create.PATH}/{payment_id}", b"", nonce=f"{nonce}{n:08d}"
        )
        shown = (
            f'{{"id":"{payment_id}","object":"payment",'
            f'"merchant_order_no":"{row["merchant_order_no"]}","amount":{row["amount"]},'
        )
        yield Request(raw, 200, shown.encode())


async def measure(house: House, rival: Target, plan: Plan) -> Contest:
    """Query against hello. Raises `RunVoid`."""
    file = plan.folder / NAME
    prefix = f"{secrets.token_hex(3)}-q-"
    requests.write(file, create.orders(house, prefix, PAYMENTS))
    await plan.check(house.target, file)
    rows = await house.ask(ROWS, prefix + "%")
    requests.write(file, queries(house, rows))
    await plan.check(house.target, file)

    async def ours(number: int) -> Round:
        # Signed anew: a signature is good for 300 seconds.
        requests.write(file, queries(house, rows))
        return await plan.run(house.target, file, loop=True)

    found = await contest(
        plan,
        name=NAME,
        about=ABOUT,
        method="GET",
        ours=ours,
        rival=rival,
        proof=lambda: f"{2 * len(rows):,} answers compared with Postgres, none was wrong",
    )
    requests.write(file, queries(house, rows))
    await plan.check(house.target, file)
    return found
