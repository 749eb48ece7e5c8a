"""Alipay's open platform (openapi, `gateway.do`, RSA2).

`codec` builds requests and reads answers, `ways` lists the ways to pay, `trade` reads the state of
a trade, `notification` reads callbacks, `signature` holds the canonical strings, `answer` opens
signed answers, `codes` lists what Alipay's codes mean, `dialect` its spelling of money and time,
`certificate` its certificate numbers.
"""

from gateway.channels.alipay.codec import AlipayCodec

__all__ = ["AlipayCodec"]
