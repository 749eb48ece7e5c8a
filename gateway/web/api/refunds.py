"""The doors of refunds.

Law: shape only; what a refund may do is decided in `domain.refund`.
"""

from functools import partial

import msgspec

from gateway.center.cache_ports import Loaded
from gateway.center.ports import Directory
from gateway.center.query import Query
from gateway.center.refund import Refunding, RefundRequest
from gateway.domain import cursor, ids
from gateway.domain import refund as refunds
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.lifecycle import REFUND
from gateway.web.api import objects
from gateway.web.api.pages import Pages
from gateway.web.api.payments import REPLAYED, list_body
from gateway.web.api.schemas import CreateRefund, NoParameters, RefundsQuery, given
from gateway.web.body import convert, read_json
from gateway.web.parameters import limit_of, moment, read_query
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = "/v1/refunds"

_encode = msgspec.json.Encoder().encode


class Refunds:
    """The handlers of `/v1/refunds`."""

    def __init__(
        self,
        *,
        refunding: Refunding,
        query: Query,
        directory: Directory,
        pages: Pages,
        cursor_key: bytes,
    ) -> None:
        self._refunding = refunding
        self._query = query
        self._directory = directory
        self._pages = pages
        self._cursor_key = cursor_key

    def routes(self) -> list[Route]:
        """The routes of refunds."""
        return [
            Route(
                "POST",
                PATH,
                self.create,
                "create_refund",
                "refunds.write",
                status=201,
                summary="Give money of a payment back, in full or in part.",
                body=CreateRefund,
                answer=objects.Refund,
                refusals=(
                    "not_found",
                    "refund_no_conflict",
                    "invalid_state",
                    "refund_exceeds_captured",
                ),
            ),
            Route(
                "GET",
                PATH,
                self.list,
                "list_refunds",
                "payments.read",
                kept=True,
                summary="List refunds, newest first, or find one by its number.",
                query=RefundsQuery,
                answer=(objects.RefundList, objects.Refund),
                refusals=("not_found",),
            ),
            Route(
                "GET",
                PATH + "/{refund_id}",
                self.get,
                "get_refund",
                "payments.read",
                summary="A refund.",
                query=NoParameters,
                answer=objects.Refund,
            ),
        ]

    async def create(self, request: Request) -> Reply:
        """`POST /v1/refunds`."""
        value = read_json(request.body)
        body = convert(value, CreateRefund)
        body.check()
        merchant_id = request.caller.merchant.id
        payment_id = ids.parse("pay", body.payment_id)
        if payment_id is None or ids.bucket_of(payment_id) != ids.bucket_of(merchant_id):
            raise not_found()
        numbered = self._directory.fingerprints.numbered(
            "create_refund", PATH, value, body.merchant_refund_no
        )
        refund, replayed = await self._refunding.create(
            merchant_id,
            RefundRequest(
                payment_id=payment_id,
                merchant_refund_no=body.merchant_refund_no,
                amount=body.amount,
                reason=given(body.reason),
            ),
            numbered,
            actor=request.caller.key.id,
            request_id=request.request_id,
        )
        headers = (REPLAYED,) if replayed else (("Location", f"{PATH}/{refund.id}"),)
        return json_reply(
            200 if replayed else 201,
            _encode(refunds.view(refund)),
            request_id=request.request_id,
            headers=headers,
        )

    async def get(self, request: Request) -> Reply:
        """`GET /v1/refunds/{refund_id}`."""
        read_query(request.query, NoParameters)
        merchant_id = request.caller.merchant.id
        refund_id = ids.parse("rfd", request.params["refund_id"])
        if refund_id is None or ids.bucket_of(refund_id) != ids.bucket_of(merchant_id):
            raise not_found()
        refund = await self._query.refund(merchant_id, refund_id)
        return json_reply(200, _encode(refunds.view(refund)), request_id=request.request_id)

    async def list(self, request: Request) -> Reply:
        """`GET /v1/refunds`: a list, or the one refund of a number."""
        asked = read_query(request.query, RefundsQuery)
        merchant_id = request.caller.merchant.id
        if asked.merchant_refund_no is not None:
            filters = (asked.payment_id, asked.status, asked.created_from, asked.created_to)
            if any(each is not None for each in (*filters, asked.limit, asked.cursor)):
                raise TillgateError(
                    "invalid_field", "A business number stands alone; it is no filter of a list."
                )
            refund = await self._query.refund_by_number(merchant_id, asked.merchant_refund_no)
            return json_reply(200, _encode(refunds.view(refund)), request_id=request.request_id)
        if asked.status is not None and asked.status not in REFUND:
            raise TillgateError("invalid_field", "There is no such status.", param="/status")
        return await self._pages.reply(request, partial(self._page, merchant_id, asked))

    async def _page(self, merchant_id: str, asked: RefundsQuery) -> Loaded:
        about = None
        if asked.payment_id is not None:
            about = ids.parse("pay", asked.payment_id)
            if about is None:
                raise TillgateError(
                    "invalid_field", "This is no payment's id.", param="/payment_id"
                )
        filters_text = f"{about}|{asked.status}|{asked.created_from}|{asked.created_to}"
        place = {"merchant_id": merchant_id, "path": PATH, "filters": filters_text}
        before = None
        if asked.cursor is not None:
            before = cursor.read(self._cursor_key, asked.cursor, **place)
        limit = limit_of(asked.limit)
        found = await self._query.refunds(
            merchant_id,
            before=before,
            created_from=moment(asked.created_from, param="/created_from"),
            created_to=moment(asked.created_to, param="/created_to"),
            payment_id=about,
            status=asked.status,
            limit=limit + 1,
        )
        page, more = found[:limit], len(found) > limit
        following = cursor.make(self._cursor_key, last=page[-1].id, **place) if more else None
        body = list_body([_encode(refunds.view(each)) for each in page], more, following)
        return Loaded(body, is_personal=False)
