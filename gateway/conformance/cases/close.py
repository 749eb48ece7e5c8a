"""Close: an order that shall take no money any more, against a payer who pays.

Law: as `case`. Whoever comes first wins, and the codec says who it was: a paid order is never
called closed, and a closed one is never paid.
"""

from gateway.channels.codec import Authorized, Closed, HandedOut, NotFound, Paid, Refused, Unknown
from gateway.conformance.case import case, closes, disturbed, waits_for_payer
from gateway.conformance.judgement import expect
from gateway.conformance.stage import Stage, is_money


@case(waits_for_payer, closes)
async def close_before_pay(stage: Stage) -> None:
    """After a close the payer cannot pay, scanned or not."""
    for scanned in (False, True):
        order = stage.order()
        asked = await stage.exchange("pay", order)
        order, handed = await stage.handed_out(order, asked.outcome)
        code = await stage.way.reach(stage.doors, order, handed.next_action)
        if scanned:
            await stage.doors.pay(code, behaviour="ignore")
        outcome = await stage.ask("close", order)
        expect(isinstance(outcome, Closed | NotFound), f"the close came to {outcome!r}")
        played = await stage.doors.pay(code)
        if played.result is not None and asked.request is None and isinstance(outcome, NotFound):
            # The channel had never heard of it: what is paid all the same must be told.
            await stage.polled("query", order, Paid)
            continue
        expect(played.result is None, f"a closed order was {played.result}")
        await stage.unpaid(order)


@case(waits_for_payer)
async def close_after_pay(stage: Stage) -> None:
    """A close that comes after the payment does not call the order closed, and it stays paid."""
    paid = await stage.paid()
    outcome = await stage.ask("close", paid.order)
    expect(
        isinstance(outcome, Paid | Authorized | Refused | Unknown),
        f"the close of a paid order came to {outcome!r}",
    )
    queried = await stage.ask("query", paid.order)
    expect(isinstance(queried, Paid), f"afterwards the order is {queried!r}")


@case(waits_for_payer, closes)
async def close_twice(stage: Stage) -> None:
    """A close may be sent again: the order stays closed."""
    order, handed = await stage.handed_out()
    await stage.act(order, handed, behaviour="ignore")
    await stage.ask("close", order)
    again = await stage.ask("close", order)
    expect(isinstance(again, Closed | NotFound | Unknown), f"the second close came to {again!r}")
    queried = await stage.ask("query", order)
    expect(isinstance(queried, Closed | NotFound), f"afterwards the order is {queried!r}")


@case(waits_for_payer, closes, disturbed("close"))
async def close_answer_lost(stage: Stage) -> None:
    """A close whose answer was lost is found by the query."""
    order, handed = await stage.handed_out()
    await stage.act(order, handed, behaviour="ignore")
    await stage.arm("close", "drop_after_effect")
    outcome = await stage.ask("close", order, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    queried = await stage.ask("query", order)
    expect(isinstance(queried, Closed | NotFound), f"afterwards the order is {queried!r}")


@case(waits_for_payer)
async def close_of_the_unknown(stage: Stage) -> None:
    """A close of a number that was never sent claims no money."""
    outcome = await stage.ask("close", stage.order())
    expect(
        not is_money(outcome) and not isinstance(outcome, HandedOut),
        f"the close of nothing came to {outcome!r}",
    )
