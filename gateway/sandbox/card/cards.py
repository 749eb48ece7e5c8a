"""The test cards of the pretend Stripe, and magic amounts.

Law: a card is a name here, never a number. What a name does is fixed; it is what Stripe's own test
cards of that name do. A magic amount (minor units, any currency) does its own thing with any card.

| payment_method | outcome |
|---|---|
| pm_card_visa and the others of `GOOD` | paid, or held where capture_method is manual |
| pm_card_chargeDeclined, pm_card_visa_chargeDeclined | declined: generic_decline |
| pm_card_..chargeDeclined + InsufficientFunds, LostCard, StolenCard, Fraudulent, | declined |
|   VelocityLimitExceeded, ExpiredCard, IncorrectCvc, ProcessingError | with that code |
| pm_card_authenticationRequired, pm_card_threeDSecure[2]Required | 3-D Secure |
| pm_card_authenticationRequiredChargeDeclinedInsufficientFunds | 3-D Secure, then declined |
| pm_card_pendingRefund | paid; its refunds are pending for 3 s, then succeed |
| pm_card_refundFail | paid; its refunds are pending for 3 s, then fail |
| pm_card_createDispute | paid, and disputed at once |

| amount | outcome |
|---|---|
| 4440001 | declined: generic_decline |
| 4440002 | the create takes effect, then the connection is cut |
| 4440003 | the first event of the payment has a false signature |
| 4440004 | the first event of the payment names one minor unit too much |
| 4440005 | declined: insufficient_funds |
"""

from typing import Final, NamedTuple

AMOUNT_DECLINED: Final = 4_440_001
AMOUNT_CUT: Final = 4_440_002
AMOUNT_EVENT_FALSE: Final = 4_440_003
AMOUNT_EVENT_WRONG: Final = 4_440_004
AMOUNT_FUNDS_SHORT: Final = 4_440_005

FIRST_EVENT_FAULTS: Final = {
    AMOUNT_EVENT_FALSE: "bad_signature",
    AMOUNT_EVENT_WRONG: "wrong_amount",
}


class Decline(NamedTuple):
    """Why a bank says no: `code` and `decline_code` of Stripe's error."""

    code: str
    decline_code: str


class TestCard(NamedTuple):
    """What happens when a card of this name is charged; `refund` is what becomes of refunds."""

    decline: Decline | None = None
    authenticates: bool = False
    refund: str = "succeeded"
    disputed: bool = False


GENERIC: Final = Decline("card_declined", "generic_decline")
FUNDS_SHORT: Final = Decline("card_declined", "insufficient_funds")

_DECLINES: Final = {
    "": GENERIC,
    "InsufficientFunds": FUNDS_SHORT,
    "LostCard": Decline("card_declined", "lost_card"),
    "StolenCard": Decline("card_declined", "stolen_card"),
    "Fraudulent": Decline("card_declined", "fraudulent"),
    "VelocityLimitExceeded": Decline("card_declined", "card_velocity_exceeded"),
    "ExpiredCard": Decline("expired_card", "expired_card"),
    "IncorrectCvc": Decline("incorrect_cvc", "incorrect_cvc"),
    "ProcessingError": Decline("processing_error", "processing_error"),
}
GOOD: Final = (
    "visa visa_debit mastercard mastercard_debit mastercard_prepaid amex discover diners jcb "
    "unionpay us gb cn hk sg jp de fr"
).split()

CARDS: Final[dict[str, TestCard]] = {
    **{f"pm_card_{name}": TestCard() for name in GOOD},
    **{f"pm_card_chargeDeclined{name}": TestCard(decline=d) for name, d in _DECLINES.items()},
    **{f"pm_card_visa_chargeDeclined{name}": TestCard(decline=d) for name, d in _DECLINES.items()},
    "pm_card_authenticationRequired": TestCard(authenticates=True),
    "pm_card_threeDSecureRequired": TestCard(authenticates=True),
    "pm_card_threeDSecure2Required": TestCard(authenticates=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": TestCard(
        decline=FUNDS_SHORT, authenticates=True
    ),
    "pm_card_pendingRefund": TestCard(refund="pending"),
    "pm_card_refundFail": TestCard(refund="failed"),
    "pm_card_createDispute": TestCard(disputed=True),
}


def decline_of(card: TestCard, amount: int) -> Decline | None:
    """Why this charge is refused, or None."""
    return {AMOUNT_DECLINED: GENERIC, AMOUNT_FUNDS_SHORT: FUNDS_SHORT}.get(amount, card.decline)
