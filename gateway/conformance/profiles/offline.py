"""Offline payments as the suite meets them.

Law: as `profile`: facts of the channel, no judgement. There is no simulator: staff is the channel.
"""

from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey
from gateway.conformance.profile import Opened, Profile, Way


async def open_account(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """Nothing is set up."""
    return Opened("", {})


PROFILE = Profile(
    channel="offline",
    open=open_account,
    ways=(Way(method="offline", calls_back=False),),
    answers_signed=False,
    refund_calls_back=False,
    finds_nothing=False,
)
