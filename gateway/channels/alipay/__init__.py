"""Alipay's open platform (openapi, `gateway.do`, RSA2).

`codec` builds requests and reads answers, `ways` lists the ways to pay, `preauth` holds money,
`transfers` pays out, `bills` (with `bill_file`, `bill_lines`) reads statements, `notification`
reads callbacks; `trade` knows the state of a trade, `codes` what Alipay's codes mean, `limits` what
it never takes. `request` and `answer` are the gateway's two directions, `signature` holds the
canonical strings, `dialect` its spelling of money and time; `credentials` the two modes of an
account, `certificate` numbers of certificates, `chain` and `download` which new ones are believed.
"""

from gateway.channels.alipay.codec import AlipayCodec

__all__ = ["AlipayCodec"]
