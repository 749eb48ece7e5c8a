"""Relay: how far webhooks lag while orders are made and paid as fast as they are promised.

Law: half the maximum rate of creates, with a callback and a webhook for as many payments, at a
constant pace. Gateway and worker (as many of them as `tillgate up` runs: one of each) share the
measured core; Postgres, load and receiver the other. A machine that cannot hold that rate is asked
for the highest that it can, and both are told. What a trial proves is in `relayed.py`. The same
search says what the bare exchanges alone (`bared.py`) hold, of which no program can hold more.
"""

import math
from statistics import median
from typing import Protocol

from benchmarks import bared
from benchmarks.bared import Bared
from benchmarks.contest import Plan
from benchmarks.finding import Cell, Finding, Player, Table, Verdict
from benchmarks.orders import Orders
from benchmarks.relayed import HOLDS_MS, Relayed, Trial
from benchmarks.stage import Stage, open_program

NAME = "relay"
ABOUT = "webhook lag at half the maximum rate of creates, with callbacks for all"
RECEIVER = "benchmarks.receiver"
SHARE = 0.5
ROUNDS_TOP, ROUNDS_MAX = 3, 3
PROBE_RATE, PROBE_S = 200.0, 3.0
SECONDS, SECONDS_QUICK = 6.0, 3.0  # long enough for a queue that grows to be seen
OVERLOAD_S = 8.0  # what a rate that cannot be held may take
TRIES_MAX, TRIES_QUICK_MAX = 8, 3
CLOSE = 1.15  # how near the highest rate held must be to one that was not
STEP = 1.5
HEAD = ["payments/s", "of half", "lag p50", "p99", "max ms", "callback p99", "create p99",
        "gateway us", "worker", "Postgres", "busy %", "held"]  # fmt: skip


def next_rate(held: float | None, broken: float | None, *, wanted: float) -> float | None:
    """The rate to try next, knowing one that was held and one that was not; None when near."""
    if held is None:
        return None if broken is None else broken / STEP
    if held >= wanted:
        return None
    if broken is None:
        return min(wanted, held * STEP)
    return None if broken <= held * CLOSE else (held * broken) ** 0.5


class Trials(Protocol):
    """What is searched: a trial at so many payments a second."""

    async def play(self, rate: float, *, seconds: float) -> Trial: ...


class Search:
    """All trials of a run, and what they say."""

    def __init__(self, relayed: Trials, plan: Plan, *, wanted: float) -> None:
        self.trials: list[Trial] = []
        self.wanted = wanted
        self._relayed = relayed
        self._seconds = SECONDS_QUICK if plan.quick else SECONDS
        self._tries = TRIES_QUICK_MAX if plan.quick else TRIES_MAX
        self._rounds = min(plan.rounds, ROUNDS_MAX)

    async def highest(self) -> list[Trial]:
        """Rounds at the highest rate that is held; none if not even the slowest is."""
        probe = await self._relayed.play(PROBE_RATE, seconds=PROBE_S)
        capacity = capacity_of(probe)
        rate: float | None = min(self.wanted, capacity)
        held = PROBE_RATE if probe.holds else None
        broken: float | None = None
        for _ in range(self._tries):
            assert rate is not None
            trial = await self._play(rate)
            if trial.holds:
                held = rate
            else:
                broken = rate
            rate = next_rate(held, broken, wanted=self.wanted)
            if rate is None:
                break
        while held is not None:
            rounds = [each for each in self.trials if each.rate == held]
            while len(rounds) < self._rounds:
                rounds.append(await self._play(held))
            if median(each.late_ms for each in rounds) < HOLDS_MS or held <= PROBE_RATE:
                return rounds
            held /= CLOSE
        return []

    async def overload(self) -> Trial:
        """The rate that is wanted, for as long as this machine may be bothered with it."""
        capacity = max((capacity_of(each) for each in self.trials), default=PROBE_RATE)
        seconds = min(self._seconds, OVERLOAD_S * capacity / self.wanted)
        return await self._relayed.play(self.wanted, seconds=seconds)

    async def _play(self, rate: float) -> Trial:
        trial = await self._relayed.play(rate, seconds=self._seconds)
        self.trials.append(trial)
        return trial


def capacity_of(trial: Trial) -> float:
    """Payments/s for which one of the cores would have nothing left, by what a trial cost."""
    gateway, worker, *others = trial.cpu_us
    return 1e6 / max(gateway + worker, sum(others))


async def measure(stage: Stage) -> Finding:
    """The lag at the rate that is wanted, and the highest rate. Raises `RunVoid`."""
    plan = stage.plan
    wanted = SHARE * await _top_rate(stage)
    kept = plan.folder / "webhooks"
    async with (
        stage.own_house(NAME, with_worker=True) as house,
        open_program(RECEIVER, plan, str(kept), core=plan.cores.rest) as receiver,
    ):
        relayed = Relayed(house, plan, receiver, kept)
        await relayed.open()
        search = Search(relayed, plan, wanted=wanted)
        best = await search.highest()
        is_held = bool(best) and best[0].rate >= wanted
        shown = best if is_held else [await search.overload()]
        stage.books.append(await house.verify())
    bare = await _bare(stage)
    return _finding(search, best, shown, bare, proof=_proof(relayed))


async def _bare(stage: Stage) -> list[Trial]:
    """Rounds at the highest rate that the bare exchanges hold, on the same cores."""
    plan = stage.plan
    kept = plan.folder / "bare-webhooks"
    async with open_program(RECEIVER, plan, str(kept), core=plan.cores.rest) as receiver:
        settings = bared.Settings(plan.folder, receiver)
        async with open_program(bared.MODULE, plan, str(settings.file)) as target:
            trials = Bared(target, plan, settings, receiver=receiver, kept=kept)
            await trials.open()
            return await Search(trials, plan, wanted=math.inf).highest()


async def _top_rate(stage: Stage) -> float:
    """The maximum of creates/s, without anything else."""
    made = Orders(await stage.house(), stage.plan, name=f"{NAME}-top")
    await made.check()
    rounds = min(stage.plan.rounds, ROUNDS_TOP)
    found = await stage.plan.interleave({"top": made.play}, rounds=rounds)
    return median(each.rate for each in found["top"])


def _proof(relayed: Relayed) -> str:
    return (
        f"{relayed.proven:,} webhooks came with genuine signatures, one delivery each in Postgres; "
        f"so many payments, entries, inbox and journal rows, and as many bare creates counted"
    )


def _finding(
    search: Search, best: list[Trial], shown: list[Trial], bare: list[Trial], *, proof: str
) -> Finding:
    wanted = search.wanted
    reached = best[0].rate if best else 0.0
    more = [each for each in shown if each not in search.trials]
    every = sorted([*search.trials, *more], key=lambda each: each.rate)
    worst = max(every, key=lambda each: each.rate)
    answered = max(each.callbacks.rate for each in every)  # the rate wanted overloads the machine
    notes = [f"What limits at {worst.rate:,.0f}/s: {worst.limit}."]
    if reached < wanted:
        notes.append(
            f"Half the maximum rate ({wanted:,.0f}/s) is not held by this machine; it came for "
            f"{shown[0].seconds:.1f} s, and what is late grows with that time."
        )
    notes += bare_notes(bare, reached=reached, wanted=wanted)
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=proof,
        players=[
            Player(name=name, about="callbacks", rounds=[each.callbacks for each in trials])
            for name, trials in (
                ("half the maximum rate", shown),
                ("highest rate held", best),
                ("bare exchanges", bare),
            )
            if trials
        ],
        verdicts=_verdicts(shown, reached=reached, wanted=wanted, answered=answered),
        tables=[
            Table(
                name=NAME,
                title="webhooks at a constant rate of creates and of callbacks (lag from the "
                "journal row, answers from the moment of sending; CPU time in us per payment; "
                "busy: the core of gateway and worker, and the other)",
                head=HEAD,
                rows=[_row(each, wanted) for each in every],
            )
        ],
        notes=notes,
    )


def _verdicts(
    shown: list[Trial], *, reached: float, wanted: float, answered: float
) -> list[Verdict]:
    at_half = f"at half the maximum rate of creates ({wanted:,.0f}/s), callbacks for all"
    return [
        _seconds(f"webhook lag p99 {at_half}", [each.lag_p99_ms for each in shown]),
        _seconds(
            f"slowest p99 of webhook lag, callbacks' and creates' answers {at_half}",
            [each.late_ms for each in shown],
        ),
        Verdict(
            what=f"highest rate with all of these under 1 s ({reached:,.0f}/s) / half the "
            "maximum rate of creates",
            value=reached / wanted,
            target=1.0,
            at_least=1.0,
        ),
        Verdict(
            what=f"highest rate with all of these under 1 s / half the maximum rate of "
            f"creates with callbacks for all ({SHARE * answered:,.0f}/s)",
            value=reached / (SHARE * answered),
            target=1.0,
            at_least=1.0,
        ),
    ]


def _seconds(what: str, ms: list[float]) -> Verdict:
    """A median that is to stay under a second."""
    return Verdict(
        what=what,
        value=median(ms) / 1000,
        target=1.0,
        at_least=1.0,
        more_is_better=False,
        unit="s",
    )


def bare_notes(bare: list[Trial], *, reached: float, wanted: float) -> list[str]:
    """What the bare exchanges hold, beside what is held and what is wanted."""
    if not bare:
        return ["The bare exchanges were not held at any rate that was tried."]
    rate, program, rest = bare[0].rate, bare[0].cpu_us[0], sum(bare[0].cpu_us[3:])
    notes = [
        f"The bare exchanges of a payment (a create answered, a callback's RSA signature checked "
        f"and answered, a webhook signed and posted; no database) alone hold {rate:,.0f}/s on this "
        f"machine, for {program:.0f} us of the measured core and {rest:.0f} us of the other's "
        f"generators and receiver each; {reached:,.0f}/s is {reached / rate:.2f} of it.",
    ]
    if rate < wanted:
        notes.append(
            f"Half the maximum rate of creates ({wanted:,.0f}/s) is beyond the bare exchanges "
            f"themselves: they would take {program * wanted / 1e6:.1f} of the measured core, and "
            f"{rest * wanted / 1e6:.1f} of the other one before any database."
        )
    return notes


def _row(trial: Trial, wanted: float) -> list[Cell]:
    gateway, worker, postgres, *_ = trial.cpu_us
    lags = (trial.lag_p50_ms, trial.lag_p99_ms, trial.lag_max_ms)
    return [
        round(trial.rate),
        round(trial.rate / wanted, 2),
        *(round(each, 1) for each in lags),
        round(trial.callbacks.p99_ms, 1),
        round(trial.creates.p99_ms, 1),
        *(round(each, 1) for each in (gateway, worker, postgres)),
        "+".join(f"{each * 100:.0f}" for each in trial.busy),
        "yes" if trial.holds else "no",
    ]
