"""Keys: a channel's key that we do not hold yet.

Law: as `case`. An unknown serial is said to be one, by name; fetched keys are proven, and then the
very same bytes are read.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from gateway.channels.codec import CallbackRefused, HandedOut, Paid, Unknown
from gateway.channels.crypto import rsa_public_key
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.conformance.case import FIRST, calls_back, case, disturbed, fetches_keys
from gateway.conformance.judgement import expect, fail
from gateway.conformance.stage import Stage


@case(fetches_keys, calls_back, disturbed("pay"), over=FIRST)
async def unknown_serial_then_fetched(stage: Stage) -> None:
    """An unknown serial is named as such; with the fetched keys the same bytes are read."""
    if stage.profile.renew is not None:
        await stage.profile.renew(stage.doors)
    unready = replace(stage.account, keys={})
    stage.account = stage.box.account = unready
    order = stage.order()
    asked = await stage.exchange("pay", order)
    unread = asked.outcome
    expect(
        isinstance(unread, Unknown) and unread.reason == UNKNOWN_SERIAL, f"it came to {unread!r}"
    )
    if asked.response is None:
        fail("the channel did not answer")
    keys = await stage.ground.fetched_keys(unready, unread.channel_code)
    ready = replace(unready, keys=keys)
    outcome = stage.read("pay", order, asked.response, account=ready)
    expect(isinstance(outcome, HandedOut), f"with the fetched keys it came to {outcome!r}")
    await stage.act_if_asked(order, outcome)
    heard = await stage.box.next()
    expect(heard.refused == UNKNOWN_SERIAL, f"the callback was refused for {heard.refused}")
    try:
        verified = stage.codec.read_callback(ready, heard.request, stage.clock.wall())
    except CallbackRefused as refused:
        fail(f"with the fetched keys the callback was refused for {refused.reason}")
    expect(isinstance(verified.outcome, Paid), f"the callback says {verified!r}")
    stage.box.account = ready


@case(fetches_keys, disturbed("pay"), over=FIRST)
async def spoiled_keys_teach_nothing(stage: Stage) -> None:
    """An answer with keys that was changed anywhere teaches no other key."""
    if stage.profile.renew is not None:
        await stage.profile.renew(stage.doors)
    unready = replace(stage.account, keys={})
    stage.account = unready
    unread = await stage.ask("pay", stage.order())
    expect(isinstance(unread, Unknown), f"it came to {unread!r}")
    answer = await stage.ground.keys_answer(unready, unread.channel_code)
    genuine = _keys(stage.codec.read_keys(unready, answer, stage.clock.wall()))
    for position in range(len(answer.body)):
        changed = bytearray(answer.body)
        changed[position] ^= 1
        spoiled = replace(answer, body=bytes(changed))
        learnt = _keys(stage.codec.read_keys(unready, spoiled, stage.clock.wall()))
        expect(learnt <= genuine, f"changed at {position} it taught another key")


def _keys(learnt: Mapping[str, str]) -> set[object]:
    """The keys themselves: a text may be spelt in several ways."""
    return {rsa_public_key(text).public_numbers() for text in learnt.values()}
