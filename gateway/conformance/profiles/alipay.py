"""Alipay as the suite meets it, with Alipay's public key and with certificates.

Law: as `profile`: facts of the channel and of its simulator, no judgement.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey
from gateway.conformance.profile import Opened, Profile, Transfer, Way, Wrong

IDENTITY = ("app_id", "seller_id")
CERTIFICATES = ("app_cert", "alipay_cert", "alipay_root_cert")
RETURN_URL = "https://shop.example.com/back"
TRANSFER_REFUSED_FEN = 4_440_011
DECLINED_FEN = 4_440_001
SHORT_FEN = 4_440_005


async def with_public_key(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """An account in public key mode."""
    return await _opened(doors, channel, key, (*IDENTITY, "alipay_public_key"))


async def with_certificates(
    doors: Doors, channel: str, key: MerchantKey, notify_url: str
) -> Opened:
    """An account in certificate mode."""
    return await _opened(doors, channel, key, (*IDENTITY, *CERTIFICATES))


async def _opened(doors: Doors, channel: str, key: MerchantKey, names: tuple[str, ...]) -> Opened:
    opened = await doors.open_account(channel, key.public_pem)
    credentials = {name: opened[name] for name in names}
    return Opened(opened["gateway_url"], {**credentials, "merchant_private_key": key.private_pem})


async def renew(doors: Doors) -> None:
    """Alipay signs with a new certificate from now on."""
    await doors.post("/alipay/certificate", {})


def paying(serial: int) -> Mapping[str, str]:
    """The code of a payer who pays."""
    return {"auth_code": f"28{serial:012d}9999"}


def confirming(serial: int) -> Mapping[str, str]:
    """The code of a payer who must confirm first."""
    return {"auth_code": f"28{serial:012d}0003"}


def short(serial: int) -> Mapping[str, str]:
    """The code of a payer whose wallet is short."""
    return {"auth_code": f"28{serial:012d}0004"}


WRONG_CODES: Wrong = (
    {},
    {"auth_code": "1"},
    {"auth_code": "99" + "1" * 16},
    {"auth_code": "28x" * 6},
)

PUBLIC_KEY = Profile(
    channel="alipay",
    mode="public key",
    open=with_public_key,
    ways=(
        Way(method="alipay_qr", pay="precreate", declining_amount=DECLINED_FEN),
        Way(method="alipay_page", returns_url=RETURN_URL),
        Way(method="alipay_wap", returns_url=RETURN_URL),
        Way(method="alipay_app"),
        Way(
            method="alipay_barcode",
            pay="pay",
            options=paying,
            declining=short,
            waiting=confirming,
            wrong_options=WRONG_CODES,
        ),
    ),
    holds=(Way(method="alipay_preauth", pay="voucher"),),
    faults={
        "query": "query",
        "close": "close",
        "cancel": "cancel",
        "refund": "refund",
        "refund_query": "refund_query",
        "capture": "capture",
        "callback": "notify",
    },
    refunds_name_capture=True,
)
CERTIFICATE = replace(
    PUBLIC_KEY,
    mode="certificates",
    open=with_certificates,
    renew=renew,
    transfers=(
        Transfer(
            method="alipay_transfer",
            payee={"account": "2088102146225135", "account_type": "user_id", "name": "张三"},
            unknown_payee_amount=TRANSFER_REFUSED_FEN,
        ),
    ),
    faults={**PUBLIC_KEY.faults, "transfer": "transfer"},
)
PROFILES = (PUBLIC_KEY, CERTIFICATE)
