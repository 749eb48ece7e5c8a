"""Stored value: money that a payer holds at a wallet service, taken and given back at once.

`codec` builds requests and reads answers, `message` signs and verifies them, `codes` lists what
refusals mean.
"""

from gateway.channels.balance.codec import BalanceCodec

__all__ = ["BalanceCodec"]
