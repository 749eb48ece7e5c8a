"""Statement: the lines of a bank's statement become money of payments, or wait in suspense.

Beats: for each line, LOAD the attempts that its text may mean - DECIDE under the merchant's head
what it pays (`domain.statement_line`) - COMMIT one Change - TELL nobody but the journal. A line
takes effect once, whatever file brings it and however often. Two attempts named by one line are
nobody's: a person decides. No line sends money back by itself.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, cast

from msgspec import Struct
from msgspec.structs import replace

from gateway.center.ports import Books, Clock, Directory, Ids, Reader, Watch
from gateway.center.tell import Teller
from gateway.channels.bank_statement import BankLine, BankStatement, LineReading
from gateway.channels.statement import StatementMalformed
from gateway.domain import chart, ids
from gateway.domain import refund as refunds
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.merchant import ChannelAccount
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund
from gateway.domain.statement_line import (
    CREDIT,
    LineFresh,
    StatementLine,
    settle,
    tally_need,
)

CHUNK_LINES = 200
LINES_SHOWN_MAX = 100
REPEATED = "repeated"
CONFLICT = "conflict"

Progress = Callable[[int, int], None]


class Settled(NamedTuple):
    """What became of one line: a verdict of the domain, `repeated` or `conflict`."""

    verdict: str
    line: StatementLine


class Imported(Struct, frozen=True, kw_only=True):
    """An import: how many lines, how many of each verdict, and the first ones that are new."""

    channel_account_id: str
    lines: int
    verdicts: Mapping[str, int]
    shown: tuple[Settled, ...]


class StatementImport:
    """Imports statements of channels whose money comes by lines."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        directory: Directory,
        teller: Teller,
        clock: Clock,
        ids: Ids,
        watch: Watch,
    ) -> None:
        self._books = books
        self._reader = reader
        self._directory = directory
        self._teller = teller
        self._clock = clock
        self._ids = ids
        self._watch = watch

    async def run(
        self,
        account_id: str,
        content: bytes,
        *,
        actor: str,
        request_id: str | None,
        progress: Progress | None = None,
    ) -> Imported:
        """Import a file; `progress` is told lines done and altogether.

        Raises `not_found`, `invalid_state` for a channel without statements of lines and
        `statement_malformed`; then nothing was booked. After any other error the same file may be
        imported again.
        """
        account = await self._directory.find_account(account_id)
        if account is None:
            raise not_found()
        statement = await self._read(account, content)
        counts: Counter[str] = Counter()
        shown: list[Settled] = []
        done = 0
        for chunk in _chunks(statement.lines):
            settled = await self._settle_all(account, chunk, actor=actor, request_id=request_id)
            counts.update(each.verdict for each in settled)
            news = [each for each in settled if each.verdict != REPEATED]
            shown += news[: LINES_SHOWN_MAX - len(shown)]
            done += len(chunk)
            if progress is not None:
                progress(done, len(statement.lines))
        return Imported(
            channel_account_id=account.id, lines=done, verdicts=dict(counts), shown=tuple(shown)
        )

    async def _read(self, account: ChannelAccount, content: bytes) -> BankStatement:
        codec = self._teller.codec(account.channel)
        if not hasattr(codec, "read_lines"):
            raise TillgateError("invalid_state", "This channel has no statements of lines.")
        reading = cast(LineReading, codec)
        view = self._teller.view(account)
        try:
            # A large file takes seconds; whoever else is served here does not wait for it.
            return await asyncio.to_thread(reading.read_lines, view, content)
        except StatementMalformed as fault:
            raise TillgateError("statement_malformed", f"The file is refused: {fault}.") from None

    async def _settle_all(
        self,
        account: ChannelAccount,
        lines: Sequence[BankLine],
        *,
        actor: str,
        request_id: str | None,
    ) -> list[Settled]:
        candidates = list(dict.fromkeys(each for line in lines for each in line.candidates))
        found = []
        if candidates:
            found = await self._reader.attempts_by_channel_order_nos(
                account.merchant_id, account.channel, candidates
            )
        by_number = {
            each.channel_order_no: each
            for each in found
            if each.channel_account_id == account.id and each.channel_order_no is not None
        }
        work = []
        for line in lines:
            refund = await self._refund_of(account, line)
            attempt = None if refund is not None else _named(line, by_number)
            change = self._change(account, line, attempt, refund, actor, request_id)
            work.append(self._submit(change))
        return list(await asyncio.gather(*work))

    async def _submit(self, change: Change) -> Settled:
        settled: Settled = (await self._books.submit(change)).result
        if settled.verdict == CONFLICT:
            facts = {"statement_line_id": settled.line.id}
            self._watch.alarm("statement_line_conflict", facts)
        return settled

    async def _refund_of(self, account: ChannelAccount, line: BankLine) -> Refund | None:
        """The refund whose number a debit carries from end to end, if the sum is its own."""
        if line.direction == CREDIT or line.number is None:
            return None
        refund_id = ids.parse("rfd", f"rfd_{line.number.lower()}")
        if refund_id is None:
            return None
        refund = await self._reader.refund(account.merchant_id, refund_id)
        if refund is None or refund.channel_account_id != account.id:
            return None
        if (refund.amount, refund.currency) != (line.amount, line.currency):
            self._watch.alarm("statement_refund_differs", {"refund_id": refund.id})
            return None
        return refund

    def _change(
        self,
        account: ChannelAccount,
        line: BankLine,
        attempt: Attempt | None,
        refund: Refund | None,
        actor: str,
        request_id: str | None,
    ) -> Change:
        merchant_id = account.merchant_id
        now = self._clock.business()
        arrived = self._arrived(account, line)
        fresh = LineFresh(
            captured_id=self._ids.make("ent", merchant_id),
            applied_id=self._ids.make("ent", merchant_id),
            received_id=self._ids.make("ent", merchant_id),
            unexpected_id=self._ids.make("uxf", merchant_id),
        )
        known = Need("statement_line_key", line.key)
        paying = refund.payment_id if refund is not None else attempt and attempt.payment_id
        place = Need("payment", paying or "")

        def decide(rows: Rows) -> Writes:
            before: StatementLine | None = rows.get(known)
            if before is not None:
                return _seen(before, arrived)
            if refund is not None:
                return _refunded(rows, place, refund, arrived, fresh)
            if line.direction != CREDIT:
                other = _with_verdict(arrived, "other")
                return Writes(rows=(other,), result=Settled("other", other))
            payment: Payment | None = None if attempt is None else rows.get(place)
            present = None if attempt is None else rows.get(attempt.place)
            tally = None if attempt is None else rows.get(tally_need(attempt.id))
            step = settle(payment, present, tally, arrived, now=now, fresh=fresh)
            return Writes(
                rows=step.rows,
                entries=step.entries,
                lines=step.lines,
                result=Settled(step.line.verdict, step.line),
            )

        needs = [known]
        if refund is not None:
            needs += [place, refund.place]
        elif attempt is not None:
            needs += [place, attempt.place, tally_need(attempt.id)]
        codes = (chart.PENDING, chart.HELD, chart.SUSPENSE, chart.clearing(account.id))
        currencies = {line.currency} | ({attempt.currency} if attempt is not None else set())
        return Change(
            merchant_id=merchant_id,
            actor=actor,
            at=now,
            request_id=request_id,
            decide=decide,
            needs=tuple(needs),
            accounts=tuple((code, currency) for currency in currencies for code in codes),
        )

    def _arrived(self, account: ChannelAccount, line: BankLine) -> StatementLine:
        return StatementLine(
            merchant_id=account.merchant_id,
            id=self._ids.make("sln", account.merchant_id),
            channel_account_id=account.id,
            line_key=line.key,
            direction=line.direction,
            amount=line.amount,
            currency=line.currency,
            verdict="unmatched",
            bank_reference=line.bank_reference,
            booked_at=line.booked_at,
            created_at=self._clock.business(),
        )


def _chunks(lines: Sequence[BankLine]) -> Iterator[tuple[BankLine, ...]]:
    left = iter(lines)
    while chunk := tuple(islice(left, CHUNK_LINES)):
        yield chunk


def _named(line: BankLine, by_number: Mapping[str, Attempt]) -> Attempt | None:
    """The one attempt that a line names; None if it names none, or several."""
    if line.return_code is not None:
        return None
    named = {by_number[each].id: by_number[each] for each in line.candidates if each in by_number}
    return next(iter(named.values())) if len(named) == 1 else None


def _seen(before: StatementLine, arrived: StatementLine) -> Writes:
    """A line that was imported before; one of another sum under its key is a conflict."""
    if before.id == arrived.id:
        return Writes(touched=(before.place,), result=Settled(before.verdict, before))
    same = (before.direction, before.amount, before.currency) == (
        arrived.direction,
        arrived.amount,
        arrived.currency,
    )
    verdict = REPEATED if same else CONFLICT
    return Writes(touched=(before.place,), result=Settled(verdict, before))


def _refunded(
    rows: Rows, place: Need, refund: Refund, arrived: StatementLine, fresh: LineFresh
) -> Writes:
    """The debit of a refund: it is done, unless it was over before."""
    present: Refund = rows.get(refund.place)
    is_open = present.status in ("processing", "requires_action")
    line = _with_verdict(arrived, "refund" if is_open else "other", refund_id=refund.id)
    if not is_open:
        return Writes(rows=(line,), result=Settled(line.verdict, line))
    step = refunds.succeeded(
        rows.get(place), present, now=arrived.created_at, entry_id=fresh.captured_id
    )
    return Writes(
        rows=(line, *step.rows),
        entries=step.entries,
        lines=step.lines,
        result=Settled(line.verdict, line),
    )


def _with_verdict(
    arrived: StatementLine, verdict: str, *, refund_id: str | None = None
) -> StatementLine:
    return replace(arrived, verdict=verdict, refund_id=refund_id)
