"""Bank transfers as the suite meets them, by a reference and by virtual accounts.

Law: as `profile`: facts of the channel and of its simulator, no judgement. A payer sends what he
likes and when he likes: nobody closes a bank account to him.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from gateway.channels.codec import PayOrder
from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey
from gateway.conformance.profile import Opened, Profile, Way

NAMES = ("account", "account_name", "bank", "bank_code", "currency", "statement_token")
LATE = "a bank takes money at any time: what comes late is unexpected funds"
UNNAMED = "a statement has all lines: it is about no order"


async def by_reference(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """An account into which payers write a reference."""
    opened = await doors.open_account(channel, key.public_pem)
    return Opened(opened["gateway_url"], {name: opened[name] for name in NAMES})


async def by_virtual_account(
    doors: Doors, channel: str, key: MerchantKey, notify_url: str
) -> Opened:
    """An account whose bank gives a number to each order."""
    opened = await doors.open_account(channel, key.public_pem)
    credentials = {name: opened[name] for name in NAMES}
    credentials["virtual_account_prefix"] = opened["virtual_prefix"]
    return Opened(opened["gateway_url"], credentials)


async def written(doors: Doors, order: PayOrder, action: Mapping[str, object]) -> str:
    """The account and what the payer writes."""
    return f"{action['account']} {action['reference']}"


async def credited(doors: Doors, order: PayOrder, action: Mapping[str, object]) -> str:
    """The order's own account."""
    return str(action["account"])


REFERENCE = Profile(
    channel="bank_transfer",
    mode="reference",
    open=by_reference,
    ways=(Way(method="bank_transfer", reach=written, calls_back=False, payer_names_amount=True),),
    faults={"query": "statement"},
    keeps_orders=False,
    answers_signed=False,
    answers_named=False,
    refund_calls_back=False,
    finds_nothing=False,
    closes=False,
    without={"close-after-pay": LATE, "paid-too-late": LATE, "answer-about-another-order": UNNAMED},
)
VIRTUAL = replace(
    REFERENCE,
    mode="virtual accounts",
    open=by_virtual_account,
    ways=(Way(method="bank_transfer", reach=credited, calls_back=False, payer_names_amount=True),),
)
PROFILES = (REFERENCE, VIRTUAL)
