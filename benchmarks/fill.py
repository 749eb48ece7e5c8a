"""Fill: a table of millions of payments, written by COPY as a system would have left them.

Law: every filled row is a copy of a real one that the gateway wrote, with an id, a number and a
place in its merchant's journal of its own, and with its journal row; so the books hold and the
table has whatever columns the schema gives it. Merchants are filled one after the other, which
leaves their keys in the order in which time would have written them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

import asyncpg

from benchmarks import processes
from benchmarks.house import House, Merchant
from benchmarks.load import RunVoid
from gateway.domain import ids

CHUNK_ROWS = 2_000
START_MS = 1_700_000_000_000  # the ids of filled rows lie before those of today
ROWS_PER_MS = 4
NUMBER = "filled-{:012d}"
COPY_S_MAX = 3_600.0


class Template:
    """One row of a table as COPY writes it, with marks where each copy differs.

    `marks` take the place of whole columns, `texts` that of a text wherever it stands in others.
    """

    def __init__(
        self,
        line: bytes,
        columns: Sequence[str],
        marks: Mapping[str, bytes],
        texts: Mapping[bytes, bytes],
    ) -> None:
        values = line.rstrip(b"\n").replace(b"%", b"%%").split(b"\t")
        for number, name in enumerate(columns):
            for text, mark in texts.items():
                values[number] = values[number].replace(text, mark)
            values[number] = marks.get(name, values[number])
        self.line = b"\t".join(values) + b"\n"


class Filling:
    """The filling of one house's first shard, from a real payment of its first merchant."""

    def __init__(self, house: House, *, core: int) -> None:
        self.house = house
        self.filled = 0
        self._core = core
        self._payment = self._journal = Template(b"", (), {}, {})

    async def learn(self, number: str) -> None:
        """Take the payment with this number as the model of all. Raises `RunVoid`."""
        connection = await asyncpg.connect(self.house.dsns[0])
        try:
            row = await connection.fetchrow(
                "select merchant_id, payment_id, last_sequence from payments"
                " where merchant_order_no = $1",
                number,
            )
            if row is None:
                raise RunVoid(f"there is no payment {number} to fill from")
            payment = await copied(
                connection, f"select * from payments where payment_id = '{row['payment_id']}'"
            )
            journal = await copied(
                connection,
                f"select * from journal where merchant_id = '{row['merchant_id']}'"
                f" and seq = {row['last_sequence']}",
            )
            self._payment = Template(
                payment,
                await columns_of(connection, "payments"),
                {
                    "merchant_id": b"%(merchant)b",
                    "payment_id": b"%(id)b",
                    "merchant_order_no": b"%(number)b",
                    "last_sequence": b"%(seq)d",
                },
                {},
            )
            text_id = ids.from_uuid("pay", row["payment_id"]).encode()
            self._journal = Template(
                journal,
                await columns_of(connection, "journal"),
                {"merchant_id": b"%(merchant)b", "object_id": b"%(id)b", "seq": b"%(seq)d"},
                {text_id: b"%(text_id)b", number.encode(): b"%(number)b"},
            )
        finally:
            await connection.close()

    async def clear(self) -> None:
        """Take all payments of the merchants away, with everything that was told of them."""
        connection = await asyncpg.connect(self.house.dsns[0])
        try:
            merchants = [uuid_of(each) for each in self.house.merchants]
            await connection.execute("truncate payments cascade")
            await connection.execute(
                "delete from journal where merchant_id = any($1::uuid[])", merchants
            )
            await connection.execute(
                "update heads set seq = 0 where merchant_id = any($1::uuid[])", merchants
            )
        finally:
            await connection.close()
        self.filled = 0

    async def grow(self, count: int) -> None:
        """Fill until `count` payments are from here. Nobody else may write meanwhile."""
        each = (count - self.filled) // len(self.house.merchants)
        if each > 0:
            connection = await asyncpg.connect(self.house.dsns[0])
            try:
                sequences = {
                    row["merchant_id"]: row["seq"]
                    for row in await connection.fetch("select merchant_id, seq from heads")
                }
                places = [
                    (merchant, sequences[uuid_of(merchant)]) for merchant in self.house.merchants
                ]
                await asyncio.gather(
                    self._fill("payments", self._payment, places, each),
                    self._fill("journal", self._journal, places, each),
                )
                await connection.execute(
                    "update heads set seq = seq + $1 where merchant_id = any($2::uuid[])",
                    each,
                    [uuid_of(merchant) for merchant in self.house.merchants],
                )
            finally:
                await connection.close()
            self.filled += each * len(self.house.merchants)
        await self._tidy()

    async def _fill(
        self, table: str, template: Template, places: Sequence[tuple[Merchant, int]], each: int
    ) -> None:
        connection = await asyncpg.connect(self.house.dsns[0])
        try:
            # The measured core is idle meanwhile.
            processes.pin(connection.get_server_pid(), self._core)
            await connection.copy_to_table(
                table,
                source=self._lines(template, places, each),
                timeout=COPY_S_MAX,
            )
        finally:
            await connection.close()

    async def _lines(
        self, template: Template, places: Sequence[tuple[Merchant, int]], each: int
    ) -> AsyncIterator[bytes]:
        line = template.line
        with_text = b"%(text_id)b" in line
        first = self.filled // len(places)
        for merchant, seq in places:
            owner = ids.to_hex(merchant.id).encode()
            bucket = ids.bucket_of(merchant.id)
            for begin in range(0, each, CHUNK_ROWS):
                yield b"".join(
                    [
                        line % _facts(owner, bucket, first + n, seq + n + 1, with_text=with_text)
                        for n in range(begin, min(each, begin + CHUNK_ROWS))
                    ]
                )

    async def _tidy(self) -> None:
        """What autovacuum would otherwise begin in the middle of a round."""
        for dsn in self.house.dsns:
            connection = await asyncpg.connect(dsn, command_timeout=COPY_S_MAX)
            try:
                await connection.execute("vacuum analyze payments")
                await connection.execute("vacuum analyze journal")
                await connection.execute("checkpoint")
            finally:
                await connection.close()


def uuid_of(merchant: Merchant) -> UUID:
    """A merchant's id as the database keeps it."""
    return UUID(hex=ids.to_hex(merchant.id))


def _facts(
    owner: bytes, bucket: int, number: int, seq: int, *, with_text: bool
) -> dict[bytes, object]:
    """What distinguishes filled payment `number` of a merchant."""
    # A UUIDv7: time, version and bucket, variant and the rest (here a count).
    text = f"{START_MS + number // ROWS_PER_MS:012x}7{bucket:03x}{1 << 63 | number:016x}"
    return {
        b"merchant": owner,
        b"id": text.encode(),
        b"text_id": ids.from_uuid("pay", UUID(hex=text)).encode() if with_text else b"",
        b"number": NUMBER.format(number).encode(),
        b"seq": seq,
    }


async def copied(connection: asyncpg.Connection, query: str) -> bytes:
    """The one row of a query as COPY writes it. The query holds only what Postgres told."""
    parts: list[bytes] = []

    async def take(data: bytes) -> None:
        parts.append(bytes(data))

    await connection.copy_from_query(query, output=take)
    return b"".join(parts)


async def columns_of(connection: asyncpg.Connection, table: str) -> list[str]:
    """The names of a table's columns, in the order in which COPY writes them."""
    rows = await connection.fetch(
        "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0"
        " and not attisdropped order by attnum",
        table,
    )
    return [row["attname"] for row in rows]
