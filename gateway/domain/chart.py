"""The chart of accounts: which accounts exist, and which postings a business fact makes.

Law: the only file that names accounts. Every fact has one function that returns its postings.

    clearing:<channel account>  debit   what the channel owes us until it settles
    pending                     credit  what we owe the merchant, not yet settled
    available                   credit  settled and free to be paid out
    held                        credit  promised away: refunds on their way
    suspense                    credit  money that came and belongs to no open payment

    captured          clearing  <- pending      the payer paid
    refund_reserved   pending   <- held         a refund was accepted
    refund_paid       held      <- clearing     the channel gave it back
    refund_released   held      <- pending      the channel refused it
    funds_unexpected  clearing  <- suspense     late, double or of another amount
(read `debit <- credit`)
"""

from gateway.domain.ledger import Account, Posting

PENDING = "pending"
AVAILABLE = "available"
HELD = "held"
SUSPENSE = "suspense"

_SIDES = {
    "clearing": ("debit", True),  # refunds may run ahead of the money of an account
    PENDING: ("credit", False),
    AVAILABLE: ("credit", False),
    HELD: ("credit", False),
    SUSPENSE: ("credit", False),
}


def clearing(channel_account_id: str) -> str:
    """The clearing account of one registration at a channel."""
    return f"clearing:{channel_account_id}"


def opened(merchant_id: str, code: str, currency: str) -> Account:
    """A new, empty account with the normal side that the chart gives it."""
    side, may_be_negative = _SIDES[code.partition(":")[0]]
    return Account(
        merchant_id=merchant_id,
        code=code,
        currency=currency,
        side=side,
        may_be_negative=may_be_negative,
    )


def captured(channel_account_id: str, amount: int, currency: str) -> tuple[Posting, ...]:
    """The payer paid: the channel owes us, we owe the merchant."""
    return (Posting(clearing(channel_account_id), PENDING, amount, currency),)


def refund_reserved(amount: int, currency: str) -> tuple[Posting, ...]:
    """A refund was accepted: its money is promised and cannot be promised again."""
    return (Posting(PENDING, HELD, amount, currency),)


def refund_paid(channel_account_id: str, amount: int, currency: str) -> tuple[Posting, ...]:
    """The channel gave the money back."""
    return (Posting(HELD, clearing(channel_account_id), amount, currency),)


def refund_released(amount: int, currency: str) -> tuple[Posting, ...]:
    """The channel refused the refund: its money is the merchant's again."""
    return (Posting(HELD, PENDING, amount, currency),)


def funds_unexpected(channel_account_id: str, amount: int, currency: str) -> tuple[Posting, ...]:
    """Money came that no open payment waits for."""
    return (Posting(clearing(channel_account_id), SUSPENSE, amount, currency),)
