"""SMS: a way that asks the payer for a code.

Law: as `case`. A wrong code is the only refusal after which the attempt lives on.
"""

from gateway.channels.answering import SMS_CODE, SMS_CODE_WRONG
from gateway.channels.codec import Paid, Refused, Unknown
from gateway.conformance.case import answered, case, disturbed
from gateway.conformance.judgement import expect
from gateway.conformance.stage import Stage


@case(answered)
async def wrong_code_then_right(stage: Stage) -> None:
    """A wrong code is refused as such, takes no money, and the right one pays."""
    order, handed = await stage.handed_out()
    expect(handed.next_action.get("type") == SMS_CODE, f"handed out was {handed!r}")
    wrong = await stage.ask("answer", order, {SMS_CODE: stage.way.wrong_sms_code or ""})
    expect(
        isinstance(wrong, Refused) and wrong.code == SMS_CODE_WRONG, f"a wrong code came to {wrong}"
    )
    await stage.unpaid(order)
    paid = await stage.settled(order, handed)
    expect(isinstance(paid.outcome, Paid), f"the right code came to {paid.outcome!r}")


@case(answered, disturbed("answer"))
async def code_answer_lost(stage: Stage) -> None:
    """A code whose answer was lost is unknown, and the query finds the payment."""
    order, _ = await stage.handed_out()
    await stage.arm("answer", "drop_after_effect")
    answer = {SMS_CODE: stage.way.sms_code or ""}
    outcome = await stage.ask("answer", order, answer, hurried=True)
    expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
    await stage.expect_taken()
    await stage.polled("query", order, Paid)
