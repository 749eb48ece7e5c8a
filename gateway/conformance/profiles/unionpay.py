"""UnionPay as the suite meets it.

Law: as `profile`: facts of the channel and of its simulator, no judgement.
"""

from collections.abc import Mapping

from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey
from gateway.conformance.profile import Opened, Profile, Way

NAMES = ("mer_id", "cert_id", "root_certificate", "middle_certificate")
REFUSED_FEN = 4_440_001
RETURN_URL = "https://shop.example.com/back"


async def open_account(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """An account whose certificate the pretend UnionPay issued for the key."""
    opened = await doors.open_account(channel, key.public_pem)
    credentials = {name: opened[name] for name in NAMES}
    return Opened(opened["gateway_url"], {**credentials, "merchant_private_key": key.private_pem})


def phone(serial: int) -> Mapping[str, str]:
    """A payer who is asked for a code by SMS."""
    return {"phone": f"138{serial:08d}"}


PROFILE = Profile(
    channel="unionpay",
    open=open_account,
    ways=(
        Way(method="unionpay_web", returns_url=RETURN_URL),
        Way(method="unionpay_qr", pay="qr", declining_amount=REFUSED_FEN),
        Way(
            method="unionpay_quick",
            pay="sms",
            options=phone,
            declining_amount=REFUSED_FEN,
            wrong_options=({}, {"phone": "1"}),
            sms_code="111111",
            wrong_sms_code="222222",
        ),
    ),
    holds=(Way(method="unionpay_preauth", returns_url=RETURN_URL),),
    faults={
        "query": "query",
        "answer": "consume",
        "refund": "refund",
        "refund_query": "query",
        "capture": "capture",
        "callback": "notify",
    },
    closes=False,
)
