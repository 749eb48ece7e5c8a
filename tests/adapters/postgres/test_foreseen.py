"""Changes that were decided before they were submitted, on a real database.

Whatever moved between the look and the write, the books come to what they would have come to
without looking ahead; and what was foreseen rightly takes one statement.
"""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.adapters.postgres.commit import Committer
from gateway.adapters.postgres.connect import open_writer
from gateway.domain import ids
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt, tried
from gateway.domain.change import Change, Writes, foreseen
from gateway.domain.payment import Payment
from tests.adapters.postgres.test_commit import (
    NOW,
    Shard,
    an_attempt,
    captured,
    create,
    give_back,
    new_payment,
    pay,
)
from tests.postgres_proxy import PostgresProxy


class Watched(Shard):
    """A shard whose ways of committing are noted."""

    ways: list[tuple[str, int]]


@pytest.fixture
async def shard(installation) -> AsyncIterator[Watched]:
    dsn = installation.dsns[0]
    ways: list[tuple[str, int]] = []

    def observe(changes: int, seconds: float, way: str) -> None:
        ways.append((way, changes))

    committer = Committer(lambda: open_writer(dsn), observe=observe)
    look = await asyncpg.connect(dsn)
    watched = Watched(dsn, look, committer)
    watched.ways = ways
    yield watched
    await committer.close()
    await look.close()


async def waiting(
    shard: Watched, merchant: str, number: str, *, amount: int = 100
) -> tuple[Payment, Attempt]:
    """A payment that waits for its payer, as it is stored."""
    payment = new_payment(merchant, number, status="processing", amount=amount)
    attempt = an_attempt(payment)
    payment = replace(payment, attempt_id=attempt.id, attempts=1)
    (made,) = await shard.all(create(payment, attempt))
    stored, tried_once = made.rows
    return stored, tried_once


async def with_accounts(shard: Watched, merchant: str) -> Attempt:
    """Have the merchant's accounts opened; the attempt that was paid for it."""
    _, attempt = await captured(shard, merchant)
    shard.ways.clear()
    return attempt


def of(attempt: Attempt, known: Attempt) -> Attempt:
    """The attempt at the same registration as a known one, whose accounts exist."""
    return replace(attempt, channel_account_id=known.channel_account_id)


async def book(shard: Watched, merchant: str) -> list[tuple[str, int, int]]:
    rows = await shard.look.fetch(
        "select code, balance, postings from accounts where merchant_id = $1 order by code",
        ids.to_hex(merchant),
    )
    return [tuple(row) for row in rows]


async def running(shard: Watched, merchant: str) -> list[tuple[int, int]]:
    """Balance and number of `pending` after each posting."""
    rows = await shard.look.fetch(
        "select credit_balance, credit_number from postings"
        " where merchant_id = $1 and credit = 'pending' order by credit_number",
        ids.to_hex(merchant),
    )
    return [tuple(row) for row in rows]


async def paid_pairs(shard: Watched, merchant: str, count: int) -> list[Change]:
    """Foreseen captures of as many payments of one registration."""
    known = await with_accounts(shard, merchant)
    changes = []
    for n in range(count):
        payment = new_payment(merchant, f"W-{n}", status="processing", amount=10 + n)
        attempt = of(an_attempt(payment), known)
        payment = replace(payment, attempt_id=attempt.id, attempts=1)
        (made,) = await shard.all(create(payment, attempt))
        changes.append(foreseen(pay(*made.rows), made.rows))
    shard.ways.clear()
    return changes


async def test_what_was_foreseen_takes_one_statement(shard: Watched) -> None:
    merchant = await shard.merchant()
    changes = await paid_pairs(shard, merchant, 5)
    written = await shard.all(*changes)
    assert [each.result.status for each in written] == ["succeeded"] * 5
    assert shard.ways == [("foreseen", 5)]
    assert await running(shard, merchant) == [
        (100, 1), (110, 2), (121, 3), (133, 4), (146, 5), (160, 6)
    ]  # fmt: skip
    assert (await book(shard, merchant))[-1] == ("pending", 160, 6)
    assert await shard.sequences(merchant) == list(range(1, 13))
    assert await shard.seq(merchant) == 12


async def test_rows_are_told_as_they_are_stored(shard: Watched) -> None:
    """The next Change about them can be foreseen too, and its line leads back to the last one."""
    merchant = await shard.merchant()
    known = await with_accounts(shard, merchant)
    payment = new_payment(merchant, "T-1", status="processing")
    attempt = of(an_attempt(payment), known)
    payment = replace(payment, attempt_id=attempt.id, attempts=1)
    (made,) = await shard.all(create(payment, attempt))
    assert made.rows[0].last_sequence == await shard.seq(merchant)
    (paid,) = await shard.all(foreseen(pay(*made.rows), made.rows))
    assert paid.rows[0].last_sequence == await shard.seq(merchant)
    assert shard.ways == [("foreseen", 1)] * 2
    rows = await shard.look.fetch(
        "select seq, prior from journal where merchant_id = $1 and object_id = $2 order by seq",
        ids.to_hex(merchant),
        ids.to_hex(payment.id),
    )
    assert [tuple(row) for row in rows] == [(3, None), (4, 3)]


async def test_rows_of_the_long_way_are_told_as_they_are_stored(shard: Watched) -> None:
    merchant = await shard.merchant()
    payment, attempt = await waiting(shard, merchant, "L-1")
    (paid,) = await shard.all(pay(payment, attempt))
    assert shard.ways[-1] == ("decide", 1)
    assert paid.rows[0].last_sequence == await shard.seq(merchant) == 2


async def test_a_moved_row_is_decided_anew_and_hurts_no_other(shard: Watched) -> None:
    merchant = await shard.merchant()
    first, second, third = await paid_pairs(shard, merchant, 3)
    await shard.all(replace(second, foreseen=None))  # somebody else was faster
    shard.ways.clear()
    written = await shard.all(first, second, third)
    assert [each.result.status for each in written] == ["succeeded"] * 3
    assert shard.ways == [("decide", 3)]
    assert (await book(shard, merchant))[-1] == ("pending", 133, 4)
    assert await shard.count("entries") == 4


async def test_a_payment_that_moved_without_its_attempt_is_decided_anew(shard: Watched) -> None:
    merchant = await shard.merchant()
    (change,) = await paid_pairs(shard, merchant, 1)
    payment = change.foreseen.before[0]

    def decide(rows) -> Writes:
        told = payments.moved(rows.get(payment.place), "processing")
        return Writes(rows=(told,), lines=(payments.line(told, "processing"),))

    moved = replace(change, decide=decide, needs=(payment.place,), accounts=(), foreseen=None)
    await shard.all(moved)
    (paid,) = await shard.all(change)
    assert paid.rows[0].version == payment.version + 2
    assert paid.rows[0].last_sequence == payment.last_sequence + 2
    assert [way for way, _ in shard.ways] == ["decide", "decide"]


async def test_two_that_foresee_the_same_row_are_told_apart(shard: Watched) -> None:
    merchant = await shard.merchant()
    (change,) = await paid_pairs(shard, merchant, 1)
    written = await shard.all(change, change, change)
    assert [each.result.status for each in written] == ["succeeded"] * 3
    assert sorted(shard.ways) == [("decide", 2), ("foreseen", 1)]
    assert (await book(shard, merchant))[-1] == ("pending", 110, 2)


async def test_a_closed_head_takes_nothing_that_was_foreseen(shard: Watched) -> None:
    merchant, other = await shard.merchant(), await shard.merchant()
    (closed,) = await paid_pairs(shard, merchant, 1)
    (opened,) = await paid_pairs(shard, other, 1)
    await shard.look.execute(
        "update heads set open = false where merchant_id = $1", ids.to_hex(merchant)
    )
    refused, written = await shard.all(closed, opened)
    assert refused.code == "shard_unavailable"
    assert written.result.status == "succeeded"
    assert (await book(shard, merchant))[-1] == ("pending", 100, 1)
    assert (await book(shard, other))[-1] == ("pending", 110, 2)


async def test_accounts_that_do_not_exist_are_opened_the_long_way(shard: Watched) -> None:
    merchant = await shard.merchant()
    payment, attempt = await waiting(shard, merchant, "N-1")
    (paid,) = await shard.all(foreseen(pay(payment, attempt), (payment, attempt)))
    assert paid.result.status == "succeeded"
    assert shard.ways[-1] == ("decide", 1)
    assert (await book(shard, merchant))[-1] == ("pending", 100, 1)


async def test_what_lowers_an_account_is_never_foreseen(shard: Watched) -> None:
    """Nobody has looked whether there is enough."""
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant)
    change = give_back(payment, attempt, 60, "R-1")
    (row,) = await shard.look.fetch(
        "select last_sequence, version from payments where payment_id = $1", ids.to_hex(payment.id)
    )
    stored = replace(payment, last_sequence=row["last_sequence"], version=row["version"])
    shard.ways.clear()
    (reserved,) = await shard.all(foreseen(change, (stored,)))
    assert reserved.result.status == "processing"
    assert shard.ways == [("decide", 1)]


async def test_what_needs_nothing_told_moves_no_sequence(shard: Watched) -> None:
    merchant = await shard.merchant()
    _, attempt = await waiting(shard, merchant, "Q-1")

    def decide(rows) -> Writes:
        return Writes(rows=(tried(rows.get(attempt.place), "unknown"),))

    change = Change(
        merchant_id=merchant,
        actor="test",
        at=NOW,
        request_id=None,
        decide=decide,
        needs=(attempt.place,),
    )
    shard.ways.clear()
    (written,) = await shard.all(foreseen(change, (attempt,)))
    assert written.rows[0].status == "unknown"
    assert shard.ways == [("foreseen", 1)]
    assert await shard.seq(merchant) == 1


async def test_foreseeing_processes_and_deciding_ones_do_not_deadlock(shard: Watched) -> None:
    """Heads are held before any row is, whichever way a process goes."""
    merchants = [await shard.merchant() for _ in range(4)]
    other = Committer(lambda: open_writer(shard.dsn))
    try:
        for _ in range(5):
            changes = []
            for merchant in merchants:
                changes += await paid_pairs(shard, merchant, 3)
            long = [replace(change, foreseen=None) for change in reversed(changes)]
            futures = [shard.committer.submit(change) for change in changes]
            futures += [other.submit(change) for change in long]
            written = await asyncio.gather(*futures)
            assert {each.result.status for each in written} == {"succeeded"}
            for merchant in merchants:
                await shard.look.execute(
                    "update payments set merchant_order_no = merchant_order_no || payment_id"
                    " where merchant_id = $1 and merchant_order_no like 'W-_'",
                    ids.to_hex(merchant),
                )
    finally:
        await other.close()
    assert await shard.count("entries") == 4 * 5 * 4


@pytest.mark.parametrize("when", ["before_commit_arrives", "after_commit_arrived"])
async def test_a_foreseen_change_whose_commit_was_cut_is_booked_once(
    shard: Watched, when: str
) -> None:
    merchant = await shard.merchant()
    changes = await paid_pairs(shard, merchant, 3)
    async with PostgresProxy(shard.dsn) as proxy:
        committer = Committer(lambda: open_writer(proxy.dsn))
        await committer.submit(create(new_payment(merchant, "warm")))
        proxy.cut_at_commit(when)
        futures = [committer.submit(change) for change in changes]
        written = await asyncio.gather(*futures)
        await committer.close()
    assert proxy.cuts == 1
    assert [each.result.status for each in written] == ["succeeded"] * 3
    assert (await book(shard, merchant))[-1] == ("pending", 133, 4)
    assert await shard.count("entries") == 4
