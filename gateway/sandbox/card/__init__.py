"""A pretend Stripe: payment intents by tokens of test cards, refunds, events, balance transactions.

Law: as strict as the real one, version 1 of its API. Unknown parameters are refused, idempotency
keys keep the first answer, more is never given back than was taken, and no card number is taken
at all: only the names of test cards.
"""

from gateway.sandbox.card.simulator import CardSimulator

__all__ = ["CardSimulator"]
