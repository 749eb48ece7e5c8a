"""Hold: money that is held first, then captured or let go.

Law: as `case`. A hold is no payment; no more is captured than was held, once under each number;
after a void nothing is captured.
"""

from msgspec.structs import replace

from gateway.channels.authorization import Captured, CaptureOrder, CapturePending
from gateway.channels.codec import Authorized, Closed, NotFound, Paid, Unknown
from gateway.conformance.case import HOLDS, case, disturbed
from gateway.conformance.judgement import expect
from gateway.conformance.stage import PaidOrder, Stage
from gateway.domain.errors import TillgateError


@case(over=HOLDS)
async def holds(stage: Stage) -> None:
    """A hold is authorised for the order's amount, and is not called paid."""
    held = await _held(stage)
    queried = await stage.polled("query", held.order, Authorized)
    facts = (held.outcome.channel_order_no, held.order.amount, held.order.currency)
    said = (queried.channel_order_no, queried.amount, queried.currency)
    expect(said == facts, f"the query says {queried!r}, not {facts}")


@case(over=HOLDS)
async def capture_whole(stage: Stage) -> None:
    """A whole capture takes effect once under its number, and its query finds it."""
    held = await _held(stage)
    capture = stage.capture_of(held)
    done = await _captured(stage, capture)
    said = (done.capture_no, done.amount)
    expect(said == (capture.capture_no, capture.amount), f"{done!r}")
    again = await stage.ask("capture", capture)
    expect(
        isinstance(again, Captured | CapturePending | Unknown), f"sent again it came to {again!r}"
    )
    found = await stage.polled("capture_query", capture, Captured)
    expect(found.amount == capture.amount, f"the query says {found!r}")
    other = await stage.ask("capture", stage.capture_of(held))
    expect(not isinstance(other, Captured), f"a hold was captured twice: {other!r}")


@case(over=HOLDS)
async def capture_part(stage: Stage) -> None:
    """A final capture of a part takes that part and lets the rest go."""
    held = await _held(stage)
    part = stage.capture_of(held, held.order.amount // 2)
    done = await _captured(stage, part)
    expect(done.amount == part.amount, f"{part.amount} was to be captured, and {done!r} was")
    other = await stage.ask("capture", stage.capture_of(held, 1))
    expect(not isinstance(other, Captured), f"the rest was still there: {other!r}")


@case(over=HOLDS)
async def capture_too_much(stage: Stage) -> None:
    """No more is captured than was held."""
    held = await _held(stage)
    over = stage.capture_of(held, held.order.amount + 1)
    try:
        outcome = await stage.ask("capture", over)
    except TillgateError:  # before a byte leaves: so much the better
        return
    expect(not isinstance(outcome, Captured | CapturePending), f"too much came to {outcome!r}")
    found = await stage.ask("capture_query", over)
    expect(not isinstance(found, Captured), f"too much is said to be {found!r}")


@case(over=HOLDS)
async def void_then_capture(stage: Stage) -> None:
    """After a void the hold is gone: it was never paid, and nothing is captured any more."""
    held = await _held(stage)
    await stage.polled("void", held.order, Closed | NotFound)
    queried = await stage.ask("query", held.order)
    expect(not isinstance(queried, Paid), f"afterwards it is {queried!r}")
    captured = await stage.ask("capture", stage.capture_of(held))
    expect(not isinstance(captured, Captured | CapturePending), f"{captured!r} after a void")


@case(disturbed("capture"), over=HOLDS)
async def capture_answer_lost(stage: Stage) -> None:
    """A capture whose answer was lost is found by its query."""
    held = await _held(stage)
    capture = stage.capture_of(held)
    await stage.arm("capture", "drop_after_effect")
    outcome = await stage.ask("capture", capture, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    found = await stage.polled("capture_query", capture, Captured)
    expect(found.amount == capture.amount, f"the query says {found!r}")


@case(over=HOLDS)
async def capture_query_of_the_unknown(stage: Stage) -> None:
    """A capture that was never sent is not captured."""
    held = await _held(stage)
    outcome = await stage.ask("capture_query", stage.capture_of(held))
    expect(not isinstance(outcome, Captured), f"a capture that never was came to {outcome!r}")


@case(over=HOLDS)
async def refund_of_a_capture(stage: Stage) -> None:
    """What was captured can be refunded."""
    held = await _held(stage)
    done = await _captured(stage, stage.capture_of(held))
    by_capture = stage.profile.refunds_name_capture
    await stage.refunded(
        replace(
            stage.refund_of(held, 1),
            attempt_no=done.capture_no if by_capture else held.order.attempt_no,
            channel_order_no=done.channel_order_no or held.outcome.channel_order_no,
        )
    )


async def _held(stage: Stage) -> PaidOrder:
    held = await stage.paid()
    outcome = held.outcome
    expect(not isinstance(outcome, Paid), f"a hold was called {outcome!r}")
    expect(
        (outcome.amount, outcome.currency) == (held.order.amount, held.order.currency),
        f"the hold is {outcome!r}",
    )
    return held


async def _captured(stage: Stage, capture: CaptureOrder) -> Captured:
    outcome = await stage.ask("capture", capture)
    if isinstance(outcome, CapturePending):
        outcome = await stage.polled("capture_query", capture, Captured)
    expect(isinstance(outcome, Captured), f"the capture came to {outcome!r}")
    done: Captured = outcome
    return done
