"""A pretend WeChat Pay: API v3 for merchants of their own, both kinds of keys, five ways to pay.

Law: as strict as the real one. What WeChat would refuse is refused here with its codes; what a
client must be able to bear (unsigned errors, probes, mixed keys, lost answers, notifications again
and again) it gets here.
"""

from gateway.sandbox.wechat.simulator import WechatSimulator

__all__ = ["WechatSimulator"]
