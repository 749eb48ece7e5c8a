"""The journal's shorthand: what is stored of an event, and that every reader gets what was told."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from fastpath.shorthand import PHRASES, lengthen, shorten
from gateway.adapters.postgres import fresh, journal
from gateway.adapters.postgres.commit import Committer
from gateway.adapters.postgres.connect import open_writer
from gateway.domain import ids
from tests.adapters.postgres.test_fresh import change_of, make, new_payment, written

PAGE = Path(__file__).parents[3] / "docs/operating/journal.md"
ROWS = "select * from journal where merchant_id = $1 order by seq"


@pytest.fixture
async def look(installation) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(installation.dsns[0])
    yield connection
    await connection.close()


@pytest.fixture
async def merchant(look: asyncpg.Connection) -> str:
    made = make.in_bucket("mch", 7)
    await look.execute("insert into heads (merchant_id, bucket) values ($1, 7)", ids.to_hex(made))
    return made


async def test_every_way_stores_it_short_and_tells_it_whole(
    installation, look: asyncpg.Connection, merchant: str
) -> None:
    dsn = installation.dsns[0]
    first, second = new_payment(merchant, "n-1"), new_payment(merchant, "n-2")
    writer = await open_writer(dsn)
    assert await fresh.create(writer, [written(first)])
    await writer.close()
    committer = Committer(lambda: open_writer(dsn))
    await committer.submit(change_of(second, is_fresh=False))
    await committer.close()
    rows = await look.fetch(ROWS, ids.to_hex(merchant))
    told = [written(each).data for each in (first, second)]
    assert [row["data"] for row in rows] == [shorten(each) for each in told]
    assert [journal.event_of(row).data.decode() for row in rows] == told
    assert all(2 * len(row["data"]) < len(text) for row, text in zip(rows, told, strict=True))


async def test_a_row_from_before_is_told_as_it_is(
    installation, look: asyncpg.Connection, merchant: str
) -> None:
    payment = written(new_payment(merchant))
    writer = await open_writer(installation.dsns[0])
    assert await fresh.create(writer, [payment])
    await writer.close()
    await look.execute("update journal set data = $1", payment.data)
    (row,) = await look.fetch(ROWS, ids.to_hex(merchant))
    assert row["data"] == journal.event_of(row).data.decode() == payment.data


async def test_who_reads_by_sql_gets_the_text_by_the_function_of_the_page(
    look: asyncpg.Connection,
) -> None:
    _, _, rest = PAGE.read_text().partition("```sql\n")
    function, _, _ = rest.partition("\nselect")
    await look.execute(f"set role tillgate_read; {function}")
    for stored in ["", "{}", "".join(PHRASES), *PHRASES, *PHRASES.values()]:
        assert await look.fetchval("select pg_temp.event_text($1)", stored) == lengthen(stored)
