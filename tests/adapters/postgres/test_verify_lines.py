"""A book with statement lines and receipts passes; every kind of damage to them is named."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from gateway.adapters.postgres.verify import verify
from tests.conftest import Cluster, Installation
from tests.scenarios.test_bank_transfer import CREDENTIALS, Bank, registered
from tests.world import World, open_world


class Book(NamedTuple):
    """A database at rest that tests clone."""

    cluster: Cluster
    name: str


async def write_book(world: World) -> None:
    account_id = await registered(world, "bank_transfer", CREDENTIALS)
    bank = Bank(world, account_id, await world.admin())
    parts, over = await bank.order("parts"), await bank.order("over")
    ended = await bank.order("ended")
    one, two, three = (each["next_action"]["reference"] for each in (parts, over, ended))
    await bank.take(
        ("B1", 4_000, one),
        ("B2", 6_000, one),
        ("B3", 10_500, two),
        ("B4", 3_000, three),
        ("B5", 77, "nobody"),
        ("B6", 10_000, two),
        ("B7", -5, "charges"),
    )
    await world.merchant.post(f"/v1/payments/{ended['id']}/cancel")
    await registered(world, "offline", {})
    order = {"merchant_order_no": "cash", "amount": 50, "currency": "CNY", "subject": "tea"}
    cash = (await world.merchant.post("/v1/payments", order | {"method": "offline"})).body
    path = f"/admin/v1/payments/{cash['id']}/offline_receipt"
    taken = await bank.admin.post(path, {"receipt_no": "1", "amount": 50})
    assert taken.status == 200, taken


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
    name = await book.cluster.create(book.name)
    yield Installation(book.cluster, [name])
    await book.cluster.drop([name])


def attempt_of(number: str) -> str:
    return (
        "(select a.attempt_id from attempts a join payments p using (merchant_id, payment_id)"
        f" where p.merchant_order_no = '{number}')"
    )


def line_of(reference: str) -> str:
    return f"(select statement_line_id from statement_lines where bank_reference = '{reference}')"


DAMAGES = {
    "what is suspended of a line": (
        "update statement_lines set suspended = 1 where bank_reference = 'B3'",
        {"entry_shape", "transfer_tally"},
    ),
    "a line that suspends without an entry": (
        "update statement_lines set suspended = 6000 where bank_reference = 'B2'",
        {"line_not_booked"},
    ),
    "an entry of a line is gone": (
        "alter table postings drop constraint postings_merchant_id_entry_id_fkey;"
        f"delete from entries where reference = {line_of('B5')}",
        {"line_not_booked", "unexpected_not_booked", "posting_without_entry"},
    ),
    "a line is gone": (
        "delete from statement_lines where bank_reference = 'B2'",
        {"transfer_tally"},
    ),
    "a line with money in suspense is gone": (
        "delete from statement_lines where bank_reference = 'B5'",
        {"entry_without_reference"},
    ),
    "a tally": (
        f"update transfer_tallies set received = received + 1 where attempt_id ="
        f" {attempt_of('parts')}",
        {"transfer_tally"},
    ),
    "parts that were never applied": (
        "alter table postings drop constraint postings_merchant_id_entry_id_fkey;"
        "delete from entries where reason = 'funds_applied'",
        {"parts_not_applied"},
    ),
    "the amount of what was applied": (
        "update postings set amount = amount + 1 where debit = 'suspense'",
        {"entry_shape", "account_balance"},
    ),
    "cash booked as clearing": (
        "update postings set debit = replace(debit, 'cash_in_transit', 'clearing')"
        " where debit like 'cash_in_transit:%'",
        {"entry_shape", "account_missing"},
    ),
}


async def test_the_book_holds(copy: Installation) -> None:
    report = await verify(copy.dsns)
    assert report.faults == []


@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_found_and_named(copy: Installation, name: str) -> None:
    sql, expected = DAMAGES[name]
    connection = await asyncpg.connect(copy.dsns[0])
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
    found = {fault.check for fault in (await verify(copy.dsns)).faults}
    assert expected <= found, found
