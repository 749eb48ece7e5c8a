"""Verify: recompute the books from their postings, and the history from its journal.

Law: reads only, beside live traffic, in one REPEATABLE READ snapshot per shard, with the rights of
`tillgate_read`. Nothing that is stored is believed because it is stored: balances are summed again
from postings, counters from refunds, statuses from the lines of the journal, and each is compared
with what the domain's own tables and chart say. Faults are named one by one, with merchant, object
and what was expected.

Merchants are taken in groups, so that sorting needs memory for a group and not for a shard. The
directory's snapshot is the oldest: a merchant that it knows had its head before.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from msgspec import Struct, field

from gateway.adapters.postgres.binding import bind
from gateway.adapters.postgres.statements import load
from gateway.domain import chart, ids, lifecycle
from gateway.domain.events import OBJECT_PREFIXES, TYPES

SQL = load(__file__)

CONNECT_TIMEOUT_S = 10.0
GROUP_LINES_MAX = 200_000
GROUP_MERCHANTS_MAX = 5_000
CURSOR_ROWS = 1_000
FAULTS_PER_CHECK_MAX = 100
FAULTS_MAX = 10_000
FIRST = UUID(int=0)
LAST = UUID(int=2**128 - 1)
NOT_SEALED = "not sealed yet"

_ANY = "*"
_SETTINGS = {
    "application_name": "tillgate-verify",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_custom_plan",
    # Everything here is joined whole and by all columns of its key: hashing never takes longer
    # than reading, while loops and merges over a table without statistics would never end.
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
    "work_mem": "32MB",
}
_PREFIXES = frozenset({"att", "ent", "uxf", "sln", "dlv", *OBJECT_PREFIXES.values()})
_CHECKS = tuple(name for name in SQL if name.startswith("check_"))
# What a line's type says about the status in it, beyond types that are called like a status.
_STATUS_OF_TYPE = {"payment.attempt_failed": "requires_payment_method"}
_FIRST_STATUSES = {
    "payment": ("requires_payment_method", "processing"),
    "refund": ("created", "processing"),
}


class VerifyImpossible(Exception):
    """What was given cannot be verified at all; the text says why, and the way out."""


class Fault(Struct, frozen=True, kw_only=True):
    """One thing that does not hold."""

    check: str
    shard: int
    merchant_id: str | None
    object_id: str | None
    place: str | None
    expected: str
    found: str

    def __str__(self) -> str:
        where = " ".join(
            part for part in (self.merchant_id, self.object_id, self.place) if part is not None
        )
        return f"{self.check}: shard {self.shard} {where}: expected {self.expected}; {self.found}"


class Report(Struct, kw_only=True):
    """What was looked at and what did not hold. `chain` tells of the audit chain.

    `truncated` says that some check found more than is listed.
    """

    shards: int = 0
    merchants: int = 0
    payments: int = 0
    attempts: int = 0
    refunds: int = 0
    entries: int = 0
    postings: int = 0
    events: int = 0
    faults: list[Fault] = field(default_factory=list)
    truncated: bool = False
    chain: str = NOT_SEALED
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


class Progress(NamedTuple):
    """How far it has come: journal rows behind and altogether in this shard, and the check."""

    shard: int
    shards: int
    done: int
    total: int
    check: str


class _Group(NamedTuple):
    after: UUID
    upto: UUID
    lines: int
    merchants: int


class _Directory(NamedTuple):
    installation_id: UUID
    ranges: Sequence[tuple[int, int, int]]
    connection: asyncpg.Connection


async def verify(
    dsns: Sequence[str], *, progress: Callable[[Progress], None] | None = None
) -> Report:
    """Verify all shards; `dsns[0]` also holds the directory, `dsns[n]` is shard n.

    Raises `VerifyImpossible` for databases that are no Tillgate shards in this order, OSError and
    asyncpg's errors where one cannot be reached.
    """
    begun = perf_counter()
    report = Report(shards=len(dsns))
    async with AsyncExitStack() as opened:
        first = await opened.enter_async_context(_snapshot(dsns[0]))
        directory = await _read_directory(first, shards=len(dsns))
        for number, dsn in enumerate(dsns):
            async with AsyncExitStack() as own:
                connection = first
                if number:
                    connection = await own.enter_async_context(_snapshot(dsn))
                shard = _Shard(number, len(dsns), connection, directory, report, progress)
                await shard.verify()
    report.seconds = round(perf_counter() - begun, 3)
    return report


@asynccontextmanager
async def _snapshot(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await _connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close(timeout=2)


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(
            dsn, timeout=CONNECT_TIMEOUT_S, server_settings={**_SETTINGS, "role": "tillgate_read"}
        )
    except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError):
        # A login that may read without being able to take the role (its own grants suffice).
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=_SETTINGS)


async def _read_directory(connection: asyncpg.Connection, *, shards: int) -> _Directory:
    try:
        records = await connection.fetch(SQL["directory"].text)
    except asyncpg.UndefinedTableError:
        raise VerifyImpossible(
            "The first database holds no directory: give the URLs in the order of the shards."
        ) from None
    ranges = [(r["bucket_from"], r["bucket_to"], r["shard"]) for r in records]
    if not ranges or ranges[0][0] is None:
        raise VerifyImpossible("The directory is empty: run `tillgate migrate` first.")
    named = 1 + max(shard for _, _, shard in ranges)
    if named > shards:
        raise VerifyImpossible(f"The directory names {named} shards, but {shards} were given.")
    return _Directory(records[0]["installation_id"], ranges, connection)


class _Shard:
    """The verification of one shard in its snapshot."""

    def __init__(
        self,
        number: int,
        shards: int,
        connection: asyncpg.Connection,
        directory: _Directory,
        report: Report,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._number = number
        self._shards = shards
        self._connection = connection
        self._directory = directory
        self._report = report
        self._progress = progress
        self._given = _given()
        mine = [(first, last) for first, last, shard in directory.ranges if shard == number]
        self._given["bucket_froms"] = [first for first, _ in mine]
        self._given["bucket_tos"] = [last for _, last in mine]

    async def verify(self) -> None:
        """Check who it is, then every group of merchants."""
        await self._check_identity()
        groups = [group async for group in self._groups()]
        total, done = sum(group.lines for group in groups), 0
        for group in groups:
            await self._count(group)
            await self._check_account_kinds(group)
            given = await self._given_for(group)
            for name in _CHECKS:
                if self._progress is not None:
                    said = name.removeprefix("check_").replace("_", " ")
                    self._progress(Progress(self._number, self._shards, done, total, said))
                await self._check(name, given)
            done += group.lines
        if self._progress is not None:
            self._progress(Progress(self._number, self._shards, total, total, "done"))

    async def _check_identity(self) -> None:
        try:
            record = await self._connection.fetchrow(SQL["identity"].text)
        except asyncpg.UndefinedTableError:
            record = None
        if record is None:
            raise VerifyImpossible(f"Database {self._number} is no shard of Tillgate.")
        if (record["shard"], record["installation_id"]) != (
            self._number,
            self._directory.installation_id,
        ):
            raise VerifyImpossible(
                f"Database {self._number} is shard {record['shard']}, or of another installation: "
                "give the URLs in the order of the shards."
            )

    async def _groups(self) -> AsyncIterator[_Group]:
        """Ranges of merchants without a gap from the first id to the last."""
        after, upto, lines, merchants = FIRST, FIRST, 0, 0
        async for record in self._connection.cursor(SQL["heads"].text, prefetch=CURSOR_ROWS):
            if merchants and (
                lines + record["seq"] > GROUP_LINES_MAX or merchants >= GROUP_MERCHANTS_MAX
            ):
                yield _Group(after, upto, lines, merchants)
                after, lines, merchants = upto, 0, 0
            upto = record["merchant_id"]
            lines += record["seq"]
            merchants += 1
        yield _Group(after, LAST, lines, merchants)

    async def _count(self, group: _Group) -> None:
        counts = SQL["counts"]
        record = await self._connection.fetchrow(*bind(counts, after=group.after, upto=group.upto))
        report = self._report
        report.merchants += group.merchants
        for name, counted in record.items():
            setattr(report, name, getattr(report, name) + counted)

    async def _given_for(self, group: _Group) -> dict[str, Any]:
        """The parameters of all checks for one group."""
        span = {"after": group.after, "upto": group.upto}
        merchants, registrations = SQL["merchants"], SQL["registrations"]
        known = await self._directory.connection.fetch(*bind(merchants, **span))
        used = await self._connection.fetch(*bind(registrations, **span))
        codes = [chart.clearing(ids.from_uuid("cac", each), channel) for each, channel in used]
        return {
            **self._given,
            **span,
            "limit": FAULTS_PER_CHECK_MAX,
            "merchant_ids": [record["merchant_id"] for record in known],
            "registrations": [account for account, _ in used],
            "clearing_codes": codes,
        }

    async def _check(self, name: str, given: Mapping[str, Any]) -> None:
        statement = SQL[name]
        values = [given[each] for each in statement.parameters]
        records = await self._connection.fetch(statement.text, *values)
        if len(records) >= FAULTS_PER_CHECK_MAX:
            self._report.truncated = True
        for record in records:
            self._found(
                check=record["fault"],
                merchant=record["merchant_id"],
                object_id=_named(record["prefix"], record["object_id"]),
                place=record["place"],
                expected=record["expected"] or "",
                found=record["found"] or "",
            )

    async def _check_account_kinds(self, group: _Group) -> None:
        """Every account is of a kind that the chart knows, on the side that it says."""
        kinds = SQL["account_kinds"]
        for record in await self._connection.fetch(
            *bind(kinds, after=group.after, upto=group.upto)
        ):
            found = (record["side"], record["may_be_negative"])
            try:
                account = chart.opened("", record["kind"], "")
                expected = (account.side, account.may_be_negative)
            except KeyError:
                expected = None
            if expected != found:
                self._found(
                    check="account_kind",
                    merchant=record["merchant_id"],
                    object_id=None,
                    place=f"{record['code']} {record['currency']}",
                    expected="an account of the chart" if expected is None else _side(*expected),
                    found=_side(*found),
                )

    def _found(
        self,
        *,
        check: str,
        merchant: UUID | None,
        object_id: str | None,
        place: str | None,
        expected: str,
        found: str,
    ) -> None:
        if len(self._report.faults) >= FAULTS_MAX:
            self._report.truncated = True
            return
        self._report.faults.append(
            Fault(
                check=check,
                shard=self._number,
                merchant_id=None if merchant is None else ids.from_uuid("mch", merchant),
                object_id=object_id,
                place=place,
                expected=expected,
                found=found,
            )
        )


def _side(side: str, may_be_negative: bool) -> str:
    return f"{side} side, {'may' if may_be_negative else 'must not'} be negative"


def _named(prefix: str | None, object_id: UUID | None) -> str | None:
    """An object by its id. Journal rows say the kind of their object instead of its prefix."""
    if prefix is None or object_id is None:
        return None
    prefix = OBJECT_PREFIXES.get(prefix, prefix)
    return ids.from_uuid(prefix, object_id) if prefix in _PREFIXES else str(object_id)


def _given() -> dict[str, Any]:
    """What the domain says, as arrays: the lifecycles, the types, the postings of each reason."""
    tables = {"payment": lifecycle.PAYMENT, "refund": lifecycle.REFUND}
    steps = [
        (kind, before, after)
        for kind, table in tables.items()
        for before, followers in table.items()
        for after in followers
    ]
    steps += [(kind, "new", first) for kind, firsts in _FIRST_STATUSES.items() for first in firsts]
    statuses = dict(_STATUS_OF_TYPE)
    for each in TYPES:
        kind, _, word = each.partition(".")
        if word in tables.get(kind, ()) and word != "created":
            statuses[each] = word
    shapes = {
        "captured": chart.captured(_ANY, 1, ""),
        "funds_unexpected": chart.funds_unexpected(_ANY, 1, ""),
        "funds_received": chart.funds_received(_ANY, 1, ""),
        "funds_applied": chart.funds_applied(_ANY, 1, ""),
        "refund_reserved": chart.refund_reserved(1, ""),
        "refund_paid": chart.refund_paid(_ANY, 1, ""),
        "refund_released": chart.refund_released(1, ""),
    }
    return {
        "kinds": [kind for kind, _, _ in steps],
        "froms": [before for _, before, _ in steps],
        "tos": [after for _, _, after in steps],
        "types": list(statuses),
        "type_statuses": list(statuses.values()),
        "known_types": sorted(TYPES),
        "reasons": list(shapes),
        "debits": [postings[0].debit for postings in shapes.values()],
        "credits": [postings[0].credit for postings in shapes.values()],
        "any_clearing": chart.clearing(_ANY),
    }
