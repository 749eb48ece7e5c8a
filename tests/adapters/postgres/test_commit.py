"""Group commit: the cases of the design, one by one, on a real database."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.adapters.postgres import commit as commits
from gateway.adapters.postgres.batch import GuardLost
from gateway.adapters.postgres.commit import Committer
from gateway.adapters.postgres.connect import open_writer
from gateway.adapters.postgres.fresh import fresh_of
from gateway.adapters.system.identifiers import RandomIds
from gateway.domain import chart, ids
from gateway.domain import outcome as outcomes
from gateway.domain import payment as payments
from gateway.domain import refund as refunds
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Writes, all_new
from gateway.domain.errors import TillgateError
from gateway.domain.ledger import Entry
from gateway.domain.outcome import Fresh, Money
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund
from tests.postgres_proxy import PostgresProxy

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
make = RandomIds()


class Shard:
    """One shard under test: a committer, a look at the database, and merchants."""

    def __init__(self, dsn: str, look: asyncpg.Connection, committer: Committer) -> None:
        self.dsn = dsn
        self.look = look
        self.committer = committer

    async def merchant(self, *, bucket: int = 7, is_open: bool = True) -> str:
        merchant = make.in_bucket("mch", bucket)
        await self.look.execute(
            "insert into heads (merchant_id, bucket, open) values ($1, $2, $3)",
            ids.to_hex(merchant),
            bucket,
            is_open,
        )
        return merchant

    async def seq(self, merchant: str) -> int:
        return await self.look.fetchval(
            "select seq from heads where merchant_id = $1", ids.to_hex(merchant)
        )

    async def sequences(self, merchant: str) -> list[int]:
        rows = await self.look.fetch(
            "select seq from journal where merchant_id = $1 order by seq", ids.to_hex(merchant)
        )
        return [row["seq"] for row in rows]

    async def count(self, table: str) -> int:
        return await self.look.fetchval(f"select count(*) from {table}")

    async def all(self, *changes: Change) -> list:
        futures = [self.committer.submit(change) for change in changes]
        return await asyncio.gather(*futures, return_exceptions=True)


@pytest.fixture
async def shard(installation) -> AsyncIterator[Shard]:
    dsn = installation.dsns[0]
    committer = Committer(lambda: open_writer(dsn))
    look = await asyncpg.connect(dsn)
    yield Shard(dsn, look, committer)
    await committer.close()
    await look.close()


def new_payment(merchant: str, number: str, **fields) -> Payment:
    return Payment(
        merchant_id=merchant,
        id=make.make("pay", merchant),
        merchant_order_no=number,
        fingerprint=fields.pop("fingerprint", b"f" * 32),
        fingerprint_key=1,
        amount=fields.pop("amount", 100),
        currency="CNY",
        subject=fields.pop("subject", "tea"),
        status=fields.pop("status", "requires_payment_method"),
        livemode=False,
        capture_method="automatic",
        created_at=NOW,
        expires_at=NOW + timedelta(hours=2),
        **fields,
    )


def create(payment: Payment, *more, fresh: bool = True) -> Change:
    """A create whose repeats are judged by their fingerprint."""
    number = Need("payment_no", payment.merchant_order_no)
    writes = Writes(
        rows=(payment, *more), lines=(payments.line(payment, "created"),), result=("new", payment)
    )

    def decide(rows) -> Writes:
        existing = rows.get(number)
        if existing is None:
            return writes
        if existing.id == payment.id:
            return Writes(touched=(existing.place,), result=("own", existing))
        if existing.fingerprint != payment.fingerprint:
            raise TillgateError("order_no_conflict", "other content")
        return Writes(touched=(existing.place,), result=("repeat", existing))

    return Change(
        merchant_id=payment.merchant_id,
        actor="test",
        at=NOW,
        request_id=None,
        decide=decide,
        needs=(number,),
        number=number,
        foreseen=all_new(writes) if fresh else None,
    )


def an_attempt(payment: Payment) -> Attempt:
    return Attempt(
        merchant_id=payment.merchant_id,
        id=make.make("att", payment.merchant_id),
        payment_id=payment.id,
        number=1,
        method="alipay_qr",
        method_options={},
        channel="alipay",
        channel_account_id=make.make("cac", payment.merchant_id),
        amount=payment.amount,
        currency="CNY",
        status="submitted",
        created_at=NOW,
        expires_at=NOW + timedelta(hours=2),
        due_at=NOW,
    )


async def captured(shard: Shard, merchant: str, amount: int = 100) -> tuple[Payment, Attempt]:
    """A payment that was paid: captured and booked."""
    payment = new_payment(merchant, f"paid-{make.request_id()}", status="processing", amount=amount)
    attempt = an_attempt(payment)
    payment = replace(payment, attempt_id=attempt.id, attempts=1)
    (made,) = await shard.all(create(payment, attempt))
    assert made.result[0] == "new"
    (paid,) = await shard.all(pay(payment, attempt))
    return paid.result, attempt


def pay(payment: Payment, attempt: Attempt) -> Change:
    fresh = Fresh(make.make("ent", payment.merchant_id), make.make("uxf", payment.merchant_id))
    money = Money(f"trade {attempt.id}", attempt.amount, "CNY")
    unexpected = Need("unexpected_of", attempt.id)

    def decide(rows) -> Writes:
        step = outcomes.paid(
            rows.get(payment.place),
            rows.get(attempt.place),
            money,
            now=NOW,
            fresh=fresh,
            known=rows.get(unexpected),
        )
        return Writes(rows=step.rows, entries=step.entries, lines=step.lines, result=step.payment)

    return Change(
        merchant_id=payment.merchant_id,
        actor="test",
        at=NOW,
        request_id=None,
        decide=decide,
        needs=(payment.place, attempt.place, unexpected),
        accounts=(
            (chart.PENDING, "CNY"),
            (chart.SUSPENSE, "CNY"),
            (chart.clearing(attempt.channel_account_id), "CNY"),
        ),
    )


def give_back(payment: Payment, attempt: Attempt, amount: int, number: str) -> Change:
    refund_id = make.make("rfd", payment.merchant_id)
    entry_id = make.make("ent", payment.merchant_id)

    def decide(rows) -> Writes:
        own = rows.get(Need("refund", refund_id))
        if own is not None:
            return Writes(touched=(own.place,), result=own)
        refund = Refund(
            merchant_id=payment.merchant_id,
            id=refund_id,
            payment_id=payment.id,
            attempt_id=attempt.id,
            merchant_refund_no=number,
            fingerprint=b"r" * 32,
            fingerprint_key=1,
            channel="alipay",
            channel_account_id=attempt.channel_account_id,
            amount=amount,
            currency="CNY",
            status="processing",
            created_at=NOW,
            sent_at=NOW,
            due_at=NOW,
        )
        step = refunds.reserve(rows.get(payment.place), refund, entry_id=entry_id)
        return Writes(rows=step.rows, entries=step.entries, lines=step.lines, result=step.refund)

    return Change(
        merchant_id=payment.merchant_id,
        actor="test",
        at=NOW,
        request_id=None,
        decide=decide,
        needs=(payment.place, Need("refund", refund_id)),
        accounts=((chart.PENDING, "CNY"), (chart.HELD, "CNY")),
    )


# --- creates ---------------------------------------------------------------------------------


async def test_two_equal_creates_in_one_batch_make_one_payment(shard: Shard) -> None:
    merchant = await shard.merchant()
    first, second = await shard.all(
        create(new_payment(merchant, "A-1")), create(new_payment(merchant, "A-1"))
    )
    assert first.result[0] == "new" and second.result[0] == "repeat"
    assert first.result[1].id == second.result[1].id
    assert await shard.sequences(merchant) == [1]


async def test_an_equal_number_with_other_content_is_refused_in_the_same_batch(shard) -> None:
    merchant = await shard.merchant()
    first, second = await shard.all(
        create(new_payment(merchant, "A-1")),
        create(new_payment(merchant, "A-1", fingerprint=b"g" * 32)),
    )
    assert first.result[0] == "new"
    assert isinstance(second, TillgateError) and second.code == "order_no_conflict"


async def test_two_hundred_equal_creates_of_two_processes_make_one_payment(shard: Shard) -> None:
    merchant = await shard.merchant()
    other = Committer(lambda: open_writer(shard.dsn))
    changes = [create(new_payment(merchant, "A-1")) for _ in range(200)]
    futures = [
        (shard.committer if n % 2 else other).submit(change) for n, change in enumerate(changes)
    ]
    results = [(await each).result for each in futures]
    await other.close()
    assert [kind for kind, _ in results].count("new") == 1
    assert len({payment.id for _, payment in results}) == 1
    assert await shard.count("payments where merchant_order_no = 'A-1'") == 1
    assert await shard.sequences(merchant) == [1]


async def test_a_repeat_counts_on_its_row_and_leaves_no_gap(shard: Shard) -> None:
    merchant = await shard.merchant()
    await shard.all(create(new_payment(merchant, "A-1")))
    repeated, fresh = await shard.all(
        create(new_payment(merchant, "A-1")), create(new_payment(merchant, "A-2"))
    )
    assert repeated.result[0] == "repeat" and fresh.result[0] == "new"
    row = await shard.look.fetchrow(
        "select replays, version from payments where merchant_order_no = 'A-1'"
    )
    assert (row["replays"], row["version"]) == (1, 1)
    assert await shard.sequences(merchant) == [1, 2] and await shard.seq(merchant) == 2


async def test_a_batch_run_again_after_its_commit_writes_nothing_twice(shard: Shard) -> None:
    merchant = await shard.merchant()
    change = create(new_payment(merchant, "A-1"))
    await shard.all(change)
    (again,) = await shard.all(change)
    assert again.result[0] == "own"
    assert await shard.sequences(merchant) == [1]


async def test_a_closed_head_takes_nothing_and_others_go_on(shard: Shard) -> None:
    closed = await shard.merchant(is_open=False)
    merchant = await shard.merchant()
    refused, made = await shard.all(
        create(new_payment(closed, "A-1")), create(new_payment(merchant, "A-1"))
    )
    assert isinstance(refused, TillgateError) and refused.code == "shard_unavailable"
    assert made.result[0] == "new"
    assert await shard.sequences(closed) == []


async def test_an_unknown_merchant_takes_nothing(shard: Shard) -> None:
    (refused,) = await shard.all(create(new_payment(make.in_bucket("mch", 7), "A-1")))
    assert isinstance(refused, TillgateError)
    assert await shard.count("payments") == 0


# --- decided again ---------------------------------------------------------------------------


async def test_three_refunds_in_one_batch_see_each_other(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant)
    results = await shard.all(
        *(give_back(payment, attempt, 60, f"R-{number}") for number in range(3))
    )
    assert [type(each) for each in results].count(TillgateError) == 2
    refused = next(each for each in results if isinstance(each, TillgateError))
    assert refused.code == "refund_exceeds_captured"
    row = await shard.look.fetchrow(
        "select * from payments where payment_id = $1", ids.to_hex(payment.id)
    )
    assert row["amount_refund_pending"] == 60 and row["version"] == payment.version + 1
    assert await shard.sequences(merchant) == [1, 2, 3]


async def test_fifty_refunds_from_two_processes_never_exceed_the_capture(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant, amount=1000)
    other = Committer(lambda: open_writer(shard.dsn))
    changes = [give_back(payment, attempt, 30, f"R-{number}") for number in range(50)]
    futures = [(shard.committer if n % 2 else other).submit(each) for n, each in enumerate(changes)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    await other.close()
    accepted = [each for each in results if isinstance(each, Writes)]
    assert len(accepted) == 33
    balances = dict(
        await shard.look.fetch(
            "select code, balance from accounts where code in ('pending', 'held')"
        )
    )
    assert balances == {"pending": 10, "held": 990}
    assert await shard.sequences(merchant) == list(range(1, 36))


async def test_a_change_that_drops_out_leaves_no_gap_and_no_trace(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant)

    def refuse(rows) -> Writes:
        raise TillgateError("invalid_state", "not now")

    dropped = Change(
        merchant_id=merchant,
        actor="test",
        at=NOW,
        request_id=None,
        decide=refuse,
        needs=(payment.place,),
    )
    first, refused, last = await shard.all(
        give_back(payment, attempt, 10, "R-1"), dropped, give_back(payment, attempt, 20, "R-2")
    )
    assert isinstance(refused, TillgateError) and refused.code == "invalid_state"
    assert first.result.amount == 10 and last.result.amount == 20
    assert (
        await shard.sequences(merchant)
        == [1, 2, 3, 4]
        == list(range(1, await shard.seq(merchant) + 1))
    )


async def test_a_poisoned_change_falls_out_alone(shard: Shard) -> None:
    merchant = await shard.merchant()
    poisoned = create(new_payment(merchant, "bad", subject="a\x00b"))  # Postgres raises 22021
    results = await shard.all(
        *(create(new_payment(merchant, f"A-{n}")) for n in range(7)),
        poisoned,
        *(create(new_payment(merchant, f"B-{n}")) for n in range(7)),
    )
    assert isinstance(results[7], Exception)
    assert sum(isinstance(each, Writes) for each in results) == 14
    assert await shard.count("payments where merchant_order_no = 'bad'") == 0
    assert await shard.sequences(merchant) == list(range(1, 15))


async def test_a_broken_invariant_drops_out_alone(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant)

    def overdraw(rows) -> Writes:
        entry = Entry(
            id=make.make("ent", merchant),
            merchant_id=merchant,
            reason="refund_reserved",
            reference=payment.id,
            at=NOW,
            postings=chart.refund_reserved(101, "CNY"),
        )
        return Writes(entries=(entry,))

    bad = Change(
        merchant_id=merchant,
        actor="test",
        at=NOW,
        request_id=None,
        decide=overdraw,
        accounts=((chart.PENDING, "CNY"), (chart.HELD, "CNY")),
    )
    broken, made = await shard.all(bad, give_back(payment, attempt, 100, "R-1"))
    assert isinstance(broken, Exception) and isinstance(made, Writes)
    assert await shard.look.fetchval("select balance from accounts where code = 'pending'") == 0


async def test_the_same_money_told_twice_is_booked_once(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant)
    await shard.all(*(pay(payment, attempt) for _ in range(20)))
    assert await shard.count("entries") == 1 and await shard.count("postings") == 1
    assert await shard.sequences(merchant) == [1, 2]


async def test_every_line_points_back_to_the_one_before_it(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant)
    await shard.all(
        *(give_back(payment, attempt, 10, f"R-{n}") for n in range(3)),
        create(new_payment(merchant, "other")),
    )
    rows = await shard.look.fetch("select seq, prior, type from journal order by seq")
    about = {row["seq"]: row["prior"] for row in rows if row["type"] != "payment.created"}
    last = await shard.look.fetchval(
        "select last_sequence from payments where payment_id = $1", ids.to_hex(payment.id)
    )
    walked = []
    while last:
        walked.append(last)
        last = about.get(last)
    assert len(walked) == 5 and walked[-1] == 1


# --- guards of the database ------------------------------------------------------------------


async def test_a_write_that_bypassed_the_head_is_noticed(shard: Shard) -> None:
    """Somebody changes a row between load and write without the head: the version guard holds."""
    merchant = await shard.merchant()
    payment, _ = await captured(shard, merchant)

    async def meddle() -> None:
        other = await asyncpg.connect(shard.dsn)
        await other.execute("update payments set version = version + 1")
        await other.close()

    def decide(rows) -> Writes:
        present = rows.get(payment.place)
        thread = threading.Thread(target=lambda: asyncio.run(meddle()))
        thread.start()
        thread.join()
        changed = replace(present, status="canceled", version=present.version + 1)
        return Writes(rows=(changed,))

    change = Change(
        merchant_id=merchant,
        actor="test",
        at=NOW,
        request_id=None,
        decide=decide,
        needs=(payment.place,),
    )
    (refused,) = await shard.all(change)
    assert isinstance(refused, GuardLost)
    assert await shard.count("payments where status = 'canceled'") == 0


async def test_the_database_refuses_an_over_refund_by_itself(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, _ = await captured(shard, merchant)
    with pytest.raises(asyncpg.CheckViolationError):
        await shard.look.execute(
            "update payments set amount_refund_pending = 101 where payment_id = $1",
            ids.to_hex(payment.id),
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await shard.look.execute("update accounts set balance = -1 where code = 'pending'")


# --- locks and lost connections --------------------------------------------------------------


async def test_a_held_head_does_not_hold_up_other_merchants(shard: Shard) -> None:
    held, free = await shard.merchant(), await shard.merchant()
    other = await asyncpg.connect(shard.dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("update heads set seq = seq where merchant_id = $1", ids.to_hex(held))
    waiting = shard.committer.submit(create(new_payment(held, "A-1")))
    going = [shard.committer.submit(create(new_payment(free, f"A-{n}"))) for n in range(20)]
    made = await asyncio.gather(*going)
    assert all(each.result[0] == "new" for each in made) and not waiting.done()
    await transaction.rollback()
    assert (await waiting).result[0] == "new"
    await other.close()


async def test_overlapping_batches_of_two_processes_do_not_deadlock(shard: Shard) -> None:
    merchants = [await shard.merchant(bucket=n) for n in range(24)]
    other = Committer(lambda: open_writer(shard.dsn))
    futures = []
    for turn in range(20):
        order = merchants if turn % 2 else merchants[::-1]
        for merchant in order:
            for committer in (shard.committer, other):
                futures.append(committer.submit(create(new_payment(merchant, f"T-{turn}"))))
    results = await asyncio.gather(*futures)
    await other.close()
    assert [each.result[0] for each in results].count("new") == 24 * 20
    for merchant in merchants:
        assert await shard.sequences(merchant) == list(range(1, 21))


@pytest.mark.parametrize("when", ["before_commit_arrives", "after_commit_arrived"])
async def test_a_connection_cut_during_commit_is_looked_up(shard: Shard, when: str) -> None:
    merchant = await shard.merchant()
    async with PostgresProxy(shard.dsn) as proxy:
        committer = Committer(lambda: open_writer(proxy.dsn))
        await committer.submit(create(new_payment(merchant, "warm")))
        proxy.cut_at_commit(when)
        made = await committer.submit(create(new_payment(merchant, "A-1")))
        await committer.close()
    assert proxy.cuts == 1
    assert made.result[0] in ("new", "own")
    assert await shard.count("payments where merchant_order_no = 'A-1'") == 1
    assert await shard.sequences(merchant) == [1, 2]


class Asked:
    """A fresh payment whose submitter is called."""

    def __init__(self, change: Change) -> None:
        found = fresh_of(change)
        assert found is not None
        self.fresh = found
        self._change = change
        self.ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def change(self) -> Change:
        return self._change

    def done(self) -> None:
        self.ended.set_result("done")

    def became(self, writes: Writes) -> None:
        self.ended.set_result(writes.result[0])

    def failed(self, error: BaseException) -> None:
        self.ended.set_result(getattr(error, "code", type(error)))


async def test_a_quick_create_is_told_once_what_became_of_it(shard: Shard) -> None:
    merchant = await shard.merchant()
    new = Asked(create(new_payment(merchant, "A-1")))
    shard.committer.submit_fresh(new)
    equal = Asked(create(new_payment(merchant, "A-1")))
    shard.committer.submit_fresh(equal)
    assert await new.ended == "done"
    assert await equal.ended == "repeat"
    repeat = Asked(create(new_payment(merchant, "A-1")))
    other = Asked(create(new_payment(merchant, "A-2")))
    for each in (repeat, other):
        shard.committer.submit_fresh(each)
    assert [await repeat.ended, await other.ended] == ["repeat", "new"]
    conflict = Asked(create(new_payment(merchant, "A-1", fingerprint=b"x" * 32)))
    shard.committer.submit_fresh(conflict)
    assert await conflict.ended == "order_no_conflict"
    assert await shard.sequences(merchant) == [1, 2]


@pytest.mark.parametrize("when", ["before_commit_arrives", "after_commit_arrived"])
async def test_a_quick_create_whose_commit_was_cut_is_made_once(shard: Shard, when: str) -> None:
    merchant = await shard.merchant()
    async with PostgresProxy(shard.dsn) as proxy:
        committer = Committer(lambda: open_writer(proxy.dsn))
        await committer.submit(create(new_payment(merchant, "warm")))
        proxy.cut_at_commit(when)
        asked = Asked(create(new_payment(merchant, "A-1")))
        committer.submit_fresh(asked)
        assert await asked.ended in ("done", "own")
        await committer.close()
    assert proxy.cuts == 1
    assert await shard.count("payments where merchant_order_no = 'A-1'") == 1
    assert await shard.sequences(merchant) == [1, 2]


async def test_a_quick_create_that_waited_long_enough_hears_unknown_once(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = await shard.merchant()
    async with PostgresProxy(shard.dsn) as proxy:
        monkeypatch.setattr(commits, "ANSWER_WAIT_S", 0.2)
        committer = Committer(lambda: open_writer(proxy.dsn))
        await committer.submit(create(new_payment(merchant, "warm")))
        proxy.hold_at_commit()
        asked = Asked(create(new_payment(merchant, "A-1")))
        committer.submit_fresh(asked)
        assert await asked.ended == "outcome_unknown"
        proxy.release()
        await committer.close()
    assert await shard.count("payments where merchant_order_no = 'A-1'") == 1


async def test_refunds_whose_commit_was_cut_are_reserved_once(shard: Shard) -> None:
    merchant = await shard.merchant()
    payment, attempt = await captured(shard, merchant)
    async with PostgresProxy(shard.dsn) as proxy:
        committer = Committer(lambda: open_writer(proxy.dsn))
        await committer.submit(create(new_payment(merchant, "warm")))
        proxy.cut_at_commit("after_commit_arrived")
        await committer.submit(give_back(payment, attempt, 60, "R-1"))
        await committer.close()
    assert await shard.look.fetchval("select balance from accounts where code = 'held'") == 60
    assert await shard.count("refunds") == 1


async def test_an_unreachable_shard_answers_at_once_and_records_nothing(shard: Shard) -> None:
    merchant = await shard.merchant()
    committer = Committer(lambda: open_writer("postgresql://postgres@/x?host=/nowhere"))
    with pytest.raises(TillgateError) as refused:
        await committer.submit(create(new_payment(merchant, "A-1")))
    assert refused.value.code == "shard_unavailable"
    await committer.close()


async def test_a_full_queue_sheds(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    merchant = await shard.merchant()
    monkeypatch.setattr(commits, "QUEUE_CHANGES_MAX", 3)
    kept = [shard.committer.submit(create(new_payment(merchant, f"A-{n}"))) for n in range(3)]
    with pytest.raises(TillgateError) as refused:
        shard.committer.submit(create(new_payment(merchant, "A-9")))
    assert refused.value.code == "overloaded" and refused.value.retry_after_s == 1
    await asyncio.gather(*kept)


async def test_who_waited_long_enough_hears_unknown_and_the_commit_goes_on(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = await shard.merchant()
    async with PostgresProxy(shard.dsn) as proxy:
        monkeypatch.setattr(commits, "ANSWER_WAIT_S", 0.2)
        monkeypatch.setattr(commits, "STALLED_AFTER_S", 0.1)
        committer = Committer(lambda: open_writer(proxy.dsn))
        await committer.submit(create(new_payment(merchant, "warm")))
        proxy.hold_at_commit()
        with pytest.raises(TillgateError) as unknown:
            await committer.submit(create(new_payment(merchant, "A-1")))
        assert unknown.value.code == "outcome_unknown"
        with pytest.raises(TillgateError) as stalled:
            committer.submit(create(new_payment(merchant, "A-2")))
        assert stalled.value.code == "shard_unavailable"
        proxy.release()
        await committer.close()
    assert await shard.count("payments where merchant_order_no = 'A-1'") == 1


async def test_big_numbers_are_kept_and_never_wrap(shard: Shard) -> None:
    merchant = await shard.merchant()
    await shard.look.execute("update heads set seq = $1", 2**31 + 5)
    (made,) = await shard.all(create(new_payment(merchant, "A-1", amount=999_999_999_999)))
    assert made.result[0] == "new"
    assert await shard.sequences(merchant) == [2**31 + 6]
    await shard.look.execute("update heads set seq = $1", 2**63 - 1)
    (refused,) = await shard.all(create(new_payment(merchant, "A-2")))
    assert isinstance(refused, Exception)
    assert await shard.count("payments where merchant_order_no = 'A-2'") == 0


async def test_who_keeps_something_hears_of_a_commit_before_its_writers_are_answered(
    shard: Shard,
) -> None:
    merchant = await shard.merchant()
    heard: list[str] = []
    committer = Committer(
        lambda: open_writer(shard.dsn),
        committed=lambda done: heard.extend(each.merchant_id for each in done),
    )

    class Hearing(Asked):
        def done(self) -> None:
            self.ended.set_result(("done", *heard))

        def became(self, writes: Writes) -> None:
            self.ended.set_result((writes.result[0], *heard))

    for known, change in (
        ("done", create(new_payment(merchant, "H-1"))),
        ("repeat", create(new_payment(merchant, "H-1"))),
    ):
        asked = Hearing(change)
        committer.submit_fresh(asked)
        assert await asked.ended == (known, merchant)
        heard.clear()
    await committer.close()
