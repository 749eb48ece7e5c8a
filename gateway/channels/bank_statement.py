"""Bank statement: the lines of an account as its bank gives them, in files of any of its forms.

Law: as `codec`. A file is read whole or refused (`statement.StatementMalformed`); its own totals
are compared. A line has one key for ever, whatever file it comes in, so that it counts once. Which
payment a line is for is not decided here: `candidates` are the numbers that its text may mean.
"""

from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from gateway.channels.codec import AccountView

Direction = Literal["credit", "debit"]


class BankLine(Struct, frozen=True, kw_only=True):
    """One booked movement of the account. `amount` is in minor units of `currency`, above zero.

    `key` is unique among all lines of the bank; `candidates` are possible numbers by which the
    channel knows an attempt, each with a right check digit; `number` is what the transfer was sent
    with from end to end (our refund or transfer number, where it is ours); `bank_reference` is the
    bank's number of the movement; `return_code` says why a transfer came back.
    """

    key: str
    direction: Direction
    amount: int
    currency: str
    candidates: tuple[str, ...] = ()
    number: str | None = None
    bank_reference: str | None = None
    booked_at: datetime | None = None
    return_code: str | None = None


class BankStatement(Struct, frozen=True, kw_only=True):
    """The booked lines of one account, in the order of the file."""

    lines: tuple[BankLine, ...]


class LineReading(Protocol):
    """A codec whose money comes by statement lines."""

    def read_lines(self, account: AccountView, content: bytes) -> BankStatement:
        """The lines of a file. Raises `StatementMalformed`."""
        ...
