"""QQ Wallet as the conformance suite meets it (unconfirmed)."""

from gateway.conformance import Opened, Profile, Way
from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey


async def open_account(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """A merchant with the key that QQ Wallet gave out."""
    opened = await doors.open_account(channel, key.public_pem)
    return Opened(opened["gateway_url"], {name: opened[name] for name in ("mch_id", "api_key")})


PROFILE = Profile(
    channel="qq_wallet",
    open=open_account,
    ways=(Way(method="qq_wallet_qr", pay="unified_order", declining_amount=9_999_999),),
    faults={
        "query": "order_query",
        "close": "close_order",
        "refund": "refund",
        "refund_query": "refund_query",
        "callback": "notify",
    },
    refund_calls_back=False,
)
