"""Callback: what the channel tells us of itself, twice, late, falsely or for somebody else.

Law: as `case`. A callback is worth nothing until it is verified; the same effect has one dedupe
key however often it is told, another effect has another.
"""

from datetime import timedelta

from gateway.channels.codec import (
    CallbackRefused,
    Paid,
    PayOrder,
    Refunded,
    VerifiedCallback,
)
from gateway.channels.wire import CallbackRequest
from gateway.conformance.case import (
    FIRST,
    calls_back,
    case,
    refunds,
    signs_time,
    tells_refunds,
)
from gateway.conformance.judgement import expect, fail
from gateway.conformance.receiver import Heard
from gateway.conformance.stage import Stage

REASONS = frozenset(
    {
        "malformed",
        "bad_signature",
        "stale",
        "unknown_serial",
        "wrong_application",
        "wrong_seller",
    }
)
REPEAT_AFTER = timedelta(seconds=2)
STALE_AFTER = timedelta(minutes=30)
GARBAGE = (b"", b"\x00", b"{}", b"null", b"[]", b"a=1", b"a=1&a=2", b"\xff\xfe", b"<xml/>", b"%")


@case(calls_back)
async def told_twice(stage: Stage) -> None:
    """A callback that comes twice at once has one dedupe key and one meaning."""
    await stage.arm("callback", "duplicate")
    paid = await stage.paid()
    first, second = _verified(paid.heard), _verified(await stage.box.next())
    expect(first == second, f"{first!r} came again as {second!r}")


@case(calls_back)
async def answer_to_callback_lost(stage: Stage) -> None:
    """A callback that is repeated because our answer was lost has the same dedupe key."""
    await stage.arm("callback", "drop_after_effect")
    paid = await stage.paid()
    await stage.clock.advance(REPEAT_AFTER)
    first, second = _verified(paid.heard), _verified(await stage.box.next())
    expect(first.dedupe_key == second.dedupe_key, "the repeat has another dedupe key")
    expect(first.outcome == second.outcome, f"{first!r} was repeated as {second!r}")


@case(calls_back)
async def accepted_is_the_end(stage: Stage) -> None:
    """The codec's word for "accepted" stops the channel's repeats."""
    await stage.paid()
    await stage.clock.advance(REPEAT_AFTER)
    expect(stage.box.waiting() == 0, "an accepted callback was sent again")


@case(calls_back)
async def forged_callback(stage: Stage) -> None:
    """A callback with a false signature is refused and not accepted; its repeat is right."""
    await stage.arm("callback", "bad_signature")
    order = stage.order()
    outcome = await stage.ask("pay", order)
    heard = await _first_heard(stage, order, outcome)
    expect(heard.verified is None, "a forged callback was verified")
    expect(heard.refused == "bad_signature", f"the codec called it {heard.refused}")
    await stage.clock.advance(REPEAT_AFTER)
    again = _verified(await stage.box.next())
    expect(isinstance(again.outcome, Paid), f"the repeat says {again!r}")


@case(calls_back)
async def callback_with_another_amount(stage: Stage) -> None:
    """A genuine callback with another amount is reported with that amount, for the core to see."""
    await stage.arm("callback", "wrong_amount")
    order = stage.order()
    outcome = await stage.ask("pay", order)
    verified = _verified(await _first_heard(stage, order, outcome))
    said = verified.outcome
    expect(isinstance(said, Paid), f"the callback says {said!r}")
    expect(
        isinstance(said, Paid) and said.amount == order.amount + 1,
        f"the channel said one unit more, the codec {said!r}",
    )
    await stage.clock.advance(REPEAT_AFTER)
    again = _verified(await stage.box.next()).outcome
    expect(isinstance(again, Paid) and again.amount == order.amount, f"the repeat says {again!r}")


@case(calls_back)
async def told_out_of_order(stage: Stage) -> None:
    """Callbacks that come in another order keep their own orders and meanings."""
    await stage.arm("callback", "reorder")
    first, second = stage.order(), stage.order()
    for order in (first, second):
        outcome = await stage.ask("pay", order)
        await stage.act_if_asked(order, outcome)
    heard = [_verified(await stage.box.next()) for _ in range(2)]
    told = [each.attempt_no for each in heard]
    expect(told == [second.attempt_no, first.attempt_no], f"{told} came")
    for each in heard:
        expect(isinstance(each.outcome, Paid), f"{each!r} came")
    expect(heard[0].dedupe_key != heard[1].dedupe_key, "two orders have one dedupe key")


@case(calls_back, refunds, tells_refunds)
async def refund_told(stage: Stage) -> None:
    """A refund's callback is never taken for a payment, and has a dedupe key of its own."""
    paid = await stage.paid()
    payment = _verified(paid.heard)
    keys = {payment.dedupe_key}
    half = paid.order.amount // 2
    for amount in (half, paid.order.amount - half):
        refund = stage.refund_of(paid, amount)
        await stage.refunded(refund)
        told = _verified(await stage.box.next())
        expect(isinstance(told.outcome, Refunded), f"a refund is told as {told!r}")
        expect(told.refund_no == refund.refund_no, f"it names {told.refund_no}")
        expect(told.dedupe_key not in keys, "its dedupe key was used before")
        keys.add(told.dedupe_key)


@case(calls_back, over=FIRST)
async def callback_of_another_account(stage: Stage) -> None:
    """A genuine callback for one account is refused under another."""
    paid = await stage.paid()
    other = await stage.ground.account(stage.box.url, second=True)
    expect(other.credentials != stage.account.credentials, "the simulator opened no second account")
    request = _heard(paid.heard).request
    try:
        verified = stage.codec.read_callback(other, request, stage.clock.wall())
    except CallbackRefused as refused:
        expect(refused.reason in REASONS, f"refused for {refused.reason!r}")
        return
    fail(f"a stranger's callback was verified: {verified!r}")


@case(calls_back, signs_time, over=FIRST)
async def stale_callback(stage: Stage) -> None:
    """A callback that is replayed long after its signed time is refused as stale."""
    paid = await stage.paid()
    request = _heard(paid.heard).request
    for late in (STALE_AFTER, -STALE_AFTER):
        try:
            stage.codec.read_callback(stage.account, request, stage.clock.wall() + late)
        except CallbackRefused as refused:
            expect(refused.reason == "stale", f"refused for {refused.reason!r}")
        else:
            fail(f"a callback of {late} away was verified")


@case(over=FIRST, by_hand=True)
async def garbage_called_back(stage: Stage) -> None:
    """Whatever bytes a stranger sends are refused, and nothing else is raised."""
    now = stage.clock.wall()
    for body in GARBAGE:
        for method in ("POST", "GET"):
            request = CallbackRequest(method, "/callbacks/x/cac_1", {}, body)
            try:
                verified = stage.codec.read_callback(stage.account, request, now)
            except CallbackRefused as refused:
                expect(refused.reason in REASONS, f"refused for {refused.reason!r}")
            except Exception as error:  # told as the codec's fault
                fail(f"read_callback raised {type(error).__name__} for {body!r}")
            else:
                fail(f"{body!r} was verified as {verified!r}")


async def _first_heard(stage: Stage, order: PayOrder, outcome: object) -> Heard:
    await stage.act_if_asked(order, outcome)
    return await stage.box.next()


def _heard(heard: Heard | None) -> Heard:
    if heard is None:
        fail("no callback came")
    return heard


def _verified(heard: Heard | None) -> VerifiedCallback:
    found = _heard(heard)
    if found.verified is None:
        fail(f"a genuine callback was refused: {found.refused}")
    return found.verified
