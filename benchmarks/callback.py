"""Callback: a channel says that a payment was made; verified, booked, durable, then answered.

Law: every request is a notification as the pretend Alipay writes it, signed with RSA-2048, for a
payment whose payer was given a code. State, entry, balances, inbox row and journal row are
committed with fsync before the answer `success`. Afterwards Postgres is asked: every acknowledged
payment must have succeeded, with one entry, one inbox row and one journal row, else the run is
void. The waiting payments are written beforehand through the system's own Changes.
"""

import asyncio
import secrets
from collections.abc import Iterator
from datetime import timedelta

from benchmarks import requests
from benchmarks.contest import Contest, Plan, contest
from benchmarks.house import APP_ID, CHANNEL, METHOD, SELLER_ID, House, Merchant
from benchmarks.load import Round, RunVoid, Target
from benchmarks.requests import Request
from gateway.channels.codec import HandedOut
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.payment import Payment
from gateway.sandbox.alipay import notices
from gateway.sandbox.alipay.accounts import Account
from gateway.sandbox.book import Notice, Order

NAME = "callback"
ABOUT = "POST /callbacks/alipay/...: RSA verified; state, entry, balances, inbox, journal durable"
CHECKED = 1_000
RATE_FIRST = 4_000
RESERVE = 1.5
AT_ONCE = 4_000
EXPIRES_IN = timedelta(hours=2)

# Payments of a round that succeeded, and of those: with the right amount, entries, inbox, journal.
COUNT = """
select count(*), count(*) filter (
        where p.amount_captured = p.amount and p.amount_received = p.amount),
    count(e.entry_id), count(c.dedupe_key), count(j.seq)
from payments p
left join entries e on e.merchant_id = p.merchant_id and e.reference = p.attempt_id
    and e.reason = 'captured'
left join callbacks c on c.merchant_id = p.merchant_id and c.attempt_id = p.attempt_id
left join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence
    and j.object_id = p.payment_id and j.type = 'payment.succeeded'
where p.merchant_order_no like $1 and p.status = 'succeeded'
"""


async def waiting(house: House, prefix: str, count: int) -> list[tuple[Merchant, Attempt]]:
    """Payments whose payers have been given a code, written in groups of `AT_ONCE`."""
    made: list[tuple[Merchant, Attempt]] = []
    for first in range(0, count, AT_ONCE):
        group = [
            (merchant, *_rows(house, merchant, f"{prefix}{n:08d}", amount=1 + n % 100_000))
            for n in range(first, min(count, first + AT_ONCE))
            for merchant in (house.merchants[n % len(house.merchants)],)
        ]
        created = [_created(payment, attempt) for _, payment, attempt in group]
        await asyncio.gather(*(house.core.shards.submit(change) for change in created))
        handed = [_handed_out(house, attempt) for _, _, attempt in group]
        await asyncio.gather(*(house.core.shards.submit(change) for change in handed))
        made += [(merchant, attempt) for merchant, _, attempt in group]
    return made


def _rows(house: House, merchant: Merchant, number: str, *, amount: int) -> tuple[Payment, Attempt]:
    now = house.core.clock.business()
    make = house.core.ids.make
    payment_id, attempt_id = make("pay", merchant.id), make("att", merchant.id)
    attempt = Attempt(
        merchant_id=merchant.id,
        id=attempt_id,
        payment_id=payment_id,
        number=1,
        method=METHOD,
        method_options={},
        channel=CHANNEL,
        channel_account_id=merchant.account.id,
        amount=amount,
        currency="CNY",
        status="submitted",
        created_at=now,
        expires_at=now + EXPIRES_IN,
        due_at=now + EXPIRES_IN,
    )
    payment = Payment(
        merchant_id=merchant.id,
        id=payment_id,
        merchant_order_no=number,
        fingerprint=bytes(32),
        fingerprint_key=1,
        amount=amount,
        currency="CNY",
        subject="Green tea, 250 g",
        status="processing",
        livemode=False,
        capture_method="automatic",
        created_at=now,
        expires_at=now + EXPIRES_IN,
        method=METHOD,
        channel=CHANNEL,
        channel_account_id=merchant.account.id,
        attempt_id=attempt_id,
        attempts=1,
    )
    return payment, attempt


def _created(payment: Payment, attempt: Attempt) -> Change:
    writes = Writes(rows=(payment, attempt), lines=(payments.line(payment, "created"),))

    def decide(rows: Rows) -> Writes:
        return writes

    number = Need("payment_no", payment.merchant_order_no)
    return Change(
        merchant_id=payment.merchant_id,
        actor="benchmark",
        at=payment.created_at,
        request_id=None,
        decide=decide,
        needs=(number,),
        number=number,
        fresh=writes,
    )


def _handed_out(house: House, attempt: Attempt) -> Change:
    code = f"https://qr.example/{attempt.attempt_no}"
    return house.core.concluder.payment_change(
        attempt,
        HandedOut({"type": "qr_code", "qr_code": code}),
        actor="benchmark",
        request_id=None,
    )


def notifications(house: House, waiting: list[tuple[Merchant, Attempt]]) -> Iterator[Request]:
    """The pretend Alipay's signed notification for each attempt."""
    seller = Account(APP_ID, SELLER_ID, house.channel_key.public_key())
    now_ms = int(house.core.clock.wall().timestamp() * 1000)
    trade = int(secrets.token_hex(6), 16)
    for n, (merchant, attempt) in enumerate(waiting):
        order = Order(
            id=n,
            channel=CHANNEL,
            account_id=APP_ID,
            out_trade_no=attempt.attempt_no,
            channel_order_no=f"20261122{trade + n:020d}",
            amount=attempt.amount,
            currency="CNY",
            status="paid",
            refunded=0,
            code=None,
            notify_url=None,
            content='{"subject":"Green tea, 250 g"}',
            created_at=now_ms,
            expires_at=None,
            scanned_at=now_ms,
            paid_at=now_ms,
            closed_at=None,
        )
        notice = Notice(
            id=n,
            channel=CHANNEL,
            account_id=APP_ID,
            order_id=n,
            url="",
            content=notices.payment_content(order, seller),
            state="open",
            sends=1,
            due_at=now_ms,
            created_at=now_ms,
        )
        sent = notices.compose(notice, key=house.channel_key, now_ms=now_ms, fault=None)
        raw = requests.plain(
            "POST",
            f"/callbacks/{CHANNEL}/{merchant.account.id}",
            sent.body,
            media_type=sent.headers["Content-Type"],
        )
        yield Request(raw, 200, b"success")


async def prove(house: House, prefix: str, *, acknowledged: int, connections: int) -> int:
    """Count a round in Postgres; what was under way at its end may be there. Raises `RunVoid`."""
    succeeded, *parts = await house.settled(COUNT, prefix + "%")
    if not acknowledged <= succeeded <= acknowledged + connections or set(parts) != {succeeded}:
        raise RunVoid(
            f"{acknowledged} callbacks were acknowledged; Postgres holds {succeeded} payments "
            f"that succeeded, and of right amounts, entries, inbox and journal rows: {parts}"
        )
    return succeeded


async def measure(house: House, rival: Target, plan: Plan) -> Contest:
    """Callback against hello. Raises `RunVoid`."""
    file = plan.folder / NAME
    run = secrets.token_hex(3)
    proven = requests.write(file, notifications(house, await waiting(house, f"{run}-0-", CHECKED)))
    await plan.check(house.target, file)
    await prove(house, f"{run}-0-", acknowledged=CHECKED, connections=0)
    rate = float(RATE_FIRST)

    async def ours(number: int) -> Round:
        nonlocal rate, proven
        prefix = f"{run}-{number}-"
        attempts = await waiting(house, prefix, int(rate * RESERVE * plan.seconds))
        requests.write(file, notifications(house, attempts))
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
        proof=lambda: f"{proven:,} payments, entries, inbox and journal rows counted in Postgres",
    )
