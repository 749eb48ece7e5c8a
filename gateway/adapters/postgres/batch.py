"""One transaction's worth of Changes: what it loads, decides and writes.

Law: a batch knows rows, not connections' fate; the long way is given a connection inside a
transaction and leaves COMMIT to `lane.py`, the short way is one statement that commits itself.
Decisions see the rows as the Changes before them in the batch left them, and each row is written
once.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol

import asyncpg
from msgspec.structs import replace

from gateway.adapters.postgres import (
    attempts,
    callbacks,
    fresh,
    ledger,
    notify_secrets,
    payer_keys,
    payments,
    refunds,
    unexpected_funds,
    webhook_endpoints,
)
from gateway.adapters.postgres.journal import Told
from gateway.adapters.postgres.journal import arrays as journal_arrays
from gateway.adapters.postgres.journal import insert as insert_journal
from gateway.adapters.postgres.statements import Statement, chain, load
from gateway.adapters.postgres.tables import Load, Table
from gateway.domain import chart, ids
from gateway.domain.change import Change, Need, Writes
from gateway.domain.errors import TillgateError
from gateway.domain.fresh import FreshPayment
from gateway.domain.ledger import Account, BookBroken, Booked, Entry, book
from gateway.domain.lifecycle import IllegalTransition
from gateway.domain.payment import Payment

SQL = load(__file__.replace("batch", "commit"))

TABLES: tuple[Table, ...] = (
    payments.TABLE,
    attempts.TABLE,
    refunds.TABLE,
    unexpected_funds.TABLE,
    callbacks.TABLE,
    payer_keys.TABLE,
    webhook_endpoints.TABLE,
    notify_secrets.TABLE,
)
_BY_KIND: dict[str, Table] = {table.kind: table for table in TABLES}
_LOADS: dict[str, tuple[Table, Load]] = {
    kind: (table, each) for table in TABLES for kind, each in table.loads.items()
}

log = logging.getLogger("tillgate.commit")


class BatchRefused(Exception):
    """The batch as a whole cannot be answered otherwise than with `error`."""

    def __init__(self, error: TillgateError) -> None:
        super().__init__(error.code)
        self.error = error


class GuardLost(Exception):
    """A guarded write hit fewer rows than it was given: somebody wrote without the head."""


NOTHING = Writes()
FRESH_TYPES = ("payment.created",)

_place_of = attrgetter("place")


class Submitted:
    """A Change in the committer's hands, and what became of it.

    `place` names merchant and number of a create; `fresh` is what it writes the short way; `types`
    are the events that it told.
    """

    __slots__ = (
        "_change",
        "_future",
        "at",
        "error",
        "followers",
        "fresh",
        "merchant_id",
        "place",
        "rows",
        "types",
        "writes",
    )

    def __init__(self, change: Change, future: asyncio.Future[Writes], at: float) -> None:
        number = change.number
        self._change: Change | None = change
        self._future: asyncio.Future[Writes] | None = future
        self.merchant_id = change.merchant_id
        self.place = None if number is None else (change.merchant_id, number.kind, number.key)
        self.fresh = fresh.fresh_of(change)
        self.at = at
        self.error: BaseException | None = None
        self.writes: Writes = NOTHING
        self.rows: MerchantRows | None = None
        self.followers: list[Submitted] | None = None
        self.types: Sequence[str] = ()

    @property
    def change(self) -> Change:
        """What is to be decided."""
        assert self._change is not None
        return self._change

    def follow(self, follower: "Submitted") -> None:
        """Let an equal create wait for this one's row."""
        if self.followers is None:
            self.followers = []
        self.followers.append(follower)

    def wrote_fresh(self) -> None:
        """It was written the short way."""
        self.error = None
        self.writes = self.change.fresh or NOTHING
        self.types = FRESH_TYPES
        if self.followers:
            self.rows = _rows_of(self.writes, self.merchant_id)

    def succeed(self) -> None:
        """It is durable: tell whoever submitted it, unless he was told otherwise."""
        assert self._future is not None
        if not self._future.done():
            self._future.set_result(self.writes)

    def fail(self, error: BaseException) -> None:
        """Tell whoever submitted it, unless he was told before."""
        assert self._future is not None
        if not self._future.done():
            self._future.set_exception(error)


class Quick(Protocol):
    """A fresh payment whose submitter waits for no future: he is called, at most once.

    `done`: it is durable as it is. `became`: it went the long way, with this outcome. `failed`: as
    a future's exception. `change` makes the same Change that the long way decides.
    """

    @property
    def fresh(self) -> FreshPayment: ...
    def change(self) -> Change: ...
    def done(self) -> None: ...
    def became(self, writes: Writes) -> None: ...
    def failed(self, error: BaseException) -> None: ...


class QuickSubmitted(Submitted):
    """A quick payment in the committer's hands; its Change is made only if it is needed."""

    __slots__ = ("_is_told", "_quick", "_went_short")

    def __init__(self, quick: Quick, at: float) -> None:
        # Submitted's own beginning would make the Change.
        self._quick = quick
        self._is_told = False
        self._went_short = False
        self._change = None
        self.fresh = written = quick.fresh
        self.merchant_id = written.merchant_id
        self.place = (written.merchant_id, "payment_no", written.merchant_order_no)
        self.at = at
        self.error = None
        self.rows = None
        self.followers = None
        self.types = ()

    @property
    def change(self) -> Change:
        """What is to be decided, made when it is first asked for."""
        if self._change is None:
            self._change = self._quick.change()
        return self._change

    def wrote_fresh(self) -> None:
        """It was written the short way."""
        self.error = None
        self._went_short = True
        self.types = FRESH_TYPES
        if self.followers:
            self.writes = self.change.fresh or NOTHING
            self.rows = _rows_of(self.writes, self.merchant_id)

    def succeed(self) -> None:
        """It is durable: tell whoever submitted it, unless he was told otherwise."""
        if self._is_told:
            return
        self._is_told = True
        if self._went_short:
            self._quick.done()
        else:
            self._quick.became(self.writes)

    def fail(self, error: BaseException) -> None:
        """Tell whoever submitted it, unless he was told before."""
        if not self._is_told:
            self._is_told = True
            self._quick.failed(error)


class MerchantRows:
    """The rows of one merchant within a batch, under every key by which they were asked for."""

    __slots__ = ("accounts", "accounts_loaded", "loaded", "merchant_id", "rows")

    def __init__(self, merchant_id: str) -> None:
        self.merchant_id = merchant_id
        self.rows: dict[Need, Any] = {}
        self.loaded: dict[Need, int] = {}  # versions as stored, by place
        self.accounts: dict[tuple[str, str], Account] = {}
        self.accounts_loaded: dict[tuple[str, str], int] = {}

    def get(self, need: Need) -> Any:
        """The row, or None. Rows are kept by place; other keys lead there."""
        found = self.rows.get(need)
        return self.rows.get(found) if type(found) is Need else found

    def account(self, code: str, currency: str) -> Account:
        """The account, opened empty if it does not exist."""
        key = (code, currency)
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = chart.opened(self.merchant_id, code, currency)
        return account

    def keep(self, row: Any) -> None:
        """Keep a row under its place, and its place under every other key."""
        place = row.place
        self.rows[place] = row
        for kind, each in _BY_KIND[place.kind].loads.items():
            if kind != place.kind:
                self.rows[Need(kind, each.key_of(row))] = place


def _rows_of(writes: Writes, merchant_id: str) -> MerchantRows:
    rows = MerchantRows(merchant_id)
    for row in writes.rows:
        rows.keep(row)
    return rows


class Batch:
    """The Changes of one transaction."""

    def __init__(self, changes: list[Submitted]) -> None:
        self.changes = changes
        self.went_short = False
        self._merchants: dict[str, MerchantRows] = {}
        self._dirty: dict[tuple[str, Need], None] = {}
        self._touched: dict[tuple[str, Need], None] = {}
        self._entries: list[tuple[Entry, tuple[Booked, ...]]] = []
        self._told: list[Told] = []
        self._seqs: dict[str, int] = {}

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has to be read first: all are new payments."""
        return all(each.fresh is not None for each in self.changes)

    # --- the short way ---------------------------------------------------------------------------

    async def create(self, connection: asyncpg.Connection) -> bool:
        """Write and commit a batch of new payments in one statement, outside a transaction.

        False, and nothing is written, if not all of it was new.
        """
        ordered = sorted(self.changes, key=_place_of)
        payments = [each.fresh for each in ordered if each.fresh is not None]
        if not await fresh.create(connection, payments):
            return False
        self.went_short = True
        for submitted in ordered:
            submitted.wrote_fresh()
        return True

    # --- the long way ----------------------------------------------------------------------------

    async def decide_and_write(self, connection: asyncpg.Connection) -> str:
        """Take the heads, load, decide each Change again, write what was decided."""
        self.went_short = False
        transaction = await self._take_heads(connection)
        alive = [each for each in self.changes if each.error is None]
        await self._load(connection, alive)
        for submitted in alive:
            self._decide(submitted)
        await self._write(connection)
        return transaction

    async def _take_heads(self, connection: asyncpg.Connection) -> str:
        merchants = sorted({each.merchant_id for each in self.changes})
        records = await connection.fetch(
            SQL["take_heads"].text, [ids.to_hex(merchant) for merchant in merchants]
        )
        for record in records:
            merchant = ids.from_uuid("mch", record["merchant_id"])
            self._merchants[merchant] = MerchantRows(merchant)
            self._seqs[merchant] = record["seq"]
        for submitted in self.changes:
            submitted.writes = NOTHING
            submitted.types = ()
            submitted.error = None
            if submitted.merchant_id not in self._merchants:
                submitted.error = TillgateError(
                    "shard_unavailable", "The merchant is being moved; nothing was recorded."
                )
        return records[0]["transaction"] if records else "0"

    async def _load(self, connection: asyncpg.Connection, alive: list[Submitted]) -> None:
        wanted: dict[str, dict[tuple[str, str], None]] = {}
        accounts: dict[tuple[str, str, str], None] = {}
        for submitted in alive:
            change = submitted.change
            for need in change.needs:
                wanted.setdefault(need.kind, {})[(change.merchant_id, need.key)] = None
            for code, currency in change.accounts:
                accounts[(change.merchant_id, code, currency)] = None
        for kind, keys in wanted.items():
            table, each = _LOADS[kind]
            pairs = sorted(keys)
            records = await connection.fetch(
                each.statement.text,
                [ids.to_hex(merchant) for merchant, _ in pairs],
                *each.key_arrays([key for _, key in pairs]),
            )
            for record in records:
                row = table.decode(record)
                rows = self._merchants[row.merchant_id]
                if row.place not in rows.loaded:
                    rows.keep(row)
                    rows.loaded[row.place] = row.version
        if accounts:
            for account in await ledger.load_accounts(connection, sorted(accounts)):
                rows = self._merchants[account.merchant_id]
                key = (account.code, account.currency)
                rows.accounts[key] = account
                rows.accounts_loaded[key] = account.postings

    def _decide(self, submitted: Submitted) -> None:
        """Decide a Change on the present rows; one that fails leaves no trace."""
        change = submitted.change
        rows = self._merchants[change.merchant_id]
        try:
            writes = change.decide(rows)
            accounts = dict(rows.accounts)
            for code, currency in change.accounts:
                accounts.setdefault((code, currency), rows.account(code, currency))
            entries = [(entry, book(entry, accounts)) for entry in writes.entries]
        except TillgateError as error:
            submitted.error = error
            return
        except (BookBroken, IllegalTransition, KeyError, ValueError, TypeError) as error:
            log.exception("a decision broke an invariant; nothing was written")
            submitted.error = error
            return
        rows.accounts = accounts
        for row in writes.rows:
            if rows.rows.get(row.place) is not row:
                rows.keep(row)
                self._dirty[(change.merchant_id, row.place)] = None
        for place in writes.touched:
            self._touched[(change.merchant_id, place)] = None
        self._entries.extend(entries)
        self._told.extend([self._tell(rows, change, line) for line in writes.lines])
        submitted.types = [line.type for line in writes.lines]
        submitted.writes = writes
        submitted.rows = rows

    def _tell(self, rows: MerchantRows, change: Change, line: Any) -> Told:
        """Give a line its sequence, and its payment the way back to it."""
        seq = self._seqs[change.merchant_id] = self._seqs[change.merchant_id] + 1
        prior = None
        if line.payment_id is not None:
            place = Need("payment", line.payment_id)
            payment: Payment = rows.rows[place]
            prior = payment.last_sequence or None
            rows.rows[place] = replace(payment, last_sequence=seq)
            if (change.merchant_id, place) not in self._dirty:
                raise GuardLost("a line about a payment whose row is not written")
        return Told(change, line, seq, prior)

    async def _write(self, connection: asyncpg.Connection) -> None:
        statements: list[Statement] = []
        arguments: list[list[Any]] = []
        expected: list[int] = []

        def add(statement: Statement, arrays: Iterable[list[Any]], count: int) -> None:
            statements.append(statement)
            arguments.extend(arrays)
            expected.append(count)

        by_table: dict[str, list[tuple[Any, int | None]]] = {}
        for merchant, place in self._dirty:
            rows = self._merchants[merchant]
            by_table.setdefault(place.kind, []).append((rows.rows[place], rows.loaded.get(place)))
        for kind, pairs in by_table.items():
            table = _BY_KIND[kind]
            new = [row for row, loaded in pairs if loaded is None]
            old = [(row, loaded) for row, loaded in pairs if loaded is not None]
            if new:
                add(table.insert, table.insert_arrays(new), len(new))
            if old:
                if table.update is None:
                    raise GuardLost(f"{kind} rows are never changed")
                arrays = table.update_arrays([row for row, _ in old], [v for _, v in old])
                add(table.update, arrays, len(old))
        self._add_touches(add)
        for statement, arrays, count in ledger.writes(self._entries, self._changed_accounts()):
            add(statement, arrays, count)
        if self._told:
            add(insert_journal, journal_arrays(self._told), len(self._told))
            moved = sorted({told.change.merchant_id for told in self._told})
            seqs = [self._seqs[merchant] for merchant in moved]
            add(SQL["count_heads"], [[ids.to_hex(m) for m in moved], seqs], len(moved))
        if not statements:
            return
        record = await connection.fetchrow(chain(statements), *arguments)
        if list(record) != expected:
            raise GuardLost(f"expected {expected} rows, wrote {list(record)}")

    def _add_touches(self, add: Any) -> None:
        by_kind: dict[str, list[tuple[str, str]]] = {}
        for merchant, place in self._touched:
            if (merchant, place) not in self._dirty:
                by_kind.setdefault(place.kind, []).append((merchant, place.key))
        for kind, pairs in by_kind.items():
            touch = _BY_KIND[kind].touch
            if touch is None:
                raise GuardLost(f"{kind} rows count no repeats")
            arrays = [[ids.to_hex(m) for m, _ in pairs], [ids.to_hex(key) for _, key in pairs]]
            add(touch, arrays, len(pairs))

    def _changed_accounts(self) -> list[tuple[Account, int | None]]:
        changed = []
        for rows in self._merchants.values():
            for key, account in rows.accounts.items():
                loaded = rows.accounts_loaded.get(key)
                if account.postings != (loaded or 0):
                    changed.append((account, loaded))
        return changed
