"""The pretend wallet service: wallets with money in them, debited and credited on signed request.

`wire` signs and verifies, `accounts` are its clients, `wallets` holds the money, `simulator` the
doors. Source of the protocol: docs/channels/balance.md.
"""

from gateway.sandbox.balance.simulator import BalanceSimulator

__all__ = ["BalanceSimulator"]
