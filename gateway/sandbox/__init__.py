"""A pretend world: strict simulators of payment channels, a payer, faults, and the outside truth.

Law: speaks wire protocols only. Imports nothing from the other floors of `gateway` and nothing
of `fastpath`; every channel here has its own signing code, so that agreement between a codec and
a simulator proves something. Its money is pretend; it calls nobody but loopback addresses.
"""

from gateway.sandbox.server import Sandbox, serve

__all__ = ["Sandbox", "serve"]
