"""Suite: which cases a channel offers, and what each of them shows.

Law: the plan follows from codec and profile alone, before anything is asked; what is not offered is
listed with its reason, and what is offered is run. A case begins without armed faults and with
numbers of its own; whatever it raises is its verdict, and the others run all the same.
"""

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from gateway.channels.codec import Codec
from gateway.conformance.case import FIRST, HOLDS, ONCE, Case, Subject, cases_of
from gateway.conformance.cases import MODULES
from gateway.conformance.ground import Ground
from gateway.conformance.judgement import Finding, Violation
from gateway.conformance.profile import Profile, Way
from gateway.conformance.stage import Stage

CASES: tuple[Case, ...] = cases_of(MODULES)


class Trial(NamedTuple):
    """One case to be run, by one way where it is told by way."""

    case: Case
    way: Way | None

    @property
    def name(self) -> str:
        """Such as `pays[alipay_qr]`."""
        return self.case.name if self.way is None else f"{self.case.name}[{self.way.method}]"


class Plan(NamedTuple):
    """What a channel offers, and what it does not, with the reasons."""

    trials: tuple[Trial, ...]
    not_offered: tuple[Finding, ...]


def plan(codec: Codec, profile: Profile) -> Plan:
    """All cases, divided into those that the channel offers and the others."""
    trials: list[Trial] = []
    left: list[Finding] = []
    for each in CASES:
        reasons: list[tuple[Way | None, str]] = []
        found: list[Trial] = []
        for way in _ways(each, profile):
            reason = _reason(each, Subject(codec, profile, way))
            if reason is None:
                found.append(Trial(each, way))
            else:
                reasons.append((way, reason))
        if each.over == FIRST:
            found, reasons = found[:1], [] if found else reasons[:1]
        trials += found
        if not found and not reasons:
            reasons.append((None, _no_way(each)))
        left += [_not_offered(profile, each, way, reason) for way, reason in reasons]
    return Plan(tuple(trials), tuple(left))


async def run_trial(ground: Ground, trial: Trial) -> None:
    """Run one case. Raises `Violation`, or whatever the codec raised where it must not."""
    await ground.doors.disarm()
    number, _ = ground.number()
    box = ground.receiver.box(number)
    account = await ground.account(box.url)
    box.account = account
    try:
        await trial.case.run(Stage(ground, trial.way, box, account))
    finally:
        await ground.doors.disarm()


async def run_suite(
    ground: Ground,
    *,
    only: Collection[str] = (),
    report: Callable[[Finding], None] | None = None,
) -> list[Finding]:
    """Run every case that the channel offers (of those named in `only`, if any).

    `report` is told each finding as it is made.
    """
    planned = plan(ground.codec, ground.profile)
    findings: list[Finding] = []

    def add(finding: Finding) -> None:
        findings.append(finding)
        if report is not None:
            report(finding)

    for trial in planned.trials:
        if not only or trial.case.name in only:
            add(await _found(ground, trial))
    for finding in planned.not_offered:
        if not only or finding.case in only:
            add(finding)
    return findings


async def _found(ground: Ground, trial: Trial) -> Finding:
    began = time.perf_counter()
    text = ""
    try:
        await run_trial(ground, trial)
    except Violation as violation:
        text = str(violation) or "broken"
    except Exception as error:  # a verdict on this case; the others run all the same
        text = f"{type(error).__name__}: {error}"
    return Finding(
        channel=ground.profile.channel,
        mode=ground.profile.mode,
        case=trial.case.name,
        way=None if trial.way is None else trial.way.method,
        verdict="failed" if text else "passed",
        text=text,
        seconds=time.perf_counter() - began,
    )


def _ways(case: Case, profile: Profile) -> tuple[Way | None, ...]:
    if case.over == ONCE:
        return (None,)
    return profile.holds if case.over == HOLDS else profile.ways


def _reason(case: Case, subject: Subject) -> str | None:
    said = subject.profile.without.get(case.name)
    if said is not None:
        return said
    return next((reason for need in case.needs if (reason := need(subject)) is not None), None)


def _no_way(case: Case) -> str:
    return "no `authorizing` methods" if case.over == HOLDS else "no way takes money"


def _not_offered(profile: Profile, case: Case, way: Way | None, reason: str) -> Finding:
    return Finding(
        channel=profile.channel,
        mode=profile.mode,
        case=case.name,
        way=None if way is None or case.over == FIRST else way.method,
        verdict="not_offered",
        text=reason,
    )
