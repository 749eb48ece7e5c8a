"""One transaction's worth of Changes: what it loads, decides and writes.

Law: a batch knows rows, not connections' fate; the long way is given a connection inside a
transaction and leaves COMMIT to `lane.py`, the short ways are one statement that commits itself.
Decisions see the rows as the Changes before them in the batch left them, and each row is written
once.
"""

import logging
from operator import attrgetter

import asyncpg
from msgspec.structs import replace

from gateway.adapters.postgres import fresh, ledger, paid
from gateway.adapters.postgres.merchant_rows import BY_KIND, BY_TYPE, LOADS, MerchantRows
from gateway.adapters.postgres.quick_submitted import PaidSubmitted
from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.submitted import Submitted
from gateway.adapters.postgres.writing import GuardLost, Writing
from gateway.domain import chart, ids
from gateway.domain.change import Change, Foreseen, Need
from gateway.domain.errors import TillgateError
from gateway.domain.events import Line
from gateway.domain.ledger import Account, BookBroken, Booked, Entry, book
from gateway.domain.lifecycle import IllegalTransition
from gateway.domain.payment import Payment

SQL = load(__file__.replace("batch", "commit"))

log = logging.getLogger("tillgate.commit")


class BatchRefused(Exception):
    """The batch as a whole cannot be answered otherwise than with `error`."""

    def __init__(self, error: TillgateError) -> None:
        super().__init__(error.code)
        self.error = error


_place_of = attrgetter("place")
_merchant_of = attrgetter("merchant_id")


class Batch:
    """The Changes of one transaction."""

    def __init__(self, changes: list[Submitted]) -> None:
        self.changes = changes
        self.way = "decide"
        self._paid = [each for each in changes if isinstance(each, PaidSubmitted)]
        self._writing = Writing()
        self._merchants: dict[str, MerchantRows] = {}
        self._dirty: dict[tuple[str, Need], None] = {}
        self._touched: dict[tuple[str, Need], None] = {}
        self._places: dict[tuple[str, Need], int] = {}
        self._bases: dict[str, int] = {}

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has to be read first: all are new payments."""
        return all(each.fresh is not None for each in self.changes)

    @property
    def is_paid(self) -> bool:
        """Whether all are paid payments, which have no other way."""
        return len(self._paid) == len(self.changes)

    @property
    def is_foreseen(self) -> bool:
        """Whether nothing has to be read first: all were decided on rows that were seen."""
        return all(each.foreseen is not None for each in self.changes)

    # --- the short ways --------------------------------------------------------------------------

    async def create(self, connection: asyncpg.Connection) -> bool:
        """Write and commit a batch of new payments in one statement, outside a transaction.

        False, and nothing is written, if not all of it was new.
        """
        ordered = sorted(self.changes, key=_place_of)
        payments = [each.fresh for each in ordered if each.fresh is not None]
        if not await fresh.create(connection, payments):
            return False
        self.way = "create"
        for submitted in ordered:
            submitted.wrote_fresh()
        return True

    async def pay(self, connection: asyncpg.Connection) -> None:
        """Write and commit a batch of paid payments in one statement, outside a transaction.

        If anything is not as it was seen nothing is written, and each of them is told so.
        """
        ordered = sorted(self._paid, key=_merchant_of)
        payments = [each.paid for each in ordered if each.paid is not None]
        is_written = await paid.pay(connection, payments)
        self.way = "pay"
        for submitted in ordered:
            if is_written:
                submitted.wrote_paid()
            else:
                submitted.lost_sight()

    async def write_foreseen(self, connection: asyncpg.Connection) -> bool:
        """Write and commit what was foreseen in one statement, outside a transaction.

        False, and nothing is written, if anything is not as it was seen.
        """
        writing, accounts = Writing(), _Movements()
        places = []
        try:
            for submitted in self.changes:
                change, foreseen = submitted.change, submitted.foreseen
                if foreseen is not None:
                    places.append(_write_foreseen(writing, accounts, change, foreseen))
            for account, before in accounts.changed():
                writing.move(account, before)
            bases = await writing.execute(connection)
        except (GuardLost, BookBroken, asyncpg.IntegrityConstraintViolationError):
            return False
        self.way = "foreseen"
        for submitted, told in zip(self.changes, places, strict=True):
            submitted.wrote_foreseen(bases[submitted.merchant_id], told)
        return True

    # --- the long way ----------------------------------------------------------------------------

    async def decide_and_write(self, connection: asyncpg.Connection) -> str:
        """Hold the heads, load, decide each Change again, write what was decided."""
        transaction = await self._hold_heads(connection)
        alive = [each for each in self.changes if each.error is None]
        await self._load(connection, alive)
        for submitted in alive:
            self._decide(submitted)
        await self._write(connection)
        for submitted in alive:
            submitted.settle()
        return transaction

    async def _hold_heads(self, connection: asyncpg.Connection) -> str:
        merchants = sorted({each.merchant_id for each in self.changes})
        records = await connection.fetch(
            SQL["hold_heads"].text, [ids.to_hex(merchant) for merchant in merchants]
        )
        for record in records:
            merchant = ids.from_uuid("mch", record["merchant_id"])
            self._merchants[merchant] = MerchantRows(merchant)
            self._bases[merchant] = record["seq"]
        for submitted in self.changes:
            submitted.begin_again()
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
            table, each = LOADS[kind]
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
                rows.accounts[key] = rows.accounts_loaded[key] = account

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
        for entry, booked in entries:
            since = [_since(rows, each) for each in booked]
            self._writing.post(entry, since, known=rows.accounts_loaded)
        for line in writes.lines:
            self._tell(rows, change, line)
        submitted.decided(writes, rows)

    def _tell(self, rows: MerchantRows, change: Change, line: Line) -> None:
        """Give a line its sequence, and its payment the way back to it."""
        prior = place = None
        if line.payment_id is not None:
            place = Need("payment", line.payment_id)
            if (change.merchant_id, place) not in self._dirty:
                raise GuardLost("a line about a payment whose row is not written")
            prior = rows.rows[place].last_sequence or None
        number = self._writing.tell(change, line, prior)
        if place is not None:
            self._places[(change.merchant_id, place)] = number
            sequence = self._bases[change.merchant_id] + number
            rows.rows[place] = replace(rows.rows[place], last_sequence=sequence)

    async def _write(self, connection: asyncpg.Connection) -> None:
        writing = self._writing
        for merchant, place in self._dirty:
            rows = self._merchants[merchant]
            writing.write(
                BY_KIND[place.kind],
                rows.rows[place],
                loaded=rows.loaded.get(place),
                sequence=self._places.get((merchant, place)),
            )
        for merchant, place in self._touched:
            if (merchant, place) not in self._dirty:
                writing.touch(BY_KIND[place.kind], merchant, place.key)
        for rows in self._merchants.values():
            for key, account in rows.accounts.items():
                before = rows.accounts_loaded.get(key)
                if account.postings != (0 if before is None else before.postings):
                    writing.move(account, before)
        if not writing.is_empty:
            await writing.execute(connection)


def _since(rows: MerchantRows, booked: Booked) -> Booked:
    """A posting whose balances and numbers count from what the accounts were loaded at."""
    posting = booked.posting
    debit = rows.accounts_loaded.get((posting.debit, posting.currency))
    credit = rows.accounts_loaded.get((posting.credit, posting.currency))
    return Booked(
        posting,
        booked.debit_balance - (0 if debit is None else debit.balance),
        booked.debit_number - (0 if debit is None else debit.postings),
        booked.credit_balance - (0 if credit is None else credit.balance),
        booked.credit_number - (0 if credit is None else credit.postings),
    )


class _Movements:
    """How accounts that nobody has loaded move: counted from nothing, so that none may fall."""

    def __init__(self) -> None:
        self._by_merchant: dict[str, dict[tuple[str, str], Account]] = {}

    def book(self, entry: Entry) -> tuple[Booked, ...]:
        """Book an entry. Raises `BookBroken` also where only a loaded balance would allow it."""
        accounts = self._by_merchant.setdefault(entry.merchant_id, {})
        for posting in entry.postings:
            for code in (posting.debit, posting.credit):
                if (code, posting.currency) not in accounts:
                    opened = chart.opened(entry.merchant_id, code, posting.currency)
                    accounts[(code, posting.currency)] = opened
        return book(entry, accounts)

    def changed(self) -> list[tuple[Account, Account]]:
        """The accounts and what they began from."""
        return [
            (account, chart.opened(account.merchant_id, account.code, account.currency))
            for accounts in self._by_merchant.values()
            for account in accounts.values()
        ]


def _write_foreseen(
    writing: Writing, accounts: _Movements, change: Change, foreseen: Foreseen
) -> dict[str, int]:
    """Gather what a Change foresees; the places of its lines, by the payment they are about."""
    writes = foreseen.writes
    priors = {row.id: row.last_sequence for row in foreseen.before if isinstance(row, Payment)}
    told: dict[str, int] = {}
    writing.take(change.merchant_id)
    for line in writes.lines:
        about = line.payment_id
        if about is None:
            writing.tell(change, line, None)
        else:
            told[about] = writing.tell(change, line, priors.get(about) or None)
    for row, before in zip(writes.rows, foreseen.before, strict=True):
        writing.write(
            BY_TYPE[type(row)],
            row,
            loaded=None if before is None else before.version,
            sequence=told.get(row.id) if isinstance(row, Payment) else None,
        )
    for entry in writes.entries:
        writing.post(entry, accounts.book(entry))
    return told
