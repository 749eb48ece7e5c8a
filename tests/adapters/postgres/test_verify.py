"""A clean book passes; every kind of damage is found, named and placed.

The damage is done by SQL as the database's owner, with constraints taken away where they would
have prevented it: what a defect of ours, a careless hand or a thief could leave behind.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from gateway.adapters.postgres import verify as verifying
from gateway.adapters.postgres.verify import Progress, Report, VerifyImpossible, verify
from gateway.channels.codec import Paid, Refused
from gateway.domain import ids
from tests.conftest import Cluster, Installation
from tests.world import World, open_world


class Book(NamedTuple):
    """A database at rest that tests clone: every kind of payment and refund is in it."""

    cluster: Cluster
    name: str


async def write_book(world: World) -> None:
    paid = await world.paid("paid", 1000)
    for number, amount in (("refunded", 100), ("refunded-too", 50)):
        await world.merchant.post(
            "/v1/refunds",
            {"payment_id": paid["id"], "merchant_refund_no": number, "amount": amount},
        )
    await world.fault("refund", "error")
    pending = await world.merchant.post(
        "/v1/refunds", {"payment_id": paid["id"], "merchant_refund_no": "pending", "amount": 30}
    )
    assert pending.body["status"] == "processing", pending
    await world.fault("refund", "error")
    failing = await world.merchant.post(
        "/v1/refunds", {"payment_id": paid["id"], "merchant_refund_no": "failed", "amount": 20}
    )
    refund = await world.core.reader.refund(world.merchant.mch, failing.body["id"])
    assert refund is not None
    refused = Refused("refund_refused", "no", "NO")
    change = world.core.concluder.refund_change(refund, refused, actor="test", request_id=None)
    await world.core.shards.submit(change)
    await world.paid("also-paid", 500, customer={"id": "u-1", "name": "Li"})
    canceled = await world.pay_by_qr("canceled", 70)
    await world.merchant.post(f"/v1/payments/{canceled['id']}/cancel", {})
    attempt = await world.core.reader.attempt(world.merchant.mch, canceled["attempt_id"])
    assert attempt is not None
    money = Paid("2026112222001400000000000001", 70, "CNY")
    await world.core.shards.submit(
        world.core.concluder.payment_change(attempt, money, actor="test", request_id=None)
    )
    await world.pay_by_qr("waiting", 60)
    await world.merchant.post(
        "/v1/payments",
        {"merchant_order_no": "bare", "amount": 5, "currency": "CNY", "subject": "tea"},
    )


@pytest.fixture(scope="module")
def book(cluster: Cluster) -> Iterator[Book]:
    async def made() -> str:
        [template] = await cluster.templates(1)
        name = await cluster.create(template)
        with tempfile.TemporaryDirectory() as folder:
            async with open_world(Installation(cluster, [name]), Path(folder)) as world:
                await write_book(world)
        return name

    name = asyncio.run(made())
    yield Book(cluster, name)
    asyncio.run(cluster.drop([name]))


@pytest.fixture
async def copy(book: Book) -> AsyncIterator[Installation]:
    """A copy of the book that a test may damage."""
    name = await book.cluster.create(book.name)
    yield Installation(book.cluster, [name])
    await book.cluster.drop([name])


async def damage(installation: Installation, sql: str) -> None:
    connection = await asyncpg.connect(installation.dsns[0])
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def of(number: str) -> str:
    """The payment of a merchant's number, in SQL."""
    return f"(select payment_id from payments where merchant_order_no = '{number}')"


def attempt_of(number: str) -> str:
    return f"(select attempt_id from attempts where payment_id = {of(number)})"


def entry_of(number: str, reason: str = "captured") -> str:
    return (
        f"(select entry_id from entries where reason = '{reason}'"
        f" and reference = {attempt_of(number)})"
    )


MERCHANT = "(select merchant_id from payments limit 1)"
LAST = f"(select seq from heads where merchant_id = {MERCHANT})"
CAPTURED = entry_of("also-paid")
RELEASE = "".join(
    f"alter table {table} drop constraint {constraint};"
    for table, constraint in (
        ("postings", "postings_merchant_id_entry_id_fkey"),
        ("postings", "postings_amount_check"),
        ("postings", "two_accounts"),
        ("accounts", "balance_not_negative"),
        ("payments", "captured_within_authorized"),
        ("payments", "refunds_within_captured"),
        ("attempts", "attempts_merchant_id_payment_id_fkey"),
        ("refunds", "refunds_merchant_id_payment_id_fkey"),
        ("unexpected_funds", "unexpected_funds_merchant_id_payment_id_fkey"),
    )
)

# What is done -> every check that names it (others may see its consequences, too).
DAMAGES: dict[str, tuple[str, set[str]]] = {
    "amount of a posting": (
        f"update postings set amount = amount + 1 where entry_id = {CAPTURED}",
        {"posting_balance", "account_balance", "entry_shape", "captured_not_booked"},
    ),
    "posting of nothing": (
        f"update postings set amount = 0 where entry_id = {CAPTURED}",
        {"posting_malformed"},
    ),
    "posting to itself": (
        f"update postings set credit = debit where entry_id = {CAPTURED}",
        {"posting_malformed"},
    ),
    "posting deleted": (
        f"delete from postings where entry_id = {CAPTURED}",
        {"entry_without_postings", "account_balance", "account_postings", "captured_not_booked"},
    ),
    "entry deleted": (
        f"delete from entries where entry_id = {CAPTURED}",
        {"posting_without_entry", "captured_not_booked", "attempt_not_booked"},
    ),
    "posting renumbered in its entry": (
        f"update postings set ordinal = 2 where entry_id = {CAPTURED}",
        {"posting_order", "entry_shape"},
    ),
    "balance in the middle of a history": (
        "update postings set credit_balance = credit_balance + 5 where credit = 'pending'"
        " and credit_number = (select min(credit_number) from postings where credit = 'pending')",
        {"posting_balance"},
    ),
    "number in a history": (
        "update postings set debit_number = 99 where debit = 'pending'"
        " and debit_number = (select max(debit_number) from postings where debit = 'pending')",
        {"posting_number"},
    ),
    "balance of an account": (
        "update accounts set balance = balance + 1 where code = 'pending'",
        {"account_balance", "trial_balance"},
    ),
    "balances of two accounts alike": (
        "update accounts set balance = balance + 1 where code in ('pending', 'suspense');"
        "update accounts set balance = balance + 2 where code like 'clearing:%'",
        {"account_balance"},
    ),
    "count of an account": (
        "update accounts set postings = postings + 1 where code = 'pending'",
        {"account_postings"},
    ),
    "account deleted": ("delete from accounts where code = 'held'", {"account_missing"}),
    "balance below zero": (
        "update accounts set balance = -1 where code = 'held'",
        {"balance_forbidden", "account_balance"},
    ),
    "balance below zero in a history": (
        "update postings set credit_balance = -1 where credit = 'suspense'",
        {"balance_forbidden", "posting_balance"},
    ),
    "side of an account": (
        "update accounts set side = 'debit' where code = 'held'",
        {"account_kind", "posting_balance"},
    ),
    "permission of an account": (
        "update accounts set may_be_negative = true where code = 'pending'",
        {"account_kind"},
    ),
    "account that the chart does not know": (
        "update accounts set code = 'pocket' where code = 'suspense';"
        "update postings set credit = 'pocket' where credit = 'suspense'",
        {"account_kind", "entry_shape"},
    ),
    "reason of an entry": (
        f"update entries set reason = 'gift' where entry_id = {CAPTURED}",
        {"entry_reason", "captured_not_booked"},
    ),
    "reference of an entry": (
        f"update entries set reference = gen_random_uuid() where entry_id = {CAPTURED}",
        {"entry_without_reference", "attempt_not_booked"},
    ),
    "money moved to a stranger's registration": (
        "update accounts set code = 'clearing:cac_00000000000000000000000000'"
        " where code like 'clearing:%';"
        "update postings set debit = 'clearing:cac_00000000000000000000000000'"
        " where debit like 'clearing:%';"
        "update postings set credit = 'clearing:cac_00000000000000000000000000'"
        " where credit like 'clearing:%'",
        {"entry_shape"},
    ),
    "captured more than booked": (
        f"update payments set amount_captured = 499 where payment_id = {of('also-paid')}",
        {"captured_not_booked", "captured_for_status"},
    ),
    "captured more than authorised": (
        f"update payments set amount_authorized = 1 where payment_id = {of('also-paid')}",
        {"captured_over_authorized"},
    ),
    "refunded more than captured": (
        f"update payments set amount_refunded = 501 where payment_id = {of('also-paid')}",
        {"refunds_over_captured", "refund_counters"},
    ),
    "status of a payment": (
        f"update payments set status = 'expired' where payment_id = {of('also-paid')}",
        {"captured_for_status", "stamp_for_status", "object_not_as_told"},
    ),
    "paid without money": (
        f"update payments set status = 'succeeded', succeeded_at = created_at"
        f" where payment_id = {of('waiting')}",
        {"captured_for_status", "attempt_for_status", "object_not_as_told"},
    ),
    "held without a hold": (
        f"update payments set status = 'requires_capture' where payment_id = {of('waiting')}",
        {"attempt_for_status", "object_not_as_told"},
    ),
    "moment of success": (
        f"update payments set succeeded_at = null where payment_id = {of('also-paid')}",
        {"stamp_for_status"},
    ),
    "attempt of a payment": (
        f"update payments set attempt_id = gen_random_uuid() where payment_id = {of('also-paid')}",
        {"attempt_missing", "attempt_for_status"},
    ),
    "attempt deleted": (
        f"delete from attempts where attempt_id = {attempt_of('waiting')}",
        {"attempts_counted", "attempt_missing"},
    ),
    "attempt that did not succeed": (
        f"update attempts set status = 'succeeded' where attempt_id = {attempt_of('waiting')}",
        {"attempt_not_booked"},
    ),
    "two captures of one payment": (
        f"update attempts set payment_id = {of('paid')}, number = 9"
        f" where attempt_id = {attempt_of('also-paid')}",
        {"captured_twice", "captured_not_booked", "attempts_counted"},
    ),
    "status of a refund": (
        "update refunds set status = 'succeeded' where merchant_refund_no = 'pending'",
        {"refund_counters", "refund_not_booked", "object_not_as_told"},
    ),
    "failed refund made to succeed": (
        "update refunds set status = 'succeeded' where merchant_refund_no = 'failed'",
        {"refund_counters", "refund_not_booked"},
    ),
    "amount of a refund": (
        "update refunds set amount = amount + 1 where merchant_refund_no = 'refunded'",
        {"refund_counters", "entry_shape", "object_not_as_told"},
    ),
    "currency of a refund": (
        "update refunds set currency = 'USD' where merchant_refund_no = 'refunded'",
        {"refund_without_payment", "entry_shape"},
    ),
    "refund deleted": (
        "delete from refunds where merchant_refund_no = 'refunded'",
        {"refund_counters", "entry_without_reference", "told_without_object"},
    ),
    "unexpected money deleted": ("delete from unexpected_funds", {"entry_without_reference"}),
    "entry of unexpected money deleted": (
        "delete from postings where credit = 'suspense';"
        "delete from entries where reason = 'funds_unexpected'",
        {"unexpected_not_booked", "account_balance"},
    ),
    "unexpected money counted for its payment, too": (
        f"update attempts set status = 'succeeded' where attempt_id = {attempt_of('canceled')}",
        {"attempt_booked_twice", "attempt_not_booked"},
    ),
    "line deleted": (
        f"delete from journal where merchant_id = {MERCHANT} and seq = 3",
        {"sequence_gap", "prior_chain"},
    ),
    "last line deleted": (
        f"delete from journal where merchant_id = {MERCHANT} and seq = {LAST}",
        {"sequence_head", "object_not_told"},
    ),
    "counter of a merchant": ("update heads set seq = seq + 1", {"sequence_head"}),
    "reader ahead of its journal": (
        f"insert into cursors (merchant_id, reader, seq) values ({MERCHANT}, 'relay', 1000000)",
        {"cursor_ahead"},
    ),
    "delivery of nothing": (
        "insert into deliveries (merchant_id, delivery_id, seq, target, url, status, tries,"
        f" created_at) values ({MERCHANT}, gen_random_uuid(), 1000000, 't', 'u', 'delivered', 1,"
        " now())",
        {"delivery_without_event"},
    ),
    "version in a line": (
        "update journal set object_version = 1 where type = 'payment.succeeded'",
        {"version_not_rising"},
    ),
    "version that never was": (
        f"update journal set object_version = 99 where type = 'payment.succeeded'"
        f" and object_id = {of('paid')}",
        {"object_not_as_told"},
    ),
    "status in a line": (
        'update journal set data = replace(data, \'"status":"succeeded"\','
        " '\"status\":\"canceled\"') where type = 'payment.succeeded'",
        {"status_of_type", "object_not_as_told"},
    ),
    "line that is no JSON": (
        "update journal set data = '[1' where type = 'payment.requires_action'",
        {"status_path", "status_of_type"},
    ),
    "terminal left": (
        "insert into journal select merchant_id, h.seq + 1, at, 'payment.canceled', object_id,"
        " object_version + 7, payment_id, j.seq, actor, request_id,"
        ' replace(data, \'"status":"succeeded"\', \'"status":"canceled"\'), personal'
        " from journal j join heads h using (merchant_id)"
        f" where type = 'payment.succeeded' and object_id = {of('also-paid')};"
        f"update heads set seq = seq + 1 where merchant_id = {MERCHANT};"
        "update payments p set version = version + 9, status = 'canceled', last_sequence = h.seq"
        f" from heads h where p.payment_id = {of('also-paid')} and h.merchant_id = p.merchant_id",
        {"status_path"},
    ),
    "type of a line": (
        "update journal set type = 'payment.sold' where type = 'payment.canceled'",
        {"event_type"},
    ),
    "creation hidden": (
        f"update journal set type = 'payment.processing' where type = 'payment.created'"
        f" and object_id = {of('waiting')}",
        {"creation_not_told"},
    ),
    "way back": (
        "update journal set prior = prior - 1 where type = 'payment.succeeded'",
        {"prior_chain"},
    ),
    "way back from nowhere": (
        "update journal set prior = 1 where type = 'key.created'",
        {"prior_chain"},
    ),
    "newest line of a payment": (
        f"update payments set last_sequence = 1 where payment_id = {of('waiting')}",
        {"last_sequence"},
    ),
    "line about another payment": (
        f"update journal set object_id = gen_random_uuid() where object_id = {of('bare')}",
        {"object_not_told", "told_without_object"},
    ),
    "amount in the last line": (
        "update journal set data = replace(data, '\"amount\":500', '\"amount\":900')"
        " where type = 'payment.succeeded'",
        {"object_not_as_told"},
    ),
    "bucket of a head": ("update heads set bucket = (bucket + 1) % 4096", {"head_bucket"}),
    "shard map": (
        "update shard_map set bucket_to = bucket_from",
        {"head_elsewhere"},
    ),
    "head deleted": (
        f"delete from heads where merchant_id = {MERCHANT}",
        {"merchant_without_head"},
    ),
    "payment deleted": (
        f"delete from payments where payment_id = {of('waiting')}",
        {"told_without_object"},
    ),
}
# The names of faults, as they stand in the statements.
NAMED = re.compile(
    r"'((?:account|attempts?|balance|captured|creation|cursor|delivery|entry|event|head|last"
    r"|merchant|object|posting|prior|refunds?|sequence|stamp|status|told|trial|unexpected|version)"
    r"_[a-z_]+)'"
)
REASONS = {"refund_reserved", "refund_paid", "refund_released"}


async def test_a_clean_book_holds(copy: Installation) -> None:
    steps: list[Progress] = []
    report = await verify(copy.dsns, progress=steps.append)
    assert report.holds, [str(fault) for fault in report.faults]
    assert report.merchants == 2
    assert (report.payments, report.attempts, report.refunds) == (5, 4, 4)
    assert report.entries == report.postings == 10
    assert report.events > 20
    assert report.chain == "not sealed yet"
    assert steps[-1].done == steps[-1].total == report.events


@pytest.mark.parametrize("what", DAMAGES)
async def test_damage_is_found(copy: Installation, what: str) -> None:
    sql, expected = DAMAGES[what]
    await damage(copy, RELEASE + sql)
    report = await verify(copy.dsns)
    assert expected <= {fault.check for fault in report.faults}, list(map(str, report.faults))


def test_every_check_is_tried() -> None:
    """A check that no damage trips could as well be absent."""
    known = {
        name
        for statement in verifying.SQL.values()
        if statement.name.startswith("check_")
        for name in NAMED.findall(statement.text)
    }
    tried = {name for _, expected in DAMAGES.values() for name in expected}
    assert (known - REASONS) | {"account_kind"} == tried


async def test_a_fault_names_merchant_object_and_place(copy: Installation) -> None:
    connection = await asyncpg.connect(copy.dsns[0])
    try:
        row = await connection.fetchrow(
            "update postings set debit_balance = debit_balance + 5"
            " where debit = 'pending' and debit_number = 3 returning merchant_id, entry_id,"
            " debit_balance"
        )
        assert row is not None
    finally:
        await connection.close()
    [fault] = (await verify(copy.dsns)).faults
    assert fault.check == "posting_balance"
    assert fault.merchant_id == ids.from_uuid("mch", row["merchant_id"])
    assert fault.object_id == ids.from_uuid("ent", row["entry_id"])
    assert fault.place == "pending CNY posting 3"
    assert fault.expected == f"balance {row['debit_balance'] - 5}"
    assert fault.found == f"balance {row['debit_balance']}"


async def test_groups_are_seen_whole(copy: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small groups find what one large one does, also what lies beyond the last head."""
    monkeypatch.setattr(verifying, "GROUP_LINES_MAX", 1)
    assert (await verify(copy.dsns)).holds
    await damage(copy, f"delete from heads where merchant_id = {MERCHANT}")
    found = {fault.check for fault in (await verify(copy.dsns)).faults}
    assert "merchant_without_head" in found


async def test_long_lists_are_cut(copy: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "FAULTS_PER_CHECK_MAX", 2)
    await damage(copy, "update journal set prior = 77")
    report = await verify(copy.dsns)
    assert report.truncated
    assert len([f for f in report.faults if f.check == "prior_chain"]) == 2


async def test_beside_live_traffic(installation: Installation, tmp_path: Path) -> None:
    async with open_world(installation, tmp_path) as world:
        stop = asyncio.Event()

        async def traffic(lane: int) -> int:
            count = 0
            while not stop.is_set():
                payment = await world.paid(f"{lane}-{count}", 100)
                await world.merchant.post(
                    "/v1/refunds",
                    {
                        "payment_id": payment["id"],
                        "merchant_refund_no": f"{lane}-{count}",
                        "amount": 10,
                    },
                )
                count += 1
            return count

        lanes = [asyncio.create_task(traffic(lane)) for lane in range(4)]
        seen: list[Report] = []
        while len(seen) < 5 or seen[-1].payments < 10:
            seen.append(await verify(installation.dsns))
        stop.set()
        await asyncio.gather(*lanes)
    assert [str(fault) for report in seen for fault in report.faults] == []
    assert seen[-1].events > seen[0].events


async def test_two_shards(two_shards: Installation, tmp_path: Path) -> None:
    async with open_world(two_shards, tmp_path) as world:
        for _ in range(4):
            await world.new_merchant()
        await world.paid("one", 100)
    assert (await verify(two_shards.dsns)).holds
    with pytest.raises(VerifyImpossible):
        await verify(list(reversed(two_shards.dsns)))
    with pytest.raises(VerifyImpossible):
        await verify(two_shards.dsns[:1])
    connection = await asyncpg.connect(two_shards.dsns[1])
    try:
        await connection.execute("delete from heads; delete from journal")
    finally:
        await connection.close()
    report = await verify(two_shards.dsns)
    assert {(fault.shard, fault.check) for fault in report.faults} >= {(1, "merchant_without_head")}


async def test_reads_with_the_reader_alone(copy: Installation) -> None:
    """A login that is only in `tillgate_read`, as the ready file's URLs are."""
    await damage(
        copy,
        "do $$ begin if not exists (select from pg_roles where rolname = 'only_reads') then"
        " create role only_reads login; grant tillgate_read to only_reads; end if; end $$",
    )
    dsn = copy.cluster.postgres.dsn(copy.names[0], user="only_reads")
    assert (await verify([dsn])).holds
