"""One transaction's worth of Changes: what it loads, decides and writes.

Law: a batch knows rows, not connections' fate; it is given a connection inside a transaction and
leaves COMMIT to `commit.py`. Decisions see the rows as the Changes before them in the batch left
them, and each row is written once.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import asyncpg
from msgspec.structs import replace

from gateway.adapters.postgres import (
    attempts,
    callbacks,
    fresh,
    ledger,
    notify_secrets,
    offline_receipts,
    payer_keys,
    payments,
    refunds,
    statement_lines,
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
from gateway.domain.ledger import Account, BookBroken, Booked, Entry, book
from gateway.domain.lifecycle import IllegalTransition
from gateway.domain.payment import Payment

SQL = load(__file__.replace("batch", "commit"))

TABLES: tuple[Table, ...] = (
    payments.TABLE,
    attempts.TABLE,
    refunds.TABLE,
    unexpected_funds.TABLE,
    statement_lines.TABLE,
    statement_lines.TALLIES,
    offline_receipts.TABLE,
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


class Submitted:
    """A Change in the committer's hands, and what became of it."""

    __slots__ = ("at", "change", "error", "followers", "future", "rows", "told", "writes")

    def __init__(self, change: Change, future: asyncio.Future[Writes], at: float) -> None:
        self.change = change
        self.future = future
        self.at = at
        self.error: BaseException | None = None
        self.writes: Writes = NOTHING
        self.rows: MerchantRows | None = None
        self.followers: list[Submitted] = []
        self.told: list[Told] = []


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


def _place(submitted: Submitted) -> tuple[str, Need | None]:
    return submitted.change.merchant_id, submitted.change.number


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
        return all(fresh.is_fresh(each.change) for each in self.changes)

    # --- the short way ---------------------------------------------------------------------------

    async def create(self, connection: asyncpg.Connection) -> str | None:
        """Write a batch of new payments in one statement; None if not all of it was new."""
        ordered = sorted(self.changes, key=_place)
        written = await fresh.create(connection, [each.change for each in ordered])
        if written is None:
            return None
        transaction, lines = written
        self.went_short = True
        for submitted, line in zip(ordered, lines, strict=True):
            change = submitted.change
            submitted.error = None
            submitted.writes = writes = change.fresh or NOTHING
            submitted.told = [Told(change, writes.lines[0], line, None)]
            if submitted.followers:
                submitted.rows = _rows_of(writes, change.merchant_id)
        return transaction

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
        merchants = sorted({each.change.merchant_id for each in self.changes})
        records = await connection.fetch(
            SQL["take_heads"].text, [ids.to_hex(merchant) for merchant in merchants]
        )
        for record in records:
            merchant = ids.from_uuid("mch", record["merchant_id"])
            self._merchants[merchant] = MerchantRows(merchant)
            self._seqs[merchant] = record["seq"]
        for submitted in self.changes:
            submitted.writes = NOTHING
            submitted.told = []
            submitted.error = None
            if submitted.change.merchant_id not in self._merchants:
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
        for line in writes.lines:
            submitted.told.append(self._tell(rows, change, line))
        self._told.extend(submitted.told)
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
