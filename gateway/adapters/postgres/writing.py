"""What one transaction writes: lines gathered part by part, and the one statement that writes them.

Law: both ways of a commit write by this statement. It first takes the heads of its merchants and
touches nothing else unless all of them are open; sequences, running balances and their numbers
count from what it finds there. A part that does not write exactly the lines it was given divides
by zero on purpose: nothing of the statement is kept.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from fastpath.row import row_lines
from gateway.adapters.postgres import journal, ledger
from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import Part, Table, part
from gateway.domain.change import Change
from gateway.domain.events import Line
from gateway.domain.ledger import Account, Booked, Entry

TAKE_HEADS = part("commit", load(__file__.replace("writing", "commit"))["take_heads"])

Lines = list[tuple[Any, ...]]


class GuardLost(Exception):
    """A part wrote other rows than it was given: something moved, or was there already."""


class Writing:
    """The lines of one transaction, by part; sequences count from the merchants' heads."""

    def __init__(self) -> None:
        self._lines: dict[str, Lines] = {}
        self._parts: dict[str, Part] = {}
        self._told: dict[str, int] = {}

    # --- gathering -------------------------------------------------------------------------------

    def take(self, merchant_id: str) -> None:
        """Take a merchant's head."""
        self._told.setdefault(merchant_id, 0)

    def tell(self, change: Change, line: Line, prior: int | None) -> int:
        """Tell a line; its place behind the head. `prior` is the newest line about its payment."""
        merchant_id = change.merchant_id
        self._told[merchant_id] = place = self._told.get(merchant_id, 0) + 1
        self._add(journal.INSERT, journal.told(change, line, place, prior))
        return place

    def write(self, table: Table, row: Any, *, loaded: int | None, sequence: int | None) -> None:
        """Write a row: a new one, or one whose stored version is `loaded`."""
        if loaded is None:
            self._add(table.insert, table.new_line(row, sequence))
        elif table.update is None:
            raise GuardLost(f"{table.kind} rows are never changed")
        else:
            self._add(table.update, table.changed_line(row, loaded, sequence))

    def touch(self, table: Table, merchant_id: str, key: str) -> None:
        """Count a repeat on a row."""
        if table.touch is None:
            raise GuardLost(f"{table.kind} rows count no repeats")
        self._add(table.touch, (merchant_id, key))

    def post(self, entry: Entry, booked: Sequence[Booked]) -> None:
        """Write an entry; balances and numbers in `booked` count from the present ones."""
        self._add(ledger.INSERT_ENTRIES, ledger.entry_line(entry))
        for ordinal, each in enumerate(booked, start=1):
            self._add(ledger.INSERT_POSTINGS, ledger.posting_line(entry, ordinal, each))

    def move(self, account: Account, before: Account | None) -> None:
        """Move an account's balance by what it differs from `before`; open it if there is none."""
        if before is None:
            self._add(ledger.OPEN_ACCOUNTS, ledger.open_line(account))
        else:
            self._add(ledger.MOVE_ACCOUNTS, ledger.move_line(account, before))

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
        heads = sorted(self._told.items())
        expected = [len(heads), *(len(lines) for lines in self._lines.values())]
        texts = [row_lines(lines, self._parts[name].kinds) for name, lines in self._lines.items()]
        try:
            record = await connection.fetchrow(
                text, row_lines(heads, TAKE_HEADS.kinds), expected, *texts
            )
        except asyncpg.DivisionByZeroError as error:
            raise GuardLost(f"not all of {dict(zip(names, expected[1:], strict=True))}") from error
        bases = record["bases"] or ()  # no line is told: no head was taken
        return {merchant: base for (merchant, _), base in zip(heads, bases, strict=True)}


# The kinds of transactions are few: each is composed once.
_TEXTS: dict[tuple[str, ...], str] = {}


def statement(parts: Sequence[Part]) -> str:
    """The text that writes some parts: the lines of heads, the numbers of rows, lines by part.

    Its answer is `bases`, the sequences of the heads before, in the merchants' order.
    """
    ctes = [
        f"taken as ({TAKE_HEADS.text})",
        "held as (select 1 from taken having count(*) = ($2::bigint[])[1])",
    ]
    counted = ["(select count(*) from taken) = ($2::bigint[])[1]"]
    for number, each in enumerate(parts, start=2):
        # There is no line before the heads are held: no row is ever locked before its head.
        rows = f"(select ${number + 1}::text from held)"
        ctes.append(f"{each.name} as ({each.text.replace('$1::text', rows)})")
        counted.append(f"(select count(*) from {each.name}) = ($2::bigint[])[{number}]")
    accounts = [f"select * from {each.name}" for each in parts if each.name in ledger.TELL_BEFORE]
    if accounts:
        # `with recursive` lets postings, which may stand before, look at the accounts.
        ctes.append(f"bases as ({' union all '.join(accounts)})")
    return (
        f"with recursive {', '.join(ctes)} select 1 / ({' and '.join(counted)})::integer, "
        "(select array_agg(t.base order by t.merchant_id) from taken t) as bases"
    )
