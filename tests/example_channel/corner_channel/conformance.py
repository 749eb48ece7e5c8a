"""Corner Pay as the conformance suite meets it."""

from gateway.conformance import Opened, Profile, Way
from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey


async def open_account(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """A shop with its secret; Corner Pay takes no keys of merchants."""
    opened = await doors.open_account(channel, key.public_pem)
    return Opened(
        opened["gateway_url"], {name: opened[name] for name in ("shop_id", "shop_secret")}
    )


PROFILE = Profile(
    channel="corner",
    open=open_account,
    ways=(Way(method="corner_qr", pay="create", declining_amount=4_000_001),),
    faults={
        "query": "query",
        "close": "close",
        "refund": "refund",
        "refund_query": "refund_query",
        "callback": "notify",
    },
)
