"""WeChat Pay, API v3 (`api.mch.weixin.qq.com`), for merchants of their own (no service providers).

`codec` builds requests and reads answers, `ways` lists the ways to pay, `trade` and `refund` read
the state of orders and refunds, `transfer` pays out, `bill` reads statements, `notification` reads
callbacks. Below them: `request` signs what we send, `answer` opens what comes back, `signature`
holds the signed messages, `seal` what is encrypted, `keys` WeChat's keys, `codes` lists what its
codes mean, `dialect` its spelling of money, time and text, `registration` what an account must be.
"""

from gateway.channels.wechat.codec import WechatCodec

__all__ = ["WechatCodec"]
