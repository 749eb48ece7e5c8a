"""Profile: how a channel describes itself to the suite.

Law: facts and ways to reach the payer, no judgement. A profile says how an account is opened at
the simulator, which ways to pay there are and how a payer comes to each, what the simulator calls
an operation when it is to do something wrong, and what the channel's protocol does not have. What
the codec itself says (`single_shot`, `reversible`, `authorizing`, `answered`, `transfer_methods`,
`statements`) is read from the codec and not said again.

A package that brings a channel gives its profile (or a sequence of them, one for each mode) by an
entry point of the group `tillgate.conformance`, named like the channel.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import NamedTuple

from msgspec import Struct, field

from gateway.channels.codec import PayOrder
from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey
from gateway.conformance.payer import payer_code

Options = Callable[[int], Mapping[str, str]]
Wrong = tuple[Mapping[str, str], ...]
Reach = Callable[[Doors, PayOrder, Mapping[str, object]], Awaitable[str]]


class Opened(NamedTuple):
    """An account at the simulator: where the channel is, and what the codec is configured with.

    `payer` are method options that every order of the account carries, such as a wallet that was
    made for the run.
    """

    gateway_url: str
    credentials: Mapping[str, str]
    payer: Mapping[str, str] = {}


Open = Callable[[Doors, str, MerchantKey, str], Awaitable[Opened]]


def no_options(serial: int) -> Mapping[str, str]:
    """A way that needs nothing of the payer beforehand."""
    return {}


class Way(Struct, frozen=True, kw_only=True):
    """One way to pay. `amount` is in minor units of `currency`, and no magic one.

    `pay` is the simulator's word for the request that makes the order; None where nobody is asked
    (`build_pay` answers `HandedOut`). `options` makes the method options of a payer who pays, anew
    for each order (its serial number is given); `declining` those of one who is refused, where the
    refusal comes with the answer, and `declining_amount` a magic amount that does the same.
    `waiting` and `waiting_amount` likewise make a payer who must confirm first, where the way is
    single-shot.
    `wrong_options` are refused before a byte leaves. `reach` finds the code by which the pretend
    payer knows the order. `sms_code` and `wrong_sms_code` answer the step `sms_code`.
    """

    method: str
    pay: str | None = None
    amount: int = 1_234
    currency: str = "CNY"
    capture_method: str = "automatic"
    options: Options = no_options
    declining: Options | None = None
    declining_amount: int | None = None
    waiting: Options | None = None
    waiting_amount: int | None = None
    wrong_options: Wrong = ()
    reach: Reach = payer_code
    sms_code: str | None = None
    wrong_sms_code: str | None = None
    payer_names_amount: bool = False
    calls_back: bool = True
    returns_url: str | None = None


class Transfer(Struct, frozen=True, kw_only=True):
    """One way to pay out. `payee` is one whom the channel pays, `unknown_payee` one it refuses.

    `confirm` finds the code by which the payee takes the money, where he has to.
    """

    method: str
    payee: Mapping[str, str]
    unknown_payee: Mapping[str, str] | None = None
    unknown_payee_amount: int | None = None
    amount: int = 2_345
    currency: str = "CNY"
    confirm: Callable[[Doors, Mapping[str, object]], Awaitable[str]] | None = None


async def open_by_key(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """Open an account by the merchant's public key; the simulator answers credentials by name."""
    opened = await doors.open_account(channel, key.public_pem)
    credentials = {name: value for name, value in opened.items() if isinstance(value, str)}
    credentials["merchant_private_key"] = key.private_pem
    return Opened(credentials.pop("gateway_url"), credentials)


class Profile(Struct, frozen=True, kw_only=True):
    """A channel as the suite meets it; in each of its modes, where it has several.

    `mode` names the mode, such as `certificates`; it is empty where there is one only.
    `ways` take money, `holds` hold it first. `faults` gives the simulator's word for an operation
    of the contract (`query`, `close`, `cancel`, `refund`, `refund_query`, `capture`, `void`,
    `transfer`, `callback`, ...); what is not named cannot be disturbed.

    `keeps_orders`: the simulator's book has our orders; a bank's has movements only.
    `answers_signed`: answers carry a signature of the channel, so that a changed one is noticed.
    `answers_named`: an answer names the order that it is about.
    `time_signed`: callbacks carry a signed time of sending, so that an old one is refused.
    `closes`: an order can be closed before its time is over.
    `refund_calls_back`: a refund is told by a callback.
    `refunds_name_capture`: a refund of held money names the capture's number, not the attempt's.
    `finds_nothing`: a query of an unknown number is answered by "not found".
    `seals_at_random`: the protocol seals fields with randomness of its own, so that the same
    request has other bytes each time.
    `fetches_first`: an account has no key of the channel until one is fetched.
    `renew` lets the simulator change its key while we run.
    `statement_after`: how long after the day's end its statement can be had.
    `without` says why a case is not offered, in the channel's words, by the name of the case.
    """

    channel: str
    mode: str = ""
    ways: tuple[Way, ...]
    holds: tuple[Way, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    open: Open = open_by_key
    keeps_orders: bool = True
    answers_signed: bool = True
    answers_named: bool = True
    time_signed: bool = False
    closes: bool = True
    refund_calls_back: bool = True
    refunds_name_capture: bool = False
    finds_nothing: bool = True
    seals_at_random: bool = False
    fetches_first: bool = False
    renew: Callable[[Doors], Awaitable[None]] | None = None
    statement_after: timedelta = timedelta(hours=10, minutes=30)
    without: Mapping[str, str] = field(default_factory=dict)
