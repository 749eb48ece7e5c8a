"""`tillgate conformance`: run the conformance suite on a channel, built in or installed.

Law: it needs no database and no key of the installation. Without `--simulators` it starts the
simulators itself, in a temporary folder and on a clock of their own, so that nothing is waited for.
Status 0 only if every case that the channel offers is passed; what it does not offer is listed with
the reason.
"""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from gateway.channels.codec import Codec
from gateway.channels.registry import load_registry
from gateway.cli.faults import DONE, FAILED, CommandFailed
from gateway.cli.options import OUTPUT, RUNNING, option
from gateway.cli.run import Signals, run
from gateway.cli.screen import Screen
from gateway.conformance import (
    Finding,
    MovedTime,
    Plan,
    Profile,
    RealTime,
    load_profiles,
    open_ground,
    plan,
    run_suite,
)
from gateway.conformance.ground import Clock
from gateway.conformance.packages import ProfileUnusable
from gateway.sandbox import Sandbox
from gateway.sandbox.packages import installed_simulators

_MARKS = {
    "passed": "[green]✓[/green]",
    "failed": "[red]✗[/red]",
    "not_offered": "[dim]–[/dim]",
}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ConformanceOptions:
    """Of `conformance`."""

    case: Annotated[
        list[str] | None, option("Only this case, by its name; repeatable.", group=RUNNING)
    ] = None
    simulators: Annotated[
        str | None,
        option(
            "Simulators that run already, such as http://127.0.0.1:8082; their time is real.",
            group=RUNNING,
        ),
    ] = None
    json: Annotated[bool, option("Results as JSON, for programs.", group=OUTPUT)] = False


def conformance(channel: str, /, *, options: ConformanceOptions = ConformanceOptions()) -> int:
    """Show whether a channel keeps the contract, case by case, against its simulator."""
    screen = Screen(json=options.json)
    return run(lambda signals: _conformance(channel, options, screen, signals), screen=screen)


async def _conformance(
    channel: str, options: ConformanceOptions, screen: Screen, signals: Signals
) -> int:
    codec, profiles = _found(channel)
    plans = [plan(codec, profile) for profile in profiles]
    only = frozenset(options.case or ())
    _check_names(only, plans)
    total = sum(
        not only or trial.case.name in only for planned in plans for trial in planned.trials
    )
    findings: list[Finding] = []
    with screen.step(f"Conformance of {channel}", f"Conformance of {channel}") as step:
        done = 0

        def report(finding: Finding) -> None:
            nonlocal done
            if finding.verdict != "not_offered":
                done += 1
                step.move(f"{done} of {total}, {finding.case}")

        for profile in profiles:
            async with (
                _simulators(options.simulators) as (url, clock),
                open_ground(codec, profile, sandbox_url=url, clock=clock) as ground,
            ):
                findings += await run_suite(ground, only=only, report=report)
    _show(channel, findings, screen)
    return FAILED if any(each.verdict == "failed" for each in findings) else DONE


def _found(channel: str) -> tuple[Codec, Sequence[Profile]]:
    codec = load_registry().codec(channel)
    if codec is None:
        names = ", ".join(sorted(load_registry().names))
        raise CommandFailed(f"There is no channel {channel}; there are: {names}.")
    try:
        profiles = load_profiles().get(channel)
    except ProfileUnusable as error:
        raise CommandFailed(str(error)) from error
    if not profiles:
        raise CommandFailed(
            f"The channel {channel} does not describe itself: its package needs an entry point of "
            "the group tillgate.conformance."
        )
    return codec, profiles


def _check_names(only: frozenset[str], plans: Sequence[Plan]) -> None:
    known = {trial.case.name for planned in plans for trial in planned.trials}
    known |= {finding.case for planned in plans for finding in planned.not_offered}
    unknown = sorted(only - known)
    if unknown:
        raise CommandFailed(
            f"There is no case {unknown[0]}; there are: {', '.join(sorted(known))}."
        )


@asynccontextmanager
async def _simulators(url: str | None) -> AsyncIterator[tuple[str, Clock]]:
    """The simulators that were named, or ones of our own."""
    if url is not None:
        yield url.rstrip("/"), RealTime()
        return
    clock = MovedTime()
    with tempfile.TemporaryDirectory(prefix="tillgate-conformance-") as folder:
        sandbox = Sandbox(data=Path(folder), clock=clock.business, installed=installed_simulators())
        await sandbox.start()
        clock.moved = sandbox.run_due
        try:
            yield sandbox.url, clock
        finally:
            await sandbox.stop()


def _named(finding: Finding) -> str:
    """The case, with its way and mode where it has them."""
    told = ", ".join(filter(None, (finding.way, finding.mode)))
    return f"{finding.case} ({told})" if told else finding.case


def _show(channel: str, findings: Sequence[Finding], screen: Screen) -> None:
    counts = Counter(each.verdict for each in findings)
    screen.give(
        {
            "channel": channel,
            "passed": counts["passed"],
            "failed": counts["failed"],
            "not_offered": counts["not_offered"],
            "findings": [msgspec.structs.asdict(each) for each in findings],
        }
    )
    rows = [
        (
            _MARKS[each.verdict],
            _named(each),
            f"not offered: {each.text}" if each.verdict == "not_offered" else each.text,
        )
        for each in findings
    ]
    verdict = "keeps the contract" if not counts["failed"] else "breaks the contract"
    screen.marked(
        rows,
        title=f"{channel} {verdict}: {counts['passed']} passed, {counts['failed']} failed, "
        f"{counts['not_offered']} not offered",
    )
