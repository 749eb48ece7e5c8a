"""China UnionPay's online platform (acp 5.1.0, RSA with certificates).

`codec` builds requests and reads answers, `ways` lists the ways to pay, `holds` does capture and
void, `sms` the code that the payer gets, `statement` the daily file and `settlement_file` its
lines, `trade` reads the state of a trade, `notification` callbacks, `answer` opens signed answers,
`message` assembles requests, `signature` holds the canonical string, `certificate` trusts
UnionPay's certificates, `credential` is the merchant's own, `codes` lists what answer codes mean,
`dialect` UnionPay's spelling of time and numbers.
"""

from gateway.channels.unionpay.codec import UnionPayCodec

__all__ = ["UnionPayCodec"]
