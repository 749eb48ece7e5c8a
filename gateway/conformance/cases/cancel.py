"""Cancel: ending a single-shot payment whose outcome is not known.

Law: as `case`. After a definite cancel no money of the order is with us: it was never taken, or
all of it went back.
"""

from gateway.channels.codec import Closed, HandedOut, NotFound, Paid, PayOrder, Unknown
from gateway.conformance.case import case, disturbed, reversible, waits
from gateway.conformance.judgement import expect
from gateway.conformance.stage import POLL_EVERY, POLLS_MAX, PaidOrder, Stage


@case(reversible)
async def cancel_of_a_paid_order(stage: Stage) -> None:
    """A payment that is cancelled went back whole, and a second cancel moves nothing."""
    paid = await stage.paid()
    await _cancelled(stage, paid)
    await _expect_gone(stage, paid.order.attempt_no)
    again = await stage.ask("cancel", paid.order)
    expect(isinstance(again, Closed | NotFound | Unknown), f"again it came to {again!r}")
    await _expect_gone(stage, paid.order.attempt_no)


@case(reversible, disturbed("pay"))
async def cancel_of_an_unknown_order(stage: Stage) -> None:
    """Whether silence had an effect or not, a cancel ends the order without money."""
    for fault in ("drop_after_effect", "timeout"):
        await stage.arm("pay", fault)
        order = stage.order()
        outcome = await stage.ask("pay", order, hurried=True)
        expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
        await stage.expect_taken()
        await _cancelled_order(stage, order)
        await _expect_gone(stage, order.attempt_no)


@case(reversible, waits)
async def cancel_of_a_waiting_order(stage: Stage) -> None:
    """A payer who does not confirm cannot pay after the cancel."""
    order = stage.waiting_order()
    outcome = await stage.ask("pay", order)
    expect(isinstance(outcome, HandedOut), f"a payer who must confirm came to {outcome!r}")
    await _cancelled_order(stage, order)
    played = await stage.act(order, outcome)
    expect(played.result is None, f"a cancelled order was {played.result}")
    await _expect_gone(stage, order.attempt_no)


@case(reversible, disturbed("cancel"))
async def cancel_answer_lost(stage: Stage) -> None:
    """A cancel whose answer was lost may be sent again."""
    paid = await stage.paid()
    await stage.arm("cancel", "drop_after_effect")
    outcome = await stage.ask("cancel", paid.order, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    await _cancelled(stage, paid)
    await _expect_gone(stage, paid.order.attempt_no)


async def _cancelled(stage: Stage, paid: PaidOrder) -> None:
    expect(isinstance(paid.outcome, Paid), f"the order came to {paid.outcome!r}")
    await _cancelled_order(stage, paid.order)


async def _cancelled_order(stage: Stage, order: PayOrder) -> None:
    """Cancel until the word is definite, as the core does."""
    outcome = None
    for _ in range(POLLS_MAX):
        outcome = await stage.ask("cancel", order)
        if isinstance(outcome, Closed | NotFound):
            return
        await stage.clock.advance(POLL_EVERY)
    expect(False, f"the cancel went on answering {outcome!r}")


async def _expect_gone(stage: Stage, attempt_no: str) -> None:
    for row in await stage.booked(attempt_no):
        whole = row["refunded"] == row["amount"]
        expect(row["status"] != "paid" or whole, f"after a cancel the book has {row}")
