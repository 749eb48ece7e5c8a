"""Cards by tokens, at Stripe and at servers that speak its API (version 1).

`codec` builds requests and reads answers, `holds` captures, `answer` opens answers, `intent` reads
the state of a payment intent, `listing` finds an order by our own number, `refusals` lists what
their codes mean, `callback` reads what they send us, `signature` verifies it, `dialect` is their
spelling of forms, currencies and moments, `account` and `tokens` what may be registered and sent.
"""

from gateway.channels.card.codec import CardCodec

__all__ = ["CardCodec"]
