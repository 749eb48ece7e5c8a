"""Where channels are in this run, and where they find us.

Law: a live gateway speaks to the channels themselves, a sandbox to their simulators only.
"""

from collections.abc import Iterable

from gateway.center.tell import Addresses
from gateway.channels.codec import Codec
from gateway.channels.registry import Registry
from gateway.config import Settings

GATEWAYS_LIVE = {
    "alipay": "https://openapi.alipay.com/gateway.do",
    "card": "https://api.stripe.com",
    "unionpay": "https://gateway.95516.com/gateway/api/",
    "wechat": "https://api.mch.weixin.qq.com",
}
GATEWAYS_SANDBOX = {
    "alipay": "/alipay/gateway.do",
    "card": "/card",
    "unionpay": "/unionpay/gateway/api/",
    "wechat": "/wechat",
}


def addresses_of(settings: Settings, registry: Registry) -> Addresses:
    """Where channels are in this run, and where they find us.

    A channel of an installed package says itself where it is (`gateway_url`), and below which path
    of the simulators its own one answers (`sandbox_path`).
    """
    installed = [registry.codec(name) for name in sorted(registry.names)]
    gateways: dict[str, str] = {}
    if settings.livemode:
        gateways = _said(installed, "gateway_url") | dict(GATEWAYS_LIVE)
    if settings.sandbox_url is not None and not settings.livemode:
        paths = _said(installed, "sandbox_path") | dict(GATEWAYS_SANDBOX)
        gateways = {name: settings.sandbox_url + path for name, path in paths.items()}
    public_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    return Addresses(public_url, gateways)


def _said(codecs: Iterable[Codec | None], attribute: str) -> dict[str, str]:
    """What codecs say of themselves in an attribute that a codec need not have, by channel."""
    said = {codec.name: getattr(codec, attribute, None) for codec in codecs if codec is not None}
    return {name: text for name, text in said.items() if isinstance(text, str)}
