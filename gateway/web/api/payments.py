"""The doors of payments.

Law: shape only. A handler reads the request, calls one operation of the centre and renders what
it answers; it decides nothing.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from gateway.center.answer import Answer, is_answer
from gateway.center.cache_ports import Loaded
from gateway.center.close import Close
from gateway.center.order import Order
from gateway.center.pay import Created, Pay
from gateway.center.ports import Directory
from gateway.center.query import Query
from gateway.domain import cursor, ids
from gateway.domain import payment as payments
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.lifecycle import PAYMENT
from gateway.domain.payment import Payment
from gateway.domain.text import check_text
from gateway.web.api import objects
from gateway.web.api.pages import Pages
from gateway.web.api.schemas import (
    Cancel,
    Confirm,
    CreatePayment,
    NoParameters,
    PaymentQuery,
    PaymentsQuery,
    given,
)
from gateway.web.body import convert, read_json
from gateway.web.parameters import limit_of, moment, read_query
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route

REPLAYED = ("Idempotent-Replayed", "true")
PATH = "/v1/payments"

_encode = msgspec.json.Encoder().encode


class Payments:
    """The handlers of `/v1/payments`."""

    def __init__(
        self,
        *,
        pay: Pay,
        answer: Answer,
        close: Close,
        query: Query,
        directory: Directory,
        pages: Pages,
        cursor_key: bytes,
        sandbox: bool,
    ) -> None:
        self._pay = pay
        self._answer = answer
        self._close = close
        self._query = query
        self._directory = directory
        self._pages = pages
        self._cursor_key = cursor_key
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """The routes of payments."""
        return [*self._routes_of_all(), *self._routes_of_one()]

    def _routes_of_all(self) -> list[Route]:
        return [
            Route(
                "POST",
                PATH,
                self.create,
                "create_payment",
                "payments.write",
                status=201,
                summary="Create a payment; with a method, ask its channel at once.",
                body=CreatePayment,
                answer=objects.Payment,
                refusals=(
                    "order_no_conflict",
                    "unsupported_method",
                    "unsupported_currency",
                    "amount_below_minimum",
                    "limit_exceeded",
                ),
            ),
            Route(
                "GET",
                PATH,
                self.list,
                "list_payments",
                "payments.read",
                kept=True,
                summary="List payments, newest first, or find one by a business number.",
                query=PaymentsQuery,
                answer=(objects.PaymentList, objects.Payment),
                refusals=("not_found",),
            ),
        ]

    def _routes_of_one(self) -> list[Route]:
        one = PATH + "/{payment_id}"
        return [
            Route(
                "GET",
                one,
                self.get,
                "get_payment",
                "payments.read",
                summary="A payment; `refresh=channel` asks its channel first.",
                query=PaymentQuery,
                answer=objects.Payment,
            ),
            Route(
                "GET",
                one + "/timeline",
                self.timeline,
                "get_payment_timeline",
                "payments.read",
                summary="Everything that happened to a payment, oldest first.",
                query=NoParameters,
                answer=objects.Timeline,
            ),
            Route(
                "POST",
                one + "/confirm",
                self.confirm,
                "confirm_payment",
                "payments.write",
                summary="Give a payment a method, or another one; or answer its step by SMS.",
                body=Confirm,
                answer=objects.Payment,
                refusals=(
                    "invalid_state",
                    "attempt_unknown",
                    "stale_version",
                    "unsupported_method",
                    "unsupported_currency",
                    "amount_below_minimum",
                    "limit_exceeded",
                    "sms_code_wrong",
                ),
            ),
            Route(
                "POST",
                one + "/cancel",
                self.cancel,
                "cancel_payment",
                "payments.write",
                summary="Cancel a payment; a living attempt is closed at its channel.",
                body=Cancel,
                answer=objects.Payment,
                refusals=("invalid_state", "attempt_unknown"),
            ),
        ]

    async def create(self, request: Request) -> Reply:
        """`POST /v1/payments`."""
        value = read_json(request.body)
        body = convert(value, CreatePayment)
        body.check(sandbox=self._sandbox)
        if given(body.wallet_id) is not None:
            raise TillgateError("invalid_field", "There is no such wallet.", param="/wallet_id")
        numbered = self._directory.fingerprints.numbered(
            "create_payment", PATH, value, body.merchant_order_no
        )
        customer = given(body.customer)
        order = Order(
            merchant_order_no=body.merchant_order_no,
            amount=body.amount,
            currency=body.currency,
            subject=body.subject,
            method=given(body.method),
            method_options=body.method_options,
            capture_method=body.capture_method,
            expires_in=body.expires_in,
            return_url=given(body.return_url),
            notify_url=given(body.notify_url),
            customer=None if customer is None else customer.fields(),
            metadata=body.metadata,
        )
        caller = request.caller
        created = await self._pay.create(
            caller.merchant.id,
            order,
            numbered,
            actor=caller.key.id,
            request_id=request.request_id,
        )
        return await self._created(
            created, merchant_id=caller.merchant.id, request_id=request.request_id
        )

    async def created_reply(self, created: Created, *, merchant_id: str, request_id: str) -> Reply:
        """The answer to a create that went the long way: a repeat is given time to settle."""
        if created.replayed:
            created = await self._pay.settled(created)
        return await self._created(created, merchant_id=merchant_id, request_id=request_id)

    async def _created(self, created: Created, *, merchant_id: str, request_id: str) -> Reply:
        payment = created.payment
        if created.replayed:
            return await self._said(200, payment, merchant_id, request_id, (REPLAYED,))
        headers = (("Location", f"{PATH}/{payment.id}"),)
        if created.data is not None:
            return json_reply(201, created.data, request_id=request_id, headers=headers)
        return await self._said(201, payment, merchant_id, request_id, headers)

    async def _reply(self, status: int, payment: Payment, request: Request) -> Reply:
        return await self._said(status, payment, request.caller.merchant.id, request.request_id)

    async def _said(
        self,
        status: int,
        payment: Payment,
        merchant_id: str,
        request_id: str,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Reply:
        if payment.customer is None:
            body = _encode(payments.view(payment))
        else:
            body = (await self._render(merchant_id, [payment]))[0]
        return json_reply(status, body, request_id=request_id, headers=headers)

    async def _render(self, merchant_id: str, found: Sequence[Payment]) -> list[bytes]:
        customers = await self._query.customers(merchant_id, found)
        rendered = []
        for payment in found:
            sealed = payment.customer
            customer = None if sealed is None else customers.get(sealed)
            rendered.append(_encode(payments.view(payment, customer=customer)))
        return rendered

    async def get(self, request: Request) -> Reply:
        """`GET /v1/payments/{payment_id}`."""
        payment_id = _id_of(request.params["payment_id"], request.caller.merchant.id)
        merchant_id = request.caller.merchant.id
        if request.query and read_query(request.query, PaymentQuery).refresh:
            payment = await self._query.refreshed(
                merchant_id,
                payment_id,
                actor=request.caller.key.id,
                request_id=request.request_id,
            )
        else:
            payment = await self._query.payment(merchant_id, payment_id)
        return await self._reply(200, payment, request)

    async def found_reply(self, text: str, *, merchant_id: str, request_id: str) -> Reply:
        """The answer to a get of an id that may be anybody's, read carefully."""
        payment_id = _id_of(text, merchant_id)
        payment = await self._query.payment(merchant_id, payment_id)
        return await self._said(200, payment, merchant_id, request_id)

    async def list(self, request: Request) -> Reply:
        """`GET /v1/payments`: a list, or the one payment of a business number."""
        asked = read_query(request.query, PaymentsQuery)
        if asked.merchant_order_no is not None or asked.channel_order_no is not None:
            return await self._find(request, asked)
        if asked.status is not None and asked.status not in PAYMENT:
            raise TillgateError("invalid_field", "There is no such status.", param="/status")
        merchant_id = request.caller.merchant.id
        return await self._pages.reply(request, partial(self._page, merchant_id, asked))

    async def _page(self, merchant_id: str, asked: PaymentsQuery) -> Loaded:
        filters = f"{asked.status}|{asked.created_from}|{asked.created_to}"
        limit = limit_of(asked.limit)
        before = None
        if asked.cursor is not None:
            before = cursor.read(
                self._cursor_key,
                asked.cursor,
                merchant_id=merchant_id,
                path=PATH,
                filters=filters,
            )
        found = await self._query.payments(
            merchant_id,
            before=before,
            created_from=moment(asked.created_from, param="/created_from"),
            created_to=moment(asked.created_to, param="/created_to"),
            status=asked.status,
            limit=limit + 1,
        )
        page, more = found[:limit], len(found) > limit
        following = None
        if more:
            following = cursor.make(
                self._cursor_key,
                merchant_id=merchant_id,
                path=PATH,
                filters=filters,
                last=page[-1].id,
            )
        rendered = await self._render(merchant_id, page)
        is_personal = any(payment.customer is not None for payment in page)
        return Loaded(list_body(rendered, more, following), is_personal)

    async def _find(self, request: Request, asked: PaymentsQuery) -> Reply:
        merchant_id = request.caller.merchant.id
        filters = (asked.status, asked.created_from, asked.created_to, asked.limit, asked.cursor)
        both = asked.merchant_order_no is not None and asked.channel_order_no is not None
        if both or any(each is not None for each in filters):
            raise TillgateError(
                "invalid_field", "A business number stands alone; it is no filter of a list."
            )
        if asked.merchant_order_no is not None:
            payment = await self._query.payment_by_number(merchant_id, asked.merchant_order_no)
        else:
            number = asked.channel_order_no or ""
            payment = await self._query.payment_by_channel_order_no(merchant_id, number)
        return await self._reply(200, payment, request)

    async def timeline(self, request: Request) -> Reply:
        """`GET /v1/payments/{payment_id}/timeline`."""
        read_query(request.query, NoParameters)
        merchant_id = request.caller.merchant.id
        payment_id = _id_of(request.params["payment_id"], merchant_id)
        steps = await self._query.timeline(merchant_id, payment_id)
        return json_reply(200, _encode({"data": steps}), request_id=request.request_id)

    async def confirm(self, request: Request) -> Reply:
        """`POST /v1/payments/{payment_id}/confirm`."""
        payment_id = _id_of(request.params["payment_id"], request.caller.merchant.id)
        body = convert(read_json(request.body), Confirm)
        body.check()
        caller = request.caller
        if is_answer(body.method_options):
            payment = await self._answer.sms_code(
                caller.merchant.id,
                payment_id,
                method=body.method,
                method_options=body.method_options,
                version=given(body.version),
                actor=caller.key.id,
                request_id=request.request_id,
            )
            return await self._reply(200, payment, request)

        async def end_living(payment: Payment) -> Payment:
            return await self._close.end_attempt(
                payment, actor=caller.key.id, request_id=request.request_id
            )

        payment = await self._pay.confirm(
            caller.merchant.id,
            payment_id,
            method=body.method,
            method_options=body.method_options,
            version=given(body.version),
            actor=caller.key.id,
            request_id=request.request_id,
            end_living=end_living,
        )
        return await self._reply(200, payment, request)

    async def cancel(self, request: Request) -> Reply:
        """`POST /v1/payments/{payment_id}/cancel`."""
        payment_id = _id_of(request.params["payment_id"], request.caller.merchant.id)
        body = convert(read_json(request.body), Cancel)
        reason = given(body.reason)
        if reason is not None:
            check_text(reason, param="/reason")
        caller = request.caller
        payment = await self._close.cancel(
            caller.merchant.id,
            payment_id,
            actor=caller.key.id,
            request_id=request.request_id,
        )
        return await self._reply(200, payment, request)


def _id_of(text: str, merchant_id: str) -> str:
    payment_id = ids.parse("pay", text)
    # An id of another bucket cannot be this merchant's; the rest the database decides.
    if payment_id is None or ids.bucket_of(payment_id) != ids.bucket_of(merchant_id):
        raise not_found()
    return payment_id


def list_body(rendered: Sequence[bytes], has_more: bool, next_cursor: str | None) -> bytes:
    """The body of a list, of objects that are encoded already."""
    return b'{"data":[%b],"has_more":%b,"next_cursor":%b}' % (
        b",".join(rendered),
        b"true" if has_more else b"false",
        b"null" if next_cursor is None else b'"' + next_cursor.encode() + b'"',
    )
