"""Expiry: an order whose time is over.

Law: as `case`. These cases move the clock by more than a minute, so they run late.
"""

from datetime import timedelta

from gateway.channels.codec import Closed, NotFound
from gateway.conformance.case import case, waits_for_payer
from gateway.conformance.judgement import expect
from gateway.conformance.stage import Stage, is_money

SHORT_LIFE = timedelta(seconds=90)


@case(waits_for_payer)
async def paid_too_late(stage: Stage) -> None:
    """After its time the order takes no money, and is closed, by itself or when it is asked."""
    order, handed = await stage.handed_out(stage.order(life=SHORT_LIFE))
    code = await stage.way.reach(stage.doors, order, handed.next_action)
    await stage.clock.advance(SHORT_LIFE)
    played = await stage.doors.pay(code)
    expect(played.result is None, f"after its time the order was {played.result}")
    queried = await stage.ask("query", order)
    expect(not is_money(queried), f"after its time the order is {queried!r}")
    if stage.profile.closes and not isinstance(queried, Closed | NotFound):
        await stage.polled("close", order, Closed | NotFound)
    await stage.unpaid(order)
