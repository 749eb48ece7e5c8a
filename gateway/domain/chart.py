"""The chart of accounts: which accounts exist, and which postings a business fact makes.

Law: the only file that names accounts. Every fact has one function that returns its postings.

    clearing:<channel account>  debit   what the channel owes us until it settles
    cash_in_transit:<same>      debit   what staff took in and has not brought to the bank
    pending                     credit  what we owe the merchant, not yet settled
    available                   credit  settled and free to be paid out
    held                        credit  promised away: refunds on their way
    suspense                    credit  money that came and belongs to no open payment

    captured          clearing  <- pending      the payer paid
    refund_reserved   pending   <- held         a refund was accepted
    refund_paid       held      <- clearing     the channel gave it back
    refund_released   held      <- pending      the channel refused it
    funds_unexpected  clearing  <- suspense     late, double or of another amount
    funds_received    clearing  <- suspense     what of a statement line pays nothing (yet)
    funds_applied     suspense  <- clearing     the parts of a sum that is whole: captured has them
(read `debit <- credit`; where money comes by hand, `clearing` stands for cash in transit)
"""

from gateway.domain.ledger import Account, Posting

PENDING = "pending"
AVAILABLE = "available"
HELD = "held"
SUSPENSE = "suspense"
CASH_CHANNELS = frozenset({"offline"})

_SIDES = {
    "clearing": ("debit", True),  # refunds may run ahead of the money of an account
    "cash_in_transit": ("debit", True),
    PENDING: ("credit", False),
    AVAILABLE: ("credit", False),
    HELD: ("credit", False),
    SUSPENSE: ("credit", False),
}


def clearing(channel_account_id: str, channel: str = "") -> str:
    """Where the money of one registration lies: its clearing account, or its cash in transit."""
    kind = "cash_in_transit" if channel in CASH_CHANNELS else "clearing"
    return f"{kind}:{channel_account_id}"


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


def captured(
    channel_account_id: str, amount: int, currency: str, channel: str = ""
) -> tuple[Posting, ...]:
    """The payer paid: the channel (or staff) owes us, we owe the merchant."""
    return (Posting(clearing(channel_account_id, channel), PENDING, amount, currency),)


def refund_reserved(amount: int, currency: str) -> tuple[Posting, ...]:
    """A refund was accepted: its money is promised and cannot be promised again."""
    return (Posting(PENDING, HELD, amount, currency),)


def refund_paid(
    channel_account_id: str, amount: int, currency: str, channel: str = ""
) -> tuple[Posting, ...]:
    """The channel (or staff) gave the money back."""
    return (Posting(HELD, clearing(channel_account_id, channel), amount, currency),)


def refund_released(amount: int, currency: str) -> tuple[Posting, ...]:
    """The channel refused the refund: its money is the merchant's again."""
    return (Posting(HELD, PENDING, amount, currency),)


def funds_unexpected(channel_account_id: str, amount: int, currency: str) -> tuple[Posting, ...]:
    """Money came that no open payment waits for."""
    return (Posting(clearing(channel_account_id), SUSPENSE, amount, currency),)


def funds_received(channel_account_id: str, amount: int, currency: str) -> tuple[Posting, ...]:
    """Money of a statement line that does not pay anything, or not yet."""
    return (Posting(clearing(channel_account_id), SUSPENSE, amount, currency),)


def funds_applied(channel_account_id: str, amount: int, currency: str) -> tuple[Posting, ...]:
    """Parts that lay in suspense are whole now; the entry `captured` books all of the sum."""
    return (Posting(SUSPENSE, clearing(channel_account_id), amount, currency),)
