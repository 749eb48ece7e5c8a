"""Every built-in channel keeps the contract, case by case, against its simulator.

Only the cases that a channel offers are made into tests; what it does not offer, and why, is the
table in docs/channels/README.md.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.channels.registry import built_in
from gateway.conformance import Ground, Trial, load_profiles, plan, run_trial
from gateway.conformance.suite import CASES
from tests.conformance.conftest import ground_of

PROFILES = load_profiles(())
CODECS = {codec.name: codec for codec in built_in()}
DESCRIBED = [
    (codec, profile) for name, codec in sorted(CODECS.items()) for profile in PROFILES.get(name, ())
]
NAMES = [f"{profile.channel}{profile.mode and '-'}{profile.mode}" for _, profile in DESCRIBED]
TRIALS = [
    pytest.param(number, trial, id=f"{NAMES[number]}-{trial.name}")
    for number, (codec, profile) in enumerate(DESCRIBED)
    for trial in plan(codec, profile).trials
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """The ground of the channel that the test is about; one for all its cases."""
    async with ground_of(*DESCRIBED[request.param]) as opened:
        yield opened


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("ground", "trial"), TRIALS, indirect=["ground"])
async def test_the_contract_is_kept(ground: Ground, trial: Trial) -> None:
    await run_trial(ground, trial)


@pytest.mark.parametrize("name", sorted(CODECS))
def test_a_channel_describes_all_that_it_does(name: str) -> None:
    codec: Any = CODECS[name]
    modes = PROFILES[name]
    assert len({profile.mode for profile in modes}) == len(modes)
    ways = {way.method for profile in modes for way in (*profile.ways, *profile.holds)}
    transfers = {way.method for profile in modes for way in profile.transfers}
    assert ways == codec.methods
    assert {way.method for profile in modes for way in profile.holds} == codec.authorizing
    assert transfers == set(getattr(codec, "transfer_methods", ()))


def test_every_case_is_offered_or_told_why() -> None:
    for codec, profile in DESCRIBED:
        planned = plan(codec, profile)
        met = {trial.case.name for trial in planned.trials}
        met |= {finding.case for finding in planned.not_offered}
        assert met == {case.name for case in CASES}
        assert all(finding.text for finding in planned.not_offered)


def test_cases_have_names_and_laws_of_their_own() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 60
    assert all(case.law.endswith(".") and len(case.law) < 100 for case in CASES)
