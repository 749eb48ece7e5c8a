"""The profiles of the built-in channels, one page each."""

from gateway.conformance.profile import Profile
from gateway.conformance.profiles import (
    alipay,
    balance,
    bank_transfer,
    card,
    offline,
    unionpay,
    wechat,
)

BUILT_IN: tuple[Profile, ...] = (
    *alipay.PROFILES,
    *wechat.PROFILES,
    unionpay.PROFILE,
    card.PROFILE,
    *bank_transfer.PROFILES,
    offline.PROFILE,
    balance.PROFILE,
)
