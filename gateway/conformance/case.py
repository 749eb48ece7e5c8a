"""Case: one rule of the contract, how it is shown, and which channels it is about.

Law: a case is an async function of a `Stage` that raises `Violation` where the rule is broken. Its
needs are questions to codec and profile; each answers None, or the reason why the channel does not
offer what the case is about, in the contract's words.
"""

from collections.abc import Awaitable, Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

from gateway.conformance.profile import Profile, Way
from gateway.conformance.stage import Stage


class Subject(NamedTuple):
    """What a need looks at; `codec` may have pages of the contract beyond `Codec`."""

    codec: Any
    profile: Profile
    way: Way | None


Need = Callable[[Subject], str | None]
Run = Callable[[Stage], Awaitable[None]]


class Case(NamedTuple):
    """`law` is the rule in one line. `over` says what it is told by: every way that takes money,
    every way that holds it, or once."""

    name: str
    law: str
    run: Run
    needs: tuple[Need, ...]
    over: str


WAYS, HOLDS, ONCE, FIRST = "ways", "holds", "once", "first"


def case(*needs: Need, over: str = WAYS, by_hand: bool = False) -> Callable[[Run], Case]:
    """Make a case of an async function; its name and the first line of its docstring are kept.

    A case is about ways whose money a machine reports, unless `by_hand` says that it is about all.

    `over`: `WAYS` runs it for each way, `HOLDS` for each way that holds, `FIRST` once by the first
    way that has what is needed, `ONCE` by none.
    """

    def made(run: Run) -> Case:
        law = (run.__doc__ or "").strip().partition("\n")[0]
        name = getattr(run, "__name__", "").replace("_", "-")
        return Case(name, law, run, needs if by_hand else (by_machine, *needs), over)

    return made


def cases_of(modules: Iterable[ModuleType]) -> tuple[Case, ...]:
    """All cases of the modules, in the order in which they are written."""
    return tuple(
        value for module in modules for value in vars(module).values() if isinstance(value, Case)
    )


# --- needs ---------------------------------------------------------------------------------------


def by_machine(subject: Subject) -> str | None:
    """The channel itself says that money came."""
    if subject.way is not None and subject.way.method in getattr(subject.codec, "by_hand", ()):
        return "`by_hand`: staff says what happened"
    return None


def taken_by_hand(subject: Subject) -> str | None:
    """Staff says that money came."""
    return None if by_machine(subject) is not None else "not in `by_hand`"


def refunds(subject: Subject) -> str | None:
    """The channel itself carries out refunds."""
    if getattr(subject.codec, "refunds_by_hand", False):
        return "`refunds_by_hand`: staff pays back and says so"
    return None


def has_secrets(subject: Subject) -> str | None:
    """An account has secrets."""
    return None if subject.codec.secret_names else "no `secret_names`"


def waits(subject: Subject) -> str | None:
    """A payer can be asked to confirm after the answer."""
    way = subject.way
    if way is None or (way.waiting is None and way.waiting_amount is None):
        return "no payer is asked to confirm"
    return None


def disturbed(operation: str) -> Need:
    """The simulator can let the operation go wrong."""

    def need(subject: Subject) -> str | None:
        if operation == "pay":
            if subject.way is None or subject.way.pay is None:
                return "nobody is asked: `build_pay` hands out"
            return None
        if operation not in subject.profile.faults:
            return f"nothing is asked for `{operation}` that could go wrong"
        return None

    return need


def calls_back(subject: Subject) -> str | None:
    """The channel tells a payment by a callback."""
    if "callback" not in subject.profile.faults:
        return "the channel sends no callbacks"
    if subject.way is not None and not subject.way.calls_back:
        return f"no callback tells of {subject.way.method}"
    return None


def tells_refunds(subject: Subject) -> str | None:
    """The channel tells a refund by a callback."""
    return None if subject.profile.refund_calls_back else "no callback tells of refunds"


def closes(subject: Subject) -> str | None:
    """An order can be closed before its time is over."""
    return None if subject.profile.closes else "the channel closes no order before its time is over"


def signs_answers(subject: Subject) -> str | None:
    """A changed answer is noticed."""
    return None if subject.profile.answers_signed else "answers are not signed: TLS vouches"


def names_orders(subject: Subject) -> str | None:
    """An answer says which order it is about."""
    return None if subject.profile.answers_named else "answers do not name their order"


def signs_time(subject: Subject) -> str | None:
    """A callback carries a signed time of sending."""
    return None if subject.profile.time_signed else "no time of sending is signed"


def finds_nothing(subject: Subject) -> str | None:
    """A query of an unknown number is answered by "not found"."""
    return None if subject.profile.finds_nothing else "the channel does not say `not found`"


def waits_for_payer(subject: Subject) -> str | None:
    """The payer acts after the answer."""
    way = subject.way
    if way is not None and way.sms_code is not None:
        return "the payer answers by `answer`"
    if way is not None and way.method in subject.codec.single_shot:
        return "`single_shot`: the answer is the end"
    return None


def repeatable(subject: Subject) -> str | None:
    """The create may be sent again while in doubt."""
    if subject.way is not None and subject.way.method in subject.codec.single_shot:
        return "`single_shot`: never sent again while in doubt"
    return None


def single_shot(subject: Subject) -> str | None:
    """The create is never sent again while in doubt."""
    if subject.way is not None and subject.way.method in subject.codec.single_shot:
        return None
    return "not in `single_shot`"


def reversible(subject: Subject) -> str | None:
    """An unknown outcome is ended by a cancel."""
    if subject.way is not None and subject.way.method in subject.codec.reversible:
        return None
    return "not in `reversible`"


def declines(subject: Subject) -> str | None:
    """The answer itself can be a refusal."""
    way = subject.way
    if way is None or (way.declining is None and way.declining_amount is None):
        return "no payer is refused with the answer"
    return None


def answered(subject: Subject) -> str | None:
    """The way asks the payer for a code by SMS."""
    if subject.way is not None and subject.way.method in getattr(subject.codec, "answered", ()):
        return None
    return "not in `answered`"


def transferring(subject: Subject) -> str | None:
    """The channel pays out."""
    if not getattr(subject.codec, "transfer_methods", ()):
        return "no `transfer_methods`"
    return None if subject.profile.transfers else "no transfers in this mode"


def stating(subject: Subject) -> str | None:
    """The channel gives statements."""
    return None if getattr(subject.codec, "statements", ()) else "no `statements`"


def fetches_keys(subject: Subject) -> str | None:
    """The channel gives its keys on request."""
    if not hasattr(subject.codec, "build_keys"):
        return "no `build_keys`"
    if subject.profile.fetches_first or subject.profile.renew is not None:
        return None
    return "the channel's key does not change in this mode"
