"""By hand: ways in which staff says what happened, and no machine is asked.

Law: as `case`. Nothing leaves the house, and nothing is claimed that only a receipt can say.
"""

from gateway.channels.codec import Closed, HandedOut, RefundOrder, RefundPending, Waiting
from gateway.conformance.case import case, taken_by_hand
from gateway.conformance.judgement import expect
from gateway.conformance.stage import Stage


@case(taken_by_hand, by_hand=True)
async def waits_for_staff(stage: Stage) -> None:
    """An order waits until staff says that it was paid; a refund likewise; closing is at once."""
    order = stage.order()
    handed = await stage.exchange("pay", order)
    expect(handed.request is None, "somebody was asked")
    expect(isinstance(handed.outcome, HandedOut), f"the order came to {handed.outcome!r}")
    queried = await stage.ask("query", order)
    expect(isinstance(queried, Waiting), f"the query came to {queried!r}")
    refund = RefundOrder(
        order.attempt_no, None, stage.ground.number()[0], 1, order.amount, order.currency
    )
    for operation in ("refund", "refund_query"):
        outcome = await stage.ask(operation, refund)
        expect(isinstance(outcome, RefundPending), f"{operation} came to {outcome!r}")
    closed = await stage.ask("close", order)
    expect(isinstance(closed, Closed), f"the close came to {closed!r}")
