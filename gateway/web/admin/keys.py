"""The doors of keys.

Law: a secret that was made here is in the first answer and in no other.
"""

from gateway.center.onboard import KeyWanted, Onboard
from gateway.center.ports import Directory
from gateway.domain.registration import secret_text, view_key
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
from gateway.web.admin.schemas import CreateKey, Empty, Page
from gateway.web.body import convert, read_json
from gateway.web.parameters import moment, read_query
from gateway.web.reply import Reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = BASE + "/keys"
OF_MERCHANT = BASE + "/merchants/{merchant_id}/keys"


class Keys:
    """The handlers of merchants' keys."""

    def __init__(self, *, onboard: Onboard, directory: Directory, cursor_key: bytes) -> None:
        self._onboard = onboard
        self._directory = directory
        self._pages = Pages(cursor_key)

    def routes(self) -> list[Route]:
        """The routes of keys."""
        one = PATH + "/{key_id}"
        return [
            Route(
                "POST",
                OF_MERCHANT,
                self.create,
                "create_key",
                WRITE,
                status=201,
                summary="Make a key; a generated secret is shown in this answer only.",
                body=CreateKey,
                answer=objects.Key,
                refusals=("key_ref_conflict", "key_exists", "too_many_keys"),
            ),
            Route(
                "GET",
                OF_MERCHANT,
                self.list,
                "list_keys",
                READ,
                summary="List a merchant's keys, newest first, without secrets.",
                query=Page,
                answer=objects.KeyList,
            ),
            Route(
                "GET",
                one,
                self.get,
                "get_key",
                READ,
                summary="A key.",
                query=Empty,
                answer=objects.Key,
            ),
            Route(
                "POST",
                one + "/revoke",
                self.revoke,
                "revoke_key",
                WRITE,
                summary="Take a key's power, for good.",
                body=Empty,
                answer=objects.Key,
            ),
        ]

    async def create(self, request: Request) -> Reply:
        """`POST /admin/v1/merchants/{merchant_id}/keys`."""
        caller = caller_of(request)
        merchant_id = id_of(request, "mch", "merchant_id")
        value = read_json(request.body)
        body = convert(value, CreateKey)
        key, is_new = await self._onboard.create_key(
            merchant_id,
            KeyWanted(
                algorithm=body.algorithm,
                public_key=body.public_key,
                scopes=body.scopes,
                ip_allow=body.ip_allow,
                expires_at=moment(body.expires_at, param="/expires_at"),
            ),
            numbered(
                request,
                self._directory.fingerprints,
                "create_key",
                value,
                ref=body.key_ref,
                param="/key_ref",
            ),
            actor=caller.key.id,
            request_id=request.request_id,
        )
        shown = view_key(key)
        if is_new and key.algorithm == "hmac-sha256":
            shown["secret"] = secret_text(key)
        return created(request, shown, is_new=is_new, location=f"{PATH}/{key.id}")

    async def list(self, request: Request) -> Reply:
        """`GET /admin/v1/merchants/{merchant_id}/keys`."""
        caller_of(request)
        merchant_id = id_of(request, "mch", "merchant_id")
        asked = read_query(request.query, Page)
        limit, before = self._pages.begin(request, limit=asked.limit, after=asked.cursor)
        found = await self._onboard.keys_of(merchant_id, before=before, limit=limit + 1)
        return self._pages.end(request, found, limit, view_key)

    async def get(self, request: Request) -> Reply:
        """`GET /admin/v1/keys/{key_id}`."""
        caller_of(request)
        read_query(request.query, Empty)
        return answer(request, view_key(await self._onboard.key(id_of(request, "key", "key_id"))))

    async def revoke(self, request: Request) -> Reply:
        """`POST /admin/v1/keys/{key_id}/revoke`."""
        caller = caller_of(request)
        key_id = id_of(request, "key", "key_id")
        convert(read_json(request.body), Empty)
        key = await self._onboard.revoke_key(
            key_id, actor=caller.key.id, request_id=request.request_id
        )
        return answer(request, view_key(key))
