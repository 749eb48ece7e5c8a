"""Statement: what a channel says in the end that it moved, as a file for each business day.

Law: as `codec`. A file is read whole or refused (`StatementMalformed`): a truncated, damaged or
repeated file never passes as a short one. Lines are facts of the channel, in minor units; nothing
is summed, matched or left out here.
"""

from datetime import date, datetime
from typing import Literal, Protocol

from msgspec import Struct

from gateway.channels.codec import AccountView, Refused, Unknown
from gateway.channels.wire import HttpRequest, HttpResponse

FILE_BYTES_MAX = 256 * 1024 * 1024
LINES_MAX = 2_000_000

Kind = Literal["payment", "refund", "transfer", "fee", "other"]


class StatementMalformed(Exception):
    """The file is not a whole, genuine statement; the text says where and why, without data."""


class StatementLine(Struct, frozen=True, kw_only=True):
    """One movement at the channel. `amount` and `fee` are in minor units of `currency`.

    `amount` is positive when money came to the merchant and negative when it went away; `fee` is
    what the channel kept. `number` is ours (attempt, refund or transfer), where the file names it.
    `reference` is unique within account and statement kind.
    """

    kind: Kind
    reference: str
    number: str | None
    channel_order_no: str | None
    amount: int
    currency: str
    fee: int = 0
    at: datetime | None = None
    text: str = ""


class Statement(Struct, frozen=True, kw_only=True):
    """A whole file: its lines, and the totals that it states itself, already compared."""

    day: date
    lines: tuple[StatementLine, ...]


class StatementReady(Struct, frozen=True, tag="statement_ready"):
    """Where the file lies; `checksum` (hex SHA-1) is of the uncompressed file, where given."""

    download: HttpRequest
    checksum: str | None = None


class NoStatement(Struct, frozen=True, tag="no_statement"):
    """Definitely none: nothing moved that day, or it is too early (`early`) to ask."""

    early: bool = False


StatementOutcome = StatementReady | NoStatement | Refused | Unknown


class Stating(Protocol):
    """A codec whose channel gives statements; `statements` are the kinds, such as `trade`."""

    statements: frozenset[str]

    def build_statement(
        self, account: AccountView, kind: str, day: date, now: datetime
    ) -> HttpRequest | NoStatement:
        """Ask where the file lies; `NoStatement(early=True)` while there is nothing to ask for.

        `now` is of the business clock here, as `day` is.
        """
        ...

    def read_statement(
        self, account: AccountView, kind: str, day: date, response: HttpResponse
    ) -> StatementOutcome: ...

    def read_file(
        self, account: AccountView, kind: str, day: date, ready: StatementReady, content: bytes
    ) -> Statement:
        """The lines of a downloaded file. Raises `StatementMalformed`."""
        ...
