"""Corner Pay, an invented channel: a shop shows a QR code, the payer scans it.

`codec` speaks its protocol, `simulator` is its pretend side, `conformance` describes it to the
suite. The protocol: one address takes JSON by POST; requests, answers and callbacks carry
`Corner-Signature`, the hexadecimal HMAC-SHA-256 of the raw body under the shop's secret.
"""
