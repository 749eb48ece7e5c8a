"""Paid payments the shortest way, on a real database: read as awaited, written in one statement.

What is written is what the careful way would have written; what is not as it was seen is not
written at all, and whoever submitted it is told once.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.adapters.postgres import paid
from gateway.adapters.postgres.awaited import PostgresAwaited
from gateway.adapters.postgres.commit import Committer
from gateway.adapters.postgres.connect import open_writer
from gateway.adapters.postgres.shards import Shards, open_shards
from gateway.domain import ids
from gateway.domain import outcome as outcomes
from gateway.domain.attempt import Attempt
from gateway.domain.callback import CallbackSeen
from gateway.domain.change import Change, Need, Writes
from gateway.domain.outcome import Fresh, Money
from gateway.domain.paid import AwaitedPayment, NotAsSeen, PaidPayment, paid_view
from gateway.domain.payment import Payment, line
from tests.adapters.postgres.test_commit import (
    NOW,
    Shard,
    an_attempt,
    create,
    make,
    new_payment,
    pay,
)
from tests.oracle import check
from tests.postgres_proxy import PostgresProxy

NOW_MS = int(NOW.timestamp() * 1000)
TABLES = (
    "payments",
    "attempts",
    "entries",
    "postings",
    "callbacks",
    "journal",
    "accounts",
    "heads",
)
# What names the payment itself, or the merchant and account of one that is like it.
OWN = {
    "merchant_id", "payment_id", "attempt_id", "entry_id", "object_id", "reference", "data",
    "channel_account_id", "debit", "code", "channel_order_no", "merchant_order_no", "next_action",
}  # fmt: skip


class Asked:
    """A paid payment whose submitter is called."""

    def __init__(self, written: PaidPayment) -> None:
        self.paid = written
        self.ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(self) -> None:
        self.ended.set_result("done")

    def failed(self, error: BaseException) -> None:
        self.ended.set_result(getattr(error, "code", type(error)))


class Till(Shard):
    """A shard, with its awaited payments and the ways in which commits went."""

    shards: Shards
    awaited: PostgresAwaited
    ways: list[tuple[str, int]]

    async def merchant_with_account(self) -> tuple[str, str]:
        """A merchant, and a registration whose ledger accounts are open."""
        merchant = await self.merchant()
        account = make.make("cac", merchant)
        payment, attempt = await self.waiting(merchant, account, "first")
        (made,) = await self.all(with_callback(payment, attempt))
        assert made.result.status == "succeeded"
        self.ways.clear()
        return merchant, account

    async def waiting(
        self, merchant: str, account: str, number: str, amount: int = 100
    ) -> tuple[Payment, Attempt]:
        """A payment whose payer holds a code, as it is stored."""
        payment = new_payment(merchant, number, status="processing", amount=amount)
        attempt = replace(an_attempt(payment), channel_account_id=account)
        payment = replace(
            payment,
            method=attempt.method,
            channel=attempt.channel,
            channel_account_id=account,
            attempt_id=attempt.id,
            attempts=1,
        )
        (made,) = await self.all(create(payment, attempt))
        (given,) = await self.all(hand_out(*made.rows))
        self.ways.clear()
        payment, attempt = given.rows
        return payment, attempt

    async def look_at(self, attempt: Attempt, account: str | None = None) -> AwaitedPayment | None:
        """The awaited payment of an attempt."""
        told: asyncio.Future[AwaitedPayment | None] = asyncio.get_running_loop().create_future()
        self.awaited.ask(
            attempt.merchant_id,
            account or attempt.channel_account_id,
            ids.to_hex(attempt.id),
            told.set_result,
        )
        return await told

    async def paid(self, attempt: Attempt) -> PaidPayment:
        """What the money for an attempt writes, as its payment is now."""
        seen = await self.look_at(attempt)
        assert seen is not None
        return paid_payment(attempt, seen)

    async def rows(self, table: str, merchant: str) -> list[dict[str, Any]]:
        records = await self.look.fetch(
            f"select * from {table} where merchant_id = $1", ids.to_hex(merchant)
        )
        return [dict(record) for record in records]

    async def kept(self) -> list[int]:
        return [await self.count(table) for table in TABLES]


def paid_payment(attempt: Attempt, seen: AwaitedPayment) -> PaidPayment:
    number = f"trade {attempt.id}"
    data = paid_view(
        seen,
        channel_order_no=number,
        payer_amount=attempt.amount - 1,
        discount_amount=1,
        paid_ms=NOW_MS,
    )
    assert data is not None
    return PaidPayment(
        attempt.merchant_id,
        attempt.payment_id,
        attempt.id,
        seen,
        attempt.channel,
        attempt.channel_account_id,
        number,
        attempt.amount - 1,
        1,
        make.make("ent", attempt.merchant_id),
        NOW_MS,
        "TRADE_SUCCESS",
        "channel:alipay",
        "req_1",
        data,
    )


def hand_out(payment: Payment, attempt: Attempt) -> Change:
    """The payer gets a code."""

    def decide(rows: Any) -> Writes:
        code = {"type": "qr_code", "qr_code": attempt.id}
        step = outcomes.handed_out(rows.get(payment.place), rows.get(attempt.place), code, NOW)
        return Writes(rows=step.rows, lines=step.lines)

    return replace(pay(payment, attempt), decide=decide, accounts=())


def with_callback(payment: Payment, attempt: Attempt) -> Change:
    """The same money by the way of Changes."""
    fresh = Fresh(make.make("ent", payment.merchant_id), make.make("uxf", payment.merchant_id))
    money = Money(f"trade {attempt.id}", attempt.amount, "CNY", attempt.amount - 1, 1)
    seen = CallbackSeen(
        merchant_id=attempt.merchant_id,
        attempt_id=attempt.id,
        dedupe_key="TRADE_SUCCESS",
        channel="alipay",
        received_at=NOW,
    )
    unexpected = Need("unexpected_of", attempt.id)

    def decide(rows: Any) -> Writes:
        step = outcomes.paid(
            rows.get(payment.place),
            rows.get(attempt.place),
            money,
            now=NOW,
            fresh=fresh,
            known=rows.get(unexpected),
        )
        written = (*step.rows, seen)
        return Writes(rows=written, entries=step.entries, lines=step.lines, result=step.payment)

    change = pay(payment, attempt)
    return replace(
        change,
        actor="channel:alipay",
        request_id="req_1",
        decide=decide,
        needs=(*change.needs, seen.place),
    )


@pytest.fixture
async def till(installation: Any) -> AsyncIterator[Till]:
    dsn = installation.dsns[0]
    ways: list[tuple[str, int]] = []
    shards = await open_shards(
        [dsn], observe=lambda number: lambda count, seconds, way: ways.append((way, count))
    )
    look = await asyncpg.connect(dsn)
    opened = Till(dsn, look, shards.all[0].committer)
    opened.shards, opened.awaited, opened.ways = shards, PostgresAwaited(shards), ways
    yield opened
    await shards.close()
    await look.close()
    await check(installation.dsns)


async def submit(till: Till, *of: PaidPayment) -> list[Any]:
    asked = [Asked(each) for each in of]
    for each in asked:
        till.shards.submit_paid(each)
    return [await each.ended for each in asked]


async def test_both_ways_write_the_same(till: Till) -> None:
    """All columns of all rows but those that name the payment itself."""
    (short, account), (long, other) = [await till.merchant_with_account() for _ in range(2)]
    _, attempt = await till.waiting(short, account, "B-1")
    payment, theirs = await till.waiting(long, other, "B-1")
    assert await submit(till, await till.paid(attempt)) == ["done"]
    assert till.ways == [("pay", 1)]
    await till.all(with_callback(payment, theirs))
    for table in TABLES:
        rows, others = await till.rows(table, short), await till.rows(table, long)
        assert len(rows) == len(others) > 0, table
        plain = [
            sorted(str({k: v for k, v in row.items() if k not in OWN}) for row in each)
            for each in (rows, others)
        ]
        assert plain[0] == plain[1], table
    newest = [
        max(await till.rows("journal", each), key=lambda row: row["seq"]) for each in (short, long)
    ]
    names = [(short, account, attempt), (long, other, theirs)]
    told = []
    for row, (_, registration, tried) in zip(newest, names, strict=True):
        text = row["data"]
        for number, name in enumerate((tried.payment_id, registration, tried.id)):
            text = text.replace(name, f"<{number}>")
        told.append(text)
    assert told[0] == told[1]


async def test_a_batch_counts_on_in_each_merchant(till: Till) -> None:
    parties = [await till.merchant_with_account() for _ in range(3)]
    attempts = []
    for turn in range(4):
        for merchant, account in parties:
            _, attempt = await till.waiting(merchant, account, f"B-{turn}", amount=10 + turn)
            attempts.append(attempt)
    assert set(await submit(till, *[await till.paid(each) for each in attempts])) == {"done"}
    assert till.ways == [("pay", 12)]
    for merchant, _ in parties:
        assert await till.sequences(merchant) == list(range(1, 16))
        postings = sorted(
            (row["credit_number"], row["credit_balance"], row["debit_balance"])
            for row in await till.rows("postings", merchant)
        )
        assert postings == [
            (1, 100, 100), (2, 110, 110), (3, 121, 121), (4, 133, 133), (5, 146, 146)
        ]  # fmt: skip


async def refused(till: Till, *of: PaidPayment) -> None:
    before = await till.kept()
    assert await submit(till, *of) == [NotAsSeen] * len(of)
    assert await till.kept() == before


async def test_what_moved_since_keeps_nothing_of_the_batch(till: Till) -> None:
    merchant, account = await till.merchant_with_account()
    payment, attempt = await till.waiting(merchant, account, "B-1")
    _, other = await till.waiting(merchant, account, "B-2")
    seen, also = await till.paid(attempt), await till.paid(other)
    for version in ("attempt_version", "payment_version"):
        moved = replace(seen, seen=seen.seen._replace(**{version: 7}))
        await refused(till, moved, also)
    await till.all(with_callback(payment, attempt))
    await refused(till, seen, also)
    assert await submit(till, also) == ["done"]


async def test_an_effect_or_a_fact_that_is_there_keeps_nothing(till: Till) -> None:
    merchant, account = await till.merchant_with_account()
    _, attempt = await till.waiting(merchant, account, "B-1")
    seen = await till.paid(attempt)
    args = (ids.to_hex(merchant), ids.to_hex(attempt.id))
    await till.look.execute(
        "insert into callbacks values ($1, $2, 'TRADE_SUCCESS', 'alipay', now(), 1)", *args
    )
    await refused(till, seen)
    await till.look.execute("delete from callbacks where attempt_id = $1", args[1])
    await till.look.execute("update heads set open = false where merchant_id = $1", args[0])
    await refused(till, seen)
    await till.look.execute("update heads set open = true where merchant_id = $1", args[0])
    assert await submit(till, seen) == ["done"]


async def test_accounts_that_nobody_opened_are_left_to_the_careful(till: Till) -> None:
    merchant, account = await till.merchant_with_account()
    _, attempt = await till.waiting(merchant, make.make("cac", merchant), "B-1")
    _, other = await till.waiting(merchant, account, "B-2")
    await refused(till, await till.paid(attempt), await till.paid(other))


async def test_money_that_is_told_twice_at_once_is_booked_once(till: Till) -> None:
    merchant, account = await till.merchant_with_account()
    _, attempt = await till.waiting(merchant, account, "B-1")
    _, other = await till.waiting(merchant, account, "B-2")
    told = [await till.paid(attempt) for _ in range(3)]
    assert await submit(till, *told, await till.paid(other)) == [
        "done", NotAsSeen, NotAsSeen, "done"
    ]  # fmt: skip
    assert till.ways == [("pay", 2), ("pay", 2)]
    assert await till.count("entries") == 3


@pytest.mark.parametrize("when", ["before_commit_arrives", "after_commit_arrived"])
async def test_money_whose_commit_was_cut_is_booked_once(till: Till, when: str) -> None:
    merchant, account = await till.merchant_with_account()
    _, attempt = await till.waiting(merchant, account, "B-1")
    seen = await till.paid(attempt)
    async with PostgresProxy(till.dsn) as proxy:
        committer = Committer(lambda: open_writer(proxy.dsn))
        await committer.submit(create(new_payment(merchant, "warm")))
        proxy.cut_at_commit(when)
        asked = Asked(seen)
        committer.submit_paid(asked)
        # It cannot tell its own earlier run from another's: the careful way finds the callback.
        assert await asked.ended == ("done" if when == "before_commit_arrives" else NotAsSeen)
        await committer.close()
    assert proxy.cuts == 1
    assert await till.count("entries") == 2
    assert [row["amount_received"] for row in await till.rows("payments", merchant)].count(100) == 2


async def test_only_what_waits_for_its_money_is_awaited(till: Till) -> None:
    merchant, account = await till.merchant_with_account()
    payment, attempt = await till.waiting(merchant, account, "B-1")
    seen = await till.look_at(attempt)
    assert seen is not None
    assert seen.told.encode() == line(payment, "requires_action").data
    assert (seen.amount, seen.currency, seen.last_sequence) == (100, "CNY", 5)
    assert await till.look_at(attempt, make.make("cac", merchant)) is None
    assert await till.look_at(replace(attempt, id=make.make("att", merchant))) is None
    doubts: Sequence[tuple[str, str]] = (
        ("heads set open = false", "heads set open = true"),
        ("attempts set status = 'unknown'", "attempts set status = 'pending_user'"),
        ("payments set customer = 'x'", "payments set customer = null"),
        ("payments set version = 9", "payments set version = 2"),
        ("payments set last_sequence = 1", "payments set last_sequence = 5"),
    )
    for doubt, undone in doubts:
        which = " where merchant_id = $1" + (
            "" if doubt.startswith("heads") else f" and {doubt.split('s ')[0]}_id = $2"
        )
        which_id = attempt.id if doubt.startswith("attempts") else payment.id
        values = [ids.to_hex(merchant), ids.to_hex(which_id)][: which.count("$")]
        await till.look.execute(f"update {doubt}{which}", *values)
        assert await till.look_at(attempt) is None, doubt
        await till.look.execute(f"update {undone}{which}", *values)
    assert await till.look_at(attempt) == seen


def test_every_value_of_a_row_has_a_column() -> None:
    """The statement uses every value that is sent, once at least."""
    places = {int(each.split("]")[0].split(":")[0]) for each in paid.PAY.split("f[")[1:]}
    assert places == set(range(1, len(paid.ROW_KINDS) + 1))
