"""Wallets' balances as the suite meets them.

Law: as `profile`: facts of the channel and of its simulator, no judgement.
"""

from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey
from gateway.conformance.profile import Opened, Profile, Way, no_options

WALLET_FEN = 99_999_999_999
FUNDS_SHORT_FEN = 4_440_201


async def open_account(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """A client of the wallet service, and a payer with a full wallet."""
    opened = await doors.open_account(channel, key.public_pem)
    wallet = await doors.post("/balance/wallets", {"balance": WALLET_FEN, "currency": "CNY"})
    return Opened(
        opened["gateway_url"],
        {name: opened[name] for name in ("client_id", "service_key")},
        {"wallet_id": str(wallet["wallet_id"])},
    )


PROFILE = Profile(
    channel="balance",
    open=open_account,
    ways=(
        Way(
            method="balance",
            pay="debit",
            declining=no_options,
            declining_amount=FUNDS_SHORT_FEN,
            wrong_options=({}, {"wallet_id": "no wallet"}),
            calls_back=False,
        ),
    ),
    holds=(Way(method="balance", pay="debit", capture_method="manual", calls_back=False),),
    faults={
        "query": "query",
        "close": "close",
        "cancel": "reverse",
        "refund": "credit",
        "refund_query": "credit_query",
        "capture": "capture",
        "void": "void",
    },
    refund_calls_back=False,
)
