"""Answer: synchronous answers that are false, foreign, broken or not listed.

Law: as `case`. Only what the channel signed and the codec lists is definite; all else is unknown.
"""

from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from gateway.channels.codec import Closed, Paid, PayOrder, Refused, Unknown
from gateway.channels.wire import HttpResponse
from gateway.conformance.case import (
    FIRST,
    WAYS,
    Need,
    Subject,
    case,
    disturbed,
    names_orders,
    signs_answers,
)
from gateway.conformance.judgement import expect, fail
from gateway.conformance.profile import Way
from gateway.conformance.stage import Stage, is_money, is_open

QUESTIONS = ("query", "close", "cancel", "refund", "refund_query")
BROKEN = (b"", b"\x00", b"{", b"{}", b"null", b"[]", b'""', b"0", b"a=1", b"\xff\xfe", b"<html>")
STATUSES = (200, 204, 301, 400, 404, 429, 500, 502, 503)


def _any_disturbed(subject: Subject) -> str | None:
    if any(operation in subject.profile.faults for operation in QUESTIONS):
        return None
    return "nothing is asked that could go wrong"


DISTURBED: Need = _any_disturbed


@case(signs_answers, DISTURBED, over=FIRST)
async def forged_answers(stage: Stage) -> None:
    """An answer with a false signature is unknown, whatever it says, in every operation."""
    async for operation, subject in _subjects(stage):
        await stage.arm(operation, "bad_signature")
        outcome = await stage.ask(operation, subject)
        expect(isinstance(outcome, Unknown), f"a forged answer to {operation} came to {outcome!r}")
        await stage.expect_taken()


@case(DISTURBED, over=FIRST)
async def unlisted_answers(stage: Stage) -> None:
    """A code that is not listed, such as a system error, is unknown in every operation."""
    async for operation, subject in _subjects(stage):
        await stage.arm(operation, "error")
        outcome = await stage.ask(operation, subject)
        expect(isinstance(outcome, Unknown), f"a system error of {operation} came to {outcome!r}")
        await stage.expect_taken()


@case(DISTURBED, over=FIRST)
async def silent_answers(stage: Stage) -> None:
    """Silence is unknown in every operation, before the effect and after it."""
    for fault in ("timeout", "drop_after_effect"):
        async for operation, subject in _subjects(stage):
            await stage.arm(operation, fault)
            outcome = await stage.ask(operation, subject, hurried=True)
            expect(isinstance(outcome, Unknown), f"silence of {operation} came to {outcome!r}")
            await stage.expect_taken()


@case(disturbed("query"), over=WAYS)
async def answer_with_another_amount(stage: Stage) -> None:
    """A query that names another amount is never taken for the right one."""
    paid = await stage.paid()
    await stage.arm("query", "wrong_amount")
    outcome = await stage.ask("query", paid.order)
    wrong = isinstance(outcome, Paid) and outcome.amount == paid.order.amount + 1
    expect(wrong or is_open(outcome), f"one unit more came to {outcome!r}")
    await stage.expect_taken()


@case(disturbed("query"), names_orders, over=FIRST)
async def answer_about_another_order(stage: Stage) -> None:
    """A genuine answer about another order is unknown: the channel signs no question."""
    paid = await stage.paid()
    other = await stage.paid()
    outcome = stage.read("query", other.order, await _genuine(stage, paid.order))
    expect(isinstance(outcome, Unknown), f"another order's answer came to {outcome!r}")


@case(disturbed("query"), over=FIRST)
async def broken_answers(stage: Stage) -> None:
    """Whatever bytes and status come, reading them raises nothing and claims nothing."""
    paid = await stage.paid()
    refund = stage.refund_of(paid)
    subjects: dict[str, Any] = dict.fromkeys(("pay", "query", "close", "cancel"), paid.order)
    subjects |= dict.fromkeys(("refund", "refund_query"), refund)
    now = stage.clock.wall()
    for operation, subject in subjects.items():
        for body in BROKEN:
            for status in STATUSES:
                response = _received(HttpResponse(status, {}, body), now)
                outcome = stage.read(operation, subject, response)
                _expect_nothing(outcome, f"{operation}: HTTP {status} {body!r}")


@case(disturbed("query"), signs_answers, over=FIRST)
async def genuine_answer_with_error_status(stage: Stage) -> None:
    """A body that was signed for success proves nothing under a status of failure."""
    paid = await stage.paid()
    genuine = await _genuine(stage, paid.order)
    for status in (400, 500, 503):
        outcome = stage.read("query", paid.order, replace(genuine, status=status))
        expect(isinstance(outcome, Unknown), f"with HTTP {status} it came to {outcome!r}")


@case(disturbed("query"), signs_answers, over=FIRST)
async def truncated_answers(stage: Stage) -> None:
    """A genuine answer that was cut anywhere is unknown."""
    paid = await stage.paid()
    genuine = await _genuine(stage, paid.order)
    for length in range(len(genuine.body.rstrip())):
        outcome = stage.read("query", paid.order, replace(genuine, body=genuine.body[:length]))
        expect(isinstance(outcome, Unknown), f"cut at {length} it came to {outcome!r}")


async def _genuine(stage: Stage, order: PayOrder) -> HttpResponse:
    """The channel's answer about a paid order."""
    exchange = await stage.exchange("query", order)
    if exchange.response is None:
        fail(f"the query came to {exchange.outcome!r} without an answer")
    return exchange.response


async def _subjects(stage: Stage) -> AsyncIterator[tuple[str, Any]]:
    """Each operation that can be disturbed, with an order or refund that it is about."""
    cancelled = _reversible(stage)
    for operation in QUESTIONS:
        if operation not in stage.profile.faults:
            continue
        if operation == "cancel":
            if cancelled is not None:
                paid = await stage.by(cancelled).paid()
                yield operation, paid.order
        elif operation.startswith("refund"):
            paid = await stage.paid()
            refund = stage.refund_of(paid)
            if operation == "refund_query":
                await stage.refunded(refund)
            yield operation, refund
        else:
            paid = await stage.paid()
            yield operation, paid.order


def _reversible(stage: Stage) -> Way | None:
    """A way that a cancel is for."""
    ways = stage.profile.ways
    return next((way for way in ways if way.method in stage.codec.reversible), None)


def _received(response: HttpResponse, now: Any) -> HttpResponse:
    if "received_at" in response.__struct_fields__:
        return replace(response, received_at=now)
    return response


def _expect_nothing(outcome: object, where: str) -> None:
    claims = is_money(outcome) or isinstance(outcome, Closed | Refused)
    expect(not claims and isinstance(outcome, Unknown), f"{where} came to {outcome!r}")
