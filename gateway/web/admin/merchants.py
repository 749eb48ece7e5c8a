"""The doors of merchants.

Law: shape only; what a merchant may be is decided in `domain.registration`.
"""

from gateway.center.onboard import MerchantWanted, Onboard
from gateway.center.ports import Directory
from gateway.domain.errors import TillgateError
from gateway.domain.registration import view_merchant
from gateway.web.admin import objects
from gateway.web.admin.doors import (
    BASE,
    READ,
    WRITE,
    Pages,
    answer,
    caller_of,
    created,
    id_of,
    numbered,
)
from gateway.web.admin.schemas import (
    CreateMerchant,
    Empty,
    MerchantsQuery,
    SetMerchantStatus,
)
from gateway.web.body import convert, read_json
from gateway.web.parameters import read_query
from gateway.web.reply import Reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = BASE + "/merchants"


class Merchants:
    """The handlers of `/admin/v1/merchants`."""

    def __init__(self, *, onboard: Onboard, directory: Directory, cursor_key: bytes) -> None:
        self._onboard = onboard
        self._directory = directory
        self._pages = Pages(cursor_key)

    def routes(self) -> list[Route]:
        """The routes of merchants."""
        one = PATH + "/{merchant_id}"
        return [
            Route(
                "POST",
                PATH,
                self.create,
                "create_merchant",
                WRITE,
                status=201,
                summary="Make a merchant.",
                body=CreateMerchant,
                answer=objects.Merchant,
                refusals=("merchant_ref_conflict",),
            ),
            Route(
                "GET",
                PATH,
                self.list,
                "list_merchants",
                READ,
                summary="List merchants, newest first, or find one by its merchant_ref.",
                query=MerchantsQuery,
                answer=(objects.MerchantList, objects.Merchant),
                refusals=("not_found",),
            ),
            Route(
                "GET",
                one,
                self.get,
                "get_merchant",
                READ,
                summary="A merchant.",
                query=Empty,
                answer=objects.Merchant,
            ),
            Route(
                "POST",
                one + "/status",
                self.set_status,
                "set_merchant_status",
                WRITE,
                summary="Suspend a merchant, or make it active again.",
                body=SetMerchantStatus,
                answer=objects.Merchant,
                refusals=("stale_version", "invalid_state"),
            ),
        ]

    async def create(self, request: Request) -> Reply:
        """`POST /admin/v1/merchants`."""
        caller = caller_of(request)
        value = read_json(request.body)
        body = convert(value, CreateMerchant)
        merchant, is_new = await self._onboard.create_merchant(
            MerchantWanted(name=body.name, timezone=body.timezone),
            numbered(
                request,
                self._directory.fingerprints,
                "create_merchant",
                value,
                ref=body.merchant_ref,
                param="/merchant_ref",
            ),
            actor=caller.key.id,
            request_id=request.request_id,
        )
        location = f"{PATH}/{merchant.id}"
        return created(request, view_merchant(merchant), is_new=is_new, location=location)

    async def list(self, request: Request) -> Reply:
        """`GET /admin/v1/merchants`: a page, or the one merchant of a number."""
        caller_of(request)
        asked = read_query(request.query, MerchantsQuery)
        if asked.merchant_ref is not None:
            if asked.limit is not None or asked.cursor is not None:
                raise TillgateError(
                    "invalid_field", "A number stands alone; it is no filter of a list."
                )
            found = await self._onboard.merchant_of_ref(asked.merchant_ref)
            return answer(request, view_merchant(found))
        limit, before = self._pages.begin(request, limit=asked.limit, after=asked.cursor)
        page = await self._onboard.merchants(before=before, limit=limit + 1)
        return self._pages.end(request, page, limit, view_merchant)

    async def get(self, request: Request) -> Reply:
        """`GET /admin/v1/merchants/{merchant_id}`."""
        caller_of(request)
        read_query(request.query, Empty)
        merchant = await self._onboard.merchant(id_of(request, "mch", "merchant_id"))
        return answer(request, view_merchant(merchant))

    async def set_status(self, request: Request) -> Reply:
        """`POST /admin/v1/merchants/{merchant_id}/status`."""
        caller = caller_of(request)
        merchant_id = id_of(request, "mch", "merchant_id")
        body = convert(read_json(request.body), SetMerchantStatus)
        merchant = await self._onboard.set_merchant_status(
            merchant_id,
            body.status,
            version=body.version,
            actor=caller.key.id,
            request_id=request.request_id,
        )
        return answer(request, view_merchant(merchant))
