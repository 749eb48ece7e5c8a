"""WeChat Pay as the suite meets it, with WeChat's public key and with platform certificates.

Law: as `profile`: facts of the channel and of its simulator, no judgement.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from gateway.channels.codec import PayOrder
from gateway.conformance.doors import Doors
from gateway.conformance.judgement import fail
from gateway.conformance.keys import MerchantKey
from gateway.conformance.profile import Opened, Profile, Transfer, Way, Wrong

IDENTITY = ("mchid", "appid", "merchant_serial", "apiv3_key")
PUBLIC_KEY_NAMES = ("wechat_public_key", "wechat_public_key_id")
DECLINED_FEN = 4_440_001
CODE_REFUSED_FEN = 4_440_010
TRANSFER_SHORT_FEN = 4_440_011
PASSWORD_FEN = 123_456


async def with_public_key(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """An account that verifies by WeChat's public key."""
    return await _opened(doors, channel, key, (*IDENTITY, *PUBLIC_KEY_NAMES))


async def with_certificates(
    doors: Doors, channel: str, key: MerchantKey, notify_url: str
) -> Opened:
    """An account that fetches the platform's certificates."""
    return await _opened(doors, channel, key, IDENTITY)


async def _opened(doors: Doors, channel: str, key: MerchantKey, names: tuple[str, ...]) -> Opened:
    opened = await doors.open_account(channel, key.public_pem)
    credentials = {name: str(opened[name]) for name in names}
    credentials["merchant_private_key"] = key.private_pem
    credentials["transfer_scene_id"] = "1005"
    return Opened(opened["gateway_url"], credentials)


async def in_app(doors: Doors, order: PayOrder, action: Mapping[str, object]) -> str:
    """What WeChat's app is called with, as the payer's code."""
    params = action.get("params")
    if not isinstance(params, Mapping):
        fail(f"handed out was {action!r}")
    return str(params["package"]) if "paySign" in params else f"prepay_id={params['prepayid']}"


async def confirmation(doors: Doors, action: Mapping[str, object]) -> str:
    """What the payee's WeChat is called with."""
    params = action.get("params")
    if not isinstance(params, Mapping):
        fail(f"the payee was given {action!r}")
    return str(params["package"])


def openid(serial: int) -> Mapping[str, str]:
    """A payer who is known to the application."""
    return {"openid": f"oUpF8uMuAJO_M2pxb1Q9z{serial:07d}"}


def payer_ip(serial: int) -> Mapping[str, str]:
    """A payer's address."""
    return {"payer_ip": "127.0.0.1"}


def code(serial: int) -> Mapping[str, str]:
    """A payer's code."""
    return {"auth_code": f"13{serial:016d}"}


WRONG_CODES: Wrong = ({}, {"auth_code": "1"}, {"auth_code": "99" + "1" * 16})

PUBLIC_KEY = Profile(
    channel="wechat",
    mode="public key",
    open=with_public_key,
    ways=(
        Way(method="wechat_native", pay="native", declining_amount=DECLINED_FEN),
        Way(
            method="wechat_jsapi",
            pay="jsapi",
            options=openid,
            reach=in_app,
            wrong_options=({}, {"openid": "not an openid"}),
        ),
        Way(
            method="wechat_h5",
            pay="h5",
            options=payer_ip,
            wrong_options=({}, {"payer_ip": "1.2.3"}),
        ),
        Way(method="wechat_app", pay="app", reach=in_app),
        Way(
            method="wechat_codepay",
            pay="codepay",
            options=code,
            declining_amount=CODE_REFUSED_FEN,
            waiting_amount=PASSWORD_FEN,
            wrong_options=WRONG_CODES,
            calls_back=False,
        ),
    ),
    transfers=(
        Transfer(
            method="wechat_transfer",
            payee={"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "name": "张三"},
            unknown_payee_amount=TRANSFER_SHORT_FEN,
            confirm=confirmation,
        ),
    ),
    faults={
        "query": "query",
        "close": "close",
        "cancel": "reverse",
        "refund": "refund",
        "refund_query": "refund_query",
        "transfer": "transfer",
        "callback": "notify",
    },
    time_signed=True,
)
CERTIFICATE = replace(PUBLIC_KEY, mode="certificates", open=with_certificates, fetches_first=True)
PROFILES = (PUBLIC_KEY, CERTIFICATE)
