"""The conformance suite: whether a channel's codec keeps the contract, shown against a simulator.

`profile` is how a channel describes itself, `ground` the world that a run stands on, `stage` the
hands of one case, `cases` the cases by subject, `suite` plans and runs them, `profiles` describes
the built-in channels, `packages` finds the profiles of installed ones.
"""

from gateway.conformance.ground import Ground, MovedTime, RealTime, open_ground
from gateway.conformance.judgement import Finding, Violation, expect
from gateway.conformance.packages import load_profiles
from gateway.conformance.profile import Opened, Profile, Transfer, Way
from gateway.conformance.suite import Plan, Trial, plan, run_suite, run_trial

__all__ = [
    "Finding",
    "Ground",
    "MovedTime",
    "Opened",
    "Plan",
    "Profile",
    "RealTime",
    "Transfer",
    "Trial",
    "Violation",
    "Way",
    "expect",
    "load_profiles",
    "open_ground",
    "plan",
    "run_suite",
    "run_trial",
]
