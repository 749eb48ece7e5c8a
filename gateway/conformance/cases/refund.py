"""Refund: money that goes back, exactly once under each number and never more than came.

Law: as `case`. What went back is read in the simulator's book.
"""

from msgspec.structs import replace

from gateway.channels.codec import NotFound, Refunded, RefundPending, Unknown
from gateway.conformance.case import FIRST, WAYS, case, disturbed, finds_nothing, refunds
from gateway.conformance.judgement import expect
from gateway.conformance.stage import Stage
from gateway.domain.errors import TillgateError

TRIES = 20


@case(refunds, over=WAYS)
async def refund_whole(stage: Stage) -> None:
    """A whole refund takes effect, and its query says so under its number."""
    paid = await stage.paid()
    refund = stage.refund_of(paid)
    done = await stage.refunded(refund)
    expect(done.refund_no == refund.refund_no, f"the refund is called {done.refund_no}")
    await stage.expect_refunded(paid.order.attempt_no, paid.order.amount)
    queried = await stage.polled("refund_query", refund, Refunded)
    expect(queried.refund_no == refund.refund_no, f"the query says {queried!r}")


@case(refunds, over=FIRST)
async def refund_in_parts(stage: Stage) -> None:
    """Parts add up, each under its own number; the query tells them apart."""
    paid = await stage.paid()
    amount = paid.order.amount
    parts = [stage.refund_of(paid, each) for each in (1, amount // 2, amount - amount // 2 - 1)]
    returned = 0
    for part in parts:
        await stage.refunded(part)
        returned += part.amount
        await stage.expect_refunded(paid.order.attempt_no, returned)
    for part in parts:
        queried = await stage.polled("refund_query", part, Refunded)
        expect(queried.refund_no == part.refund_no, f"the query says {queried!r}")


@case(refunds, over=FIRST)
async def refund_twice_under_one_number(stage: Stage) -> None:
    """The same refund sent again moves nothing; the query still finds it."""
    paid = await stage.paid()
    refund = stage.refund_of(paid, paid.order.amount // 2)
    await stage.refunded(refund)
    again = await stage.ask("refund", refund)
    expect(
        isinstance(again, Refunded | RefundPending | Unknown), f"sent again it came to {again!r}"
    )
    await stage.expect_refunded(paid.order.attempt_no, refund.amount)
    await stage.polled("refund_query", refund, Refunded)


@case(refunds, over=FIRST)
async def refund_number_used_again(stage: Stage) -> None:
    """A number that was used moves no other amount."""
    paid = await stage.paid()
    refund = stage.refund_of(paid, 1)
    await stage.refunded(refund)
    other = replace(refund, amount=2)
    await stage.ask("refund", other)
    await stage.expect_refunded(paid.order.attempt_no, 1)
    outcome = await stage.ask("refund_query", other)
    expect(not isinstance(outcome, Refunded), f"the other amount is said to be {outcome!r}")


@case(refunds, over=FIRST)
async def refund_of_too_much(stage: Stage) -> None:
    """More than was paid never goes back, at once or in parts."""
    paid = await stage.paid()
    over = stage.refund_of(paid, paid.order.amount + 1)
    outcome = await stage.ask("refund", over)
    expect(not isinstance(outcome, Refunded | RefundPending), f"too much came to {outcome!r}")
    await stage.expect_refunded(paid.order.attempt_no, 0)
    await stage.refunded(stage.refund_of(paid, 1))
    rest = stage.refund_of(paid, paid.order.amount)
    outcome = await stage.ask("refund", rest)
    expect(not isinstance(outcome, Refunded | RefundPending), f"too much came to {outcome!r}")
    await stage.expect_refunded(paid.order.attempt_no, 1)


@case(refunds, disturbed("refund"), over=FIRST)
async def refund_lost_on_the_way(stage: Stage) -> None:
    """A refund that never arrived is unknown, then not found; sent again it takes effect once."""
    paid = await stage.paid()
    refund = stage.refund_of(paid, 1)
    await stage.arm("refund", "timeout")
    outcome = await stage.ask("refund", refund, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    queried = await stage.ask("refund_query", refund)
    expect(not isinstance(queried, Refunded), f"a refund that never was is {queried!r}")
    await stage.refunded(refund, tries=TRIES)
    await stage.expect_refunded(paid.order.attempt_no, 1)


@case(refunds, disturbed("refund"), over=FIRST)
async def refund_answer_lost(stage: Stage) -> None:
    """A refund whose answer was lost is found by its query, and is not paid again."""
    paid = await stage.paid()
    refund = stage.refund_of(paid, paid.order.amount // 2)
    await stage.arm("refund", "drop_after_effect")
    outcome = await stage.ask("refund", refund, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    await stage.polled("refund_query", refund, Refunded)
    await stage.ask("refund", refund)
    await stage.expect_refunded(paid.order.attempt_no, refund.amount)


@case(refunds, finds_nothing, over=FIRST)
async def refund_query_of_the_unknown(stage: Stage) -> None:
    """A refund number that was never sent is not found, on a paid order."""
    paid = await stage.paid()
    outcome = await stage.ask("refund_query", stage.refund_of(paid, 1))
    expect(isinstance(outcome, NotFound), f"a refund that never was came to {outcome!r}")
    await stage.refunded(stage.refund_of(paid, 1))
    outcome = await stage.ask("refund_query", stage.refund_of(paid, 1))
    expect(isinstance(outcome, NotFound), f"beside another one it came to {outcome!r}")


@case(refunds, over=FIRST)
async def refund_of_nothing(stage: Stage) -> None:
    """An order that was never paid gives nothing back."""
    paid = await stage.paid()
    never = stage.order()
    refund = replace(stage.refund_of(paid), attempt_no=never.attempt_no, channel_order_no=None)
    try:
        outcome = await stage.ask("refund", refund)
    except TillgateError:  # before a byte leaves: so much the better
        return
    expect(not isinstance(outcome, Refunded | RefundPending), f"it came to {outcome!r}")
    await stage.expect_refunded(paid.order.attempt_no, 0)
