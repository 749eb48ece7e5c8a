"""The short way of group commit: what it writes, and when it writes nothing at all."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import asyncpg
import pytest
from msgspec.structs import replace

from fastpath.shorthand import lengthen, shorten
from gateway.adapters.postgres import fresh
from gateway.adapters.postgres.commit import Committer
from gateway.adapters.postgres.connect import open_writer
from gateway.adapters.system.identifiers import RandomIds
from gateway.domain import ids
from gateway.domain import payment as payments
from gateway.domain.change import Change, Need, Writes, all_new
from gateway.domain.fresh import FreshPayment
from gateway.domain.payment import Payment
from tests.adapters.postgres.test_lint import nodes, plan_of

NOW = datetime(2026, 11, 22, 8, 0, 0, 123_000, tzinfo=UTC)
OWN = {"merchant_id", "payment_id"}
TOLD = {"merchant_id", "object_id", "data"}
make = RandomIds()


class Shard:
    """One shard under test: a writing connection, and the owner's look at what is there."""

    def __init__(self, dsn: str, writer: asyncpg.Connection, look: asyncpg.Connection) -> None:
        self.dsn = dsn
        self.writer = writer
        self.look = look

    async def merchants(self, count: int, *, is_open: bool = True) -> list[str]:
        """New merchants in the order in which batches take them."""
        made = sorted(make.in_bucket("mch", 7) for _ in range(count))
        for merchant in made:
            await self.look.execute(
                "insert into heads (merchant_id, bucket, open) values ($1, 7, $2)",
                ids.to_hex(merchant),
                is_open,
            )
        return made

    async def kept(self) -> tuple[int, int, int]:
        """How many payments, journal rows and spent sequences there are."""
        return await self.look.fetchrow(
            "select (select count(*) from payments), (select count(*) from journal),"
            " (select sum(seq)::bigint from heads)"
        )

    async def row(self, table: str, merchant: str) -> dict[str, object]:
        """The only row of a merchant."""
        rows = await self.look.fetch(
            f"select * from {table} where merchant_id = $1", ids.to_hex(merchant)
        )
        assert len(rows) == 1
        return dict(rows[0])


@pytest.fixture
async def shard(installation) -> AsyncIterator[Shard]:
    dsn = installation.dsns[0]
    writer, look = await open_writer(dsn), await asyncpg.connect(dsn)
    yield Shard(dsn, writer, look)
    await writer.close()
    await look.close()


def new_payment(merchant: str, number: str = "n-1", **fields) -> Payment:
    return Payment(
        merchant_id=merchant,
        id=make.make("pay", merchant),
        merchant_order_no=number,
        fingerprint=bytes(range(32)),
        fingerprint_key=3,
        amount=fields.pop("amount", 9_007_199_254_740_993),
        currency="CNY",
        subject="龙井茶 “250 g”, \\x41 {a,b} \\N",
        status="requires_payment_method",
        livemode=True,
        capture_method="manual",
        created_at=NOW,
        expires_at=NOW + timedelta(hours=2, milliseconds=7),
        metadata={"cart": "Ω {}", "empty": ""},
        **fields,
    )


def change_of(payment: Payment, *, is_fresh: bool = True) -> Change:
    writes = Writes(rows=(payment,), lines=(payments.line(payment, "created"),), result=payment)
    return Change(
        merchant_id=payment.merchant_id,
        actor="key_of_the_shop",
        at=NOW,
        request_id="req_1",
        decide=lambda rows: writes,
        needs=(Need("payment_no", payment.merchant_order_no),),
        number=Need("payment_no", payment.merchant_order_no),
        foreseen=all_new(writes) if is_fresh else None,
    )


def written(payment: Payment) -> FreshPayment:
    found = fresh.fresh_of(change_of(payment))
    assert found is not None
    return found


def batch(*of: Payment) -> list[FreshPayment]:
    """Fresh payments in the order in which a batch brings them."""
    return sorted(map(written, of), key=lambda each: (each.merchant_id, each.merchant_order_no))


@pytest.mark.parametrize(
    "urls",
    [{}, {"return_url": "https://shop.example/back"}, {"notify_url": "https://shop.example/n"}],
)
async def test_both_ways_write_the_same(shard: Shard, urls: dict[str, str]) -> None:
    """All columns of payment and journal row but those that name the payment itself."""
    short, long = await shard.merchants(2)
    assert await fresh.create(shard.writer, [written(new_payment(short, **urls))])
    committer = Committer(lambda: open_writer(shard.dsn))
    await committer.submit(change_of(new_payment(long, **urls), is_fresh=False))
    await committer.close()
    for table, own in (("payments", OWN), ("journal", TOLD)):
        ours, theirs = await shard.row(table, short), await shard.row(table, long)
        assert ours.keys() == theirs.keys()
        for column in ours.keys() - own:
            assert ours[column] == theirs[column], (table, column)


async def test_the_journal_holds_the_answer_in_shorthand(shard: Shard) -> None:
    (merchant,) = await shard.merchants(1)
    payment = written(new_payment(merchant))
    assert await fresh.create(shard.writer, [payment])
    row = await shard.row("journal", merchant)
    assert row["data"] == shorten(payment.data) != payment.data
    assert lengthen(row["data"]) == payment.data
    assert ids.to_hex(payment.payment_id) == row["object_id"].hex


async def test_each_merchant_counts_on_in_the_order_of_the_batch(shard: Shard) -> None:
    merchants = await shard.merchants(3)
    counts = (1, 4, 2)
    for number in "ab":
        of = [
            new_payment(merchant, f"{number}-{n}", amount=1 + n)
            for merchant, count in zip(merchants, counts, strict=True)
            for n in range(count)
        ]
        assert await fresh.create(shard.writer, batch(*of))
    for merchant, count in zip(merchants, counts, strict=True):
        rows = await shard.look.fetch(
            "select p.merchant_order_no as number, p.last_sequence as seq from payments p"
            " join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence"
            " and j.object_id = p.payment_id where p.merchant_id = $1 order by seq",
            ids.to_hex(merchant),
        )
        assert [row["seq"] for row in rows] == list(range(1, 2 * count + 1))
        assert all(one["number"] < other["number"] for one, other in pairwise(rows))
        assert await shard.look.fetchval(
            "select seq from heads where merchant_id = $1", ids.to_hex(merchant)
        ) == 2 * count  # fmt: skip


async def refused(shard: Shard, of: Sequence[FreshPayment]) -> None:
    """Nothing is written, and the connection can go on."""
    before = await shard.kept()
    assert not await fresh.create(shard.writer, of)
    assert await shard.kept() == before
    assert not shard.writer.is_in_transaction()


async def test_a_known_number_keeps_nothing_of_the_batch(shard: Shard) -> None:
    merchants = await shard.merchants(2)
    known = new_payment(merchants[1], "known")
    assert await fresh.create(shard.writer, [written(known)])
    again = replace(known, id=make.make("pay", merchants[1]))
    await refused(shard, batch(new_payment(merchants[0]), new_payment(merchants[1]), again))


async def test_our_own_earlier_run_keeps_nothing_twice(shard: Shard) -> None:
    of = batch(*(new_payment(merchant) for merchant in await shard.merchants(3)))
    assert await fresh.create(shard.writer, of)
    await refused(shard, of)


async def test_a_number_twice_in_the_batch_keeps_nothing(shard: Shard) -> None:
    (merchant,) = await shard.merchants(1)
    await refused(shard, batch(new_payment(merchant), new_payment(merchant)))


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_closed_head_keeps_nothing_of_the_batch(shard: Shard, place: int) -> None:
    merchants = await shard.merchants(3)
    await shard.look.execute(
        "update heads set open = false where merchant_id = $1", ids.to_hex(merchants[place])
    )
    await refused(shard, batch(*map(new_payment, merchants)))


async def test_an_unknown_merchant_keeps_nothing_of_the_batch(shard: Shard) -> None:
    (merchant,) = await shard.merchants(1)
    await refused(shard, batch(new_payment(merchant), new_payment(make.in_bucket("mch", 7))))


@pytest.mark.parametrize("separator", [fresh.UNIT, fresh.GROUP])
async def test_a_text_that_holds_a_separator_writes_nothing(shard: Shard, separator: str) -> None:
    """No door lets one in; were it here, the batch would be refused and not written shifted."""
    (merchant,) = await shard.merchants(1)
    before = await shard.kept()
    odd = replace(new_payment(merchant, "n-2"), subject=f"tea{separator}tea")
    with pytest.raises(asyncpg.PostgresError):
        await fresh.create(shard.writer, batch(new_payment(merchant), odd))
    assert await shard.kept() == before


async def test_no_row_of_a_batch_is_compared_with_every_merchant(shard: Shard) -> None:
    """The only join is the one that finds the heads: a batch may be of as many as it has rows."""
    await shard.look.execute("set enable_seqscan = off")
    plan = await plan_of(shard.look, fresh.SQL["create"])
    joins = [node for node in nodes(plan) if "Join Type" in node]
    assert [join["Plans"][1]["Relation Name"] for join in joins] == ["heads"]
