"""A pretend UnionPay: acp 5.1.0 with certificates, web pay, QR codes, SMS, pre-authorisations.

Law: as strict as the real one. What UnionPay would refuse is refused here with its codes; what a
client must be able to bear (unsigned errors, lost answers, "taken" instead of "done",
notifications again and again) it gets here.
"""

from gateway.sandbox.unionpay.simulator import UnionPaySimulator

__all__ = ["UnionPaySimulator"]
