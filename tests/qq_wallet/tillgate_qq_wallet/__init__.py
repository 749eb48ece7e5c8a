"""QQ Wallet, unconfirmed: written without the channel's own documents at hand (see README.md).

`codec` speaks the protocol, `dialect` its XML and signatures, `codes` lists what its codes mean,
`simulator` is a pretend QQ Wallet, `conformance` describes the channel to the suite.
"""
