"""The doors of receipts: staff says that money changed hands.

Law: shape only; whether a receipt fits is decided in `domain.receipt`.
"""

from gateway.center.offline import Offline
from gateway.domain.events import encode
from gateway.domain.money import check_amount
from gateway.domain.payment import view as view_payment
from gateway.domain.refund import view as view_refund
from gateway.domain.text import check_business_no
from gateway.web.admin.doors import BASE, REPLAYED, WRITE, caller_of, id_of
from gateway.web.admin.schemas import TakeReceipt
from gateway.web.api import objects
from gateway.web.body import convert, read_json
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route


class OfflineReceipts:
    """The handlers of receipts."""

    def __init__(self, offline: Offline) -> None:
        self._offline = offline

    def routes(self) -> list[Route]:
        """The routes of receipts."""
        refusals = ("invalid_state", "receipt_conflict", "amount_mismatch")
        return [
            Route(
                "POST",
                BASE + "/payments/{payment_id}/offline_receipt",
                self.take_payment,
                "take_payment_receipt",
                WRITE,
                summary="Staff took in the whole amount of a payment by hand.",
                body=TakeReceipt,
                answer=objects.Payment,
                refusals=refusals,
            ),
            Route(
                "POST",
                BASE + "/refunds/{refund_id}/offline_receipt",
                self.take_refund,
                "take_refund_receipt",
                WRITE,
                summary="Staff gave the whole amount of a refund back.",
                body=TakeReceipt,
                answer=objects.Refund,
                refusals=refusals,
            ),
        ]

    async def take_payment(self, request: Request) -> Reply:
        """`POST /admin/v1/payments/{payment_id}/offline_receipt`."""
        caller = caller_of(request)
        payment_id = id_of(request, "pay", "payment_id")
        receipt_no, amount = _receipt(request)
        payment, is_known = await self._offline.payment(
            payment_id,
            receipt_no=receipt_no,
            amount=amount,
            actor=caller.key.id,
            request_id=request.request_id,
        )
        return _answer(request, view_payment(payment), is_known=is_known)

    async def take_refund(self, request: Request) -> Reply:
        """`POST /admin/v1/refunds/{refund_id}/offline_receipt`."""
        caller = caller_of(request)
        refund_id = id_of(request, "rfd", "refund_id")
        receipt_no, amount = _receipt(request)
        refund, is_known = await self._offline.refund(
            refund_id,
            receipt_no=receipt_no,
            amount=amount,
            actor=caller.key.id,
            request_id=request.request_id,
        )
        return _answer(request, view_refund(refund), is_known=is_known)


def _receipt(request: Request) -> tuple[str, int]:
    body = convert(read_json(request.body), TakeReceipt)
    return check_business_no(body.receipt_no, param="/receipt_no"), check_amount(body.amount)


def _answer(request: Request, shown: object, *, is_known: bool) -> Reply:
    headers = (REPLAYED,) if is_known else ()
    return json_reply(200, encode(shown), request_id=request.request_id, headers=headers)
