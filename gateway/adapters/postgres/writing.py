"""What one transaction writes: lines gathered part by part, and the one statement that writes them.

Law: both ways of a commit write by this statement. It first takes the heads of its merchants and
touches nothing else unless all of them are open; sequences, running balances and their numbers
count from what it finds there. A part that does not write exactly the lines it was given divides
by zero on purpose: nothing of the statement is kept.
"""

from collections.abc import Container, Sequence
from typing import Any

import asyncpg

from fastpath.row import row_lines
from gateway.adapters.postgres import journal, ledger
from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Part, Table, part
from gateway.domain.change import Change
from gateway.domain.events import Line
from gateway.domain.ledger import Account, Booked, Entry, Posting

TAKE_HEADS = part("commit", load(__file__.replace("writing", "commit"))["take_heads"])

ACCOUNTS_BEFORE = (
    "select array_agg(m.balance order by m.place) as balances,"
    f" array_agg(m.postings order by m.place) as numbers from {ledger.MOVE_ACCOUNTS.name} m"
)
NO_ACCOUNTS_BEFORE = "select null::bigint[] as balances, null::bigint[] as numbers"

Lines = list[tuple[Any, ...]]
Key = tuple[str, str]


class GuardLost(Exception):
    """A part wrote other rows than it was given: something moved, or was there already."""


class Writing:
    """The lines of one transaction, by part; sequences count from the merchants' heads."""

    def __init__(self) -> None:
        self._lines: dict[str, Lines] = {}
        self._parts: dict[str, Part] = {}
        self._told: dict[str, int] = {}
        self._heads: dict[str, int] = {}
        self._accounts: dict[tuple[str, str, str], int] = {}

    # --- gathering -------------------------------------------------------------------------------

    def take(self, merchant_id: str) -> int:
        """Take a merchant's head; its place among those that are taken."""
        place = self._heads.get(merchant_id)
        if place is None:
            place = self._heads[merchant_id] = len(self._heads) + 1
            self._told[merchant_id] = 0
        return place

    def tell(self, change: Change, line: Line, prior: int | None) -> int:
        """Tell a line; its sequence after its head's. `prior` is the newest about its payment."""
        head = self.take(change.merchant_id)
        self._told[change.merchant_id] = sequence = self._told[change.merchant_id] + 1
        self._add(journal.INSERT, journal.told(change, line, sequence, prior, head=head))
        return sequence

    def write(self, table: Table, row: Any, *, loaded: int | None, sequence: int | None) -> None:
        """Write a row: a new one, or one whose stored version is `loaded`."""
        head = self.take(row.merchant_id) if table.is_told else 0
        if loaded is None:
            self._add(table.insert, table.new_line(row, sequence, head))
        elif table.update is None:
            raise GuardLost(f"{table.kind} rows are never changed")
        else:
            self._add(table.update, table.changed_line(row, loaded, sequence, head))

    def touch(self, table: Table, merchant_id: str, key: str) -> None:
        """Count a repeat on a row."""
        if table.touch is None:
            raise GuardLost(f"{table.kind} rows count no repeats")
        self._add(table.touch, (merchant_id, key))

    def post(
        self, entry: Entry, booked: Sequence[Booked], *, known: Container[Key] | None = None
    ) -> None:
        """Write an entry; balances and numbers in `booked` count from the present ones.

        `known` are the (code, currency) of accounts that exist; None: all do, or nothing is kept.
        """
        self._add(ledger.INSERT_ENTRIES, ledger.entry_line(entry))
        for ordinal, each in enumerate(booked, start=1):
            posting = each.posting
            debit, credit = (
                self._account(entry, code, posting)
                if known is None or (code, posting.currency) in known
                else None
                for code in (posting.debit, posting.credit)
            )
            line = ledger.posting_line(entry, ordinal, each, debit=debit, credit=credit)
            self._add(ledger.INSERT_POSTINGS, line)

    def _account(self, entry: Entry, code: str, posting: Posting) -> int:
        """The place of an account among those that are moved."""
        key = (entry.merchant_id, code, posting.currency)
        return self._accounts.setdefault(key, len(self._accounts) + 1)

    def move(self, account: Account, before: Account | None) -> None:
        """Move an account's balance by what it differs from `before`; open it if there is none."""
        if before is None:
            self._add(ledger.OPEN_ACCOUNTS, ledger.open_line(account))
        else:
            place = self._accounts[(account.merchant_id, account.code, account.currency)]
            self._add(ledger.MOVE_ACCOUNTS, ledger.move_line(account, before, place))

    def _add(self, part: Part, line: tuple[Any, ...]) -> None:
        lines = self._lines.get(part.name)
        if lines is None:
            self._parts[part.name] = part
            self._lines[part.name] = [line]
        else:
            lines.append(line)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._lines

    # --- the statement ---------------------------------------------------------------------------

    async def execute(self, connection: asyncpg.Connection) -> dict[str, int]:
        """Write everything; each merchant's sequence as it was before. Raises `GuardLost`."""
        names = tuple(self._lines)
        text = _TEXTS.get(names)
        if text is None:
            text = _TEXTS[names] = statement(list(self._parts.values()))
        heads = sorted((each, self._told[each], place) for each, place in self._heads.items())
        expected = [len(heads), *(len(lines) for lines in self._lines.values())]
        texts = [row_lines(lines, self._parts[name].kinds) for name, lines in self._lines.items()]
        try:
            record = await connection.fetchrow(
                text, row_lines(heads, TAKE_HEADS.kinds), expected, *texts
            )
        except asyncpg.DivisionByZeroError as error:
            raise GuardLost(f"not all of {dict(zip(names, expected[1:], strict=True))}") from error
        bases = record["bases"] or ()  # no head was taken
        return dict(zip(self._heads, bases, strict=True))


# The kinds of transactions are few: each is composed once.
_TEXTS: dict[tuple[str, ...], str] = {}


def statement(parts: Sequence[Part]) -> str:
    """The text that writes some parts: the lines of heads, the numbers of rows, lines by part.

    Its answer is `bases`, the sequences of the heads before, in the order of their places.
    """
    ctes = [
        f"taken as ({TAKE_HEADS.text})",
        "held as (select array_agg(t.base order by t.place) as bases from taken t"
        " having count(*) = ($2::bigint[])[1])",
    ]
    counted = ["(select count(*) from taken) = ($2::bigint[])[1]"]
    for number, each in enumerate(parts, start=2):
        # There is no line before the heads are held: no row is ever locked before its head.
        rows = f"(select ${number + 1}::text from held)"
        ctes.append(f"{each.name} as ({each.text.replace('$1::text', rows)})")
        counted.append(f"(select count(*) from {each.name}) = ($2::bigint[])[{number}]")
    # Places in arrays and no joins: those would compare each line with each head and each account.
    # `with recursive` lets postings, which may stand before, look at the accounts.
    is_moving = ledger.MOVE_ACCOUNTS in parts
    ctes.append(f"bases as ({ACCOUNTS_BEFORE if is_moving else NO_ACCOUNTS_BEFORE})")
    return (
        f"with recursive {', '.join(ctes)} select 1 / ({' and '.join(counted)})::integer, "
        "(select h.bases from held h) as bases"
    )
