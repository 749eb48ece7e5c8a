"""Contract: what a codec says of itself, refuses beforehand, and never shows.

Law: as `case`. Nothing here asks the channel: what it would never take is refused before a byte
leaves, building is a function of its arguments, and secrets show nowhere.
"""

from typing import Any

from msgspec.structs import replace

from gateway.channels.codec import PayOrder
from gateway.channels.registry import Registry
from gateway.channels.wire import HttpRequest
from gateway.conformance.case import FIRST, ONCE, WAYS, Subject, case, has_secrets, refunds
from gateway.conformance.judgement import expect, fail
from gateway.conformance.secrecy import SecretSigns
from gateway.conformance.stage import Stage
from gateway.domain.errors import TillgateError

FOREIGN_CURRENCY = "ZZZ"
AMOUNT_HUGE = 10**15


def _is_deterministic(subject: Subject) -> str | None:
    if subject.profile.seals_at_random:
        return "the protocol seals fields at random"
    return None


@case(over=ONCE, by_hand=True)
async def says_what_it_is(stage: Stage) -> None:
    """The codec registers, and what it says of its methods and credentials is consistent."""
    codec = stage.codec
    Registry([codec])
    methods = codec.methods
    for name in ("single_shot", "reversible", "authorizing"):
        expect(getattr(codec, name) <= methods, f"`{name}` names methods that are none")
    expect(codec.reversible <= codec.single_shot, "`reversible` names ways that may be sent again")
    names = codec.credential_names | codec.option_names
    expect(codec.secret_names <= names, "`secret_names` names credentials that are none")
    expect(not codec.credential_names & codec.option_names, "a credential is required and optional")
    described = {way.method for way in (*stage.profile.ways, *stage.profile.holds)}
    expect(described and described <= methods, f"the profile describes {sorted(described)}")
    transfers: frozenset[str] = getattr(codec, "transfer_methods", frozenset())
    told = {way.method for way in stage.profile.transfers}
    expect(told <= transfers, f"the profile describes the transfers {sorted(told)}")


@case(over=ONCE, by_hand=True)
async def account_is_checked(stage: Stage) -> None:
    """A registration that lacks a credential, or has an unusable one, is refused in words."""
    codec, account = stage.codec, stage.account
    codec.check_account(account)
    signs = SecretSigns(codec, account)
    given = account.credentials
    for name in sorted(codec.credential_names):
        without = {key: value for key, value in given.items() if key != name}
        for changed in (without, {**given, name: ""}):
            try:
                codec.check_account(replace(account, credentials=changed))
            except TillgateError as refusal:
                signs.expect_none(refusal.detail, "the refusal of an account")
            else:
                fail(f"an account without {name} was taken")


@case(over=WAYS, by_hand=True)
async def limits_are_checked(stage: Stage) -> None:
    """What the channel would never take is refused before a byte leaves."""
    order = stage.order()
    stage.codec.check_order(order)
    wrong: list[dict[str, Any]] = [
        {"method": "no_such_way"},
        {"currency": FOREIGN_CURRENCY},
        {"amount": 0},
        {"amount": -1},
        {"amount": AMOUNT_HUGE},
    ]
    wrong += [{"method_options": options} for options in stage.way.wrong_options]
    for changes in wrong:
        _expect_refused(stage, replace(order, **changes), str(changes))
    for subject in ("", "x" * 5_000, "\ud800", "a\nb"):
        _expect_refused_or_built(stage, replace(order, subject=subject))


@case(refunds, over=FIRST)
async def refund_limits_are_checked(stage: Stage) -> None:
    """A refund of nothing, or in a foreign currency, is refused before a byte leaves."""
    refund = stage.refund_of(await stage.paid())
    for changes in ({"amount": 0}, {"amount": -1}, {"currency": FOREIGN_CURRENCY}):
        try:
            stage.codec.build_refund(stage.account, replace(refund, **changes), stage.clock.wall())
        except TillgateError:
            continue
        fail(f"a refund of {changes} was built")


@case(_is_deterministic, over=WAYS, by_hand=True)
async def building_is_a_function(stage: Stage) -> None:
    """The same arguments give the same bytes: no clock, no chance."""
    order, now = stage.order(), stage.clock.wall()
    for operation in _asked(stage):
        build = getattr(stage.codec, f"build_{operation}")
        first, second = build(stage.account, order, now), build(stage.account, order, now)
        expect(first == second, f"build_{operation} gives other bytes each time")


@case(has_secrets, over=WAYS, by_hand=True)
async def secrets_stay_hidden(stage: Stage) -> None:
    """No secret of the account shows in its representation, in addresses or in bodies."""
    signs = SecretSigns(stage.codec, stage.account)
    expect(signs.names, "the account has no secret that could be looked for")
    signs.expect_none(repr(stage.account), "the account's representation")
    order = stage.order()
    signs.expect_none(repr(order), "the order's representation")
    for operation in _asked(stage):
        request = stage.build(operation, order)  # looks for secrets in the request
        if not isinstance(request, HttpRequest):
            signs.expect_none(repr(request), f"the outcome of build_{operation}")


def _asked(stage: Stage) -> tuple[str, ...]:
    """The operations on an order by this way; a cancel where it is reversible."""
    operations = ("pay", "query", "close")
    if stage.way.method in stage.codec.reversible:
        return (*operations, "cancel")
    return operations


def _expect_refused(stage: Stage, order: PayOrder, what: str) -> None:
    try:
        stage.codec.check_order(order)
    except TillgateError:
        return
    fail(f"an order with {what} was taken")


def _expect_refused_or_built(stage: Stage, order: PayOrder) -> None:
    """Whatever the text, it is refused in words or travels; nothing breaks on it."""
    try:
        stage.codec.check_order(order)
        stage.codec.build_pay(stage.account, order, stage.clock.wall())
    except TillgateError:
        return
    except Exception as error:  # told as the codec's fault
        fail(f"the subject {order.subject[:20]!r} raised {type(error).__name__}")
