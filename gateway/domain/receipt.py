"""Receipts: staff says that money changed hands where no machine saw it.

Law: pure decisions. A receipt number is used once per registration; the same receipt again changes
nothing, and another sum or object under its number is refused. A receipt is for the whole amount,
never for more or less.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict, replace

from gateway.domain.attempt import LIVING, Attempt
from gateway.domain.change import Need
from gateway.domain.errors import TillgateError
from gateway.domain.events import Line, encode
from gateway.domain.outcome import Fresh, Money, Step, paid
from gateway.domain.payment import Payment, invalid_state, view
from gateway.domain.refund import Refund, RefundStep, succeeded
from gateway.domain.refund import view as view_refund

RECEIPT_NO_CHARS_MAX = 64


class OfflineReceipt(Struct, frozen=True, kw_only=True):
    """A receipt of a payment, or of a refund; `amount` is in minor units of `currency`."""

    merchant_id: str
    channel_account_id: str
    receipt_no: str
    payment_id: str | None
    refund_id: str | None
    amount: int
    currency: str
    created_at: datetime
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return receipt_need(self.channel_account_id, self.receipt_no)


def receipt_need(channel_account_id: str, receipt_no: str) -> Need:
    """The receipt of a number at a registration."""
    return Need("offline_receipt", f"{channel_account_id} {receipt_no}")


def check_repeat(stored: OfflineReceipt, receipt: OfflineReceipt) -> None:
    """Return if `receipt` repeats the stored one, else raise `receipt_conflict`."""
    if (stored.payment_id, stored.refund_id, stored.amount) != (
        receipt.payment_id,
        receipt.refund_id,
        receipt.amount,
    ):
        raise TillgateError(
            "receipt_conflict",
            "This number was used before with other content.",
            param="/receipt_no",
        )


def _check_amount(receipt: OfflineReceipt, amount: int) -> None:
    if receipt.amount != amount:
        raise TillgateError(
            "amount_mismatch",
            f"The receipt must be for {amount} minor units of {receipt.currency}.",
            param="/amount",
        )


def _told(receipt: OfflineReceipt) -> dict[str, object]:
    return {"offline_receipt": {"receipt_no": receipt.receipt_no, "amount": receipt.amount}}


def receive(
    payment: Payment, attempt: Attempt, receipt: OfflineReceipt, *, now: datetime, fresh: Fresh
) -> Step:
    """The payment is paid by hand.

    Raises `invalid_state` when it does not wait for this and `amount_mismatch`.
    """
    is_awaited = attempt.status in LIVING and payment.attempt_id == attempt.id
    if not is_awaited or payment.status != "requires_action":
        raise invalid_state(payment, "be received")
    _check_amount(receipt, attempt.amount)
    money = Money(attempt.attempt_no, attempt.amount, attempt.currency)
    step = paid(payment, attempt, money, now=now, fresh=fresh, known=None)
    data = encode(asdict(view(step.payment)) | _told(receipt))
    lines = (*step.lines[:-1], _with_data(step.lines[-1], data))
    return replace(step, lines=lines)


def give_back(
    payment: Payment, refund: Refund, receipt: OfflineReceipt, *, now: datetime, entry_id: str
) -> RefundStep:
    """The refund was given by hand.

    Raises `invalid_state` when it is over already and `amount_mismatch`.
    """
    if refund.status not in ("processing", "requires_action"):
        raise TillgateError(
            "invalid_state",
            f"A refund that is {refund.status} cannot be given back.",
            extra={"refund_status": refund.status},
        )
    _check_amount(receipt, refund.amount)
    step = succeeded(payment, refund, now=now, entry_id=entry_id)
    data = encode(view_refund(step.refund) | _told(receipt))
    return replace(step, lines=(*step.lines[:-1], _with_data(step.lines[-1], data)))


def _with_data(told: Line, data: bytes) -> Line:
    return replace(told, data=data)
