"""Reads of one merchant's objects, on the primary.

Law: a read by id is gathered with those that arrive while the one before it runs: one statement
for many requests, heads left-joined to the rows. An open head without a row means there is none;
no open head means that the merchant is being moved, and the reader waits and looks again.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from gateway.adapters.postgres import (
    attempts,
    callbacks,
    deliveries,
    journal,
    ledger,
    payments,
    refunds,
)
from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.commit import shard_unavailable
from gateway.adapters.postgres.shards import Shard, Shards
from gateway.adapters.postgres.tables import Table
from gateway.center.ports import Standing
from gateway.domain import ids
from gateway.domain.attempt import Attempt
from gateway.domain.events import Event
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund

GATHER_MAX = 256
MOVING_WAIT_S = 1.0
MOVING_POLL_S = 0.05
TIMELINE_EVENTS_MAX = 1_000
TIMELINE_DELIVERIES_MAX = 1_000
_LAST = "f" * 32


class Gather:
    """Reads by id on one shard; `decode` makes a value of a record's columns from the third on."""

    def __init__(self, shard: Shard, text: str, decode: Callable[[Any, int], Any]) -> None:
        self._shard = shard
        self._text = text
        self._decode = decode
        self._waiting: dict[tuple[str, str], list[asyncio.Future[Any]]] = {}
        self._task: asyncio.Task[None] | None = None

    def read(self, merchant_id: str, key: str) -> asyncio.Future[Any]:
        """The row of a merchant's id, or None."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.setdefault((merchant_id, key), []).append(future)
        if self._task is None:
            self._task = loop.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                taken = list(self._waiting.items())[:GATHER_MAX]
                for pair, _ in taken:
                    del self._waiting[pair]
                await self._answer(taken)
        finally:
            self._task = None

    async def _answer(self, taken: list[tuple[tuple[str, str], list[asyncio.Future[Any]]]]) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + MOVING_WAIT_S
        while taken:
            try:
                records = await self._shard.pool.fetch(
                    self._text,
                    [ids.to_hex(merchant) for (merchant, _), _ in taken],
                    [ids.to_hex(key) for (_, key), _ in taken],
                )
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                for _, futures in taken:
                    _fail(futures)
                return
            moving = []
            for record in records:
                pair, futures = taken[record[0] - 1]
                if record[1]:
                    row = None if record[2] is None else self._decode(record, 2)
                    for future in futures:
                        if not future.done():
                            future.set_result(row)
                elif loop.time() < give_up:
                    moving.append((pair, futures))
                else:
                    _fail(futures)
            taken = moving
            if taken:
                await asyncio.sleep(MOVING_POLL_S)


def _fail(futures: list[asyncio.Future[Any]]) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(shard_unavailable())


class PostgresReader:
    """The port `center.ports.Reader` over all shards."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._payments = {
            shard.number: Gather(shard, payments.SQL["read_by_id"].text, payments.TABLE.decode)
            for shard in shards.all
        }
        self._attempts = {
            shard.number: Gather(shard, attempts.SQL["read_by_id"].text, attempts.TABLE.decode)
            for shard in shards.all
        }
        self._refunds = {
            shard.number: Gather(shard, refunds.SQL["read_by_id"].text, refunds.TABLE.decode)
            for shard in shards.all
        }

        self._standings = {
            shard.number: Gather(shard, attempts.SQL["read_standing"].text, _standing)
            for shard in shards.all
        }

    async def _fetch(self, merchant_id: str, text: str, *args: Any) -> list[Any]:
        """Rows of a statement whose first parameter is the merchant."""
        return await self._run(merchant_id, text, ids.to_hex(merchant_id), *args)

    async def _run(self, merchant_id: str, text: str, *args: Any) -> list[Any]:
        try:
            return await self._shards.of(merchant_id).pool.fetch(text, *args)
        except (
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.OperatorInterventionError,
            OSError,
        ):
            raise shard_unavailable() from None

    async def _one(self, table: Table, merchant_id: str, text: str, *args: Any) -> Any:
        records = await self._fetch(merchant_id, text, *args)
        return table.decode(records[0]) if records else None

    async def payment(self, merchant_id: str, payment_id: str) -> Payment | None:
        """A payment by its id, gathered."""
        shard = self._shards.of(merchant_id)
        return await self._payments[shard.number].read(merchant_id, payment_id)

    async def refund(self, merchant_id: str, refund_id: str) -> Refund | None:
        """A refund by its id, gathered."""
        shard = self._shards.of(merchant_id)
        return await self._refunds[shard.number].read(merchant_id, refund_id)

    async def payment_by_number(self, merchant_id: str, number: str) -> Payment | None:
        """The payment with a merchant_order_no."""
        text = payments.SQL["read_by_number"].text
        return await self._one(payments.TABLE, merchant_id, text, number)

    async def payment_by_channel_order_no(
        self, merchant_id: str, number: str, channels: Sequence[str]
    ) -> Payment | None:
        """The payment that one of `channels` knows by `number`."""
        text = payments.SQL["read_by_channel_order_no"].text
        return await self._one(payments.TABLE, merchant_id, text, number, list(channels))

    async def payments(
        self,
        merchant_id: str,
        *,
        before: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        status: str | None,
        limit: int,
    ) -> list[Payment]:
        """A page of payments, newest first; `before` is the id behind which it begins."""
        text = payments.SQL["list_page"].text
        first, last = _bounds(before, created_from, created_to)
        records = await self._fetch(merchant_id, text, last, first, status, limit)
        return [payments.TABLE.decode(record) for record in records]

    async def refunds(
        self,
        merchant_id: str,
        *,
        before: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        payment_id: str | None,
        status: str | None,
        limit: int,
    ) -> list[Refund]:
        """A page of refunds, newest first."""
        text = refunds.SQL["list_page"].text
        first, last = _bounds(before, created_from, created_to)
        about = None if payment_id is None else ids.to_hex(payment_id)
        records = await self._fetch(merchant_id, text, last, first, about, status, limit)
        return [refunds.TABLE.decode(record) for record in records]

    async def attempt(self, merchant_id: str, attempt_id: str) -> Attempt | None:
        """An attempt by its id, gathered."""
        shard = self._shards.of(merchant_id)
        return await self._attempts[shard.number].read(merchant_id, attempt_id)

    async def standing(self, merchant_id: str, attempt_id: str) -> Standing | None:
        """An attempt by its id with its payment, gathered."""
        shard = self._shards.of(merchant_id)
        return await self._standings[shard.number].read(merchant_id, attempt_id)

    async def attempts_of(self, merchant_id: str, payment_id: str) -> list[Attempt]:
        """The attempts of a payment, in their order."""
        text = attempts.SQL["read_by_payment"].text
        records = await self._fetch(merchant_id, text, ids.to_hex(payment_id))
        return [attempts.TABLE.decode(record) for record in records]

    async def attempts_by_channel_order_nos(
        self, merchant_id: str, channel: str, numbers: Sequence[str]
    ) -> list[Attempt]:
        """The attempts that a channel knows by some numbers, in no order."""
        text = attempts.SQL["read_by_numbers"].text
        records = await self._fetch(merchant_id, text, channel, list(numbers))
        return [attempts.TABLE.decode(record) for record in records]

    async def refund_by_number(self, merchant_id: str, number: str) -> Refund | None:
        """The refund with a merchant_refund_no."""
        text = refunds.SQL["read_by_number"].text
        return await self._one(refunds.TABLE, merchant_id, text, number)

    async def refunds_of(self, merchant_id: str, payment_id: str) -> list[Refund]:
        """The refunds of a payment, oldest first."""
        text = refunds.SQL["read_by_payment"].text
        records = await self._fetch(merchant_id, text, ids.to_hex(payment_id))
        return [refunds.TABLE.decode(record) for record in records]

    async def events_of_payment(self, payment: Payment) -> list[Event]:
        """The events about a payment and its refunds, oldest first."""
        text = journal.SQL["of_payment"].text
        records = await self._fetch(
            payment.merchant_id,
            text,
            payment.last_sequence,
            TIMELINE_EVENTS_MAX,
        )
        return [journal.event_of(record) for record in records]

    async def callbacks_of(
        self, merchant_id: str, attempt_ids: Sequence[str]
    ) -> list[dict[str, Any]]:
        """The applied callbacks of some attempts, with `dedupe_key, channel, received_at`."""
        text = callbacks.SQL["read_by_attempts"].text
        keys = [ids.to_hex(each) for each in attempt_ids]
        return [dict(record) for record in await self._fetch(merchant_id, text, keys)]

    async def entries_of(self, merchant_id: str, references: Sequence[str]) -> list[dict[str, Any]]:
        """The postings of the entries about some objects, with `entry_id, reason, at`."""
        text = ledger.SQL["entries_of"].text
        keys = [ids.to_hex(each) for each in references]
        return [dict(record) for record in await self._fetch(merchant_id, text, keys)]

    async def deliveries_of(
        self, merchant_id: str, sequences: Sequence[int]
    ) -> list[dict[str, Any]]:
        """The deliveries of some events, with `url, status, tries, last_status, last_error`."""
        statement = deliveries.SQL["read_by_sequence"]
        text, *values = bind(
            statement,
            merchant_id=ids.to_hex(merchant_id),
            seqs=list(sequences),
            limit=TIMELINE_DELIVERIES_MAX,
        )
        return [dict(row) for row in await self._run(merchant_id, text, *values)]

    async def balances(self, merchant_id: str, codes: Sequence[str]) -> list[dict[str, Any]]:
        """The balances of a merchant's accounts: `code, currency, balance`."""
        text = ledger.SQL["balances"].text
        return [dict(record) for record in await self._fetch(merchant_id, text, list(codes))]

    async def trial_balance(self, merchant_id: str) -> list[dict[str, Any]]:
        """Every account of a merchant: `code, currency, side, balance, postings`."""
        text = ledger.SQL["trial_balance"].text
        return [dict(record) for record in await self._fetch(merchant_id, text)]

    async def transactions(
        self, merchant_id: str, *, code: str, currency: str, before: int, limit: int
    ) -> list[dict[str, Any]]:
        """A page of what moved one account, newest first."""
        statement = ledger.SQL["transactions"]
        text, *values = bind(
            statement,
            merchant_id=ids.to_hex(merchant_id),
            code=code,
            currency=currency,
            before=before,
            limit=limit,
        )
        return [dict(each) for each in await self._run(merchant_id, text, *values)]


_PAYMENT_AT = len(attempts.TABLE.fields)
_UNEXPECTED_AT = _PAYMENT_AT + len(payments.TABLE.fields)


def _standing(record: Any, at: int) -> Standing:
    return Standing(
        attempts.TABLE.decode(record, at),
        payments.TABLE.decode(record, at + _PAYMENT_AT),
        record[at + _UNEXPECTED_AT],
    )


def _bounds(
    before: str | None, created_from: datetime | None, created_to: datetime | None
) -> tuple[str, str]:
    """The ids between which a page lies; ids begin with the millisecond of their making."""
    first = "0" * 32 if created_from is None else ids.first_at(_ms_up(created_from))
    last = _LAST if created_to is None else ids.first_at(_ms_up(created_to))
    if before is not None:
        last = min(last, ids.to_hex(before))
    return first, last


def _ms_up(moment: datetime) -> int:
    whole, rest = divmod(int(moment.timestamp() * 1_000_000), 1000)
    return max(0, min(whole + (rest > 0), 2**48 - 1))
