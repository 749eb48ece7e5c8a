"""Waiting: payments whose payers have been given a code, as many as a round of callbacks needs.

Law: one of them is written through the system's own Changes; the others are copies of all its rows
(payment, attempt, journal), written by COPY with ids, numbers, amounts and places in their
merchants' journals of their own. So a notification may come for each, and the books hold. Nobody
else may write for these merchants meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

from benchmarks import processes
from benchmarks.fill import CHUNK_ROWS, COPY_S_MAX, Template, columns_of, copied, uuid_of
from benchmarks.house import CHANNEL, METHOD, House, Merchant
from gateway.channels.codec import HandedOut
from gateway.domain import ids
from gateway.domain import payment as payments
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Rows, Writes, all_new
from gateway.domain.payment import Payment

SUBJECT = "Green tea, 250 g"
EXPIRES_IN = timedelta(hours=2)
AMOUNTS = 100_000
MODEL_AMOUNT = 8_675_309  # like nothing else in its rows

Facts = dict[bytes, object]
Show = Callable[[Facts], bytes]


class Waiting(NamedTuple):
    """An attempt that waits for its payer: what a notification says of it. Amount in fen."""

    account_id: str
    order_no: str
    amount: int


class _Model(NamedTuple):
    payment: Show
    attempt: Show
    journal: Show
    events: int  # journal rows of one payment


async def write(
    house: House, merchants: Sequence[Merchant], prefix: str, count: int, *, core: int
) -> list[Waiting]:
    """`count` payments in the house's first shard, number n (eight digits) of merchant n modulo
    their number, over 1 + n modulo 100 000 fen. Postgres copies on `core`.

    The model is one more, under the number `<prefix>model`.
    """
    payment, attempt = await _written(house, merchants[0], prefix + "model")
    connection = await asyncpg.connect(house.dsns[0])
    try:
        model = await _learned(connection, merchants[0], payment, attempt)
        heads = await connection.fetch("select merchant_id, seq from heads")
        sequences = {row["merchant_id"]: row["seq"] for row in heads}
        made = list(_made(house, merchants, prefix, count, sequences, events=model.events))
        facts = [each for _, each in made]
        journal = _copy(house, "journal", model.journal, facts, core=core)
        await asyncio.gather(_copy(house, "payments", model.payment, facts, core=core), journal)
        await _copy(house, "attempts", model.attempt, facts, core=core)
        await connection.executemany(
            "update heads set seq = $2 where merchant_id = $1",
            [(uuid_of(each), sequences[uuid_of(each)]) for each in merchants],
        )
    finally:
        await connection.close()
    return [waiting for waiting, _ in made]


# --- the model ------------------------------------------------------------------------------------


async def _written(house: House, merchant: Merchant, number: str) -> tuple[Payment, Attempt]:
    payment, attempt = _values(house, merchant, number)
    await house.core.shards.submit(_created(payment, attempt))
    code = f"https://qr.example/{attempt.attempt_no}"
    handed_out = HandedOut({"type": "qr_code", "qr_code": code})
    await house.core.shards.submit(
        house.core.concluder.payment_change(attempt, handed_out, actor="benchmark", request_id=None)
    )
    return payment, attempt


def _values(house: House, merchant: Merchant, number: str) -> tuple[Payment, Attempt]:
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
        amount=MODEL_AMOUNT,
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
        amount=MODEL_AMOUNT,
        currency="CNY",
        subject=SUBJECT,
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
        foreseen=all_new(writes),
    )


async def _learned(
    connection: asyncpg.Connection, merchant: Merchant, payment: Payment, attempt: Attempt
) -> _Model:
    """How the model's rows look, with marks where each copy differs."""
    texts = {
        **_both_forms(b"payment", payment.id),
        **_both_forms(b"attempt", attempt.id),
        **_both_forms(b"account", merchant.account.id),
        str(uuid_of(merchant)).encode(): b"%(merchant)b",
        attempt.attempt_no.encode(): b"%(order_no)b",
        payment.merchant_order_no.encode(): b"%(number)b",
        str(MODEL_AMOUNT).encode(): b"%(amount)d",
    }
    of_merchant = f"merchant_id = '{uuid_of(merchant)}'"
    of_payment = f"{of_merchant} and %s = '{_uuid(payment.id)}'"
    events = await connection.fetch(
        f"select seq, prior from journal where {of_payment % 'object_id'} order by seq"
    )
    places = {row["seq"]: b"%%(seq%d)d" % n for n, row in enumerate(events)}

    async def template(table: str, where: str, **marks: bytes) -> Template:
        line = await copied(connection, f"select * from {table} where {where}")
        return Template(line, await columns_of(connection, table), marks, texts)

    last = places[events[-1]["seq"]]
    payments_ = await template("payments", of_payment % "payment_id", last_sequence=last)
    attempts = await template("attempts", of_payment % "payment_id")
    journal = b""
    for row in events:
        marks = {"seq": places[row["seq"]]}
        if row["prior"] is not None:
            marks["prior"] = places[row["prior"]]
        where = f"{of_merchant} and seq = {row['seq']}"
        journal += (await template("journal", where, **marks)).line
    return _Model(payments_.line.__mod__, attempts.line.__mod__, journal.__mod__, len(events))


def _both_forms(name: bytes, id_: str) -> dict[bytes, bytes]:
    """The marks of an id: as Postgres writes its UUID, and as text with its prefix."""
    return {
        str(_uuid(id_)).encode(): b"%%(%b)b" % name,
        id_.encode(): b"%%(%b_text)b" % name,
    }


def _uuid(id_: str) -> UUID:
    return UUID(hex=ids.to_hex(id_))


# --- the copies -----------------------------------------------------------------------------------


def _made(
    house: House,
    merchants: Sequence[Merchant],
    prefix: str,
    count: int,
    sequences: dict[UUID, int],
    *,
    events: int,
) -> Iterable[tuple[Waiting, Facts]]:
    """Each copy, and what distinguishes its rows; moves the merchants' sequences on."""
    make = house.core.ids.make
    owners = [
        {
            b"merchant": ids.to_hex(each.id).encode(),
            b"account": ids.to_hex(each.account.id).encode(),
            b"account_text": each.account.id.encode(),
        }
        for each in merchants
    ]
    for n in range(count):
        merchant = merchants[n % len(merchants)]
        payment, attempt = make("pay", merchant.id), make("att", merchant.id)
        seq = sequences[uuid_of(merchant)]
        sequences[uuid_of(merchant)] = seq + events
        waiting = Waiting(merchant.account.id, ids.number_of(attempt), 1 + n % AMOUNTS)
        yield (
            waiting,
            {
                **owners[n % len(owners)],
                b"payment": ids.to_hex(payment).encode(),
                b"payment_text": payment.encode(),
                b"attempt": ids.to_hex(attempt).encode(),
                b"attempt_text": attempt.encode(),
                b"order_no": waiting.order_no.encode(),
                b"number": b"%b%08d" % (prefix.encode(), n),
                b"amount": waiting.amount,
                **{b"seq%d" % k: seq + 1 + k for k in range(events)},
            },
        )


async def _copy(house: House, table: str, show: Show, facts: Sequence[Facts], *, core: int) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for begin in range(0, len(facts), CHUNK_ROWS):
            yield b"".join(map(show, facts[begin : begin + CHUNK_ROWS]))

    connection = await asyncpg.connect(house.dsns[0])
    try:
        processes.pin(connection.get_server_pid(), core)
        await connection.copy_to_table(table, source=lines(), timeout=COPY_S_MAX)
    finally:
        await connection.close()
