"""The pretend bank: accounts whose owners read statements and send payout files.

`accounts` opens them, `movements` is what the bank has booked, `camt` and `columns` write
statements, `payouts` reads payout files and answers them, `simulator` holds the doors.
"""

from gateway.sandbox.bank.simulator import BankSimulator

__all__ = ["BankSimulator"]
