"""The page of all channels: what each can do, and what the conformance suite shows of it.

Law: drawn from the codecs and the plan of the suite, so that nothing is promised here that is not
run by `tests/conformance`, and nothing is left out there without its reason here.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from gateway.channels.codec import Codec
from gateway.channels.registry import built_in
from gateway.conformance import Profile, load_profiles, plan
from gateway.conformance.suite import CASES

CURRENCIES_SHOWN_MAX = 4
WAY_TRAITS = ("can hold", "asks for a code")
OPERATIONS = ("capture, void", "transfers", "statements", "keys fetched")
INTRODUCTION = """\
One contract serves all channels (`gateway/channels/codec.py`); a channel of your own is a package,
see [writing a channel](writing-a-channel.md). Every channel has a page of its own beside this one.
"""


def channels_page(mark: str) -> str:
    """The whole page; `mark` says that it is generated."""
    profiles = load_profiles(())
    codecs = sorted(built_in(), key=lambda codec: codec.name)
    lines = ["# Channels", "", mark, "", INTRODUCTION, "## Ways to pay", "", *_ways(codecs)]
    lines += ["", "## Operations", "", *_operations(codecs)]
    shown = [(codec, each) for codec in codecs for each in profiles.get(codec.name, ())]
    lines += ["", "## Conformance", "", *_conformance(shown)]
    return "\n".join(lines) + "\n"


def _ways(codecs: list[Codec]) -> Iterator[str]:
    yield _row("channel", "method", "sent again while in doubt", "ended by a cancel", *WAY_TRAITS)
    yield _row(*["---"] * 6)
    for codec in codecs:
        for method in sorted(codec.methods):
            cells = (
                method not in codec.single_shot,
                method in codec.reversible,
                method in codec.authorizing,
                method in getattr(codec, "answered", ()),
            )
            yield _row(codec.name, f"`{method}`", *map(_yes, cells))


def _operations(codecs: list[Codec]) -> Iterator[str]:
    yield _row("channel", "currencies", "refunds", *OPERATIONS)
    yield _row(*["---"] * 7)
    for codec in codecs:
        more: Any = codec
        by_hand = getattr(more, "refunds_by_hand", False)
        cells = (
            _names(codec.currencies),
            "by staff" if by_hand else "yes",
            _yes(bool(codec.authorizing)),
            _names(getattr(more, "transfer_methods", ())),
            _names(getattr(more, "statements", ())),
            _yes(hasattr(more, "build_keys")),
        )
        yield _row(codec.name, *cells)


def _conformance(channels: list[tuple[Codec, Profile]]) -> Iterator[str]:
    plans = {
        f"{codec.name}, {profile.mode}" if profile.mode else codec.name: plan(codec, profile)
        for codec, profile in channels
    }
    yield "How often each case is run (once for each way that it is about), by"
    yield "`tillgate conformance <channel>` and by `tests/conformance`. What is left out is told"
    yield "below, with the reason."
    yield ""
    yield _row("case", "rule", *plans)
    yield _row(*["---"] * (2 + len(plans)))
    for case in CASES:
        counts = [
            sum(trial.case.name == case.name for trial in planned.trials)
            for planned in plans.values()
        ]
        yield _row(case.name, case.law, *(str(count or "") for count in counts))
    for name, planned in plans.items():
        yield ""
        yield f"### Not offered by {name}"
        yield ""
        yield _row("reason", "cases")
        yield _row("---", "---")
        left = sorted({(found.text, found.case, found.way or "") for found in planned.not_offered})
        for reason, rows in groupby(left, key=itemgetter(0)):
            yield _row(reason, _cases(list(rows)))


def _cases(rows: list[tuple[str, str, str]]) -> str:
    by_case = groupby(rows, key=itemgetter(1))
    told = []
    for case, each in by_case:
        ways = [f"`{way}`" for _, _, way in each if way]
        told.append(f"{case} ({', '.join(ways)})" if ways else case)
    return ", ".join(told)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _names(names: Any) -> str:
    if len(names) > CURRENCIES_SHOWN_MAX:
        return f"{len(names)}"
    return ", ".join(f"`{name}`" for name in sorted(names)) or "no"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
