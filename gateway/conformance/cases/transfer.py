"""Transfer: money that we pay out.

Law: as `case`. A transfer moves money once under its number, and silence is asked about, never
sent under another one.
"""

from msgspec.structs import replace

from gateway.channels.codec import NotFound, Refused, Unknown
from gateway.channels.transfer import Returned, TransferOrder, TransferPending, Transferred
from gateway.conformance.case import ONCE, case, disturbed, finds_nothing, transferring
from gateway.conformance.judgement import expect, fail
from gateway.conformance.profile import Transfer
from gateway.conformance.stage import Stage


@case(transferring, over=ONCE)
async def transfers(stage: Stage) -> None:
    """A transfer arrives once under its number, and its query says so."""
    for way in stage.profile.transfers:
        order = stage.transfer_by(way)
        stage.codec.check_transfer(order)
        await _arrived(stage, way, order, await stage.ask("transfer", order))
        again = await stage.ask("transfer", order)
        expect(not isinstance(again, Returned), f"sent again it came to {again!r}")
        await stage.polled("transfer_query", order, Transferred)
        rows = await stage.transfers(order.transfer_no)
        expect(len(rows) == 1, f"the book has {len(rows)} transfers of one number")
        expect(rows[0]["amount"] == order.amount, f"the book has {rows}")


@case(transferring, over=ONCE)
async def transfer_to_nobody(stage: Stage) -> None:
    """A payee whom the channel does not pay is refused, or the money returns."""
    for way in stage.profile.transfers:
        if way.unknown_payee is None and way.unknown_payee_amount is None:
            continue
        order = stage.transfer_by(way)
        order = replace(
            order,
            payee=way.unknown_payee or way.payee,
            amount=way.unknown_payee_amount or way.amount,
        )
        outcome = await stage.ask("transfer", order)
        if isinstance(outcome, TransferPending | Unknown):
            outcome = await stage.polled("transfer_query", order, Returned | NotFound)
        expect(isinstance(outcome, Refused | Returned | NotFound), f"it came to {outcome!r}")


@case(transferring, disturbed("transfer"), over=ONCE)
async def transfer_answer_lost(stage: Stage) -> None:
    """A transfer whose answer was lost is found by its query, and is made once."""
    for way in stage.profile.transfers:
        order = stage.transfer_by(way)
        await stage.arm("transfer", "drop_after_effect")
        outcome = await stage.ask("transfer", order, hurried=True)
        expect(isinstance(outcome, Unknown), f"silence came to {outcome!r}")
        await stage.expect_taken()
        found = await stage.ask("transfer_query", order)
        expect(isinstance(found, Transferred | TransferPending), f"the query says {found!r}")
        if isinstance(found, Transferred) or way.confirm is None or found.next_action is not None:
            await _arrived(stage, way, order, found)
        rows = await stage.transfers(order.transfer_no)
        expect(len(rows) == 1, f"the book has {len(rows)} transfers of one number")


@case(transferring, disturbed("transfer"), over=ONCE)
async def transfer_lost_on_the_way(stage: Stage) -> None:
    """A transfer that never arrived is unknown, and never said to be made."""
    for way in stage.profile.transfers:
        for fault in ("timeout", "error"):
            order = stage.transfer_by(way)
            await stage.arm("transfer", fault)
            outcome = await stage.ask("transfer", order, hurried=fault == "timeout")
            expect(isinstance(outcome, Unknown), f"{fault} came to {outcome!r}")
            await stage.expect_taken()
            found = await stage.ask("transfer_query", order)
            expect(
                not isinstance(found, Transferred | TransferPending), f"the query says {found!r}"
            )


@case(transferring, finds_nothing, over=ONCE)
async def transfer_query_of_the_unknown(stage: Stage) -> None:
    """A transfer that was never sent is not found."""
    for way in stage.profile.transfers:
        outcome = await stage.ask("transfer_query", stage.transfer_by(way))
        expect(isinstance(outcome, NotFound), f"a transfer that never was came to {outcome!r}")


async def _arrived(stage: Stage, way: Transfer, order: TransferOrder, outcome: object) -> None:
    """The payee takes the money, where he has to, until it is there."""
    if isinstance(outcome, TransferPending) and way.confirm is not None:
        action = outcome.next_action
        if action is None:
            fail("the payee is to act, and was given nothing")
        played = await stage.doors.pay(await way.confirm(stage.doors, action))
        expect(played.result in ("paid", "pending"), f"the payee could not take it: {played}")
    if not isinstance(outcome, Transferred):
        outcome = await stage.polled("transfer_query", order, Transferred)
    expect(
        isinstance(outcome, Transferred) and outcome.transfer_no == order.transfer_no,
        f"it came to {outcome!r}",
    )
