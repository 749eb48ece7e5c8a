"""Which channels exist: name -> codec, and method of the API -> channel.

Law: one name, one codec; one method, one channel. A clash is refused when the registry is made,
that is at start, never settled by order. Packages installed from elsewhere join by an entry point
of the group `tillgate.channels`, whose name is the channel's name and whose object is a codec or a
class of one that takes no arguments; what cannot be loaded stops the start, because a payment
must not find out. Reading entry points is the only thing here that looks outside, and only
`load_registry` does it, once.
"""

import re
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import cast

from gateway.channels.alipay import AlipayCodec
from gateway.channels.balance import BalanceCodec
from gateway.channels.bank_transfer import BankTransferCodec
from gateway.channels.card import CardCodec
from gateway.channels.codec import Codec
from gateway.channels.offline import OfflineCodec
from gateway.channels.unionpay import UnionPayCodec
from gateway.channels.wechat import WechatCodec

ENTRY_POINT_GROUP = "tillgate.channels"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,31}")

_ATTRIBUTES = (
    "name",
    "methods",
    "currencies",
    "single_shot",
    "reversible",
    "authorizing",
    "credential_names",
    "option_names",
    "secret_names",
)
_OPERATIONS = ("pay", "query", "close", "cancel", "refund", "refund_query")
_FUNCTIONS = (
    "check_account",
    "check_order",
    *(f"build_{operation}" for operation in _OPERATIONS),
    *(f"read_{operation}" for operation in _OPERATIONS),
    "read_callback",
    "callback_reply",
)


class ChannelUnusable(Exception):
    """A channel cannot be registered: its name or a method clashes, or it is no codec."""


class Registry:
    """The channels of this installation, fixed once made.

    >>> Registry([AlipayCodec()]).channel_of("alipay_qr")
    'alipay'
    """

    def __init__(self, codecs: Iterable[Codec]) -> None:
        """Raises `ChannelUnusable` for an object that is no codec and for every clash."""
        self._codecs: dict[str, Codec] = {}
        self._channels: dict[str, str] = {}
        for codec in codecs:
            self._add(codec)

    def _add(self, codec: Codec) -> None:
        _check_codec(codec)
        if codec.name in self._codecs:
            raise ChannelUnusable(f"two channels are named {codec.name}")
        for method in sorted(codec.methods):
            if method in self._channels:
                holder = self._channels[method]
                raise ChannelUnusable(f"method {method} is served by {holder} and {codec.name}")
        self._codecs[codec.name] = codec
        self._channels.update(dict.fromkeys(codec.methods, codec.name))

    @property
    def names(self) -> frozenset[str]:
        """The names of all channels."""
        return frozenset(self._codecs)

    @property
    def methods(self) -> frozenset[str]:
        """All methods that some channel serves."""
        return frozenset(self._channels)

    def codec(self, name: str) -> Codec | None:
        """The codec of a channel; None if there is no such channel."""
        return self._codecs.get(name)

    def channel_of(self, method: str) -> str | None:
        """The name of the channel that serves `method`; None if none does."""
        return self._channels.get(method)


def built_in() -> tuple[Codec, ...]:
    """The channels that come with Tillgate."""
    return (
        AlipayCodec(),
        BalanceCodec(),
        BankTransferCodec(),
        CardCodec(),
        OfflineCodec(),
        UnionPayCodec(),
        WechatCodec(),
    )


def load_registry(entry_points: Iterable[metadata.EntryPoint] | None = None) -> Registry:
    """The built-in channels and those of installed packages (or of the given entry points).

    Raises `ChannelUnusable`, naming the entry point.
    """
    if entry_points is None:
        entry_points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    return Registry([*built_in(), *(_load(point) for point in entry_points)])


def _load(point: metadata.EntryPoint) -> Codec:
    try:
        found = point.load()
        codec = cast("Callable[[], object]", found)() if isinstance(found, type) else found
    except Exception as error:  # a stranger's import may raise anything
        raise ChannelUnusable(f"channel {point.name} ({point.value}) does not load") from error
    name = getattr(codec, "name", None)
    if name != point.name:
        raise ChannelUnusable(f"entry point {point.name} holds a channel named {name}")
    return cast("Codec", codec)


def _check_codec(codec: object) -> None:
    missing = [name for name in (*_ATTRIBUTES, *_FUNCTIONS) if not hasattr(codec, name)]
    missing += [name for name in _FUNCTIONS if not callable(getattr(codec, name, len))]
    if missing:
        raise ChannelUnusable(f"{codec!r} is no codec: it lacks {', '.join(missing)}")
    name = getattr(codec, "name", "")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ChannelUnusable(f"{name!r} is not a channel name")
