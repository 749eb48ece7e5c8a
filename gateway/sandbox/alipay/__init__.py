"""A pretend Alipay: OpenAPI `gateway.do`, RSA2, with public keys or certificates.

Law: as strict as the real one. What Alipay would refuse is refused here with its codes; what a
client must be able to bear (unsigned errors, lost answers, notifications again and again) it
gets here.
"""

from gateway.sandbox.alipay.simulator import AlipaySimulator

__all__ = ["AlipaySimulator"]
