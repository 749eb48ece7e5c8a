"""Offline: staff of the house says that money changed hands, with a receipt.

Beats: LOAD whose the object is - DECIDE under the merchant's head whether this receipt fits it -
COMMIT the receipt and what it proves together. A receipt that came before is answered with the
object as it is now; nobody is asked, so there is nothing to TELL.
"""

from collections.abc import Callable

from gateway.center.ports import Books, Clock, Ids, Owners, Reader
from gateway.center.tell import Teller
from gateway.domain import chart
from gateway.domain import receipt as receipts
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.outcome import Fresh
from gateway.domain.payment import Payment
from gateway.domain.receipt import OfflineReceipt
from gateway.domain.refund import Refund


class Offline:
    """Takes receipts."""

    def __init__(
        self,
        *,
        books: Books,
        reader: Reader,
        owners: Owners,
        teller: Teller,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._books = books
        self._reader = reader
        self._owners = owners
        self._teller = teller
        self._clock = clock
        self._ids = ids

    async def payment(
        self, payment_id: str, *, receipt_no: str, amount: int, actor: str, request_id: str | None
    ) -> tuple[Payment, bool]:
        """The payment that a receipt proves, and whether the receipt was known.

        Raises `not_found`, `invalid_state` for a payment that does not wait for staff,
        `amount_mismatch`, `receipt_conflict`.
        """
        merchant_id = await self._owners.of_payment(payment_id)
        payment = merchant_id and await self._reader.payment(merchant_id, payment_id)
        if not merchant_id or not payment:
            raise not_found()
        if payment.attempt_id is None:
            raise _not_by_hand(payment.status)
        attempt = await self._reader.attempt(merchant_id, payment.attempt_id)
        if attempt is None or not self._teller.is_by_hand(attempt):
            raise _not_by_hand(payment.status)
        receipt = self._receipt(attempt, receipt_no, amount, payment_id=payment_id)
        fresh = Fresh(self._ids.make("ent", merchant_id), self._ids.make("uxf", merchant_id))
        now = receipt.created_at

        def decide(rows: Rows) -> Writes:
            present: Payment = rows.get(payment.place)
            known: OfflineReceipt | None = rows.get(receipt.place)
            if known is not None:
                receipts.check_repeat(known, receipt)
                return Writes(touched=(present.place,), result=(present, True))
            tried: Attempt = rows.get(attempt.place)
            step = receipts.receive(present, tried, receipt, now=now, fresh=fresh)
            return Writes(
                rows=(receipt, *step.rows),
                entries=step.entries,
                lines=step.lines,
                result=(step.payment, False),
            )

        needs = (payment.place, attempt.place, receipt.place)
        codes = (chart.PENDING, chart.clearing(attempt.channel_account_id, attempt.channel))
        change = self._change(receipt, decide, needs, codes, actor, request_id)
        return (await self._books.submit(change)).result

    async def refund(
        self, refund_id: str, *, receipt_no: str, amount: int, actor: str, request_id: str | None
    ) -> tuple[Refund, bool]:
        """The refund that a receipt proves, and whether the receipt was known.

        Raises as `payment` does.
        """
        merchant_id = await self._owners.of_refund(refund_id)
        refund = merchant_id and await self._reader.refund(merchant_id, refund_id)
        if not merchant_id or not refund:
            raise not_found()
        if not self._teller.refunds_by_hand(refund.channel):
            raise TillgateError("invalid_state", "This channel confirms its refunds itself.")
        receipt = self._receipt(refund, receipt_no, amount, refund_id=refund_id)
        entry_id = self._ids.make("ent", merchant_id)
        now = receipt.created_at
        place = Need("payment", refund.payment_id)

        def decide(rows: Rows) -> Writes:
            present: Refund = rows.get(refund.place)
            known: OfflineReceipt | None = rows.get(receipt.place)
            if known is not None:
                receipts.check_repeat(known, receipt)
                return Writes(touched=(present.place,), result=(present, True))
            payment: Payment = rows.get(place)
            step = receipts.give_back(payment, present, receipt, now=now, entry_id=entry_id)
            return Writes(
                rows=(receipt, *step.rows),
                entries=step.entries,
                lines=step.lines,
                result=(step.refund, False),
            )

        needs = (place, refund.place, receipt.place)
        codes = (chart.HELD, chart.clearing(refund.channel_account_id, refund.channel))
        change = self._change(receipt, decide, needs, codes, actor, request_id)
        return (await self._books.submit(change)).result

    def _receipt(
        self,
        about: Attempt | Refund,
        receipt_no: str,
        amount: int,
        *,
        payment_id: str | None = None,
        refund_id: str | None = None,
    ) -> OfflineReceipt:
        return OfflineReceipt(
            merchant_id=about.merchant_id,
            channel_account_id=about.channel_account_id,
            receipt_no=receipt_no,
            payment_id=payment_id,
            refund_id=refund_id,
            amount=amount,
            currency=about.currency,
            created_at=self._clock.business(),
        )

    def _change(
        self,
        receipt: OfflineReceipt,
        decide: Callable[[Rows], Writes],
        needs: tuple[Need, ...],
        codes: tuple[str, ...],
        actor: str,
        request_id: str | None,
    ) -> Change:
        return Change(
            merchant_id=receipt.merchant_id,
            actor=actor,
            at=receipt.created_at,
            request_id=request_id,
            decide=decide,
            needs=needs,
            accounts=tuple((code, receipt.currency) for code in codes),
        )


def _not_by_hand(status: str) -> TillgateError:
    return TillgateError(
        "invalid_state",
        "This payment does not wait for money by hand.",
        extra={"payment_status": status},
    )
