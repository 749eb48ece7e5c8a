"""Pay: an order is made, the payer pays or does not, and nothing is charged twice.

Law: as `case`. What the codec says is held against the simulator's book.
"""

from gateway.channels.codec import Closed, HandedOut, NotFound, Paid, Refused, Unknown
from gateway.conformance.case import (
    WAYS,
    case,
    declines,
    disturbed,
    repeatable,
    single_shot,
    waits,
    waits_for_payer,
)
from gateway.conformance.judgement import expect
from gateway.conformance.stage import Stage, is_money


@case(over=WAYS)
async def pays(stage: Stage) -> None:
    """A payer pays: answer, callback and query agree to the last digit, and so does the book."""
    paid = await stage.paid()
    order, outcome = paid.order, paid.outcome
    expect(isinstance(outcome, Paid), f"the paid order came to {outcome!r}")
    facts = (outcome.channel_order_no, outcome.amount, outcome.currency)
    expect(facts[1:] == (order.amount, order.currency), f"the facts are {facts}")
    queried = await stage.polled("query", order, Paid)
    expect(
        (queried.channel_order_no, queried.amount, queried.currency) == facts,
        f"query says {queried!r}, but {facts} was said before",
    )
    if paid.heard is not None:
        verified = paid.heard.verified
        expect(verified is not None, f"the callback was refused: {paid.heard.refused}")
        told = None if verified is None else verified.outcome
        expect(isinstance(told, Paid), f"the callback says {told!r}")
        expect(told == queried or _same_money(told, queried), f"{told!r} is not {queried!r}")
    await stage.expect_paid_once(order)


@case(waits_for_payer)
async def declined_by_payer(stage: Stage) -> None:
    """A payer who declines, or walks away, is charged nothing."""
    for behaviour in ("decline", "ignore"):
        order, handed = await stage.handed_out()
        await stage.act(order, handed, behaviour=behaviour)
        await stage.unpaid(order)


@case(declines)
async def declined_with_answer(stage: Stage) -> None:
    """A payer who is refused with the answer is charged nothing, and the refusal has a meaning."""
    order = stage.declined_order()
    outcome = await stage.ask("pay", order)
    expect(isinstance(outcome, Refused), f"the refused payer came to {outcome!r}")
    await stage.unpaid(order)


@case(repeatable)
async def same_order_twice(stage: Stage) -> None:
    """The same order sent again is one order, and is paid once."""
    order, handed = await stage.handed_out()
    again = await stage.ask("pay", order)
    expect(isinstance(again, HandedOut | Unknown), f"sent again, the order came to {again!r}")
    await stage.settled(order, again if isinstance(again, HandedOut) else handed)
    await stage.expect_paid_once(order)
    third = await stage.ask("pay", order)
    expect(
        not isinstance(third, Refused | Closed | NotFound),
        f"a paid order that is sent again came to {third!r}, as if it were not paid",
    )


@case(disturbed("pay"))
async def pay_lost_on_the_way(stage: Stage) -> None:
    """A request that had no effect and no answer is unknown; the query never says paid."""
    await stage.arm("pay", "timeout")
    order = stage.order()
    outcome = await stage.ask("pay", order, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    await stage.unpaid(order)


@case(disturbed("pay"), repeatable)
async def pay_lost_then_sent_again(stage: Stage) -> None:
    """After silence the same number may be sent again, and is payable once."""
    for fault in ("timeout", "drop_after_effect"):
        await stage.arm("pay", fault)
        order = stage.order()
        outcome = await stage.ask("pay", order, hurried=True)
        expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
        await stage.expect_taken()
        await stage.paid(order)
        await stage.expect_paid_once(order)


@case(disturbed("pay"), single_shot)
async def answer_lost_after_effect(stage: Stage) -> None:
    """A single-shot payment whose answer was lost is found by the query."""
    await stage.arm("pay", "drop_after_effect")
    order = stage.order()
    outcome = await stage.ask("pay", order, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    rows = await stage.booked(order.attempt_no)
    if [row["status"] for row in rows] != ["paid"]:
        played = await stage.doors.pay(await stage.way.reach(stage.doors, order, _WAITING))
        expect(played.result in ("paid", "pending"), f"the payer could not pay: {played}")
    queried = await stage.polled("query", order, Paid)
    expect(queried.amount == order.amount, f"the query says {queried!r}")


@case(disturbed("pay"))
async def pay_system_error(stage: Stage) -> None:
    """The channel's own "system error, outcome unknown" is unknown."""
    await stage.arm("pay", "error")
    order = stage.order()
    outcome = await stage.ask("pay", order)
    expect(isinstance(outcome, Unknown), f"a system error came to {outcome!r}")
    await stage.expect_taken()
    expect(not is_money(await stage.ask("query", order)), "the query says paid")


@case(single_shot, waits)
async def confirmed_later(stage: Stage) -> None:
    """A payer who must confirm first is waited for, and then has paid."""
    order = stage.waiting_order()
    outcome = await stage.ask("pay", order)
    expect(isinstance(outcome, HandedOut), f"a payer who must confirm came to {outcome!r}")
    await stage.unpaid(order)
    await stage.settled(order, outcome)
    queried = await stage.polled("query", order, Paid)
    expect(queried.amount == order.amount, f"the query says {queried!r}")


@case()
async def query_of_the_unknown(stage: Stage) -> None:
    """A number that was never sent is neither paid nor closed; it is not found, if anything."""
    outcome = await stage.ask("query", stage.order())
    expect(
        not is_money(outcome) and not isinstance(outcome, Closed | Refused),
        f"an order that never was came to {outcome!r}",
    )
    if stage.profile.finds_nothing:
        expect(isinstance(outcome, NotFound), f"an order that never was came to {outcome!r}")


_WAITING = {"type": "barcode_wait"}


def _same_money(told: object, queried: Paid) -> bool:
    return isinstance(told, Paid) and (told.channel_order_no, told.amount, told.currency) == (
        queried.channel_order_no,
        queried.amount,
        queried.currency,
    )
