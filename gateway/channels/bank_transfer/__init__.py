"""Bank transfers: the payer sends money to an account, and the bank's statement says so.

`codec` hands out account and reference, `references` makes and finds references, `camt` and
`columns` read statements, `lines` says what makes a line one line, `payout_file` writes transfers
for the bank and `payout_status` reads what it answers.
"""

from gateway.channels.bank_transfer.codec import BankTransferCodec

__all__ = ["BankTransferCodec"]
