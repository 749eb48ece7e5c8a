"""Statement: the channel's own account of a day.

Law: as `case`. A file holds what happened, with its signs, and is read whole or not at all. These
cases move the clock to another day, so they run last.
"""

from datetime import date, datetime, time, timedelta, timezone

from gateway.channels.codec import Refused, Unknown
from gateway.channels.statement import (
    NoStatement,
    Statement,
    StatementMalformed,
    StatementOutcome,
    StatementReady,
)
from gateway.channels.wire import ChannelSilent, HttpRequest
from gateway.conformance.case import FIRST, case, stating
from gateway.conformance.judgement import expect, fail
from gateway.conformance.stage import Stage

BEIJING = timezone(timedelta(hours=8))
CUTS = 64


@case(stating, over=FIRST)
async def statement_of_a_day(stage: Stage) -> None:
    """The day's statement has our payment and our refund, each once and with its sign."""
    paid = await stage.paid()
    refund = stage.refund_of(paid, 1)
    await stage.refunded(refund)
    day = stage.clock.business().astimezone(BEIJING).date()
    await _expect_early(stage, day)
    await _advance_behind(stage, day)
    for kind in sorted(stage.codec.statements):
        ready, content = await _downloaded(stage, kind, day)
        statement: Statement = stage.codec.read_file(stage.account, kind, day, ready, content)
        expect(statement.day == day, f"the {kind} statement is of {statement.day}")
        number = paid.outcome.channel_order_no
        ours = [
            (line.kind, line.amount)
            for line in statement.lines
            if line.number in (paid.order.attempt_no, refund.refund_no)
            or line.channel_order_no == number
        ]
        moved = sorted(each for each in ours if each[0] in ("payment", "refund"))
        wanted = [("payment", paid.order.amount), ("refund", -refund.amount)]
        expect(moved == wanted, f"the {kind} statement tells {moved}")
        references = [line.reference for line in statement.lines]
        expect(len(references) == len(set(references)), "two lines have one reference")
        _expect_whole_or_nothing(stage, kind, day, ready, content, statement)


async def _expect_early(stage: Stage, day: date) -> None:
    for kind in sorted(stage.codec.statements):
        outcome = await _asked(stage, kind, day)
        expect(
            isinstance(outcome, NoStatement | Refused | Unknown),
            f"the {kind} statement of a day that is not over came to {outcome!r}",
        )


async def _asked(stage: Stage, kind: str, day: date) -> StatementOutcome:
    request = stage.codec.build_statement(stage.account, kind, day, stage.clock.business())
    if not isinstance(request, HttpRequest):
        early: NoStatement = request
        return early
    answer = await stage.ground.http.send(request)
    if isinstance(answer, ChannelSilent):
        fail("the simulator did not answer")
    outcome: StatementOutcome = stage.codec.read_statement(stage.account, kind, day, answer)
    return outcome


async def _advance_behind(stage: Stage, day: date) -> None:
    end = datetime.combine(day + timedelta(days=1), time(), BEIJING)
    span = end + stage.profile.statement_after - stage.clock.business()
    await stage.clock.advance(span)


async def _downloaded(stage: Stage, kind: str, day: date) -> tuple[StatementReady, bytes]:
    outcome = await _asked(stage, kind, day)
    if not isinstance(outcome, StatementReady):
        fail(f"the {kind} statement came to {outcome!r}")
    file = await stage.ground.http.send(outcome.download)
    if isinstance(file, ChannelSilent) or file.status != 200:
        fail(f"the {kind} statement cannot be downloaded")
    return outcome, file.body


def _expect_whole_or_nothing(
    stage: Stage,
    kind: str,
    day: date,
    ready: StatementReady,
    content: bytes,
    whole: Statement,
) -> None:
    """A file that was cut or changed is malformed, or reads exactly as before."""
    step = max(1, len(content) // CUTS)
    for position in range(0, len(content), step):
        flipped = bytearray(content)
        flipped[position] ^= 1
        for changed in (content[:position], bytes(flipped), content[:position] + content):
            if changed == content:
                continue
            try:
                read = stage.codec.read_file(stage.account, kind, day, ready, changed)
            except StatementMalformed:
                continue
            expect(read == whole, f"a {kind} file changed at {position} is read as another one")
